//! What `genred test-mqtt` does: one step after the other to the broker, so that the one that fails is known.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::tokio_rustls::TlsConnector;
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, SubscribeFilter, SubscribeReasonCode,
};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::claim::leave;
use super::config::{DiscoveryStyle, MqttConfig};
use super::connect;
use super::failure::Failure;
use super::server::Server;
use crate::sink::topics::Topics;

/// The longest that a step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is published to see whether it comes back.
const WORD: &str = "test";

/// A step, and what came of it.
#[derive(Debug)]
pub struct Step {
    /// `resolve`, `connect`, `tls`, `authenticate`, `subscribe`, `publish`, `read back`, `discovery`.
    pub stage: &'static str,
    /// What was found, or why it failed.
    pub outcome: Result<String, Failure>,
}

/// Takes the steps, `say`ing each; whether all went well. Nothing is left behind at the broker.
pub async fn check(config: &MqttConfig, node: &str, id: &str, say: &mut dyn FnMut(&Step)) -> bool {
    let mut all = true;
    let mut tell = |stage, outcome: Result<String, Failure>| {
        let went_well = outcome.is_ok();
        say(&Step { stage, outcome });
        all &= went_well;
        went_well
    };
    let server = &config.server;
    let addresses = match within(resolve(server)).await {
        Ok(addresses) => {
            let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            tell("resolve", Ok(format!("{} is {}", server.host, list.join(", "))));
            addresses
        }
        Err(failure) => return tell("resolve", Err(failure)),
    };
    let stream = match within(connect_to(&addresses)).await {
        Ok(stream) => {
            let peer = stream.peer_addr().map_or(String::new(), |peer| peer.to_string());
            tell("connect", Ok(format!("{peer} listens")));
            stream
        }
        Err(failure) => return tell("connect", Err(failure)),
    };
    if server.transport.is_secured() && !tell("tls", within(secure(config, stream)).await) {
        return false;
    }
    let options = match connect::options(config, id) {
        Ok(options) => options,
        Err(failure) => return tell("authenticate", Err(failure)),
    };
    let topics = Topics::new(config.prefix.clone(), node.into());
    talk(config, options, &topics, &mut tell).await;
    all
}

/// The steps that are made in MQTT.
async fn talk(
    config: &MqttConfig,
    options: MqttOptions,
    topics: &Topics,
    tell: &mut impl FnMut(&'static str, Result<String, Failure>) -> bool,
) {
    let (client, mut events) = AsyncClient::new(options, 16);
    let who =
        config.login.as_ref().map_or("anonymous".to_owned(), |login| format!("as `{}`", login.username));
    let connected =
        within(wait(&mut events, |packet| matches!(packet, Packet::ConnAck(_)).then_some(()))).await;
    if !tell("authenticate", connected.map(|()| format!("accepted {who}"))) {
        return;
    }
    let mut probes = vec![(topics.of_node(WORD), "read back")];
    if config.discovery != DiscoveryStyle::Off {
        let topic = format!("{}/device/genred_{}__{WORD}/config", config.discovery_prefix, topics.node());
        probes.push((topic, "discovery"));
    }
    for (topic, stage) in probes {
        let first = stage == "read back";
        let granted = within(subscribe(&client, &mut events, &topic)).await;
        if first && !tell("subscribe", granted.clone().map(|()| topic.clone())) {
            break;
        }
        // An empty message announces nothing.
        let payload = if first { WORD } else { "" };
        let published = within(publish(&client, &mut events, &topic, payload)).await;
        if first && !tell("publish", published.clone().map(|_| topic.clone())) {
            break;
        }
        let back = match granted.and(published) {
            Ok(true) => Ok(()),
            Ok(false) => within(wait(&mut events, |packet| echo(packet, &topic))).await,
            Err(failure) => Err(failure),
        };
        tell(stage, back.map(|()| topic.clone()).map_err(|failure| unheard(failure, &topic, first)));
    }
    leave(&client, &mut events).await;
}

async fn resolve(server: &Server) -> Result<Vec<SocketAddr>, Failure> {
    let host = server.host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((host, server.port)).await.map_err(|error| Failure::of_io(&error))?;
    Ok(found.collect())
}

async fn connect_to(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    TcpStream::connect(addresses).await.map_err(|error| Failure::of_io(&error))
}

async fn secure(config: &MqttConfig, stream: TcpStream) -> Result<String, Failure> {
    let tls = config.tls.client_config().map_err(|error| Failure::of_files(&error))?;
    let name = ServerName::try_from(config.server.host.clone()).map_err(|_| Failure {
        reason: format!("`{}` cannot be the name in a certificate", config.server.host),
        cure: "use the broker's name in `mqtt.url`",
    })?;
    let secured =
        TlsConnector::from(tls).connect(name, stream).await.map_err(|error| Failure::of_handshake(&error))?;
    let (_, session) = secured.get_ref();
    let version = session.protocol_version().map_or(String::new(), |version| format!("{version:?}"));
    Ok(format!("{version}, the certificate is valid for `{}`", config.server.host))
}

async fn subscribe(client: &AsyncClient, events: &mut EventLoop, topic: &str) -> Result<(), Failure> {
    // The queue is empty between steps.
    let _ = client.try_subscribe_many([SubscribeFilter::new(topic.to_owned(), QoS::AtLeastOnce)]);
    let granted = wait(events, |packet| match packet {
        Packet::SubAck(ack) => Some(!ack.return_codes.contains(&SubscribeReasonCode::Failure)),
        _ => None,
    });
    match granted.await? {
        true => Ok(()),
        false => Err(Failure {
            reason: "the broker refuses the subscription".to_owned(),
            cure: "allow this user to read the topic, in the broker's access list",
        }),
    }
}

/// Whether the message came back before its acknowledgement.
async fn publish(
    client: &AsyncClient,
    events: &mut EventLoop,
    topic: &str,
    payload: &str,
) -> Result<bool, Failure> {
    let _ = client.try_publish(topic, QoS::AtLeastOnce, false, payload);
    let mut back = false;
    let acknowledged = wait(events, |packet| {
        back |= echo(packet, topic).is_some();
        matches!(packet, Packet::PubAck(_)).then_some(())
    });
    acknowledged.await?;
    Ok(back)
}

fn echo(packet: &Packet, topic: &str) -> Option<()> {
    matches!(packet, Packet::Publish(publish) if publish.topic == topic).then_some(())
}

/// A broker may drop what a user must not publish, and acknowledge it all the same.
fn unheard(failure: Failure, topic: &str, all_of_it: bool) -> Failure {
    if failure != Failure::stalled() {
        return failure;
    }
    let cure = match all_of_it {
        true => "allow this user to publish under `mqtt.prefix`, in the broker's access list",
        false => {
            "allow this user to publish under `mqtt.discovery_prefix`, or set `mqtt.discovery = \"off\"`"
        }
    };
    Failure { reason: format!("what is published on {topic} is not passed on"), cure }
}

/// Polls until `wanted` finds what it wants.
async fn wait<T>(events: &mut EventLoop, mut wanted: impl FnMut(&Packet) -> Option<T>) -> Result<T, Failure> {
    loop {
        if let Event::Incoming(packet) = events.poll().await.map_err(|error| Failure::of(&error))?
            && let Some(found) = wanted(&packet)
        {
            return Ok(found);
        }
    }
}

async fn within<T>(step: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(PATIENCE, step).await.unwrap_or_else(|_| Err(Failure::stalled()))
}
