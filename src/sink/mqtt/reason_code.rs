//! Reason codes of MQTT 5 (§2.4).

use std::fmt;

/// A reason code of at least 0x80, which means a refusal. MQTT 3.1.1 has only 0x80, for
/// subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ReasonCode(pub(crate) u8);

impl ReasonCode {
    pub(crate) const UNSPECIFIED: Self = Self(0x80);
    #[cfg(test)]
    pub(crate) const NOT_AUTHORIZED: Self = Self(0x87);
    pub(crate) const PACKET_TOO_LARGE: Self = Self(0x95);

    /// Returns true if the same message would be refused at any time.
    pub(crate) fn is_lasting(self) -> bool {
        // Topic name, packet size, payload format.
        matches!(self.0, 0x90 | 0x95 | 0x99)
    }

    fn description(self) -> &'static str {
        match self.0 {
            0x80 => "no reason given",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation limit",
            0x84 => "unsupported protocol version",
            0x85 => "client id not valid",
            0x86 => "wrong user name or password",
            0x87 => "not authorised",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8a => "banned",
            0x8b => "server shutting down",
            0x8c => "bad authentication method",
            0x8d => "keep-alive timeout",
            0x8e => "session taken over by another client with the same id",
            0x8f => "topic filter not valid",
            0x90 => "topic name not valid",
            0x91 => "packet id in use",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias not valid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format not valid",
            0x9a => "retained messages not supported",
            0x9b => "quality of service not supported",
            0x9c => "use another server",
            0x9d => "server moved",
            0x9e => "shared subscriptions not supported",
            0x9f => "connection rate exceeded",
            0xa0 => "maximum connect time exceeded",
            0xa1 => "subscription ids not supported",
            0xa2 => "wildcard subscriptions not supported",
            _ => "unknown reason",
        }
    }

    /// Remedy for a message that was refused with this code.
    pub(crate) fn cure(self) -> &'static str {
        match self.0 {
            0x80 | 0x87 => "allow this user to publish on the topic, in the broker's access list",
            0x95 => "raise the broker's limit (mosquitto: `message_size_limit`, `max_packet_size`)",
            0x96 | 0x97 => "raise the broker's quota for this client",
            _ => "see the broker's log",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02x})", self.description(), self.0)
    }
}
