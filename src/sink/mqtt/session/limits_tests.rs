//! Limits and refusals of brokers.

use super::tests::{availability, event, session, state, take};
use super::*;
use crate::sink::mqtt::reason_code::ReasonCode;
use crate::sink::mqtt::suppression::ConnectionEnd;
use crate::sink::{Message, samples};

/// A session with `status`, announcements of the node and of a source, and `info`.
fn announcing() -> Session {
    let mut session = session(None);
    let topics = Topics::new("genred".into(), "n".into());
    session.claimed(topics, PreviousRun::default());
    session.accept(Message::Info(Arc::new(samples::info(2))));
    session
}

fn limits() -> BrokerLimits {
    BrokerLimits::none(ProtocolVersion::V5)
}

/// Topics that are published one at a time, each acknowledged, up to the first that contains
/// `last`, which is not.
fn one_by_one(session: &mut Session, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut id = 0;
    while let Some(publication) = session.take() {
        assert_eq!(publication.qos, 1, "each is answered");
        assert_eq!(session.take(), None, "one at a time");
        id += 1;
        session.sent(id);
        let is_last = publication.topic.contains(last);
        all.push(publication.topic);
        if is_last {
            break;
        }
        session.acknowledged(id, None);
    }
    all
}

#[test]
fn a_message_that_closes_the_connection_is_found_and_suppressed() {
    let mut session = announcing();
    session.accept(Message::Attributes { source: "a".into(), attributes: Arc::new(samples::attributes()) });
    session.accept(state("a", 1));
    session.connected(limits());
    let all = take(&mut session).len();
    for id in 1..=all {
        session.sent(id as u16);
    }
    // The message is not known yet.
    assert_eq!(session.interrupted(ConnectionEnd::Closed), None);
    for round in 1..=2 {
        session.disconnected();
        session.connected(limits());
        let sent = one_by_one(&mut session, "/config");
        assert_eq!(sent[0], "genred/n/status");
        let refused = session.interrupted(ConnectionEnd::Closed);
        assert_eq!(refused.is_some(), round == 2);
        if let Some(refused) = refused {
            assert_eq!(refused.message.topic, sent[sent.len() - 1]);
            assert!(refused.suppressed && refused.reason.is_none());
        }
    }
    session.disconnected();
    session.connected(limits());
    let sent = one_by_one(&mut session, "nothing");
    assert!(sent.iter().all(|topic| !topic.contains("/config")), "larger ones are suppressed: {sent:?}");
    assert!(sent.iter().any(|topic| topic == "genred/n/a/attributes"), "{sent:?}");
    // Later messages are published as usual.
    session.accept(state("a", 2));
    session.accept(state("b", 2));
    assert_eq!(take(&mut session), ["a/state", "b/state"]);
}

#[test]
fn states_and_events_are_never_suppressed_for_a_closed_connection() {
    let mut session = session(None);
    session.accept(state("a", 1));
    session.connected(limits());
    take(&mut session);
    session.sent(1);
    session.sent(2);
    session.interrupted(ConnectionEnd::Closed);
    for round in 0..4 {
        session.disconnected();
        session.connected(limits());
        assert_eq!(one_by_one(&mut session, "state"), ["genred/n/status", "genred/n/a/state"]);
        let refused = session.interrupted(ConnectionEnd::Closed);
        assert!(refused.is_none_or(|refused| round > 0 && !refused.suppressed));
    }
}

#[test]
fn a_message_that_a_reason_code_refuses_is_suppressed() {
    let mut session = announcing();
    session.connected(limits());
    let sent = take(&mut session);
    let at = sent.iter().position(|topic| topic.contains("/config")).unwrap();
    for id in 1..=sent.len() {
        session.sent(id as u16);
    }
    for id in 1..=at {
        assert_eq!(session.acknowledged(id as u16, None), None);
    }
    // A mosquitto 2.0 does so with a code that the client library does not know.
    let refused = session.interrupted(ConnectionEnd::Refused(ReasonCode::PACKET_TOO_LARGE)).unwrap();
    assert_eq!(refused.message.topic, sent[at]);
    session.disconnected();
    session.connected(limits());
    assert!(!take(&mut session).contains(&sent[at]));
}

