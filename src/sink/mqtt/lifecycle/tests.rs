use super::*;
use crate::event::SourceEvent;
use crate::sink::mqtt::config::RawMqttConfig;
use crate::sink::mqtt::protocol::InboundMessage;
use crate::sink::samples;

/// A lifecycle with a simulated client, whose queue has no limit, and a simulated clock.
pub(super) struct Harness {
    pub(super) lifecycle: Lifecycle,
    pub(super) now: Instant,
    /// Names of the actions since the last call of [`Harness::take`], and topics of publications.
    pub(super) seen: Vec<String>,
    pub(super) notices: Vec<ConnectionNotice>,
    /// Publications that the client holds: packet ids are their indices.
    pub(super) published: Vec<Publication>,
    /// Number of publications that were written and acknowledged.
    pub(super) acknowledged: usize,
}

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

impl Harness {
    pub(super) fn new(change: impl FnOnce(&mut NodeName)) -> Self {
        let config = RawMqttConfig { url: Some("mqtt://h".to_owned().into()), ..RawMqttConfig::default() };
        let mut name = NodeName::new("den".into());
        change(&mut name);
        let now = Instant::now();
        let lifecycle = Lifecycle::new(&config.resolve("den").unwrap(), name, samples::RUN.into(), now);
        let mut harness = Self {
            lifecycle,
            now,
            seen: Vec::new(),
            notices: Vec::new(),
            published: Vec::new(),
            acknowledged: 0,
        };
        harness.handle(LifecycleEvent::Message(Message::Info(Arc::new(samples::info(1)))));
        harness.handle(LifecycleEvent::Start);
        harness
    }

    /// A lifecycle that is online, with everything acknowledged.
    pub(super) fn online() -> Self {
        let mut harness = Self::new(|_| {});
        harness.find_name_free();
        harness.connect();
        harness.acknowledge_all();
        assert_eq!(harness.lifecycle.state, LifecycleState::Online);
        harness.take();
        harness
    }

    pub(super) fn handle(&mut self, event: LifecycleEvent) {
        self.lifecycle.handle(event, self.now);
        self.execute();
        let published = &mut self.published;
        let first = published.len();
        self.lifecycle.pump(
            &mut |publication| {
                published.push(publication);
                true
            },
            self.now,
        );
        let topics = self.published[first..].iter().map(|publication| publication.topic.clone());
        self.seen.extend(topics);
        self.execute();
    }

