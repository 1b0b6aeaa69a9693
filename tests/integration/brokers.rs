//! The MQTT contract against mosquitto (plain, TLS, WebSockets), the embedded broker, nats-server,
//! RabbitMQ, aedes and amqtt, in MQTT 5 where the broker supports it and in MQTT 3.1.1. Also
//! brokers that reject messages or connections. Topics are subscribed to exactly, since RabbitMQ
//! does not send retained messages to wildcard subscriptions.

use crate::support::broker::{DEADLINE, Mosquitto, Subscriber, tool, until};
use crate::support::brokers::{Aedes, Amqtt, Nats, RabbitMq, Secured};
use crate::support::gate::{Gate, Refusal};
use crate::support::log::Log;
use crate::support::messages::{FM1, Running, attributes, availability, event, info, sequence, state, topic};
use crate::support::proxy::Proxy;
use genred::command::{CommandOrigin, CommandRequest, SourceCommand};
use genred::settings::SettingsPatch;
use genred::sink::mqtt::broker;

const DISCOVERY: &str = "homeassistant/device/genred_studio1__fm1/config";

/// Publishes a message as an external client.
fn publish(port: u16, topic: &str, payload: &str) {
    let status = tool("mosquitto_pub", "mosquitto-clients")
        .args(["-V", "mqttv311", "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-q", "1", "-t", topic, "-m", payload])
        .status()
        .unwrap();
    assert!(status.success(), "mosquitto_pub: {status}");
}

