//! Topics of which only the latest value counts.

use std::sync::Arc;

use super::publication::{Publication, encode};
use crate::sink::payload::{Attributes, Info, MqttStats, Settings, State, Stats};
use crate::sink::topics::Topics;

/// Such a topic. In the order of a new connection: whoever sees a `state` has seen that the node and the source are
/// there, and `info` is overwritten only when what its predecessor's sources left is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// `online` or `offline`.
    Status,
    /// Once: what makes way for the announcements.
    Before(usize),
    /// An announcement to Home Assistant.
    Announcement(usize),
    /// Once: what the announcements leave behind.
    After(usize),
    /// What runs here.
    Info,
    /// Whether a source's audio arrives.
    Availability(Arc<str>),
    /// What is published of a source.
    State(Arc<str>),
    /// Its labels and tags.
    Attributes(Arc<str>),
    /// Its settings.
    Settings(Arc<str>),
    /// Counters.
    Stats,
}

impl Slot {
    /// The source that it belongs to.
    pub fn source(&self) -> Option<&Arc<str>> {
        match self {
            Self::Availability(source)
            | Self::State(source)
            | Self::Attributes(source)
            | Self::Settings(source) => Some(source),
            _ => None,
        }
    }

    /// Whether it is for Home Assistant, or for what a predecessor left.
    pub fn is_planned(&self) -> bool {
        matches!(self, Self::Before(_) | Self::Announcement(_) | Self::After(_))
    }

    /// The number of one that is published once.
    pub fn number(&self) -> Option<usize> {
        match self {
            Self::Before(number) | Self::After(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether one acknowledgement is enough for the life of the process.
    pub fn is_once(&self) -> bool {
        matches!(self, Self::Before(_) | Self::After(_))
    }

    /// Whether Home Assistant, when it starts, is to see it again.
    pub fn is_for_birth(&self) -> bool {
        matches!(self, Self::Announcement(_) | Self::Availability(_) | Self::State(_) | Self::Attributes(_))
    }

    /// Quality of service, and whether the broker keeps it.
    fn delivery(&self) -> (u8, bool) {
        match self {
            Self::Attributes(_) => (0, true),
            Self::Stats => (0, false),
            _ => (1, true),
        }
    }

    /// The message for `value`; `mqtt` goes into statistics.
    pub fn publication(&self, value: &Value, topics: &Topics, mqtt: MqttStats) -> Publication {
        let of = |leaf| match self.source() {
            Some(source) => topics.of_source(source, leaf),
            None => topics.of_node(leaf),
        };
        let topic = match self {
            Self::Status => topics.status(),
            Self::Info => of("info"),
            Self::Stats => of("stats"),
            Self::Availability(_) => of("availability"),
            Self::State(_) => of("state"),
            Self::Attributes(_) => of("attributes"),
            Self::Settings(_) => of("settings"),
            Self::Before(_) | Self::Announcement(_) | Self::After(_) => String::new(),
        };
        let payload = match value {
            Value::Ready(publication) => return publication.clone(),
            Value::Online(online) => if *online { "online" } else { "offline" }.into(),
            Value::Info(info) => encode(&**info),
            Value::State(state) => encode(&**state),
            Value::Attributes(attributes) => encode(&**attributes),
            Value::Settings(settings) => encode(&**settings),
            Value::Stats(stats) => encode(&Stats { mqtt: Some(mqtt), ..Stats::clone(stats) }),
        };
        let (qos, retain) = self.delivery();
        Publication { topic, qos, retain, payload }
    }
}

/// What is published there.
#[derive(Debug, Clone)]
pub enum Value {
    /// Encoded already.
    Ready(Publication),
    /// `online` or `offline`.
    Online(bool),
    /// See the payload of the same name.
    Info(Arc<Info>),
    /// See the payload of the same name.
    State(Arc<State>),
    /// See the payload of the same name.
    Attributes(Arc<Attributes>),
    /// See the payload of the same name.
    Settings(Arc<Settings>),
    /// See the payload of the same name.
    Stats(Arc<Stats>),
}