    pub(super) fn execute(&mut self) {
        while let Some(action) = self.lifecycle.next_action() {
            let name = match action {
                LifecycleAction::LookUpName(query) => format!("look up {}", query.topics.node()),
                LifecycleAction::Connect(request) => {
                    (self.published, self.acknowledged) = (Vec::new(), 0);
                    format!("connect {}", request.last_will.unwrap().topic)
                }
                LifecycleAction::Subscribe(_) => "subscribe".to_owned(),
                LifecycleAction::Unsubscribe(_) => continue,
                LifecycleAction::Disconnect => "disconnect".to_owned(),
                LifecycleAction::DisconnectAndWait => "disconnect and wait".to_owned(),
                LifecycleAction::Drop => "drop".to_owned(),
                LifecycleAction::Forward(_) => "forward".to_owned(),
                LifecycleAction::EndDaemon(reason) => reason,
                LifecycleAction::Report(notice) => {
                    self.notices.push(notice);
                    continue;
                }
            };
            self.seen.push(name);
        }
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    pub(super) fn signal(&mut self, signal: BrokerSignal) {
        self.handle(LifecycleEvent::Signal(signal));
    }

    pub(super) fn connect(&mut self) {
        self.signal(BrokerSignal::Connected(BrokerLimits::none(ProtocolVersion::V5)));
        let refused = vec![Some(crate::sink::mqtt::reason_code::ReasonCode::NOT_AUTHORIZED); 3];
        // Without an echo there is no audit.
        self.signal(BrokerSignal::Subscribed(refused));
    }

    pub(super) fn acknowledge_all(&mut self) {
        while self.acknowledged < self.published.len() {
            self.acknowledged += 1;
            let id = self.acknowledged as u16;
            let qos = self.published[self.acknowledged - 1].qos;
            self.signal(BrokerSignal::Sent(if qos == 0 { 0 } else { id }));
            if qos > 0 {
                self.signal(BrokerSignal::Acknowledged(id, None));
            }
        }
    }

    pub(super) fn find_name_free(&mut self) {
        self.look_up_result(NameLookup::default());
    }

    pub(super) fn look_up_result(&mut self, found: NameLookup) {
        let limits = BrokerLimits::none(ProtocolVersion::V5);
        self.handle(LifecycleEvent::NameLookup(Ok((found, limits))));
    }

    pub(super) fn fail(&mut self) {
        let failure = ConnectionFailure::new(FailureKind::Closed, "closed", "");
        self.handle(LifecycleEvent::Failed(failure));
    }

    pub(super) fn event(&mut self, seq: u64) {
        let event = Arc::new(samples::event(seq, SourceEvent::SourceLost { reason: None }));
        self.handle(LifecycleEvent::Message(Message::Event { source: "fm1".into(), event, latency: None }));
    }

    pub(super) fn close_inbox(&mut self) {
        self.handle(LifecycleEvent::InboxClosed);
    }

    /// Advances the clock to the next deadline and fires the timer.
    pub(super) fn fire(&mut self) {
        self.now = self.lifecycle.deadline().expect("there is no deadline");
        self.handle(LifecycleEvent::Timer);
    }

    pub(super) fn info_of_peer(&mut self, run: &str, started: &str) {
        let payload =
            format!(r#"{{"run":"{run}","started":"{started}","labels":[],"sources":[]}}"#).into_bytes();
        let topic = self.lifecycle.session.topics().of_node("info");
        self.signal(BrokerSignal::Message(InboundMessage { topic, retain: false, payload }));
    }
}

#[test]
fn the_name_is_claimed_before_anything_is_published() {
    let mut harness = Harness::new(|_| {});
    assert_eq!(harness.take(), ["look up den"]);
    harness.find_name_free();
    assert_eq!(harness.take(), ["connect genred/den/status"]);
    assert!(harness.published.is_empty());
    harness.connect();
    let seen = harness.take();
    assert_eq!(seen[..2], ["subscribe", "genred/den/status"], "{seen:?}");
    assert!(seen.contains(&"genred/den/info".to_owned()), "{seen:?}");
}

#[test]
fn a_failed_connection_is_tried_again_without_a_second_lookup() {
    let mut harness = Harness::online();
    harness.now += Duration::from_secs(5);
    harness.fail();
    assert_eq!(harness.take(), ["drop"]);
    let LifecycleState::BackingOff { until } = harness.lifecycle.state else { panic!() };
    assert!((ms(750)..=ms(1000)).contains(&(until - harness.now)));
    let lost = harness.notices.pop();
    let expected = Duration::from_secs(5);
    assert!(matches!(lost, Some(ConnectionNotice::Lost { lasted, .. }) if lasted == expected), "{lost:?}");
    harness.event(1);
    assert!(harness.take().is_empty(), "there is no connection");
    harness.fire();
    assert_eq!(harness.take(), ["connect genred/den/status"]);
    harness.connect();
    assert!(harness.take().contains(&"genred/den/fm1/event".to_owned()));
}

#[test]
fn a_silent_client_counts_as_failed() {
    let mut harness = Harness::online();
    harness.fire();
    assert_eq!(harness.take(), ["drop"]);
    assert!(matches!(harness.lifecycle.state, LifecycleState::BackingOff { .. }));
    assert!(matches!(&harness.notices[..], [.., ConnectionNotice::Lost { failure, .. }]
        if *failure == ConnectionFailure::stalled()));
}

/// A last will that arrives late says `offline`.
#[test]
fn online_is_repeated_until_the_stop() {
    let mut harness = Harness::online();
    let will = BrokerSignal::Message(InboundMessage {
        topic: "genred/den/status".to_owned(),
        retain: false,
        payload: b"offline".to_vec(),
    });
    harness.signal(will.clone());
    assert_eq!(harness.published.last().unwrap().payload, b"online");
    harness.acknowledge_all();
    harness.close_inbox();
    let count = harness.published.len();
    harness.signal(will);
    assert_eq!(harness.published.len(), count);
}

#[test]
fn a_start_of_home_assistant_is_answered_within_two_seconds() {
    let mut harness = Harness::online();
    let birth = BrokerSignal::Message(InboundMessage {
        topic: "homeassistant/status".to_owned(),
        retain: false,
        payload: b"online".to_vec(),
    });
    harness.signal(birth);
    assert!(harness.take().is_empty());
    let start = harness.now;
    harness.fire();
    assert!(harness.now - start <= Duration::from_secs(2));
    assert!(harness.take().iter().any(|topic| topic.starts_with("homeassistant/device/")));
}

/// The audit subscribes to the retained messages once everything is acknowledged.
#[test]
fn an_audit_reports_missing_messages() {
    let mut harness = Harness::new(|_| {});
    harness.find_name_free();
    harness.signal(BrokerSignal::Connected(BrokerLimits::none(ProtocolVersion::V5)));
    harness.signal(BrokerSignal::Subscribed(vec![None; 3]));
    harness.take();
    harness.acknowledge_all();
    assert_eq!(harness.take(), ["subscribe"]);
    harness.signal(BrokerSignal::Subscribed(vec![None; 3]));
    assert_eq!(samples::info(1).sources.len(), 1);
    let received =
        InboundMessage { topic: "genred/den/info".to_owned(), retain: true, payload: b"{}".to_vec() };
    harness.signal(BrokerSignal::Message(received));
    harness.fire();
    let missing = harness.notices.pop();
    assert!(
        matches!(&missing, Some(ConnectionNotice::Missing { messages, .. }) if messages.len() == 2),
        "{missing:?}"
    );
}
