//! Publishing: messages, their order and their acknowledgements. A state machine: no I/O, no clock.

mod accept;
mod delivery;
mod lifetime;
mod publish;
mod retained;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use self::delivery::{Delivery, TopicEntry};
use super::discovery::{Discovery, PreviousRun};
use super::outbox::Outbox;
use super::protocol::{BrokerLimits, ProtocolVersion};
use super::publication::Publication;
use super::retained_topic::{RetainedTopic, TopicValue};
use super::suppression::{MessageSize, Suppression};
use super::unanswered::UnansweredMessages;
use crate::counters::MqttCounters;
use crate::event::{DaemonInfo, WindowResult};
use crate::sink::LatencyProbe;
use crate::sink::payload::ConnectionStats;
use crate::sink::topics::Topics;

/// Publishing side of the connection.
///
/// The owner of the client calls [`connected`](Self::connected) on every CONNACK, publishes what
/// [`take`](Self::take) returns, reports every written publication ([`sent`](Self::sent), in that
/// order) and every PUBACK ([`acknowledged`](Self::acknowledged)), and calls
/// [`interrupted`](Self::interrupted) and [`disconnected`](Self::disconnected) at the end of a
/// connection. Packet ids are those of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    topics: Topics,
    window_qos: Option<u8>,
    discovery: Discovery,
    info: Option<Arc<DaemonInfo>>,
    /// Retained messages of an earlier run, once the node name has been looked up.
    previous_run: Option<PreviousRun>,
    /// Latest value of each topic.
    latest: BTreeMap<RetainedTopic, TopicEntry>,
    /// Topics to publish.
    queue: VecDeque<RetainedTopic>,
    outbox: Outbox,
    windows: VecDeque<(Arc<str>, Arc<WindowResult>, Option<LatencyProbe>)>,
    replies: VecDeque<Publication>,
    /// Latency probes of events, by their ids in the outbox.
    probes: HashMap<u64, LatencyProbe>,
    /// Held by the client and not yet written, oldest first.
    handed: VecDeque<(Delivery, MessageSize)>,
    /// Written and not acknowledged, by packet id.
    unacknowledged: HashMap<u16, Delivery>,
    unanswered: UnansweredMessages,
    limits: BrokerLimits,
    suppression: Suppression,
    /// Send one message at a time, to find the one on which the broker closes the connection.
    one_at_a_time: bool,
    /// First events of sources that were refused and may be accepted later: id by source.
    refused_events: HashMap<Arc<str>, u64>,
    /// Messages that were not sent because of their size.
    oversized: Vec<MessageSize>,
    connected: bool,
    closing: bool,
    connections: u64,
    /// Number of events that exceeded the capacity of the outbox.
    pub(crate) events_dropped: u64,
    /// Number of windows that exceeded their queue.
    pub(crate) windows_dropped: u64,
}

impl Session {
    /// Creates a disconnected session. `window_qos`: `None` publishes no windows.
    pub(crate) fn new(topics: Topics, window_qos: Option<u8>, discovery: Discovery, outbox: Outbox) -> Self {
        let mut session = Self {
            topics,
            window_qos,
            discovery,
            info: None,
            previous_run: None,
            latest: BTreeMap::new(),
            queue: VecDeque::new(),
            outbox,
            windows: VecDeque::new(),
            replies: VecDeque::new(),
            probes: HashMap::new(),
            handed: VecDeque::new(),
            unacknowledged: HashMap::new(),
            unanswered: UnansweredMessages::default(),
            limits: BrokerLimits::none(ProtocolVersion::V311),
            suppression: Suppression::default(),
            one_at_a_time: false,
            refused_events: HashMap::new(),
            oversized: Vec::new(),
            connected: false,
            closing: false,
            connections: 0,
            events_dropped: 0,
            windows_dropped: 0,
        };
        session.set(RetainedTopic::Status, TopicValue::Online(true), 0);
        session
    }

    /// Returns refused events to the outbox.
    pub(crate) fn retry_refused(&mut self) {
        for (source, id) in std::mem::take(&mut self.refused_events) {
            self.outbox.put_back(id, &source);
        }
    }

    pub(crate) fn has_refused_events(&self) -> bool {
        !self.refused_events.is_empty()
    }

    /// Takes the messages that were not sent because of their size.
    pub(crate) fn take_oversized(&mut self) -> Vec<MessageSize> {
        std::mem::take(&mut self.oversized)
    }

    /// Limits of the broker on this connection.
    pub(crate) fn limits(&self) -> &BrokerLimits {
        &self.limits
    }

    /// Returns true once everything that is published on a new connection is acknowledged.
    pub(crate) fn is_complete(&self) -> bool {
        self.connected && self.info.is_some() && self.queue.is_empty() && self.in_flight() == 0
    }

    /// Returns true if nothing waits to be published or acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.windows.is_empty()
            && self.replies.is_empty()
            && self.in_flight() == 0
            && (self.closing || self.outbox.is_empty())
    }

    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    pub(crate) fn has_info(&self) -> bool {
        self.info.is_some()
    }

    /// Start time of this run as in `info`; later than any other before the first `info`.
    pub(crate) fn started(&self) -> String {
        self.info.as_ref().map_or("~".to_owned(), |info| format!("{:.3}", info.started))
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Number of unacknowledged events.
    pub(crate) fn waiting_events(&self) -> usize {
        self.outbox.len()
    }

    fn in_flight(&self) -> usize {
        self.handed.len() + self.unacknowledged.len()
    }

    fn set(&mut self, slot: RetainedTopic, value: TopicValue, after: u64) {
        let content = self.latest.entry(slot.clone()).or_insert_with(|| TopicEntry {
            value: value.clone(),
            queued: false,
            after,
        });
        content.value = value;
        content.after = after;
        if !content.queued && self.connected {
            content.queued = true;
            self.queue.push_back(slot);
        }
    }

    /// Copies the counts of the connection.
    pub(crate) fn count(&self, counters: &MqttCounters) {
        counters.connected.set(self.connected);
        counters.connections.set(self.connections);
        counters.outbox.set(self.outbox.len() as u64);
        counters.events_dropped.set(self.events_dropped);
        counters.windows_dropped.set(self.windows_dropped);
    }

    fn mqtt_stats(&self) -> ConnectionStats {
        ConnectionStats {
            connected: self.connected,
            reconnects: self.connections.saturating_sub(1),
            outbox: self.outbox.len(),
        }
    }
}

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;
