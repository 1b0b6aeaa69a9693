//! Steps of `genred test-mqtt`: one after the other to the broker, so that the one that fails is known.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::tokio_rustls::TlsConnector;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::claim::leave;
use super::config::{DiscoveryStyle, MqttConfig, Protocol};
use super::discovery::{Discovery, Predecessor};
use super::failure::{Failure, Kind};
use super::negotiation::{Negotiation, client_id};
use super::publication::{Publication, encode};
use super::server::Server;
use super::wire::{Client, Events, Hello, Limits, Signal, Version, Will, open};
use super::withheld::Sized;
use crate::sink::payload::{Info, SourceInfo};
use crate::sink::topics::Topics;

/// The longest that a step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time for a message to come back.
const ECHO: Duration = Duration::from_secs(5);

/// What is published to see whether it comes back.
const WORD: &str = "test";

/// A step, and what came of it.
#[derive(Debug)]
pub struct Step {
    /// `resolve`, `connect`, `tls`, `authenticate`, `last will`, `subscribe`, `publish`, `read back`, `retain`,
    /// `message size`, `discovery`.
    pub stage: &'static str,
    /// Finding, or the reason for the failure.
    pub outcome: Result<String, Failure>,
}

/// Content that the daemon would publish.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The head's labels.
    pub labels: Vec<Arc<str>>,
    /// The sources.
    pub sources: Vec<SourceInfo>,
}

/// Takes the steps, `say`ing each; whether all went well. Nothing is left behind at the broker. `run` is a random id.
pub async fn check(
    config: &MqttConfig,
    node: &str,
    run: &str,
    contents: Contents,
    say: &mut dyn FnMut(&Step),
) -> bool {
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
    let topics = Topics::new(config.prefix.clone(), node.into());
    let largest = largest(config, &topics, run, contents);
    let probe = Probe::new(config, topics, client_id(node, run), largest);
    probe.talk(&mut tell).await;
    all
}

/// Size of the largest message that the daemon would publish when it connects, in bytes, and its topic.
fn largest(config: &MqttConfig, topics: &Topics, run: &str, contents: Contents) -> Sized {
    let info = Info {
        run: run.into(),
        instance: Some(run.into()),
        version: env!("CARGO_PKG_VERSION"),
        started: jiff::Timestamp::now(),
        model: "model".into(),
        model_sha256: "0".repeat(64).into(),
        head: "head".into(),
        labels: contents.labels,
        execution_provider: "cpu",
        execution_provider_reason: "".into(),
        lookahead_ms: 0.0,
        hop_s: 1.0,
        sources: contents.sources,
    };
    let plan = Discovery::of(config).plan(topics, &info, &Predecessor::default());
    let announced = plan.announcements.into_iter().map(|message| (message.topic, message.payload.len()));
    let all = announced.chain([(topics.of_node("info"), encode(&info).len())]);
    let (topic, bytes) = all.max_by_key(|(_, bytes)| *bytes).unwrap_or_default();
    Sized { topic, bytes }
}

/// The steps that are made in MQTT.
struct Probe<'a> {
    config: &'a MqttConfig,
    topics: Topics,
    id: String,
    largest: Sized,
    negotiation: Negotiation,
    connection: Option<(Client, Events, Limits)>,
}

impl<'a> Probe<'a> {
    fn new(config: &'a MqttConfig, topics: Topics, id: String, largest: Sized) -> Self {
        let negotiation = Negotiation::new(config.protocol);
        Self { config, topics, id, largest, negotiation, connection: None }
    }

