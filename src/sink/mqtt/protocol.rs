//! Vocabulary of a connection, the same for MQTT 3.1.1 and MQTT 5.

use std::fmt;
use std::time::Duration;

use super::last_will::LastWill;
use super::publication::{MAX_PAYLOAD, Publication};
use super::reason_code::ReasonCode;

/// Keep-alive interval. A broker that is silent for twice as long counts as lost.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Largest packet in either direction, in bytes.
pub(crate) const MAX_PACKET: usize = MAX_PAYLOAD + 4096;

/// Maximum number of publications that the client holds. The library stops taking requests at 100.
pub(crate) const MAX_IN_FLIGHT: usize = 96;

/// Version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtocolVersion {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

/// Content of a CONNECT packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectRequest {
    pub(crate) version: ProtocolVersion,
    /// Client id; empty lets the broker assign one.
    pub(crate) client_id: String,
    pub(crate) last_will: Option<LastWill>,
}

/// Limits of the broker, from its CONNACK in MQTT 5. In MQTT 3.1.1 a broker states no limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokerLimits {
    pub(crate) version: ProtocolVersion,
    /// Largest packet, in bytes.
    pub(crate) max_packet: usize,
    /// Retained messages are available.
    pub(crate) retain: bool,
    /// Highest quality of service, 0 or 1.
    pub(crate) max_qos: u8,
    /// Maximum number of unacknowledged publications.
    pub(crate) max_in_flight: usize,
    pub(crate) keep_alive: Duration,
    /// Client id that the broker chose.
    pub(crate) assigned_id: Option<String>,
}

impl BrokerLimits {
    /// The client's own limits.
    pub(crate) fn none(version: ProtocolVersion) -> Self {
        Self {
            version,
            max_packet: MAX_PACKET,
            retain: true,
            max_qos: 1,
            max_in_flight: MAX_IN_FLIGHT,
            keep_alive: KEEP_ALIVE,
            assigned_id: None,
        }
    }

    /// Returns true if the packet of `publication` is within the size limit.
    pub(crate) fn allows(&self, publication: &Publication) -> bool {
        let Publication { topic, qos, payload, .. } = publication;
        let packet_id = if (*qos).min(self.max_qos) > 0 { 2 } else { 0 };
        let properties = usize::from(self.version == ProtocolVersion::V5);
        let remaining = 2 + topic.len() + packet_id + properties + payload.len();
        let length_bytes = match remaining {
            0..128 => 1,
            128..16_384 => 2,
            16_384..2_097_152 => 3,
            _ => 4,
        };
        1 + length_bytes + remaining <= self.max_packet && payload.len() <= MAX_PAYLOAD
    }
}

/// Message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InboundMessage {
    pub(crate) topic: String,
    /// The broker had stored the message.
    pub(crate) retain: bool,
    pub(crate) payload: Vec<u8>,
}

/// Event of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BrokerSignal {
    /// CONNACK: the broker accepted the connection.
    Connected(BrokerLimits),
    /// SUBACK, with the refusal of each filter, if any.
    Subscribed(Vec<Option<ReasonCode>>),
    /// PUBLISH.
    Message(InboundMessage),
    /// PUBACK, with the packet id and the refusal, if any.
    Acknowledged(u16, Option<ReasonCode>),
    /// A publication was written. Its packet id is 0 at quality of service 0.
    Sent(u16),
    /// DISCONNECT was written.
    Disconnected,
    /// Any other packet.
    Other,
}
