//! Last will of the daemon, and the payloads of the topics that say who is online.
//!
//! The broker publishes the last will when a connection ends without a DISCONNECT. An orderly end
//! publishes the same payload itself (`RetainedTopic::Status` in `retained_topic.rs`).
//! `negotiation.rs` selects quality of service and retain flag by what the broker accepts.

use crate::sink::topics::Topics;

/// Payload of `status` and `availability` while the daemon or the source is online.
pub(crate) const ONLINE: &str = "online";

/// Payload of `status` and `availability` after that, and of the last will.
pub(crate) const OFFLINE: &str = "offline";

/// Last will, with the payload [`OFFLINE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastWill {
    pub(crate) topic: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

impl LastWill {
    /// Topic of the last will: `status` of the node.
    pub(crate) fn topic(topics: &Topics) -> String {
        topics.status()
    }
}