    async fn talk(mut self, tell: &mut impl FnMut(&'static str, Result<String, Failure>) -> bool) {
        if !tell("authenticate", self.authenticate().await) {
            return;
        }
        tell("last will", self.last_will().await);
        let test = self.topics.of_node(WORD);
        let subscribed = self.subscribe(&test).await;
        let goes_on = tell("subscribe", subscribed.map(|()| test.clone()));
        if !goes_on {
            return self.leave().await;
        }
        let published = self.publish(&test, WORD.into(), false).await;
        let reads = published.as_ref().is_ok_and(|back| *back);
        let refusal = published.as_ref().err().map(|failure| failure.kind);
        // A refusal in MQTT 5 says what silence says in MQTT 3.1.1.
        let published = published.map(|_| test.clone()).map_err(|failure| Failure {
            reason: format!(
                "a message on {test} is not accepted ({}): nobody would see anything of genred",
                failure.reason
            ),
            cure: match failure.kind {
                Kind::Closed => "allow this user to publish under `mqtt.prefix`, in the broker's access list",
                _ => failure.cure,
            },
            ..failure
        });
        let published = tell("publish", published);
        if published {
            let reads_back = reads.then(|| test.clone()).ok_or_else(|| {
                Failure::new(
                    Kind::Other,
                    format!(
                        "what is published on {test} is not passed on: nobody would see anything of genred"
                    ),
                    "allow this user to publish under `mqtt.prefix`, in the broker's access list",
                )
            });
            tell("read back", reads_back);
        }
        if reads {
            tell("retain", self.retain(&test).await);
            tell("message size", self.size(&test).await);
        }
        if self.config.discovery != DiscoveryStyle::Off && refusal != Some(Kind::Silent) {
            tell("discovery", self.discovery().await);
        }
        self.leave().await;
    }

    /// Connects as the daemon does when it looks at what there is.
    async fn authenticate(&mut self) -> Result<String, Failure> {
        let limits = self.connect().await?;
        let who = match &self.config.login {
            Some(login) => format!("accepted as `{}`", login.username),
            None => "accepted without a login".to_owned(),
        };
        let id = match &limits.assigned_id {
            Some(id) => format!("client id `{id}`, which the broker chose"),
            None => format!("client id `{}`", self.id),
        };
        let fell_back = self.config.protocol == Protocol::Auto && limits.version == Version::V311;
        let note = if fell_back { " (the broker does not speak 5)" } else { "" };
        Ok(format!("{who}, MQTT {}{note}, {id}", limits.version))
    }

    /// A connection in the way that the broker wants, without a last will.
    async fn connect(&mut self) -> Result<Limits, Failure> {
        loop {
            let hello = self.negotiation.hello(&self.id, None);
            match attempt(self.config, &hello).await {
                Ok((client, events, limits)) => {
                    self.negotiation.accepted(&hello, &limits);
                    let limits = self.negotiation.restricted(limits);
                    self.connection = Some((client, events, limits.clone()));
                    return Ok(limits);
                }
                Err(failure) if self.negotiation.failed(&hello, &failure) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The last will of the daemon, on a connection of its own that ends in good order.
    async fn last_will(&mut self) -> Result<String, Failure> {
        self.leave().await;
        let topic = self.topics.status();
        let hello = self.negotiation.hello(&self.id, None);
        let wish = |retain, qos| {
            let will = Some(Will { topic: topic.clone(), qos, retain });
            Hello { will, ..hello.clone() }
        };
        // Before a will of that kind is offered, what the broker says of itself counts.
        let outcome = match (self.negotiation.retain(), self.negotiation.max_qos()) {
            (false, _) => Err(Failure::new(Kind::WillRetain, "", "")),
            (true, 0) => Err(Failure::new(Kind::WillQos, "", "")),
            (true, _) => attempt(self.config, &wish(true, 1)).await,
        };
        let failure = match outcome {
            Ok((client, mut events, _)) => {
                leave(&client, &mut events).await;
                return Ok(format!("`offline` on {topic}, retained, quality of service 1"));
            }
            Err(failure) => failure,
        };
        // MQTT 3.1.1 has no code for it: what is taken instead tells.
        let mut kind = failure.kind;
        if kind == Kind::Closed {
            for (retain, qos, found) in [(false, 1, Kind::WillRetain), (true, 0, Kind::WillQos)] {
                if let Ok((client, mut events, _)) = attempt(self.config, &wish(retain, qos)).await {
                    leave(&client, &mut events).await;
                    self.negotiation.restrict(retain, qos);
                    kind = found;
                    break;
                }
            }
        }
        Err(match kind {
            Kind::WillRetain => Failure::new(
                kind,
                "the broker takes no retained messages: late subscribers see nothing until the next message, and Home Assistant forgets the entities at its restart",
                "allow retained messages (mosquitto: `retain_available true`); genred does without until then",
            ),
            Kind::WillQos => Failure::new(
                kind,
                "the broker offers quality of service 0 alone: events may be lost",
                "allow quality of service 1 (mosquitto: `max_qos 1`); genred does without until then",
            ),
            _ => Failure {
                reason: format!(
                    "a last will on {topic} is not accepted ({}): a daemon that dies stays `online`",
                    failure.reason
                ),
                ..failure
            },
        })
    }

    /// The connection; a new one where the last one was lost.
    async fn connected(&mut self) -> Result<(), Failure> {
        if self.connection.is_none() {
            self.connect().await?;
        }
        Ok(())
    }

    async fn leave(&mut self) {
        if let Some((client, mut events, _)) = self.connection.take() {
            leave(&client, &mut events).await;
        }
    }

    async fn subscribe(&mut self, topic: &str) -> Result<(), Failure> {
        self.connected().await?;
        let Some((client, events, _)) = &mut self.connection else { return Err(Failure::stalled()) };
        // The queue is empty between steps.
        client.subscribe([topic.to_owned()]);
        let refusal = within(wait(events, |signal| match signal {
            Signal::Subscribed(refusals) => Some(refusals.iter().flatten().next().copied()),
            _ => None,
        }))
        .await;
        match self.keep(refusal)? {
            None => Ok(()),
            Some(reason) => Err(Failure::new(
                Kind::Other,
                format!("the broker refuses the subscription to {topic}: {reason}"),
                "allow this user to read the topic, in the broker's access list",
            )),
        }
    }

    /// Publishes, and waits for the acknowledgement and for the message to come back: whether it did.
    async fn publish(&mut self, topic: &str, payload: Vec<u8>, retain: bool) -> Result<bool, Failure> {
        self.connected().await?;
        let Some((client, events, limits)) = &mut self.connection else { return Err(Failure::stalled()) };
        let qos = limits.max_qos;
        let length = payload.len();
        client.publish(Publication { topic: topic.to_owned(), qos, retain, payload });
        let (mut back, mut answer) = (false, (qos == 0).then_some(None));
        let came_back = wait(events, |signal| {
            match signal {
                Signal::Message(message) if message.topic == topic && message.payload.len() == length => {
                    back = true
                }
                Signal::Acknowledged(_, reason) => answer = Some(*reason),
                _ => {}
            }
            let refused = matches!(answer, Some(Some(_)));
            (refused || back && answer.is_some()).then_some(())
        });
        let outcome = timeout(ECHO, came_back).await.unwrap_or(Ok(()));
        self.keep(outcome)?;
        match answer {
            None => Err(Failure::stalled()),
            Some(None) => Ok(back),
            Some(Some(reason)) => Err(Failure::new(
                Kind::Message(reason),
                format!("the broker refuses the message: {reason}"),
                reason.cure(),
            )),
        }
    }

    /// Of a failed connection nothing is kept.
    fn keep<T>(&mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    /// A retained message must reach a later subscriber.
    async fn retain(&mut self, topic: &str) -> Result<String, Failure> {
        const CURE: &str = "allow retained messages (mosquitto: `retain_available true`)";
        let lost = "late subscribers, and a restarted Home Assistant, see nothing until the next message";
        if !self.negotiation.retain() {
            return Err(Failure::new(
                Kind::Other,
                format!("the broker takes no retained messages: {lost}"),
                CURE,
            ));
        }
        let outcome = self.publish(topic, WORD.into(), true).await;
        let kept = match outcome {
            Ok(_) => self.is_kept(topic).await,
            Err(failure) => Err(failure),
        };
        // Whatever came of it.
        let _ = self.publish(topic, Vec::new(), true).await;
        match kept {
            Ok(true) => Ok(format!("{topic} is kept for late subscribers")),
            Ok(false) => Err(Failure::new(Kind::Other, format!("{topic} is not kept: {lost}"), CURE)),
            Err(failure) => {
                let reason = format!("a retained message is not accepted ({}): {lost}", failure.reason);
                Err(Failure { reason, cure: CURE, ..failure })
            }
        }
    }

    async fn is_kept(&mut self, topic: &str) -> Result<bool, Failure> {
        // As somebody who comes later.
        self.leave().await;
        self.connected().await?;
        let Some((client, events, _)) = &mut self.connection else { return Err(Failure::stalled()) };
        client.subscribe([topic.to_owned()]);
        let kept = wait(events, |signal| match signal {
            Signal::Message(message) => (message.topic == topic).then_some(()),
            _ => None,
        });
        match timeout(ECHO, kept).await {
            Ok(outcome) => self.keep(outcome).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// A message as large as the largest that the daemon publishes.
    async fn size(&mut self, topic: &str) -> Result<String, Failure> {
        let Sized { topic: largest, bytes } = self.largest.clone();
        let lost = match largest.ends_with("/config") {
            true => "Home Assistant would not learn of the entities",
            false => "subscribers would not learn what runs here",
        };
        let cure = "raise the broker's limit (mosquitto: `message_size_limit`, `max_packet_size`), or use fewer labels";
        self.connected().await?;
        let limit = self.connection.as_ref().map(|(_, _, limits)| limits.clone());
        // As long as the topic that it stands for.
        let payload = vec![b' '; bytes + largest.len().saturating_sub(topic.len())];
        let message = Publication { topic: topic.to_owned(), qos: 1, retain: true, payload: payload.clone() };
        if let Some(limits) = limit.filter(|limits| !limits.fits(&message)) {
            let limit = limits.max_packet;
            let reason =
                format!("{largest} has {bytes} bytes and the broker takes packets of {limit}: {lost}");
            return Err(Failure::new(Kind::Other, reason, cure));
        }
        // A new connection is subscribed to nothing.
        self.subscribe(topic).await?;
        let why = match self.publish(topic, payload, false).await {
            Ok(true) => return Ok(format!("{bytes} bytes, as {largest} has")),
            Ok(false) => "is not passed on".to_owned(),
            Err(failure) => format!("is not accepted ({})", failure.reason),
        };
        let reason = format!("a message of {bytes} bytes, as {largest} has, {why}: {lost}");
        Err(Failure::new(Kind::Other, reason, cure))
    }

    /// The topics of Home Assistant. An empty message announces nothing.
    async fn discovery(&mut self) -> Result<String, Failure> {
        let prefix = &self.config.discovery_prefix;
        let topic = format!("{prefix}/device/genred_{}__{WORD}/config", self.topics.node());
        let birth = format!("{prefix}/status");
        let lost = "Home Assistant would not learn of the entities";
        let cure =
            "allow this user to publish under `mqtt.discovery_prefix`, or set `mqtt.discovery = \"off\"`";
        let subscribed = self.subscribe(&topic).await;
        let why = match self.publish(&topic, Vec::new(), false).await {
            Ok(true) => {
                return self.subscribe(&birth).await.map(|()| topic);
            }
            // Whether it came back cannot be known.
            Ok(false) if subscribed.is_err() => {
                return Err(subscribed.err().unwrap_or_else(Failure::stalled));
            }
            Ok(false) => "is not passed on".to_owned(),
            Err(failure) => format!("is not accepted ({})", failure.reason),
        };
        Err(Failure::new(Kind::Other, format!("what is published on {topic} {why}: {lost}"), cure))
    }
}

/// Connects; the failure says whether the broker took it.
async fn attempt(config: &MqttConfig, hello: &Hello) -> Result<(Client, Events, Limits), Failure> {
    let (client, mut events) = open(config, hello)?;
    let granted = wait(&mut events, |signal| match signal {
        Signal::Connected(limits) => Some(limits.clone()),
        _ => None,
    });
    let limits = match timeout(PATIENCE, granted).await {
        Ok(granted) => granted?,
        Err(_) => return Err(Failure { early: true, ..Failure::stalled() }),
    };
    Ok((client, events, limits))
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
    let name = ServerName::try_from(config.server.host.clone()).map_err(|_| {
        let reason = format!("`{}` cannot be the name in a certificate", config.server.host);
        Failure::new(Kind::Other, reason, "use the broker's name in `mqtt.url`")
    })?;
    let secured =
        TlsConnector::from(tls).connect(name, stream).await.map_err(|error| Failure::of_handshake(&error))?;
    let (_, session) = secured.get_ref();
    let version = session.protocol_version().map_or(String::new(), |version| format!("{version:?}"));
    Ok(format!("{version}, the certificate is valid for `{}`", config.server.host))
}

/// Polls until `wanted` finds what it wants.
async fn wait<T>(events: &mut Events, mut wanted: impl FnMut(&Signal) -> Option<T>) -> Result<T, Failure> {
    loop {
        if let Some(found) = wanted(&events.poll().await?) {
            return Ok(found);
        }
    }
}

async fn within<T>(step: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(PATIENCE, step).await.unwrap_or_else(|_| Err(Failure::stalled()))
}
