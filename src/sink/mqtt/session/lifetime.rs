//! Connections, the node name and the shutdown.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Delivery, RetainedTopic, Session, TopicValue};
use crate::sink::mqtt::discovery::PreviousRun;
use crate::sink::mqtt::protocol::BrokerLimits;
use crate::sink::mqtt::publication::Publication;
use crate::sink::mqtt::suppression::{ConnectionEnd, RefusedMessage};
use crate::sink::mqtt::unanswered::UnansweredMessage;
use crate::sink::topics::Topics;

impl Session {
    /// Sets the topics of this run, and the retained messages of an earlier run under them.
    pub(crate) fn claimed(&mut self, topics: Topics, previous_run: PreviousRun) {
        self.topics = topics;
        self.previous_run = Some(previous_run);
        self.latest.retain(|topic, _| !topic.is_planned());
        self.plan();
    }

    /// Publishes everything again after another daemon has published under the same node name, and
    /// erases the topics of its `sources`.
    pub(crate) fn overwritten_by(&mut self, sources: Vec<Arc<str>>) {
        if let Some(previous_run) = &mut self.previous_run {
            previous_run.sources.extend(sources);
        }
        self.plan();
        self.enqueue(|_| true);
    }

    /// Publishes `online` again.
    pub(crate) fn repeat_online(&mut self) {
        if !self.closing {
            self.set(RetainedTopic::Status, TopicValue::Online(true), 0);
        }
    }

    /// Publishes again what Home Assistant needs after its start.
    pub(crate) fn announce_again(&mut self) {
        self.enqueue(RetainedTopic::is_for_birth);
    }

    /// Publishes the latest that `fits` holds for again, in their order.
    fn enqueue(&mut self, matches: impl Fn(&RetainedTopic) -> bool) {
        if !self.connected {
            return;
        }
        for (topic, content) in self.latest.iter_mut().filter(|(topic, _)| matches(topic)) {
            if !content.queued {
                content.queued = true;
                self.queue.push_back(topic.clone());
            }
        }
    }

    /// Plans the discovery messages, and the erasure of topics of an earlier run.
    pub(super) fn plan(&mut self) {
        let (Some(info), Some(before)) = (&self.info, &mut self.previous_run) else { return };
        let plan = self.discovery.plan(&self.topics, info, before);
        *before = self.discovery.result(info);
        // Topics of an earlier plan that are not acknowledged keep their numbers.
        let next = self.latest.keys().filter_map(RetainedTopic::number).max().map_or(0, |number| number + 1);
        let numbered = |list: Vec<Publication>, topic: fn(usize) -> RetainedTopic, first: usize| {
            list.into_iter()
                .enumerate()
                .map(move |(at, ready)| (topic(first + at), TopicValue::Encoded(ready)))
        };
        let latest: Vec<_> = numbered(plan.before, RetainedTopic::Before, next)
            .chain(numbered(plan.announcements, RetainedTopic::Announcement, 0))
            .chain(numbered(plan.after, RetainedTopic::After, next))
            .collect();
        for (topic, value) in latest {
            self.set(topic, value, 0);
        }
    }

    /// Starts a connection with the broker's `limits`: publishes all retained topics again, then
    /// the outbox.
    pub(crate) fn connected(&mut self, limits: BrokerLimits) {
        self.disconnected();
        self.limits = limits;
        self.connected = true;
        self.connections += 1;
        self.latest.remove(&RetainedTopic::Stats);
        self.queue = self.latest.keys().cloned().collect();
        for content in self.latest.values_mut() {
            content.queued = true;
            content.after = 0;
        }
    }

    /// Ends the connection, and with it all packet ids.
    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.handed.clear();
        self.unacknowledged.clear();
        self.unanswered.clear();
        self.refused_events.clear();
        self.windows.clear();
        self.replies.clear();
        self.outbox.reset();
    }

    /// Records the end of a connection, before [`disconnected`](Self::disconnected). Returns the
    /// message that caused it, if known.
    pub(crate) fn interrupted(&mut self, ending: ConnectionEnd) -> Option<RefusedMessage> {
        if !self.connected {
            return None;
        }
        let first = self.unanswered.pop_oldest();
        let was_one_at_a_time = std::mem::replace(&mut self.one_at_a_time, false);
        match (ending, first) {
            (ConnectionEnd::Refused(reason), Some(UnansweredMessage { packet_id, message, dispensable })) => {
                // A retry would be refused again.
                if let Some(delivery @ Delivery::Event(..)) = self.unacknowledged.remove(&packet_id) {
                    self.complete(delivery);
                }
                if dispensable {
                    self.suppression.on_refused(&message);
                }
                Some(RefusedMessage { message, reason: Some(reason), suppressed: true })
            }
            (ConnectionEnd::Closed, Some(UnansweredMessage { message, dispensable, .. })) => {
                self.one_at_a_time = true;
                // With several unanswered messages, the answer to the oldest may have been lost.
                if !was_one_at_a_time {
                    return None;
                }
                let again = self.suppression.on_closed(message.clone(), dispensable);
                again.then_some(RefusedMessage { message, reason: None, suppressed: dispensable })
            }
            (ConnectionEnd::Closed | ConnectionEnd::Refused(_) | ConnectionEnd::Other, _) => {
                self.suppression.clear_suspect();
                None
            }
        }
    }

    /// Publishes `offline` for every source, then for the node. Events stay in the outbox.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.windows.clear();
        self.queue.clear();
        for content in self.latest.values_mut() {
            content.queued = false;
        }
        let sources: BTreeSet<Arc<str>> =
            self.latest.keys().filter_map(RetainedTopic::source).map(Arc::clone).collect();
        for source in sources {
            self.set(RetainedTopic::Availability(source), TopicValue::Online(false), 0);
        }
        self.set(RetainedTopic::Status, TopicValue::Online(false), 0);
    }
}
