//! Negotiation of the protocol version, client id and last will. Each refusal of the broker changes
//! the next request; the result is kept for the life of the process. Pure.

use super::config::Protocol;
use super::failure::{ConnectionFailure, FailureKind};
use super::last_will::LastWill;
use super::protocol::{BrokerLimits, ConnectRequest, ProtocolVersion};

/// Longest client id that every broker must take (MQTT 3.1.1 §3.1.3.1), in bytes.
const MAX_CLIENT_ID: usize = 23;

/// Number of consecutive connections with a last will that are closed without a CONNACK before the
/// will is changed.
const CLOSED_WILLS: u32 = 3;

/// Number of consecutive connections that are closed without a CONNACK before the version is
/// negotiated again.
const CLOSED_CONNECTS: u32 = 5;

/// Last wills to try in MQTT 3.1.1, which has no code for "retained messages are not supported":
/// retain flag and quality of service.
const WILLS: [(bool, u8); 4] = [(true, 1), (false, 1), (true, 0), (false, 0)];

/// Length of the run id in a client id.
const RUN_LENGTH: usize = 8;

/// Client id of a run: `<node>-<run>`, both cut so that it has 23 bytes at most.
pub(crate) fn client_id(node: &str, run: &str) -> String {
    // Both are ASCII.
    let run = run.get(..RUN_LENGTH).unwrap_or(run);
    let room = MAX_CLIENT_ID.saturating_sub(run.len() + 1);
    format!("{}-{run}", node.get(..room).unwrap_or(node))
}

/// Knowledge of the broker.
#[derive(Debug, Clone)]
pub(crate) struct Negotiation {
    /// The configuration leaves the version open.
    version_is_open: bool,
    version: ProtocolVersion,
    /// The broker has answered in that version.
    settled: bool,
    own_id: bool,
    retain: bool,
    max_qos: u8,
    /// A connection without a last will was accepted.
    bare_accepted: bool,
    /// A connection with a last will was accepted.
    will_accepted: bool,
    closed_wills: u32,
    closed_connects: u32,
}

