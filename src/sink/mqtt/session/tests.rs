use super::accept::MAX_PENDING_WINDOWS;
use super::publish::MAX_WINDOWS_IN_FLIGHT;
use super::*;
use crate::command::CommandOrigin;
use crate::event::{SourceEvent, StateSnapshot};
use crate::sink::mqtt::config::DiscoveryStyle;
use crate::sink::mqtt::protocol::MAX_IN_FLIGHT;
use crate::sink::mqtt::publication::MAX_PAYLOAD;
use crate::sink::{CommandAnswer, Message, samples};

pub(super) fn session(window_qos: Option<u8>) -> Session {
    let discovery = Discovery {
        style: DiscoveryStyle::Device,
        prefix: "ha".into(),
        control: true,
        expire_after: 30,
        page_url: None,
    };
    Session::new(Topics::new("genred".into(), "n".into()), window_qos, discovery, Outbox::new(100))
}

pub(super) fn state(source: &str, patch: u64) -> Message {
    let state = StateSnapshot { patches: patch, ..samples::state() };
    Message::State { source: source.into(), state: Arc::new(state) }
}

pub(super) fn event(source: &str, seq: u64) -> Message {
    let event = samples::event(seq, SourceEvent::SourceLost { reason: None });
    Message::Event { source: source.into(), event: Arc::new(event), latency: None }
}

pub(super) fn availability(source: &str, online: bool) -> Message {
    Message::Availability { source: source.into(), online }
}

fn window(patch: u64) -> Message {
    samples::window_message(|window| window.patch = patch)
}

/// Topics, without the node, of everything that may be published.
pub(super) fn take(session: &mut Session) -> Vec<String> {
    std::iter::from_fn(|| session.take()).map(|p| p.topic.replacen("genred/n/", "", 1)).collect()
}

/// The client writes all that it holds, and the broker acknowledges it.
fn deliver(session: &mut Session) {
    let mut id = 0;
    while !session.handed.is_empty() {
        id += 1;
        session.sent(id);
        session.acknowledged(id, None);
    }
}

#[test]
fn nothing_is_published_without_a_connection() {
    let mut session = session(Some(1));
    for message in [state("a", 1), event("a", 1), window(1), Message::Stats(Arc::new(samples::stats()))] {
        session.accept(message);
    }
    assert_eq!(take(&mut session), [""; 0]);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    assert_eq!(
        take(&mut session),
        ["status", "a/state", "a/event"],
        "neither windows nor statistics are kept"
    );
}

#[test]
fn a_new_connection_starts_with_all_retained_topics() {
    let mut session = session(None);
    session.accept(event("a", 1));
    session.accept(Message::Attributes { source: "a".into(), attributes: Arc::new(samples::attributes()) });
    for message in [state("b", 1), state("a", 1), availability("b", true), availability("a", false)] {
        session.accept(message);
    }
    session.accept(Message::Info(Arc::new(samples::info(2))));
    let expected = [
        "status",
        "info",
        "a/availability",
        "b/availability",
        "a/state",
        "b/state",
        "a/attributes",
        "a/event",
    ];
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    assert_eq!(take(&mut session), expected);
    deliver(&mut session);
    assert!(session.is_idle());
    session.disconnected();
    session.accept(event("a", 2));
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    assert_eq!(take(&mut session), expected, "once more on every connection");
}

