//! Messages to the broker.

use serde::Serialize;

/// Largest payload, in bytes. Larger messages are not sent, with a warning in the log.
pub(crate) const MAX_PAYLOAD: usize = 1024 * 1024;

/// A message to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) topic: String,
    /// Quality of service, 0 or 1.
    pub(crate) qos: u8,
    /// The broker stores it for later subscribers.
    pub(crate) retain: bool,
    /// UTF-8 text.
    pub(crate) payload: Vec<u8>,
}

impl Publication {
    /// A retained message of quality of service 1.
    pub(crate) fn retained(topic: String, payload: Vec<u8>) -> Self {
        Self { topic, qos: 1, retain: true, payload }
    }

    /// An empty retained message, which removes the stored message of `topic`.
    pub(crate) fn erasing(topic: String) -> Self {
        Self::retained(topic, Vec::new())
    }
}

/// Encodes a payload as JSON. Cannot fail for the payloads of this crate, whose maps have text
/// keys.
pub(crate) fn encode(payload: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(payload).unwrap_or_else(|error| {
        tracing::error!(%error, "a payload cannot be written as JSON; please report this");
        b"{}".to_vec()
    })
}
