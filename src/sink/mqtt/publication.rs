//! What a client is handed.

use serde::Serialize;

/// The largest payload, in bytes; what is larger is left out, with an error in the log.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

/// One message for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Topic.
    pub topic: String,
    /// Quality of service, 0 or 1.
    pub qos: u8,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// UTF-8 text.
    pub payload: Vec<u8>,
}

impl Publication {
    /// A message that the broker keeps, of quality of service 1.
    pub fn retained(topic: String, payload: Vec<u8>) -> Self {
        Self { topic, qos: 1, retain: true, payload }
    }

    /// What makes the broker forget what it keeps for `topic`.
    pub fn erasing(topic: String) -> Self {
        Self::retained(topic, Vec::new())
    }
}

/// No payload has a map with keys other than text, which is all that could fail.
pub fn encode(payload: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(payload).unwrap_or_else(|error| {
        tracing::error!(%error, "a payload cannot be written as JSON; please report this");
        b"{}".to_vec()
    })
}
