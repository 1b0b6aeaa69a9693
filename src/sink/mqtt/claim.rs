//! Whose name a node's is: what the broker keeps under it, looked up before anything is published.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::MqttConfig;
use super::discovery::{Discovery, Predecessor};
use super::failure::Failure;
use super::wire::{Client, Events, Hello, Limits, Signal, open};
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

/// Parameters of [`look`].
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Topics that the daemon would publish on.
    pub topics: &'a Topics,
    /// Form of its announcements.
    pub discovery: &'a Discovery,
    /// Its id over restarts.
    pub instance: Option<&'a str>,
    /// Longest wait for a sign of life.
    pub patience: Duration,
}

/// Asks what there is under the topics of `question`. Where another daemon than `instance` seems to live there, waits
/// `patience` for a sign of life, or of its end: every daemon publishes `stats` each 30 seconds, and a broker keeps
/// `online` of one that it has forgotten how to bury. Also returns what the broker grants.
///
/// # Errors
/// When there is no connection, or no answer.
pub async fn look(
    config: &MqttConfig,
    hello: &Hello,
    question: Question<'_>,
) -> Result<(Found, Limits), Failure> {
    let (client, mut events) = open(config, hello)?;
    let found = timeout(ASKING + question.patience, ask(&client, &mut events, question))
        .await
        .unwrap_or_else(|_| Err(Failure::stalled()))?;
    leave(&client, &mut events).await;
    Ok(found)
}

async fn ask(
    client: &Client,
    events: &mut Events,
    question: Question<'_>,
) -> Result<(Found, Limits), Failure> {
    let Question { topics, discovery, instance, patience } = question;
    let (status, info, stats) = (topics.status(), topics.of_node("info"), topics.of_node("stats"));
    let [device, legacy] = discovery.marks(topics);
    let mut found = Found::default();
    let mut granted: Option<Limits> = None;
    let mut until: Option<Instant> = None;
    let mut patience_ends: Option<Instant> = None;
    loop {
        let signal = match (until, &granted) {
            (Some(until), Some(granted)) => match timeout_at(until, events.poll()).await {
                Ok(signal) => signal,
                Err(_) => return Ok((found, granted.clone())),
            },
            _ => events.poll().await,
        };
        match signal? {
            Signal::Connected(limits) => {
                granted = Some(limits);
                let filters = [&status, &info, &stats, &device, &legacy];
                // The queue of a new client is empty.
                client.subscribe(filters.map(Clone::clone));
            }
            Signal::Subscribed(_) => until = Some(Instant::now() + QUIET),
            Signal::Message(message) => {
                let topic = &message.topic;
                found.alive |= !message.retain && (*topic == info || *topic == stats);
                if *topic == status {
                    found.online = message.payload == b"online";
                } else if *topic == info {
                    found.other = Other::parse(&message.payload);
                } else if *topic == device {
                    found.device = !message.payload.is_empty();
                } else if *topic == legacy {
                    found.legacy = !message.payload.is_empty();
                }
            }
            _ => {}
        }
        if until.is_some() && found.seems_taken(instance) && !found.alive {
            let ends = *patience_ends.get_or_insert_with(|| Instant::now() + patience);
            until = until.max(Some(ends));
        } else if let (Some(_), Some(granted)) = (patience_ends, &granted) {
            return Ok((found, granted.clone()));
        }
    }
}

/// Disconnects in a way that fires no last will.
pub async fn leave(client: &Client, events: &mut Events) {
    client.disconnect();
    let left = async { while !matches!(events.poll().await, Ok(Signal::Left) | Err(_)) {} };
    let _ = timeout(Duration::from_millis(500), left).await;
}
