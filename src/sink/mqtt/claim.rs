//! Whose name a node's is: what the broker keeps under it, looked up before anything is published.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS, SubscribeFilter};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::discovery::{Discovery, Predecessor};
use super::failure::Failure;
use crate::sink::topics::Topics;

/// Connecting and asking together take no longer.
const ASKING: Duration = Duration::from_secs(20);

/// A broker sends what it keeps right after it has taken the subscription.
const QUIET: Duration = Duration::from_millis(400);

/// What another run says of itself in `info`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Other {
    /// Its id.
    pub run: Arc<str>,
    /// Its daemon's id over restarts, where it has one.
    pub instance: Option<Arc<str>>,
    /// When it started, as it stands in the payload: such texts sort as times do.
    pub started: String,
    /// Names of its sources.
    pub sources: Vec<Arc<str>>,
    /// Its labels.
    pub labels: Vec<Arc<str>>,
}

impl Other {
    /// Reads an `info` payload; `None` where it is none.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let info: Value = serde_json::from_slice(payload).ok()?;
        let texts = |key: &str, inner: Option<&str>| -> Vec<Arc<str>> {
            let list = info[key].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .filter_map(|item| inner.map_or(item, |key| &item[key]).as_str())
                .map(Arc::from)
                .collect()
        };
        Some(Self {
            run: info["run"].as_str()?.into(),
            instance: info["instance"].as_str().map(Arc::from),
            started: info["started"].as_str().unwrap_or_default().to_owned(),
            sources: texts("sources", Some("name")),
            labels: texts("labels", None),
        })
    }
}

/// What the broker keeps under a node's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Whoever published `info` last.
    pub other: Option<Other>,
    /// Whether `status` says `online`.
    pub online: bool,
    /// Whether it has published something just now.
    alive: bool,
    device: bool,
    legacy: bool,
}

impl Found {
    /// What is to be tidied up after it.
    pub fn predecessor(&self) -> Predecessor {
        let Other { sources, labels, .. } = self.other.clone().unwrap_or_default();
        Predecessor { sources, labels, device: self.device, legacy: self.legacy }
    }

    /// Whether another daemon seems to live there: one that is not `instance`, of whose earlier run a broker may not have
    /// noticed yet that it is gone.
    pub fn seems_taken(&self, instance: Option<&str>) -> bool {
        let is_other = |other: &Other| instance.is_none() || other.instance.as_deref() != instance;
        self.online && self.other.as_ref().is_some_and(is_other)
    }

    /// Whether it does.
    pub fn is_taken(&self, instance: Option<&str>) -> bool {
        self.seems_taken(instance) && self.alive
    }
}

/// Asks what there is under `topics`. Where another daemon than `instance` seems to live there, waits `patience` for a sign of
/// life, or of its end: every daemon publishes `stats` each 30 seconds, and a broker keeps `online` of one that it has
/// forgotten how to bury.
///
/// # Errors
/// When there is no connection, or no answer.
pub async fn look(
    options: MqttOptions,
    topics: &Topics,
    discovery: &Discovery,
    instance: Option<&str>,
    patience: Duration,
) -> Result<Found, Failure> {
    let (client, mut events) = AsyncClient::new(options, 8);
    let found = timeout(ASKING + patience, ask(&client, &mut events, topics, discovery, instance, patience))
        .await
        .unwrap_or_else(|_| Err(Failure::stalled()))?;
    leave(&client, &mut events).await;
    Ok(found)
}

async fn ask(
    client: &AsyncClient,
    events: &mut EventLoop,
    topics: &Topics,
    discovery: &Discovery,
    instance: Option<&str>,
    patience: Duration,
) -> Result<Found, Failure> {
    let (status, info, stats) = (topics.status(), topics.of_node("info"), topics.of_node("stats"));
    let [device, legacy] = discovery.marks(topics);
    let mut found = Found::default();
    let mut until: Option<Instant> = None;
    let mut patience_ends: Option<Instant> = None;
    loop {
        let event = match until {
            None => events.poll().await,
            Some(until) => match timeout_at(until, events.poll()).await {
                Ok(event) => event,
                Err(_) => return Ok(found),
            },
        };
        match event.map_err(|error| Failure::of(&error))? {
            Event::Incoming(Packet::ConnAck(_)) => {
                let filters = [&status, &info, &stats, &device, &legacy];
                let filters = filters.map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
                // The queue of a new client is empty.
                let _ = client.try_subscribe_many(filters);
            }
            Event::Incoming(Packet::SubAck(_)) => until = Some(Instant::now() + QUIET),
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = &publish.topic;
                found.alive |= !publish.retain && (*topic == info || *topic == stats);
                if *topic == status {
                    found.online = &*publish.payload == b"online";
                } else if *topic == info {
                    found.other = Other::parse(&publish.payload);
                } else if *topic == device {
                    found.device = !publish.payload.is_empty();
                } else if *topic == legacy {
                    found.legacy = !publish.payload.is_empty();
                }
            }
            _ => {}
        }
        if until.is_some() && found.seems_taken(instance) && !found.alive {
            let ends = *patience_ends.get_or_insert_with(|| Instant::now() + patience);
            until = until.max(Some(ends));
        } else if patience_ends.is_some() {
            return Ok(found);
        }
    }
}

/// Disconnects in a way that fires no last will.
pub async fn leave(client: &AsyncClient, events: &mut EventLoop) {
    let _ = client.try_disconnect();
    let left =
        async { while !matches!(events.poll().await, Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {} };
    let _ = timeout(Duration::from_millis(500), left).await;
}