/// `scheme`, `listener` and `more` configure the sink's connection. External clients use `port`.
async fn is_kept(scheme: &str, listener: u16, more: &str, port: u16) {
    let v3 = ["-V", "mqttv311"];
    let proxy = Proxy::start(listener);
    let url = format!("url = '{scheme}://localhost:{}'\nreconnect_max_s = 0.2\n{more}", proxy.port());
    let (ask, requests) = crossbeam_channel::bounded(8);
    let sink = Running::with(&url, |sink| sink.with_commands(ask));
    let event_topic = topic("fm1/event");
    let live = Subscriber::start(port, &event_topic, &v3).await;
    for message in [info(10), availability(FM1, true), state(FM1, "rock", 1), attributes(FM1)] {
        sink.send(message).await;
    }

    // Late subscribers receive retained messages.
    let mut kept = Vec::new();
    for (leaf, holds) in [
        ("status", "online"),
        ("info", "label-9"),
        ("fm1/availability", "online"),
        ("fm1/state", "rock"),
        ("fm1/attributes", "jazz"),
    ] {
        let late = Subscriber::start(port, &topic(leaf), &v3).await;
        late.wait_for(&topic(leaf), |payload| payload.contains(holds)).await;
        kept.push(late);
    }
    let [status, _, online, ..] = &kept[..] else { panic!() };
    let home = Subscriber::start(port, DISCOVERY, &v3).await;
    home.wait_for(DISCOVERY, |payload| payload.contains("genred_studio1__fm1_genre")).await;

    // The birth message of Home Assistant triggers discovery.
    let announced = home.received().len();
    publish(port, "homeassistant/status", "online");
    until("the entities are announced again", || home.received().len() > announced).await;

    // Commands are received.
    publish(port, &topic("fm1/set"), r#"{"paused":true}"#);
    let request = tokio::task::spawn_blocking(move || requests.recv_timeout(DEADLINE)).await.unwrap();
    let patch = SettingsPatch { paused: Some(true), ..SettingsPatch::default() };
    let set = CommandRequest {
        source: FM1.into(),
        command: SourceCommand::Set(Ok(patch)),
        origin: CommandOrigin::Subscriber,
    };
    assert_eq!(request, Ok(set));

    // The connection is cut during a burst.
    let mut cut = 0;
    for seq in 1..=300 {
        sink.send(event(FM1, seq)).await;
        if seq % 60 == 0 {
            until("a few events arrive", || sequence(&live, FM1).len() as u64 > seq - 55).await;
            cut += proxy.cut();
        }
    }
    assert!(cut >= 5, "{cut} connections were cut");
    until("all events arrive", || sequence(&live, FM1).len() == 300).await;
    assert_eq!(sequence(&live, FM1), (1..=300).collect::<Vec<_>>());

    // Last will.
    let says = |subscriber: &Subscriber, leaf: &str, word: &str| {
        subscriber.newest(&topic(leaf)).is_some_and(|message| message.payload == word)
    };
    until("status is online", || says(status, "status", "online")).await;
    sink.vanish().await;
    until("status is offline by the last will", || says(status, "status", "offline")).await;

    // Clean stop.
    let sink = Running::with(&url, |sink| sink);
    until("status is online again", || says(status, "status", "online")).await;
    sink.send(availability(FM1, true)).await;
    until("the source is online", || says(online, "fm1/availability", "online")).await;
    sink.stop().await;
    until("status is offline", || says(status, "status", "offline")).await;
    until("the source is offline", || says(online, "fm1/availability", "offline")).await;
}

const V5: &str = "protocol = '5'\n";
const V311: &str = "protocol = '3.1.1'\n";

#[tokio::test]
async fn the_embedded_broker() {
    let port = broker::start(0).unwrap().port();
    is_kept("mqtt", port, V5, port).await;
}

#[tokio::test]
async fn the_embedded_broker_in_3_1_1() {
    let port = broker::start(0).unwrap().port();
    is_kept("mqtt", port, V311, port).await;
}

/// Clients see the same messages in either protocol version, regardless of the publisher's version.
#[tokio::test]
async fn the_embedded_broker_bridges_the_versions() {
    let port = broker::start(0).unwrap().port();
    for protocol in [V5, V311] {
        let live = [
            Subscriber::start(port, "genred/#", &["-V", "5"]).await,
            Subscriber::start(port, "genred/#", &["-V", "311"]).await,
        ];
        let sink = Running::start(port, protocol);
        for message in [info(10), availability(FM1, true), state(FM1, protocol, 1), event(FM1, 1)] {
            sink.send(message).await;
        }
        for version in ["5", "311"] {
            let late = Subscriber::start(port, &topic("fm1/state"), &["-V", version]).await;
            let state = late.wait_for(&topic("fm1/state"), |payload| payload.contains(protocol.trim())).await;
            assert!(state.payload.starts_with("{\"run\""), "{state:?}");
        }
        for subscriber in &live {
            until("the event arrives", || sequence(subscriber, FM1) == [1]).await;
        }
        sink.vanish().await;
        for subscriber in &live {
            subscriber.wait_for(&topic("status"), |payload| payload == "offline").await;
        }
    }
    // A user property, which does not exist in MQTT 3.1.1.
    let old = Subscriber::start(port, "a", &["-V", "311"]).await;
    let status = tool("mosquitto_pub", "mosquitto-clients")
        .args(["-V", "5", "-p", &port.to_string(), "-q", "1", "-r", "-t", "a", "-m", "x"])
        .args(["-D", "publish", "user-property", "k", "v", "-D", "publish", "content-type", "text/plain"])
        .status()
        .unwrap();
    assert!(status.success());
    old.wait_for("a", |payload| payload == "x").await;
    let late = Subscriber::start(port, "a", &["-V", "311"]).await;
    assert_eq!(late.wait_for("a", |_| true).await.payload, "x");
}

#[tokio::test]
async fn mosquitto() {
    let broker = Secured::start();
    let plain = broker.mosquitto.port();
    is_kept("mqtt", plain, V5, plain).await;
}

#[tokio::test]
async fn mosquitto_in_3_1_1() {
    let broker = Mosquitto::start();
    is_kept("mqtt", broker.port(), V311, broker.port()).await;
}

#[tokio::test]
async fn aedes() {
    let broker = Aedes::start();
    is_kept("mqtt", broker.port, "", broker.port).await;
}

#[tokio::test]
async fn amqtt() {
    let broker = Amqtt::start();
    is_kept("mqtt", broker.port, "", broker.port).await;
}

#[tokio::test]
async fn mosquitto_with_tls() {
    let broker = Secured::start();
    is_kept("mqtts", broker.tls, &broker.ca(), broker.mosquitto.port()).await;
}

#[tokio::test]
async fn mosquitto_with_tls_and_a_client_certificate() {
    let broker = Secured::start();
    is_kept("mqtts", broker.mutual, &(broker.ca() + &broker.client()), broker.mosquitto.port()).await;
    assert!(broker.mosquitto.log().contains("u'genred'"), "the certificate names the user");
}

#[tokio::test]
async fn mosquitto_with_websockets() {
    let broker = Secured::start();
    is_kept("ws", broker.web, "", broker.mosquitto.port()).await;
}

#[tokio::test]
async fn mosquitto_with_websockets_in_tls() {
    let broker = Secured::start();
    is_kept("wss", broker.secure_web, &broker.ca(), broker.mosquitto.port()).await;
}

#[tokio::test]
async fn nats() {
    let broker = Nats::start();
    is_kept("mqtt", broker.port, "", broker.port).await;
}

#[tokio::test]
async fn rabbitmq() {
    let broker = RabbitMq::start();
    is_kept("mqtt", broker.port, "", broker.port).await;
}

/// After any kind of rejection of MQTT 5, the sink falls back to 3.1.1 at once and does not retry
/// 5.
async fn falls_back(refusal: Refusal) {
    let log = Log::start();
    let broker = Mosquitto::start();
    let gate = Gate::start(broker.port(), 4, refusal);
    let sink = Running::start(gate.port(), "");
    let status = Subscriber::start(broker.port(), &topic("status"), &[]).await;
    status.wait_for(&topic("status"), |payload| payload == "online").await;
    for round in 1..=2 {
        gate.cut();
        until("it is online again", || {
            let seen = status.received();
            seen.iter().filter(|message| message.payload == "online").count() > round
        })
        .await;
    }
    let levels = gate.levels();
    assert_eq!(levels.iter().filter(|level| **level == 5).count(), 1, "{levels:?}");
    assert_eq!(log.of("MQTT 3.1.1 is used").len(), 1, "{:#?}", log.lines());
    sink.stop().await;
}

#[tokio::test]
async fn a_broker_that_answers_5_in_the_way_of_3_1_1() {
    falls_back(Refusal::Old).await;
}

#[tokio::test]
async fn a_broker_that_refuses_5_in_its_own_way() {
    falls_back(Refusal::New).await;
}

#[tokio::test]
async fn a_broker_that_closes_on_5() {
    falls_back(Refusal::Close).await;
}

#[tokio::test]
async fn a_broker_that_is_silent_on_5() {
    falls_back(Refusal::Silence).await;
}

#[tokio::test]
async fn a_version_that_was_chosen_and_is_refused_is_named() {
    for (protocol, level, refusal, cure) in
        [(V5, 4, Refusal::New, "\\\"3.1.1\\\""), (V311, 5, Refusal::Old, "\\\"5\\\"")]
    {
        let log = Log::start();
        let broker = Mosquitto::start();
        let gate = Gate::start(broker.port(), level, refusal);
        let sink = Running::start(gate.port(), protocol);
        until("it is said", || !log.lines().is_empty()).await;
        until("it is tried again", || gate.levels().len() > 2).await;
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("does not speak MQTT") && lines[0].contains(cure), "{lines:#?}");
        sink.stop().await;
    }
}

