//! Topics of which only the latest value counts.

use std::sync::Arc;

use super::last_will::{OFFLINE, ONLINE};
use super::publication::{Publication, encode};
use crate::event::{DaemonInfo, DaemonStats, SourceAttributes, StateSnapshot};
use crate::sink::SettingsSnapshot;
use crate::sink::payload::{
    AttributesPayload, ConnectionStats, InfoPayload, SettingsPayload, StatePayload, StatsPayload,
};
use crate::sink::topics::Topics;

/// A topic of which only the latest value counts. The order is that of publication on a new
/// connection: a subscriber sees the node and the source online before a `state`, and `info` is
/// overwritten only after the topics of removed sources have been erased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RetainedTopic {
    /// [`ONLINE`] or [`OFFLINE`]; the last will overwrites it.
    Status,
    /// Published once, before the announcements.
    Before(usize),
    /// Discovery message for Home Assistant.
    Announcement(usize),
    /// Published once, after the announcements.
    After(usize),
    Info,
    Availability(Arc<str>),
    State(Arc<str>),
    Attributes(Arc<str>),
    Settings(Arc<str>),
    /// `stats`, which is not retained.
    Stats,
}

impl RetainedTopic {
    /// Source of the topic, if any.
    pub(crate) fn source(&self) -> Option<&Arc<str>> {
        match self {
            Self::Availability(source)
            | Self::State(source)
            | Self::Attributes(source)
            | Self::Settings(source) => Some(source),
            _ => None,
        }
    }

    /// Returns true for a topic from a discovery plan.
    pub(crate) fn is_planned(&self) -> bool {
        matches!(self, Self::Before(_) | Self::Announcement(_) | Self::After(_))
    }

    /// Number of a topic that is published once.
    pub(crate) fn number(&self) -> Option<usize> {
        match self {
            Self::Before(number) | Self::After(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns true if the topic is published only once per process.
    pub(crate) fn is_once(&self) -> bool {
        matches!(self, Self::Before(_) | Self::After(_))
    }

    /// Returns true if the topic is published again when Home Assistant starts.
    pub(crate) fn is_for_birth(&self) -> bool {
        matches!(self, Self::Announcement(_) | Self::Availability(_) | Self::State(_) | Self::Attributes(_))
    }

    /// Quality of service and retain flag.
    fn delivery(&self) -> (u8, bool) {
        match self {
            Self::Attributes(_) => (0, true),
            Self::Stats => (0, false),
            _ => (1, true),
        }
    }

    /// Encodes `value`; `mqtt` becomes part of `stats`.
    pub(crate) fn publication(
        &self,
        value: &TopicValue,
        topics: &Topics,
        mqtt: ConnectionStats,
    ) -> Publication {
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
            TopicValue::Encoded(publication) => return publication.clone(),
            TopicValue::Online(online) => if *online { ONLINE } else { OFFLINE }.into(),
            TopicValue::Info(info) => encode(&InfoPayload::from(&**info)),
            TopicValue::State(state) => encode(&StatePayload::from(&**state)),
            TopicValue::Attributes(attributes) => encode(&AttributesPayload::from(&**attributes)),
            TopicValue::Settings(settings) => encode(&SettingsPayload::from(&**settings)),
            TopicValue::Stats(stats) => encode(&StatsPayload::from(&**stats).with_connection(mqtt)),
        };
        let (qos, retain) = self.delivery();
        Publication { topic, qos, retain, payload }
    }
}

/// Value of a [`RetainedTopic`].
#[derive(Debug, Clone)]
pub(crate) enum TopicValue {
    /// An encoded message.
    Encoded(Publication),
    /// [`ONLINE`] or [`OFFLINE`].
    Online(bool),
    Info(Arc<DaemonInfo>),
    State(Arc<StateSnapshot>),
    Attributes(Arc<SourceAttributes>),
    Settings(Arc<SettingsSnapshot>),
    Stats(Arc<DaemonStats>),
}