impl Negotiation {
    /// Starts without knowledge of the broker.
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            version_is_open: protocol == Protocol::Auto,
            version: if protocol == Protocol::V311 { ProtocolVersion::V311 } else { ProtocolVersion::V5 },
            settled: protocol != Protocol::Auto,
            own_id: true,
            retain: true,
            max_qos: 1,
            bare_accepted: false,
            will_accepted: false,
            closed_wills: 0,
            closed_connects: 0,
        }
    }

    /// Next CONNECT; `will` is the topic of its last will, if any.
    pub(crate) fn request(&self, id: &str, will: Option<String>) -> ConnectRequest {
        let last_will = will.map(|topic| LastWill { topic, qos: self.max_qos, retain: self.retain });
        let client_id = if self.own_id { id.to_owned() } else { String::new() };
        ConnectRequest { version: self.version, client_id, last_will }
    }

    /// Returns false if the broker is known to refuse retained messages.
    pub(crate) fn retain(&self) -> bool {
        self.retain
    }

    /// Highest known quality of service.
    pub(crate) fn max_qos(&self) -> u8 {
        self.max_qos
    }

    /// Records a failed connection. Returns true if another request should be tried at once, which
    /// ends after a few attempts.
    pub(crate) fn failed(&mut self, request: &ConnectRequest, failure: &ConnectionFailure) -> bool {
        if !failure.early {
            return false;
        }
        match failure.kind {
            FailureKind::Refused => {
                self.settled = true;
                false
            }
            FailureKind::ClientId => {
                self.settled = true;
                std::mem::replace(&mut self.own_id, false)
            }
            FailureKind::WillRetain => std::mem::replace(&mut self.retain, false),
            FailureKind::WillQos => std::mem::replace(&mut self.max_qos, 0) > 0,
            FailureKind::Version => self.other_version(request.version),
            FailureKind::Closed | FailureKind::Silent | FailureKind::Garbled if !self.settled => {
                self.other_version(request.version)
            }
            FailureKind::Closed if self.suspects_will(request) => {
                self.closed_wills += 1;
                self.closed_wills >= CLOSED_WILLS && self.next_will()
            }
            FailureKind::Closed | FailureKind::Garbled => {
                self.closed_connects += 1;
                // Another broker may have replaced the known one.
                if self.version_is_open && self.closed_connects >= CLOSED_CONNECTS {
                    (self.settled, self.version, self.closed_connects) = (false, ProtocolVersion::V5, 0);
                }
                false
            }
            FailureKind::Silent | FailureKind::Message(_) | FailureKind::Other => false,
        }
    }

    /// Falls back from MQTT 5 to 3.1.1 within one attempt; the next attempt begins with MQTT 5
    /// again.
    fn other_version(&mut self, tried: ProtocolVersion) -> bool {
        if !self.version_is_open {
            return false;
        }
        self.settled = false;
        self.version = if tried == ProtocolVersion::V5 { ProtocolVersion::V311 } else { ProtocolVersion::V5 };
        tried == ProtocolVersion::V5
    }

    /// Returns true if the last will may be the reason for a closed connection.
    fn suspects_will(&self, request: &ConnectRequest) -> bool {
        request.version == ProtocolVersion::V311
            && request.last_will.is_some()
            && self.bare_accepted
            && !self.will_accepted
    }

    fn next_will(&mut self) -> bool {
        let at = WILLS.iter().position(|will| *will == (self.retain, self.max_qos)).unwrap_or(0);
        let next = WILLS.get(at + 1);
        (self.retain, self.max_qos) = *next.unwrap_or(&WILLS[0]);
        if next.is_none() {
            self.closed_wills = 0;
        }
        next.is_some()
    }

    /// Records an accepted connection.
    pub(crate) fn accepted(&mut self, request: &ConnectRequest, limits: &BrokerLimits) {
        (self.settled, self.closed_connects) = (true, 0);
        if request.last_will.is_some() {
            self.will_accepted = true;
        } else {
            self.bare_accepted = true;
        }
        self.retain &= limits.retain;
        self.max_qos = self.max_qos.min(limits.max_qos);
    }

    /// Records limits that were found by trial.
    pub(crate) fn restrict(&mut self, retain: bool, max_qos: u8) {
        self.retain &= retain;
        self.max_qos = self.max_qos.min(max_qos);
    }

    /// Limits of a connection with the broker's `limits`.
    pub(crate) fn restricted(&self, limits: BrokerLimits) -> BrokerLimits {
        BrokerLimits {
            retain: limits.retain && self.retain,
            max_qos: limits.max_qos.min(self.max_qos),
            ..limits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early(kind: FailureKind) -> ConnectionFailure {
        ConnectionFailure { early: true, ..ConnectionFailure::new(kind, "", "") }
    }

    fn will() -> Option<String> {
        Some("genred/den/status".to_owned())
    }

    #[test]
    fn client_ids_have_23_bytes_at_most() {
        assert_eq!(client_id("studio1", "0f1e2d3c"), "studio1-0f1e2d3c");
        assert_eq!(client_id("a-very-long-host-name-of-a-cloud", "0f1e2d3c"), "a-very-long-ho-0f1e2d3c");
        let longest = client_id("a-very-long-host-name-of-a-cloud", "0f1e2d3c4b5a6978");
        assert_eq!((longest.as_str(), longest.len()), ("a-very-long-ho-0f1e2d3c", MAX_CLIENT_ID));
    }

    #[test]
    fn mqtt_5_is_tried_once_with_a_broker_of_3_1_1() {
        for kind in [FailureKind::Version, FailureKind::Closed, FailureKind::Silent, FailureKind::Garbled] {
            let mut negotiation = Negotiation::new(Protocol::Auto);
            let request = negotiation.request("id", None);
            assert_eq!(request.version, ProtocolVersion::V5);
            assert!(negotiation.failed(&request, &early(kind)), "{kind:?}");
            let request = negotiation.request("id", None);
            assert_eq!(request.version, ProtocolVersion::V311);
            negotiation.accepted(&request, &BrokerLimits::none(ProtocolVersion::V311));
            // Later failures change nothing.
            let lost = ConnectionFailure::new(FailureKind::Closed, "", "");
            assert!(!negotiation.failed(&request, &lost));
            for _ in 0..3 {
                assert!(!negotiation.failed(&request, &early(FailureKind::Closed)));
            }
            assert_eq!(negotiation.request("id", None).version, ProtocolVersion::V311);
        }
    }

    #[test]
    fn mqtt_5_is_tried_again_with_an_absent_broker() {
        let mut negotiation = Negotiation::new(Protocol::Auto);
        for _ in 0..3 {
            let request = negotiation.request("id", None);
            assert_eq!(request.version, ProtocolVersion::V5);
            assert!(negotiation.failed(&request, &early(FailureKind::Closed)));
            let request = negotiation.request("id", None);
            assert_eq!(request.version, ProtocolVersion::V311);
            assert!(!negotiation.failed(&request, &early(FailureKind::Closed)));
        }
        // A refused login is an answer in that version.
        negotiation.failed(&negotiation.request("id", None), &early(FailureKind::Closed));
        negotiation.failed(&negotiation.request("id", None), &early(FailureKind::Refused));
        assert_eq!(negotiation.request("id", None).version, ProtocolVersion::V311);
    }

    #[test]
    fn a_configured_version_is_kept() {
        for (protocol, version) in
            [(Protocol::V5, ProtocolVersion::V5), (Protocol::V311, ProtocolVersion::V311)]
        {
            let mut negotiation = Negotiation::new(protocol);
            for kind in [FailureKind::Version, FailureKind::Closed, FailureKind::Silent] {
                let request = negotiation.request("id", None);
                assert_eq!(request.version, version);
                assert!(!negotiation.failed(&request, &early(kind)));
            }
        }
    }

    #[test]
    fn a_replaced_broker_is_detected() {
        let mut negotiation = Negotiation::new(Protocol::Auto);
        negotiation.accepted(&negotiation.request("id", None), &BrokerLimits::none(ProtocolVersion::V5));
        for _ in 0..CLOSED_CONNECTS {
            assert!(!negotiation.failed(&negotiation.request("id", None), &early(FailureKind::Closed)));
        }
        assert!(negotiation.failed(&negotiation.request("id", None), &early(FailureKind::Closed)));
        assert_eq!(negotiation.request("id", None).version, ProtocolVersion::V311);
    }

    #[test]
    fn client_id_and_will_follow_the_codes_of_mqtt_5() {
        let mut negotiation = Negotiation::new(Protocol::Auto);
        let request = negotiation.request("id", will());
        assert_eq!(
            request.last_will,
            Some(LastWill { topic: "genred/den/status".to_owned(), qos: 1, retain: true })
        );
        assert!(negotiation.failed(&request, &early(FailureKind::ClientId)));
        assert_eq!(negotiation.request("id", will()).client_id, "");
        assert!(negotiation.failed(&negotiation.request("id", will()), &early(FailureKind::WillRetain)));
        assert!(negotiation.failed(&negotiation.request("id", will()), &early(FailureKind::WillQos)));
        let Some(last) = negotiation.request("id", will()).last_will else { panic!() };
        assert_eq!((last.qos, last.retain), (0, false));
        for kind in [FailureKind::ClientId, FailureKind::WillRetain, FailureKind::WillQos] {
            assert!(!negotiation.failed(&negotiation.request("id", will()), &early(kind)), "no second time");
        }
        let limits = negotiation.restricted(BrokerLimits::none(ProtocolVersion::V5));
        assert_eq!((limits.retain, limits.max_qos), (false, 0));
    }

    /// Mosquitto in MQTT 3.1.1 with `retain_available false` closes the connection.
    #[test]
    fn a_will_that_closes_connections_is_changed() {
        let mut negotiation = Negotiation::new(Protocol::V311);
        negotiation.accepted(&negotiation.request("id", None), &BrokerLimits::none(ProtocolVersion::V311));
        for _ in 1..CLOSED_WILLS {
            assert!(!negotiation.failed(&negotiation.request("id", will()), &early(FailureKind::Closed)));
        }
        let mut tried = Vec::new();
        while negotiation.failed(&negotiation.request("id", will()), &early(FailureKind::Closed)) {
            tried.push((negotiation.retain(), negotiation.max_qos()));
        }
        assert_eq!(tried, WILLS[1..]);
        assert_eq!((negotiation.retain(), negotiation.max_qos()), WILLS[0], "from the beginning");
    }

    #[test]
    fn an_accepted_will_is_kept() {
        let mut negotiation = Negotiation::new(Protocol::V311);
        negotiation.accepted(&negotiation.request("id", None), &BrokerLimits::none(ProtocolVersion::V311));
        negotiation.accepted(&negotiation.request("id", will()), &BrokerLimits::none(ProtocolVersion::V311));
        for _ in 0..10 {
            assert!(!negotiation.failed(&negotiation.request("id", will()), &early(FailureKind::Closed)));
        }
        assert!(negotiation.retain());
    }
}
