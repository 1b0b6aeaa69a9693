//! Messages that the client holds, matched with their acknowledgements.

use std::sync::Arc;

use crate::sink::LatencyProbe;
use crate::sink::mqtt::retained_topic::{RetainedTopic, TopicValue};

/// Content of a message that the client holds.
#[derive(Debug)]
pub(super) enum Delivery {
    Topic(RetainedTopic),
    /// Id in the outbox and source.
    Event(u64, Arc<str>),
    Window(Option<LatencyProbe>),
    Reply,
}

impl Delivery {
    /// Returns true if the daemon is of use without this message: not `status`, states and events.
    pub(super) fn is_dispensable(&self) -> bool {
        match self {
            Self::Topic(RetainedTopic::Status | RetainedTopic::Availability(_) | RetainedTopic::State(_))
            | Self::Event(..) => false,
            Self::Topic(_) | Self::Window(_) | Self::Reply => true,
        }
    }
}

/// Latest value of a topic.
#[derive(Debug)]
pub(super) struct TopicEntry {
    pub(super) value: TopicValue,
    /// The topic is in the queue of topics to publish.
    pub(super) queued: bool,
    /// Events of the source up to this id are published first.
    pub(super) after: u64,
}