#[test]
fn a_missing_right_is_reported_and_the_event_is_tried_again() {
    let mut session = announcing();
    session.accept(event("a", 1));
    session.accept(event("a", 2));
    session.connected(limits());
    let sent = take(&mut session);
    let at = sent.iter().position(|topic| topic == "a/event").unwrap();
    for id in 1..=sent.len() {
        session.sent(id as u16);
    }
    for id in 1..=sent.len() {
        let refused = session.acknowledged(id as u16, (id == at + 1).then_some(ReasonCode::NOT_AUTHORIZED));
        assert_eq!(refused.is_some_and(|refused| !refused.suppressed), id == at + 1);
    }
    assert!(session.has_refused_events());
    assert_eq!(take(&mut session), [""; 0]);
    // Later messages do not wait for the event.
    session.accept(availability("a", false));
    assert_eq!(take(&mut session), ["a/availability"]);
    session.retry_refused();
    assert_eq!(take(&mut session), ["a/event"]);
    assert_eq!(session.waiting_events(), 2);
}

#[test]
fn messages_beyond_the_size_limit_are_not_sent() {
    let mut session = announcing();
    session.accept(event("a", 1));
    session.connected(BrokerLimits { max_packet: 300, ..limits() });
    let sent = take(&mut session);
    assert!(sent.contains(&"status".to_owned()) && sent.contains(&"a/event".to_owned()), "{sent:?}");
    assert!(sent.iter().all(|topic| !topic.contains("/config")), "{sent:?}");
    assert!(session.take_oversized().iter().any(|message| message.topic.contains("/config")));
    assert_eq!(session.take_oversized(), []);
}

/// Sizes of PUBLISH packets: fixed header, topic with its length, packet id, properties, payload
/// (MQTT 5 §3.3).
#[test]
fn the_size_of_a_packet_is_counted_as_it_is_sent() {
    let publication =
        |bytes| Publication { topic: "abc".to_owned(), qos: 1, retain: false, payload: vec![0; bytes] };
    let fits = |version, max_packet, bytes| {
        BrokerLimits { max_packet, ..BrokerLimits::none(version) }.allows(&publication(bytes))
    };
    // 1 + 1 + 2 + 3 + 2 + 1 + 10
    assert!(fits(ProtocolVersion::V5, 20, 10) && !fits(ProtocolVersion::V5, 19, 10));
    assert!(fits(ProtocolVersion::V311, 19, 10) && !fits(ProtocolVersion::V311, 18, 10));
    // A remaining length of 128 takes two bytes.
    assert!(fits(ProtocolVersion::V5, 131, 120) && !fits(ProtocolVersion::V5, 130, 120));
    assert!(fits(ProtocolVersion::V5, 129, 119) && !fits(ProtocolVersion::V5, 128, 119));
}

#[test]
fn retain_and_quality_of_service_stay_within_the_limits() {
    let mut session = session(None);
    session.accept(event("a", 1));
    session.connected(BrokerLimits { retain: false, max_qos: 0, ..limits() });
    let mut sent = 0;
    while let Some(publication) = session.take() {
        assert_eq!((publication.qos, publication.retain), (0, false));
        session.sent(0);
        sent += 1;
    }
    assert_eq!(
        (sent, session.waiting_events()),
        (2, 0),
        "at quality of service 0 there is no acknowledgement"
    );
    assert!(session.is_idle());
}

#[test]
fn the_receive_maximum_is_kept() {
    let mut session = session(Some(1));
    for seq in 0..10 {
        session.accept(event(&format!("s{seq}"), 1));
    }
    session.connected(BrokerLimits { max_in_flight: 3, ..limits() });
    assert_eq!(take(&mut session).len(), 3);
    session.sent(1);
    session.acknowledged(1, None);
    assert_eq!(take(&mut session).len(), 1);
}

#[test]
fn missing_messages_are_suppressed_if_they_are_larger_than_all_received() {
    let mut session = announcing();
    session.accept(state("a", 1));
    session.connected(limits());
    deliver_all(&mut session);
    assert!(session.is_complete());
    let kept = session.expected_retained();
    assert_eq!(kept.len(), 5, "{kept:?}");
    let (missing, there): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|message| message.topic.contains("/config"));
    assert!(session.on_audit(&there, &missing[1..]));
    session.announce_again();
    assert_eq!(take(&mut session).iter().filter(|topic| topic.contains("/config")).count(), 1);
    // Missing rights do not depend on the size.
    let small = [MessageSize { topic: "genred/n/small".to_owned(), bytes: 1 }];
    assert!(!session.on_audit(&there, &small));
}

fn deliver_all(session: &mut Session) {
    let sent = take(session).len();
    for id in 1..=sent {
        session.sent(id as u16);
    }
    for id in 1..=sent {
        session.acknowledged(id as u16, None);
    }
}