/// A rejection is logged once, and the sink continues. `settings` configure mosquitto. Each text in
/// `said` occurs in exactly one warning, and there are no others.
async fn goes_on(settings: &str, protocol: &str, said: &[&str]) {
    let log = Log::start();
    let broker = Mosquitto::with(&format!("{settings}\n"), |folder| {
        std::fs::write(folder.join("rights"), "topic readwrite genred/#\ntopic read homeassistant/#\n")
            .unwrap();
    });
    let live = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let sink = Running::start(broker.port(), &format!("reconnect_max_s = 0.2\n{protocol}"));
    for message in [info(60), availability(FM1, true), state(FM1, "rock", 1), attributes(FM1)] {
        sink.send(message).await;
    }
    live.wait_for(&topic("fm1/state"), |payload| payload.contains("rock")).await;
    until("all warnings are there", || log.of(" WARN ").len() >= said.len()).await;
    for seq in 1..=20 {
        sink.send(event(FM1, seq)).await;
        sink.send(state(FM1, "jazz", seq)).await;
    }
    until("all events arrive", || sequence(&live, FM1).len() == 20).await;
    assert_eq!(sequence(&live, FM1), (1..=20).collect::<Vec<_>>());
    live.wait_for(&topic("fm1/state"), |payload| payload.contains("\"patch\":20,")).await;
    let warnings = log.of(" WARN ");
    for text in said {
        assert_eq!(
            warnings.iter().filter(|line| line.contains(text)).count(),
            1,
            "`{text}` in {warnings:#?}"
        );
    }
    assert_eq!(warnings.len(), said.len(), "{warnings:#?}");
    assert!(log.of("connected to the MQTT broker again").len() <= 1, "{:#?}", log.lines());
    sink.stop().await;
    until("status is offline", || {
        live.newest(&topic("status")).is_some_and(|message| message.payload == "offline")
    })
    .await;
}

