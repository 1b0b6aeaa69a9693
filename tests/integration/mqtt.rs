//! The MQTT contract of `docs/reference/mqtt.md` against real brokers.

use std::time::{Duration, Instant};

use crate::support::broker::{Mosquitto, Subscriber, free_port, until};
use crate::support::flaky;
use crate::support::log::Log;
use crate::support::messages::{
    FM1, RUN, Running, attributes, availability, event, info, sequence, state, stats, topic, window,
};
use genred::sink::Sink;
use genred::sink::mqtt::{MqttSink, RawMqttConfig, broker};
use tokio::sync::mpsc;

const V5: &str = "protocol = '5'";
const V311: &str = "protocol = '3.1.1'";

#[tokio::test]
async fn topics_have_the_promised_qos_and_retain_flags() {
    let broker = Mosquitto::start();
    // Only MQTT 5 passes the retain flag to existing subscribers.
    let subscriber =
        Subscriber::start(broker.port(), "genred/#", &["-V", "5", "--retain-as-published"]).await;
    let sink = Running::start(broker.port(), "publish_patches = true\npatch_qos = 1");
    subscriber.wait_for(&topic("status"), |payload| payload == "online").await;
    for message in [
        info(10),
        availability(FM1, true),
        state(FM1, "jazz", 1),
        attributes(FM1),
        event(FM1, 1),
        window(FM1, 1),
        stats(),
    ] {
        sink.send(message).await;
    }
    let stats = subscriber.wait_for(&topic("stats"), |_| true).await;
    assert!(stats.payload.contains(r#""mqtt":{"connected":true,"reconnects":0,"outbox":"#), "{stats:?}");
    let promised = [
        ("status", 1, true),
        ("info", 1, true),
        ("fm1/availability", 1, true),
        ("fm1/state", 1, true),
        ("fm1/attributes", 0, true),
        ("fm1/event", 1, false),
        ("fm1/window", 1, false),
        ("stats", 0, false),
    ];
    for (leaf, qos, retain) in promised {
        let message = subscriber.wait_for(&topic(leaf), |_| true).await;
        assert_eq!((message.qos, message.retain), (qos, retain), "{message:?}");
    }
    assert_eq!(subscriber.newest(&topic("fm1/availability")).unwrap().payload, "online");
    assert!(subscriber.newest(&topic("fm1/state")).unwrap().payload.contains(r#""confidence":0.83,"#));
    assert!(sink.stop().await < Duration::from_secs(2));
}

#[tokio::test]
async fn windows_are_published_only_when_asked_for() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let says = |expected: &str| subscriber.newest(&topic("status")).is_some_and(|m| m.payload == expected);
    for (settings, expected) in [("", None), ("publish_patches = true", Some(0))] {
        let sink = Running::start(broker.port(), settings);
        until("status is online", || says("online")).await;
        for patch in 0..3 {
            sink.send(window(FM1, patch)).await;
        }
        sink.stop().await;
        until("status is offline", || says("offline")).await;
        let window = subscriber.newest(&topic("fm1/window"));
        assert_eq!(window.map(|window| window.qos), expected);
    }
}

/// Both brokers behave alike for late subscribers, last wills and clean stops.
async fn late_subscribers_wills_and_stops(port: u16, protocol: &str) {
    let sink = Running::start(port, protocol);
    let live = Subscriber::start(port, "genred/#", &[]).await;
    // Larger than the default maximum packet size of client and broker.
    for message in
        [info(5000), availability(FM1, true), state(FM1, "rock", 1), attributes(FM1), event(FM1, 1)]
    {
        sink.send(message).await;
    }
    sink.send(state(FM1, "jazz", 2)).await;
    live.wait_for(&topic("fm1/state"), |payload| payload.contains("jazz")).await;
    live.wait_for(&topic("fm1/event"), |_| true).await;

    let late = Subscriber::start(port, "genred/#", &[]).await;
    for (leaf, qos, holds) in [
        ("status", 1, "online"),
        ("info", 1, "label-4999"),
        ("fm1/availability", 1, "online"),
        ("fm1/state", 1, r#""genre":"jazz""#),
        ("fm1/attributes", 0, r#""top":"#),
    ] {
        let message = late.wait_for(&topic(leaf), |payload| payload.contains(holds)).await;
        assert!(message.retain && message.qos == qos, "{message:?}");
    }
    assert_eq!(late.newest(&topic("fm1/event")), None, "events are not retained");

    sink.vanish().await;
    late.wait_for(&topic("status"), |payload| payload == "offline").await;

    let sink = Running::start(port, protocol);
    until("status is online again", || late.newest(&topic("status")).is_some_and(|m| m.payload == "online"))
        .await;
    sink.send(availability(FM1, true)).await;
    sink.send(event(FM1, 2)).await;
    let took = sink.stop().await;
    assert!(took < Duration::from_secs(1), "a clean stop took {took:?}");
    until("status is offline", || late.newest(&topic("status")).is_some_and(|m| m.payload == "offline"))
        .await;
    let order: Vec<String> = late.received().into_iter().rev().take(3).map(|m| m.topic).collect();
    assert_eq!(order, [topic("status"), topic("fm1/availability"), topic("fm1/event")], "newest first");
    assert_eq!(late.newest(&topic("fm1/availability")).unwrap().payload, "offline");
    let retained = Subscriber::start(port, "genred/studio1/status", &[]).await;
    let status = retained.wait_for(&topic("status"), |_| true).await;
    assert_eq!((status.payload.as_str(), status.retain), ("offline", true));
}

#[tokio::test]
async fn mosquitto_late_subscribers_wills_and_stops() {
    let broker = Mosquitto::start();
    late_subscribers_wills_and_stops(broker.port(), V5).await;
    let log = broker.log();
    assert!(
        log.contains("Client studio1-0f1e2d3c disconnected."),
        "the stop was not a clean disconnect:\n{log}"
    );
}

#[tokio::test]
async fn embedded_late_subscribers_wills_and_stops() {
    let address = broker::start(0).unwrap();
    assert!(address.ip().is_loopback());
    late_subscribers_wills_and_stops(address.port(), V5).await;
}

#[tokio::test]
async fn late_subscribers_wills_and_stops_in_3_1_1() {
    late_subscribers_wills_and_stops(broker::start(0).unwrap().port(), V311).await;
    let broker = Mosquitto::start();
    late_subscribers_wills_and_stops(broker.port(), V311).await;
}

#[tokio::test]
async fn an_outage_loses_and_reorders_nothing() {
    outage(V5).await;
}

#[tokio::test]
async fn an_outage_loses_and_reorders_nothing_in_3_1_1() {
    outage(V311).await;
}

async fn outage(protocol: &str) {
    let mut broker = Mosquitto::persistent();
    let subscriber = Subscriber::start(broker.port(), "genred/#", &["-c", "-i", "observer"]).await;
    let sink = Running::start(broker.port(), protocol);
    subscriber.wait_for(&topic("status"), |payload| payload == "online").await;
    sink.send(availability(FM1, true)).await;
    let mut seq = 0;
    let mut burst = async |count: u64| {
        for _ in 0..count {
            seq += 1;
            sink.send(event(FM1, seq)).await;
            sink.send(event("fm2", seq)).await;
            sink.send(state(FM1, "jazz", seq)).await;
        }
    };
    // The broker stops during a burst.
    burst(100).await;
    until("some events arrive", || sequence(&subscriber, FM1).len() > 10).await;
    burst(300).await;
    broker.stop();
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(3) {
        burst(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    broker.restart();
    let back = Instant::now();
    until("status is online", || {
        let status = subscriber.newest(&topic("status"));
        status.is_some_and(|status| status.payload == "online")
    })
    .await;
    burst(5).await;
    let expected: Vec<u64> = (1..=seq).collect();
    until("all events arrive", || sequence(&subscriber, FM1).len() >= expected.len()).await;
    until("all events of the other source arrive", || sequence(&subscriber, "fm2").len() >= expected.len())
        .await;
    println!("caught up {:?} after the broker's start, {} events a source", back.elapsed(), expected.len());
    assert_eq!(sequence(&subscriber, FM1), expected);
    assert_eq!(sequence(&subscriber, "fm2"), expected);
    // Only the latest state is kept while the broker is down.
    let newest = format!(r#""patch":{seq},"#);
    subscriber.wait_for(&topic("fm1/state"), |payload| payload.contains(&newest)).await;
    sink.stop().await;
}

#[tokio::test]
async fn a_frozen_broker_delays_and_holds_up_nothing() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let sink = Running::start(broker.port(), "");
    subscriber.wait_for(&topic("status"), |payload| payload == "online").await;
    broker.freeze();
    for seq in 1..=1000 {
        // More messages than the inbox holds: it is drained although no message is acknowledged.
        sink.send(event(FM1, seq)).await;
        sink.send(state(FM1, "jazz", seq)).await;
    }
    broker.thaw();
    until("all events arrive", || sequence(&subscriber, FM1).len() == 1000).await;
    assert_eq!(sequence(&subscriber, FM1), (1..=1000).collect::<Vec<_>>());
    subscriber.wait_for(&topic("fm1/state"), |payload| payload.contains(r#""patch":1000,"#)).await;
    let states = subscriber.received().iter().filter(|m| m.topic == topic("fm1/state")).count();
    assert!(states < 500, "{states} states, of which only the newest counts");

    broker.freeze();
    sink.send(event(FM1, 1001)).await;
    let took = sink.stop().await;
    assert!(took < Duration::from_millis(1500), "a stop took {took:?}");
    broker.thaw();
    // The final status was not acknowledged, so the connection was cut and the broker published the
    // last will.
    until("status is offline", || {
        subscriber.newest(&topic("status")).is_some_and(|m| m.payload == "offline")
    })
    .await;
}

/// Missing, late or reordered acknowledgements are not attributed to other messages.
#[tokio::test]
async fn a_broker_that_hangs_up_gets_every_event_in_order() {
    hang_ups(V5).await;
}

#[tokio::test]
async fn a_broker_that_hangs_up_gets_every_event_in_order_in_3_1_1() {
    hang_ups(V311).await;
}

async fn hang_ups(protocol: &str) {
    const EVENTS: u64 = 300;
    const HANG_UPS: usize = 25;
    const SOURCES: [&str; 3] = ["fm1", "fm2", "fm3"];
    let (port, record) = flaky::start(HANG_UPS);
    let sink = Running::start(port, &format!("reconnect_max_s = 0.1\n{protocol}"));
    let payload = |seq: u64| {
        format!(
            r#"{{"run":"{RUN}","seq":{seq},"ts":"2026-11-03T14:03:07.500Z","event_type":"genre_changed","from":"rock","to":"jazz","confidence":0.83}}"#
        )
    };
    for seq in 1..=EVENTS {
        for source in SOURCES {
            sink.send(event(source, seq)).await;
            sink.send(state(source, "jazz", seq)).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until("the last events arrive", || {
        let record = record.lock().unwrap();
        record.events.len() == SOURCES.len()
            && record.events.values().all(|events| events.last() == Some(&payload(EVENTS)))
    })
    .await;
    sink.stop().await;
    let record = record.lock().unwrap();
    assert!(record.connections > HANG_UPS, "{} connections", record.connections);
    assert_eq!(record.overlapping, Vec::<String>::new(), "one is out a source at a time");
    for (topic, events) in &record.events {
        let mut once = events.clone();
        // A resent message directly follows its first copy, since nothing of its source overtakes
        // it.
        once.dedup();
        assert_eq!(once, (1..=EVENTS).map(payload).collect::<Vec<_>>(), "of {topic}");
        for event in events {
            assert!(record.acknowledged.contains(event), "removed without an acknowledgement: {event}");
        }
    }
    let copies: usize = record.events.values().map(Vec::len).sum();
    println!("{} connections, {copies} messages for {} events", record.connections, 3 * EVENTS);
}

#[tokio::test]
async fn a_killed_broker_that_forgets_everything_is_told_again() {
    let mut broker = Mosquitto::start();
    let sink = Running::start(broker.port(), "");
    let before = Subscriber::start(broker.port(), "genred/#", &[]).await;
    for message in [info(10), availability(FM1, true), state(FM1, "jazz", 7), attributes(FM1)] {
        sink.send(message).await;
    }
    before.wait_for(&topic("fm1/attributes"), |_| true).await;
    drop(before);
    broker.kill();
    sink.send(state(FM1, "rock", 8)).await;
    broker.restart();
    let after = Subscriber::start(broker.port(), "genred/#", &[]).await;
    after.wait_for(&topic("status"), |payload| payload == "online").await;
    after.wait_for(&topic("info"), |payload| payload.contains("label-9")).await;
    after.wait_for(&topic("fm1/availability"), |payload| payload == "online").await;
    after.wait_for(&topic("fm1/state"), |payload| payload.contains("rock")).await;
    after.wait_for(&topic("fm1/attributes"), |_| true).await;
    let topics: Vec<String> = after.received().into_iter().map(|message| message.topic).collect();
    assert_eq!(topics[0], topic("status"), "the first word is `online`");
    sink.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_absent_at_start_is_waited_for() {
    let log = Log::start();
    let port = free_port();
    let sink = Running::start(port, "");
    for seq in 1..=200 {
        // More messages than the inbox holds: the sink accepts them nevertheless.
        sink.send(event(FM1, seq)).await;
    }
    sink.send(availability(FM1, true)).await;
    until("the failure is logged", || !log.lines().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "said once, not at every attempt: {lines:#?}");
    assert!(
        lines[0].contains("connection refused") && lines[0].contains("is the broker running"),
        "{lines:#?}"
    );
    assert!(lines[0].contains(&format!("broker=127.0.0.1:{port}")), "{lines:#?}");

    let server = broker::start(port).unwrap();
    let subscriber = Subscriber::start(server.port(), "genred/studio1/status", &[]).await;
    subscriber.wait_for(&topic("status"), |payload| payload == "online").await;
    let connected =
        log.lines().into_iter().find(|line| line.contains("connected to the MQTT broker")).unwrap();
    assert!(connected.contains("down_s=") && connected.contains("waiting_events=200"), "{connected}");
    sink.stop().await;

    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let sink = Running::start(free_port(), "");
        sink.send(event(FM1, 1)).await;
        quickest = quickest.min(sink.stop().await);
    }
    // The shortest reconnect delay is longer.
    assert!(
        quickest < Duration::from_millis(200),
        "without a broker there is nobody to wait for: {quickest:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_said_and_tried_again() {
    let log = Log::start();
    let broker = Mosquitto::with_login("ann", "right");
    let sink = Running::start(broker.port(), "username = 'ann'\npassword = 'wr0ng!'");
    until("the failure is logged", || !log.lines().is_empty()).await;
    until("it is tried again", || broker.log().matches("not authorised").count() >= 3).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("not authorised") && lines[0].contains("`mqtt.password`"), "{lines:#?}");
    assert!(!log.lines().join("\n").contains("wr0ng!"));
    sink.stop().await;

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "right\n").unwrap();
    let sink = Running::start(
        broker.port(),
        &format!("username = 'ann'\npassword_file = '{}'", file.path().display()),
    );
    let login = ["-u", "ann", "-P", "right"];
    let subscriber = Subscriber::start(broker.port(), "genred/studio1/status", &login).await;
    subscriber.wait_for(&topic("status"), |payload| payload == "online").await;
    sink.stop().await;
}

#[tokio::test]
async fn an_unknown_host_is_named() {
    let log = Log::start();
    let raw: RawMqttConfig = toml::from_str("url = 'mqtt://no-such-host.invalid'").unwrap();
    let sink = MqttSink::new(raw.resolve("studio1").unwrap(), "studio1".into(), RUN.into());
    let (inbox, messages) = mpsc::channel(4);
    let task = tokio::spawn(Box::new(sink).run(messages));
    until("the failure is logged", || !log.lines().is_empty()).await;
    let line = log.lines().remove(0);
    assert!(line.contains("the host name cannot be resolved"), "{line}");
    assert!(line.contains("broker=no-such-host.invalid:1883"), "{line}");
    drop(inbox);
    task.await.unwrap();
}