#[test]
fn only_the_latest_value_of_a_topic_is_published() {
    let mut session = session(None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    // Without acknowledgements the client receives no more than it may hold,
    for patch in 0..500 {
        session.accept(state("a", patch));
        take(&mut session);
    }
    assert_eq!(session.in_flight(), MAX_IN_FLIGHT);
    deliver(&mut session);
    // and then the newest.
    let newest = session.take().unwrap();
    assert!(String::from_utf8(newest.payload).unwrap().contains(r#""patch":499,"#));
    assert_eq!(session.take(), None);
}

#[test]
fn events_are_sequential_and_states_do_not_wait_for_them() {
    let mut session = session(None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    deliver(&mut session);
    for message in [event("a", 1), event("a", 2), state("a", 1), event("b", 1)] {
        session.accept(message);
    }
    assert_eq!(take(&mut session), ["a/state", "a/event", "b/event"]);
    session.sent(7);
    session.sent(8);
    session.acknowledged(7, None);
    assert_eq!(take(&mut session), [""; 0], "7 was the state");
    session.acknowledged(8, None);
    assert_eq!(take(&mut session), ["a/event"]);
    assert_eq!(session.waiting_events(), 2);
}

#[test]
fn packet_ids_of_an_old_connection_are_ignored() {
    let mut session = session(None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    deliver(&mut session);
    session.accept(event("a", 1));
    take(&mut session);
    session.sent(5);
    session.disconnected();
    assert_eq!(session.in_flight(), 0);
    session.acknowledged(5, None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    assert_eq!(take(&mut session), ["status", "a/event"]);
    session.acknowledged(5, None);
    assert_eq!(session.waiting_events(), 1, "5 was the last connection's");
}

#[test]
fn a_source_goes_offline_after_its_events() {
    let mut session = session(None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    deliver(&mut session);
    session.accept(event("a", 1));
    assert_eq!(take(&mut session), ["a/event"]);
    for message in [event("a", 2), state("a", 1), availability("a", false), availability("b", false)] {
        session.accept(message);
    }
    assert_eq!(take(&mut session), ["a/state", "b/availability"], "event 2 waits for event 1");
    deliver(&mut session);
    assert_eq!(take(&mut session), ["a/event", "a/availability"]);
    // Online again before `offline` was published: nothing to wait for.
    for message in [event("a", 3), event("a", 4), availability("a", false), availability("a", true)] {
        session.accept(message);
    }
    assert_eq!(take(&mut session), ["a/availability"]);
}

#[test]
fn a_message_that_the_client_refuses_is_taken_again() {
    let mut session = session(Some(0));
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    session.accept(event("a", 1));
    for expected in ["genred/n/status", "genred/n/status", "genred/n/status"] {
        assert_eq!(session.take().unwrap().topic, expected);
        session.take_back();
    }
    assert_eq!(session.take().unwrap().topic, "genred/n/status");
    assert_eq!(session.take().unwrap().topic, "genred/n/a/event");
    session.take_back();
    assert_eq!(session.take().unwrap().topic, "genred/n/a/event");
    assert_eq!(session.in_flight(), 2);
}

#[test]
fn windows_yield_to_states_and_events() {
    let mut session = session(Some(1));
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    for patch in 0..2000 {
        session.accept(window(patch));
    }
    assert_eq!(session.windows_dropped, 2000 - MAX_PENDING_WINDOWS as u64);
    assert_eq!(take(&mut session).len(), MAX_WINDOWS_IN_FLIGHT);
    session.accept(state("a", 1));
    session.accept(event("a", 1));
    assert_eq!(take(&mut session), ["a/state", "a/event"], "windows never hold these up");
    deliver(&mut session);
    let next = session.take().unwrap();
    assert!(String::from_utf8(next.payload).unwrap().contains(r#""patch":1039,"#), "the oldest are dropped");
}

#[test]
fn messages_without_acknowledgement_are_complete_once_sent() {
    let mut session = session(Some(0));
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    deliver(&mut session);
    session.accept(window(1));
    assert_eq!(session.take().unwrap().qos, 0);
    assert!(!session.is_idle());
    session.sent(0);
    assert!(session.is_idle());
}

#[test]
fn an_oversized_message_is_not_sent() {
    let mut session = session(None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    let mut huge = samples::info(1);
    huge.execution_provider_reason = "x".repeat(MAX_PAYLOAD).into();
    session.accept(Message::Info(Arc::new(huge)));
    session.accept(state("a", 1));
    assert_eq!(take(&mut session), ["a/state"]);
}

#[test]
fn sources_go_offline_before_the_node() {
    let mut session = session(None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    for message in [availability("b", true), state("a", 1), event("a", 1)] {
        session.accept(message);
    }
    take(&mut session);
    deliver(&mut session);
    session.accept(event("a", 2));
    session.accept(state("a", 2));
    session.close();
    let last: Vec<(String, String)> = std::iter::from_fn(|| session.take())
        .map(|p| (p.topic, String::from_utf8(p.payload).unwrap()))
        .collect();
    let pair = |topic: &str| (topic.to_owned(), "offline".to_owned());
    assert_eq!(last, ["genred/n/a/availability", "genred/n/b/availability", "genred/n/status"].map(pair));
    assert!(!session.is_idle(), "not acknowledged yet");
    deliver(&mut session);
    assert!(session.is_idle(), "event 2 stays behind");
}

#[test]
fn statistics_include_the_connection() {
    let mut session = session(None);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    session.accept(event("a", 1));
    session.accept(Message::Stats(Arc::new(samples::stats())));
    let stats = session.take().unwrap();
    assert_eq!((stats.topic.as_str(), stats.qos, stats.retain), ("genred/n/stats", 0, false));
    let text = String::from_utf8(stats.payload).unwrap();
    assert!(text.contains(r#""mqtt":{"connected":true,"reconnects":1,"outbox":1}"#), "{text}");
}

#[test]
fn announcements_precede_the_topics_that_they_announce() {
    let mut session = session(None);
    for message in [availability("fm1", true), state("fm1", 1), Message::Info(Arc::new(samples::info(1)))] {
        session.accept(message);
    }
    let left = PreviousRun { sources: vec!["old".into()], labels: Vec::new(), device: true, legacy: true };
    session.claimed(Topics::new("genred".into(), "n-2".into()), left);
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    let topics: Vec<String> = std::iter::from_fn(|| session.take()).map(|p| p.topic).collect();
    let at = |topic: &str| {
        topics.iter().position(|found| found == topic).unwrap_or_else(|| panic!("{topic}: {topics:?}"))
    };
    let legacy = "ha/binary_sensor/genred_n-2/connectivity/config";
    let order = [
        at("genred/n-2/status"),
        at(legacy),
        topics.iter().rposition(|found| found == legacy).unwrap(),
        at("ha/device/genred_n-2/config"),
        at("ha/device/genred_n-2__fm1/config"),
        at("genred/n-2/old/state"),
        at("genred/n-2/info"),
        at("genred/n-2/fm1/availability"),
        at("genred/n-2/fm1/state"),
    ];
    assert!(order.is_sorted() && order[1] != order[2], "{topics:?}");
    deliver(&mut session);
    // One-time topics are not repeated; a start of Home Assistant repeats announcements and states.
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    let again = take(&mut session);
    assert!(!again.iter().any(|topic| topic.contains("old") || topic == legacy), "{again:?}");
    deliver(&mut session);
    session.announce_again();
    let birth = take(&mut session);
    assert_eq!(birth.len(), 4, "{birth:?}");
    assert!(birth[0].ends_with("genred_n-2/config") && birth[3].ends_with("fm1/state"));
}

#[test]
fn topics_of_another_daemon_are_replaced_or_erased() {
    let mut session = session(None);
    session.claimed(Topics::new("genred".into(), "n".into()), PreviousRun::default());
    session.accept(Message::Info(Arc::new(samples::info(1))));
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    deliver(&mut session);
    session.overwritten_by(vec!["fm1".into(), "theirs".into()]);
    let topics = take(&mut session);
    assert!(topics.contains(&"status".into()) && topics.contains(&"info".into()), "{topics:?}");
    assert!(topics.contains(&"theirs/state".into()) && !topics.contains(&"fm1/state".into()), "{topics:?}");
}

#[test]
fn replies_are_not_kept() {
    let mut session = session(None);
    let answer = |origin, answer| Message::Answer { source: "a".into(), origin, answer: Arc::new(answer) };
    let message = answer(CommandOrigin::Subscriber, CommandAnswer::Refused(samples::refusal()));
    session.accept(message.clone());
    session.connected(BrokerLimits::none(ProtocolVersion::V311));
    take(&mut session);
    session.accept(message);
    let reply = session.take().unwrap();
    assert_eq!((reply.topic.as_str(), reply.qos, reply.retain), ("genred/n/a/error", 1, false));
    let stored = CommandAnswer::Stored(samples::stored_correction());
    session.accept(answer(CommandOrigin::Subscriber, stored.clone()));
    let reply = session.take().unwrap();
    assert_eq!((reply.topic.as_str(), reply.qos, reply.retain), ("genred/n/a/label", 1, false));
    insta::assert_snapshot!(String::from_utf8(reply.payload).unwrap(), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","id":12,"genre":"jazz","known":true,"nearest":null,"patches":28,"quiet":0,"start":"2026-11-03T14:02:37.008Z","end":"2026-11-03T14:03:07.000Z","published":"rock","confidence":0.7123,"contradicts":0,"evicted":0}"#);
    // An answer to a client of the trace socket.
    session.accept(answer(CommandOrigin::Client(0), stored));
    assert_eq!(session.take(), None);
}
