//! Messages from the engine.

use std::sync::Arc;

use super::{RetainedTopic, Session, TopicValue};
use crate::command::CommandOrigin;
use crate::sink::mqtt::publication::{Publication, encode};
use crate::sink::payload::{LabelledPayload, RefusalPayload};
use crate::sink::{CommandAnswer, Message};

/// Capacity of the queue of windows; the oldest are dropped.
pub(super) const MAX_PENDING_WINDOWS: usize = 1024;

/// Capacity of the queue of replies; the newest are dropped.
const MAX_PENDING_REPLIES: usize = 256;

impl Session {
    /// Queues a message from the engine.
    pub(crate) fn accept(&mut self, message: Message) {
        match message {
            Message::Info(info) => {
                self.info = Some(Arc::clone(&info));
                self.plan();
                self.set(RetainedTopic::Info, TopicValue::Info(info), 0);
            }
            // Statistics would be out of date on the next connection.
            Message::Stats(stats) if self.connected => {
                self.set(RetainedTopic::Stats, TopicValue::Stats(stats), 0)
            }
            Message::Stats(_) => {}
            Message::Availability { source, online } => {
                // The event that reports a lost source is published before its `offline`.
                let after = if online { 0 } else { self.outbox.newest() };
                self.set(RetainedTopic::Availability(source), TopicValue::Online(online), after);
            }
            Message::State { source, state } => {
                self.set(RetainedTopic::State(source), TopicValue::State(state), 0)
            }
            Message::Attributes { source, attributes } => {
                self.set(RetainedTopic::Attributes(source), TopicValue::Attributes(attributes), 0);
            }
            Message::Event { source, event, latency } => {
                let dropped = self.outbox.push(&source, &event);
                self.events_dropped += dropped;
                if dropped > 0 {
                    // The probes of dropped events would otherwise remain.
                    self.probes.clear();
                }
                self.probes.extend(latency.map(|probe| (self.outbox.newest(), probe)));
            }
            Message::Window { source, window, latency } if self.connected && self.window_qos.is_some() => {
                if self.windows.len() == MAX_PENDING_WINDOWS {
                    self.windows.pop_front();
                    self.windows_dropped += 1;
                }
                self.windows.push_back((source, window, latency));
            }
            Message::Window { .. }
            | Message::FinalSegment { .. }
            | Message::Health { .. }
            | Message::Answer { origin: CommandOrigin::Client(_) | CommandOrigin::Request(_), .. }
            | Message::Explanation { .. } => {}
            Message::Settings { .. } if !self.discovery.control => {}
            Message::Settings { source, settings } => {
                self.set(RetainedTopic::Settings(source), TopicValue::Settings(settings), 0);
            }
            Message::Answer { source, origin: CommandOrigin::Subscriber, answer } => match &*answer {
                CommandAnswer::Refused(refusal) => {
                    self.reply(&source, "error", encode(&RefusalPayload::from(refusal)));
                }
                CommandAnswer::Stored(stored) => {
                    self.reply(&source, "label", encode(&LabelledPayload::from(stored)));
                }
                CommandAnswer::Changed(_) => {}
            },
        }
    }

    /// Queues a reply, which is not kept for later connections.
    fn reply(&mut self, source: &str, leaf: &str, payload: Vec<u8>) {
        if self.connected && self.replies.len() < MAX_PENDING_REPLIES {
            let topic = self.topics.of_source(source, leaf);
            self.replies.push_back(Publication { topic, qos: 1, retain: false, payload });
        }
    }
}
