//! Negotiation of the connection: version of the protocol, client id, last will. It is learnt
//! from its refusals, and kept for the life of the process. Pure.

use super::config::Protocol;
use super::failure::{Failure, Kind};
use super::wire::{Hello, Limits, Version, Will};

/// Longest client id that every broker must take (MQTT 3.1.1 §3.1.3.1), in bytes.
const MAX_CLIENT_ID: usize = 23;

/// Connections with a last will that are closed without a CONNACK, one after the other, before it is changed.
const CLOSED_WILLS: u32 = 3;

/// Connections that are closed without a CONNACK, one after the other, before the version is doubted.
const CLOSED_CONNECTS: u32 = 5;

/// The last wills that are tried in MQTT 3.1.1, which has no code for "retained messages are not
/// supported": retained or not, and quality of service.
const WILLS: [(bool, u8); 4] = [(true, 1), (false, 1), (true, 0), (false, 0)];

/// Characters of a run's id in a client id.
const RUN: usize = 8;

/// Client id of a run: `<node>-<run>`, both cut so that it has 23 bytes at most.
pub fn client_id(node: &str, run: &str) -> String {
    // Both are ASCII.
    let run = run.get(..RUN).unwrap_or(run);
    let room = MAX_CLIENT_ID.saturating_sub(run.len() + 1);
    format!("{}-{run}", node.get(..room).unwrap_or(node))
}

/// Knowledge of the broker so far.
#[derive(Debug, Clone)]
pub struct Negotiation {
    /// The version may be chosen here.
    free: bool,
    version: Version,
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
    /// At the start.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            free: protocol == Protocol::Auto,
            version: if protocol == Protocol::V311 { Version::V311 } else { Version::V5 },
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

    /// The next CONNECT; `will` is the topic of its last will, if it is to have one.
    pub fn hello(&self, id: &str, will: Option<String>) -> Hello {
        let will = will.map(|topic| Will { topic, qos: self.max_qos, retain: self.retain });
        Hello { version: self.version, id: if self.own_id { id.to_owned() } else { String::new() }, will }
    }

    /// Returns false if the broker is known to refuse retained messages.
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// Highest quality of service that is taken, as far as is known.
    pub fn max_qos(&self) -> u8 {
        self.max_qos
    }

    /// A connection failed. True where another way is to be tried at once; never without an end.
    pub fn failed(&mut self, hello: &Hello, failure: &Failure) -> bool {
        if !failure.early {
            return false;
        }
        match failure.kind {
            Kind::Refused => {
                self.settled = true;
                false
            }
            Kind::ClientId => {
                self.settled = true;
                std::mem::replace(&mut self.own_id, false)
            }
            Kind::WillRetain => std::mem::replace(&mut self.retain, false),
            Kind::WillQos => std::mem::replace(&mut self.max_qos, 0) > 0,
            Kind::Version => self.other_version(hello.version),
            Kind::Closed | Kind::Silent | Kind::Garbled if !self.settled => self.other_version(hello.version),
            Kind::Closed if self.suspects_will(hello) => {
                self.closed_wills += 1;
                self.closed_wills >= CLOSED_WILLS && self.next_will()
            }
            Kind::Closed | Kind::Garbled => {
                self.closed_connects += 1;
                // Another broker may have taken the place of the one that was known.
                if self.free && self.closed_connects >= CLOSED_CONNECTS {
                    (self.settled, self.version, self.closed_connects) = (false, Version::V5, 0);
                }
                false
            }
            Kind::Silent | Kind::Message(_) | Kind::Other => false,
        }
    }

    /// Falls back from MQTT 5 to 3.1.1 within one attempt; the next attempt begins with MQTT 5 again.
    fn other_version(&mut self, tried: Version) -> bool {
        if !self.free {
            return false;
        }
        self.settled = false;
        self.version = if tried == Version::V5 { Version::V311 } else { Version::V5 };
        tried == Version::V5
    }

