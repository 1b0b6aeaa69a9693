//! One contract, every broker: the same assertions against mosquitto (plain, TLS, WebSockets), the embedded rumqttd,
//! nats-server and RabbitMQ. Topics are subscribed to exactly: RabbitMQ sends no retained messages to wildcards.
#![cfg(feature = "broker")]

mod support;

use genred::sink::mqtt::broker;
use genred::sink::{Ask, Request};
use support::broker::{DEADLINE, Subscriber, tool, until};
use support::brokers::{Nats, RabbitMq, Secured};
use support::messages::{FM1, Running, attributes, availability, event, info, sequence, state, topic};
use support::proxy::Proxy;

const DISCOVERY: &str = "homeassistant/device/genred_studio1__fm1/config";

/// Publishes as anybody may.
fn publish(port: u16, topic: &str, payload: &str) {
    let status = tool("mosquitto_pub", "mosquitto-clients")
        .args(["-V", "mqttv311", "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-q", "1", "-t", topic, "-m", payload])
        .status()
        .unwrap();
    assert!(status.success(), "mosquitto_pub: {status}");
}

/// `scheme`, `listener` and `more` are the sink's way to the broker; `port` is where anybody may subscribe.
async fn is_kept(scheme: &str, listener: u16, more: &str, port: u16) {
    let v3 = ["-V", "mqttv311"];
    let proxy = Proxy::start(listener);
    let url = format!("url = '{scheme}://localhost:{}'\nreconnect_max = 0.2\n{more}", proxy.port());
    let (ask, requests) = crossbeam_channel::bounded(8);
    let sink = Running::with(&url, |sink| sink.asks(ask));
    let event_topic = topic("fm1/event");
    let live = Subscriber::start(port, &event_topic, &v3).await;
    for message in [info(10), availability(FM1, true), state(FM1, "rock", 1), attributes(FM1)] {
        sink.send(message).await;
    }

    // Retained messages reach whoever comes late.
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

    // Home Assistant's birth is answered.
    let announced = home.received().len();
    publish(port, "homeassistant/status", "online");
    until("the entities are announced again", || home.received().len() > announced).await;

    // Commands arrive.
    publish(port, &topic("fm1/set"), r#"{"paused":true}"#);
    let request = tokio::task::spawn_blocking(move || requests.recv_timeout(DEADLINE)).await.unwrap();
    let set = Request { source: FM1.into(), ask: Ask::Set(br#"{"paused":true}"#.to_vec()) };
    assert_eq!(request, Ok(set));

    // The line is cut in the middle of everything.
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

    // The last will.
    let says = |subscriber: &Subscriber, leaf: &str, word: &str| {
        subscriber.newest(&topic(leaf)).is_some_and(|message| message.payload == word)
    };
    until("status is online", || says(status, "status", "online")).await;
    sink.vanish().await;
    until("status is offline by the last will", || says(status, "status", "offline")).await;

    // A clean stop.
    let sink = Running::with(&url, |sink| sink);
    until("status is online again", || says(status, "status", "online")).await;
    sink.send(availability(FM1, true)).await;
    until("the source is online", || says(online, "fm1/availability", "online")).await;
    sink.stop().await;
    until("status is offline", || says(status, "status", "offline")).await;
    until("the source is offline", || says(online, "fm1/availability", "offline")).await;
}

#[tokio::test]
async fn the_embedded_broker() {
    let port = broker::start(0).unwrap().port();
    is_kept("mqtt", port, "", port).await;
}

#[tokio::test]
async fn mosquitto() {
    let broker = Secured::start();
    let plain = broker.mosquitto.port();
    is_kept("mqtt", plain, "", plain).await;
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
