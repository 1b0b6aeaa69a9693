use super::*;
use crate::sink::mqtt::config::DiscoveryStyle;
use crate::sink::mqtt::protocol::ProtocolVersion;

fn probe(peer_timeout: Duration) -> NameProbe {
    let discovery = Discovery {
        style: DiscoveryStyle::Device,
        prefix: "ha".into(),
        control: false,
        expire_after: 30,
        page_url: None,
    };
    NameProbe::new(LookupQuery {
        request: ConnectRequest {
            version: ProtocolVersion::V5,
            client_id: "den".to_owned(),
            last_will: None,
        },
        topics: Topics::new("genred".into(), "den".into()),
        discovery,
        instance: Some("own".into()),
        peer_timeout,
    })
}

fn connect(probe: &mut NameProbe, now: Instant) {
    assert!(!probe.on_signal(BrokerSignal::Connected(BrokerLimits::none(ProtocolVersion::V5)), now));
    assert_eq!(probe.deadline(), None, "the subscriptions are not acknowledged");
    assert!(!probe.on_signal(BrokerSignal::Subscribed(vec![None; 5]), now));
    assert_eq!(probe.deadline(), Some(now + RETAINED_TIMEOUT));
}

fn message(topic: &str, payload: &str, retain: bool) -> BrokerSignal {
    BrokerSignal::Message(InboundMessage { topic: topic.to_owned(), retain, payload: payload.into() })
}

const INFO: &str = r#"{"run":"r2","instance":"other","labels":["jazz"],"sources":[{"name":"fm1"}]}"#;

fn result(probe: NameProbe) -> NameLookup {
    probe.into_result().unwrap().0
}

#[test]
fn an_unused_name_is_free_after_a_moment() {
    let now = Instant::now();
    let mut probe = probe(Duration::from_secs(35));
    assert_eq!(probe.filters()[..2], ["genred/den/status", "genred/den/info"]);
    connect(&mut probe, now);
    let found = result(probe);
    assert!(!found.seems_taken(Some("own")));
    assert_eq!(found.previous_run(), PreviousRun::default());
}

#[test]
fn an_earlier_run_of_this_installation_does_not_take_the_name() {
    let now = Instant::now();
    let mut probe = probe(Duration::from_secs(35));
    connect(&mut probe, now);
    probe.on_signal(message("genred/den/status", "online", true), now);
    assert!(!probe.on_signal(message("genred/den/info", &INFO.replace("other", "own"), true), now));
    probe.on_signal(message("ha/device/genred_den/config", "{}", true), now);
    assert_eq!(probe.deadline(), Some(now + RETAINED_TIMEOUT));
    let found = result(probe);
    assert!(!found.seems_taken(Some("own")) && found.seems_taken(Some("third")));
    let previous = found.previous_run();
    assert_eq!((previous.sources, previous.device, previous.legacy), (vec!["fm1".into()], true, false));
}

#[test]
fn a_registered_daemon_takes_the_name_once_it_publishes() {
    let now = Instant::now();
    let timeout = Duration::from_secs(35);
    let mut probe = probe(timeout);
    connect(&mut probe, now);
    probe.on_signal(message("genred/den/status", "online", true), now);
    assert!(!probe.on_signal(message("genred/den/info", INFO, true), now));
    assert_eq!(probe.deadline(), Some(now + timeout), "it may be gone");
    assert!(probe.on_signal(message("genred/den/stats", "{}", false), now));
    assert!(result(probe).is_taken(Some("own")));
}

#[test]
fn a_registered_daemon_that_goes_offline_frees_the_name() {
    let now = Instant::now();
    let mut probe = probe(Duration::from_secs(35));
    connect(&mut probe, now);
    probe.on_signal(message("genred/den/status", "online", true), now);
    assert!(!probe.on_signal(message("genred/den/info", INFO, true), now));
    assert!(probe.on_signal(message("genred/den/status", "offline", false), now));
    assert!(!result(probe).seems_taken(Some("own")));
}

#[test]
fn a_daemon_that_never_publishes_only_seems_to_take_the_name() {
    let now = Instant::now();
    let mut probe = probe(Duration::ZERO);
    connect(&mut probe, now);
    probe.on_signal(message("genred/den/info", INFO, true), now);
    assert!(!probe.on_signal(message("genred/den/status", "online", true), now));
    let found = result(probe);
    assert!(found.seems_taken(Some("own")) && !found.is_taken(Some("own")));
}