    /// Returns true if the last will may be the reason for a closed connection.
    fn suspects_will(&self, hello: &Hello) -> bool {
        hello.version == Version::V311 && hello.will.is_some() && self.bare_accepted && !self.will_accepted
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

    /// The broker took a connection.
    pub fn accepted(&mut self, hello: &Hello, limits: &Limits) {
        (self.settled, self.closed_connects) = (true, 0);
        if hello.will.is_some() {
            self.will_accepted = true;
        } else {
            self.bare_accepted = true;
        }
        self.retain &= limits.retain;
        self.max_qos = self.max_qos.min(limits.max_qos);
    }

    /// The broker was found to take nothing beyond this.
    pub fn restrict(&mut self, retain: bool, max_qos: u8) {
        self.retain &= retain;
        self.max_qos = self.max_qos.min(max_qos);
    }

    /// Limits of the session on a connection that was granted `limits`.
    pub fn restricted(&self, limits: Limits) -> Limits {
        Limits { retain: limits.retain && self.retain, max_qos: limits.max_qos.min(self.max_qos), ..limits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early(kind: Kind) -> Failure {
        Failure { early: true, ..Failure::new(kind, "", "") }
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
    fn a_broker_of_3_1_1_is_asked_for_5_once() {
        for kind in [Kind::Version, Kind::Closed, Kind::Silent, Kind::Garbled] {
            let mut negotiation = Negotiation::new(Protocol::Auto);
            let hello = negotiation.hello("id", None);
            assert_eq!(hello.version, Version::V5);
            assert!(negotiation.failed(&hello, &early(kind)), "{kind:?}");
            let hello = negotiation.hello("id", None);
            assert_eq!(hello.version, Version::V311);
            negotiation.accepted(&hello, &Limits::none(Version::V311));
            // Whatever happens later.
            let lost = Failure::new(Kind::Closed, "", "");
            assert!(!negotiation.failed(&hello, &lost));
            for _ in 0..3 {
                assert!(!negotiation.failed(&hello, &early(Kind::Closed)));
            }
            assert_eq!(negotiation.hello("id", None).version, Version::V311);
        }
    }

    #[test]
    fn a_broker_that_is_away_is_asked_for_5_again() {
        let mut negotiation = Negotiation::new(Protocol::Auto);
        for _ in 0..3 {
            let hello = negotiation.hello("id", None);
            assert_eq!(hello.version, Version::V5);
            assert!(negotiation.failed(&hello, &early(Kind::Closed)));
            let hello = negotiation.hello("id", None);
            assert_eq!(hello.version, Version::V311);
            assert!(!negotiation.failed(&hello, &early(Kind::Closed)));
        }
        // A wrong password is an answer.
        negotiation.failed(&negotiation.hello("id", None), &early(Kind::Closed));
        negotiation.failed(&negotiation.hello("id", None), &early(Kind::Refused));
        assert_eq!(negotiation.hello("id", None).version, Version::V311);
    }

    #[test]
    fn a_version_that_was_chosen_stays() {
        for (protocol, version) in [(Protocol::V5, Version::V5), (Protocol::V311, Version::V311)] {
            let mut negotiation = Negotiation::new(protocol);
            for kind in [Kind::Version, Kind::Closed, Kind::Silent] {
                let hello = negotiation.hello("id", None);
                assert_eq!(hello.version, version);
                assert!(!negotiation.failed(&hello, &early(kind)));
            }
        }
    }

    #[test]
    fn another_broker_in_the_same_place_is_noticed() {
        let mut negotiation = Negotiation::new(Protocol::Auto);
        negotiation.accepted(&negotiation.hello("id", None), &Limits::none(Version::V5));
        for _ in 0..CLOSED_CONNECTS {
            assert!(!negotiation.failed(&negotiation.hello("id", None), &early(Kind::Closed)));
        }
        assert!(negotiation.failed(&negotiation.hello("id", None), &early(Kind::Closed)));
        assert_eq!(negotiation.hello("id", None).version, Version::V311);
    }

    #[test]
    fn ids_and_wills_follow_the_codes_of_version_5() {
        let mut negotiation = Negotiation::new(Protocol::Auto);
        let hello = negotiation.hello("id", will());
        assert_eq!(hello.will, Some(Will { topic: "genred/den/status".to_owned(), qos: 1, retain: true }));
        assert!(negotiation.failed(&hello, &early(Kind::ClientId)));
        assert_eq!(negotiation.hello("id", will()).id, "");
        assert!(negotiation.failed(&negotiation.hello("id", will()), &early(Kind::WillRetain)));
        assert!(negotiation.failed(&negotiation.hello("id", will()), &early(Kind::WillQos)));
        let Some(last) = negotiation.hello("id", will()).will else { panic!() };
        assert_eq!((last.qos, last.retain), (0, false));
        for kind in [Kind::ClientId, Kind::WillRetain, Kind::WillQos] {
            assert!(!negotiation.failed(&negotiation.hello("id", will()), &early(kind)), "no second time");
        }
        let limits = negotiation.restricted(Limits::none(Version::V5));
        assert_eq!((limits.retain, limits.max_qos), (false, 0));
    }

    /// Mosquitto in MQTT 3.1.1 with `retain_available false` closes the connection.
    #[test]
    fn a_will_that_closes_connections_of_3_1_1_is_changed() {
        let mut negotiation = Negotiation::new(Protocol::V311);
        negotiation.accepted(&negotiation.hello("id", None), &Limits::none(Version::V311));
        for _ in 1..CLOSED_WILLS {
            assert!(!negotiation.failed(&negotiation.hello("id", will()), &early(Kind::Closed)));
        }
        let mut tried = Vec::new();
        while negotiation.failed(&negotiation.hello("id", will()), &early(Kind::Closed)) {
            tried.push((negotiation.retain(), negotiation.max_qos()));
        }
        assert_eq!(tried, WILLS[1..]);
        assert_eq!((negotiation.retain(), negotiation.max_qos()), WILLS[0], "from the beginning");
    }

    #[test]
    fn a_will_that_was_taken_once_is_kept() {
        let mut negotiation = Negotiation::new(Protocol::V311);
        negotiation.accepted(&negotiation.hello("id", None), &Limits::none(Version::V311));
        negotiation.accepted(&negotiation.hello("id", will()), &Limits::none(Version::V311));
        for _ in 0..10 {
            assert!(!negotiation.failed(&negotiation.hello("id", will()), &early(Kind::Closed)));
        }
        assert!(negotiation.retain());
    }
}