const OPEN: &str = "allow_anonymous true";
const CLOSED: &str = "no connection to the MQTT broker";

#[tokio::test]
async fn without_retained_messages() {
    let settings = format!("{OPEN}\nretain_available false");
    goes_on(&settings, V5, &["takes no retained messages"]).await;
}

/// Mosquitto closes a connection with a retained last will. A connection without one reveals the
/// reason.
#[tokio::test]
async fn without_retained_messages_in_3_1_1() {
    let settings = format!("{OPEN}\nretain_available false");
    goes_on(&settings, V311, &[CLOSED, "takes no retained messages"]).await;
}

#[tokio::test]
async fn without_quality_of_service_1() {
    let settings = format!("{OPEN}\nmax_qos 0");
    goes_on(&settings, V5, &["quality of service 0 alone"]).await;
}

#[tokio::test]
async fn without_quality_of_service_1_in_3_1_1() {
    let settings = format!("{OPEN}\nmax_qos 0");
    goes_on(&settings, V311, &[CLOSED, "quality of service 0 alone"]).await;
}

#[tokio::test]
async fn with_a_limited_packet_size() {
    let settings = format!("{OPEN}\nmax_packet_size 600");
    let device = "topic=\"homeassistant/device/genred_studio1__fm1/config\"";
    goes_on(&settings, V5, &[device, "topic=\"genred/studio1/info\""]).await;
}

/// Mosquitto closes the connection; the sink identifies the message that was too large.
#[tokio::test]
async fn with_a_limited_packet_size_in_3_1_1() {
    let settings = format!("{OPEN}\nmax_packet_size 600");
    goes_on(&settings, V311, &[CLOSED, "/config\"", "topic=\"genred/studio1/info\""]).await;
}

/// Mosquitto 2.0 rejects with a PUBACK whose reason code MQTT 5 does not define.
#[tokio::test]
async fn with_a_limited_message_size() {
    let settings = format!("{OPEN}\nmessage_size_limit 1000");
    goes_on(&settings, V5, &["/config\"", "topic=\"genred/studio1/info\""]).await;
}

/// Mosquitto drops the messages and acknowledges them.
#[tokio::test]
async fn with_a_limited_message_size_in_3_1_1() {
    let settings = format!("{OPEN}\nmessage_size_limit 1000");
    goes_on(&settings, V311, &["drops messages of this size"]).await;
}

#[tokio::test]
async fn without_the_right_to_discovery() {
    goes_on(&format!("{OPEN}\nacl_file rights"), V5, &["not authorised (0x87)"]).await;
}

/// Mosquitto drops the messages and acknowledges them.
#[tokio::test]
async fn without_the_right_to_discovery_in_3_1_1() {
    goes_on(&format!("{OPEN}\nacl_file rights"), V311, &["does not pass it on"]).await;
}
