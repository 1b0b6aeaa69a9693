//! What is to be published, in which order, and what of it has arrived. A state machine: no I/O, no clock.

mod kept;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::discovery::{Discovery, Predecessor};
use super::flight::{Flight, Flights};
use super::outbox::Outbox;
use super::publication::{Publication, encode};
use super::reason::Reason;
use super::slot::{Slot, Value};
use super::wire::{Limits, Version};
use super::withheld::{Ending, Refused, Sized, Withheld};
use crate::sink::payload::{Info, MqttStats, Window};
use crate::sink::topics::Topics;
use crate::sink::{Cause, Message};

/// Publications that may be with the client at once. Its own limit is 100, after which
/// it stops taking requests.
pub const IN_FLIGHT: usize = 96;

/// Windows stop short of that, so that they never hold up a state.
const WINDOWS_IN_FLIGHT: usize = 64;

/// Windows that wait for their turn; the oldest give way.
const WINDOWS_WAITING: usize = 1024;

/// Answers to commands that wait for their turn; the newest give way.
const REPLIES_WAITING: usize = 256;

/// What a client was handed, so that its acknowledgement can be matched.
#[derive(Debug)]
enum Token {
    Slot(Slot),
    Event(u64, Arc<str>),
    Window(Option<Cause>),
    Reply,
}

impl Token {
    /// Returns true if the daemon is of use without this message: not status, states and events.
    fn is_dispensable(&self) -> bool {
        match self {
            Self::Slot(Slot::Status | Slot::Availability(_) | Slot::State(_)) | Self::Event(..) => false,
            Self::Slot(_) | Self::Window(_) | Self::Reply => true,
        }
    }
}

#[derive(Debug)]
struct Content {
    value: Value,
    /// Whether it stands in the list of slots to publish.
    queued: bool,
    /// Events of the source up to this one go first.
    after: u64,
}

/// The publishing side of the connection.
///
/// Whoever owns the client calls [`connected`](Self::connected) on every ConnAck, hands over what
/// [`take`](Self::take) gives, reports every publication that left ([`sent`](Self::sent), in that order) and
/// every PUBACK ([`acknowledged`](Self::acknowledged)), and [`interrupted`](Self::interrupted) and
/// [`disconnected`](Self::disconnected) at the end of a connection. Packet ids are those of one connection.
#[derive(Debug)]
pub struct Session {
    topics: Topics,
    window_qos: Option<u8>,
    discovery: Discovery,
    info: Option<Arc<Info>>,
    /// What was found under this node's name, once somebody has looked.
    predecessor: Option<Predecessor>,
    slots: BTreeMap<Slot, Content>,
    queue: VecDeque<Slot>,
    outbox: Outbox,
    windows: VecDeque<(Arc<str>, Arc<Window>, Option<Cause>)>,
    replies: VecDeque<Publication>,
    /// What events in the outbox came of, by their ids there.
    causes: HashMap<u64, Cause>,
    /// With the client, not yet sent: oldest first.
    handed: VecDeque<(Token, Sized)>,
    /// Sent, by packet id.
    unacknowledged: HashMap<u16, Token>,
    flights: Flights,
    limits: Limits,
    withheld: Withheld,
    /// One message at a time, so that it is known which one the broker closes the connection on.
    careful: bool,
    /// Sources whose first event was refused, and may be taken later; with its id.
    refused_events: HashMap<Arc<str>, u64>,
    /// Messages that were left out because of their size, until [`too_large`](Session::too_large) takes them.
    too_large: Vec<Sized>,
    connected: bool,
    closing: bool,
    connections: u64,
    /// Events lost to the outbox's bound.
    pub events_dropped: u64,
    /// Windows lost because the broker was slower than they came.
    pub windows_dropped: u64,
}

impl Session {
    /// A session that is not connected. `window_qos`: `None` publishes no windows.
    pub fn new(topics: Topics, window_qos: Option<u8>, discovery: Discovery, outbox: Outbox) -> Self {
        let mut session = Self {
            topics,
            window_qos,
            discovery,
            info: None,
            predecessor: None,
            slots: BTreeMap::new(),
            queue: VecDeque::new(),
            outbox,
            windows: VecDeque::new(),
            replies: VecDeque::new(),
            causes: HashMap::new(),
            handed: VecDeque::new(),
            unacknowledged: HashMap::new(),
            flights: Flights::default(),
            limits: Limits::none(Version::V311),
            withheld: Withheld::default(),
            careful: false,
            refused_events: HashMap::new(),
            too_large: Vec::new(),
            connected: false,
            closing: false,
            connections: 0,
            events_dropped: 0,
            windows_dropped: 0,
        };
        session.set(Slot::Status, Value::Online(true), 0);
        session
    }

    /// Takes in a message from the engine.
    pub fn accept(&mut self, message: Message) {
        match message {
            Message::Info(info) => {
                self.info = Some(Arc::clone(&info));
                self.plan();
                self.set(Slot::Info, Value::Info(info), 0);
            }
            // Statistics are not kept for later: they would be out of date.
            Message::Stats(stats) if self.connected => self.set(Slot::Stats, Value::Stats(stats), 0),
            Message::Stats(_) => {}
            Message::Availability { source, online } => {
                // A subscriber learns that a source is lost before it becomes unavailable.
                let after = if online { 0 } else { self.outbox.newest() };
                self.set(Slot::Availability(source), Value::Online(online), after);
            }
            Message::State { source, payload } => self.set(Slot::State(source), Value::State(payload), 0),
            Message::Attributes { source, payload } => {
                self.set(Slot::Attributes(source), Value::Attributes(payload), 0);
            }
            Message::Event { source, payload, cause } => {
                let dropped = self.outbox.push(&source, &payload);
                self.events_dropped += dropped;
                if dropped > 0 {
                    // Which ones is not worth knowing: they would have come late.
                    self.causes.clear();
                }
                self.causes.extend(cause.map(|cause| (self.outbox.newest(), cause)));
            }
            Message::Window { source, payload, cause } if self.connected && self.window_qos.is_some() => {
                if self.windows.len() == WINDOWS_WAITING {
                    self.windows.pop_front();
                    self.windows_dropped += 1;
                }
                self.windows.push_back((source, payload, cause));
            }
            Message::Window { .. }
            | Message::Settled { .. }
            | Message::Answer { .. }
            | Message::Trace { .. } => {}
            Message::Settings { source, payload } => {
                self.set(Slot::Settings(source), Value::Settings(payload), 0);
            }
            Message::Refusal { source, payload } => self.reply(&source, "error", encode(&*payload)),
            Message::Labelled { source, payload } => self.reply(&source, "label", encode(&*payload)),
        }
    }

    /// Answers the present listeners.
    fn reply(&mut self, source: &str, leaf: &str, payload: Vec<u8>) {
        if self.connected && self.replies.len() < REPLIES_WAITING {
            let topic = self.topics.of_source(source, leaf);
            self.replies.push_back(Publication { topic, qos: 1, retain: false, payload });
        }
    }

    /// The topics that are this daemon's, and what an earlier run left under them.
    pub fn claimed(&mut self, topics: Topics, predecessor: Predecessor) {
        self.topics = topics;
        self.predecessor = Some(predecessor);
        self.slots.retain(|slot, _| !slot.is_planned());
        self.plan();
    }

    /// Another daemon has published under this node's name, and gives way: what is ours is published again, what only it has is
    /// removed.
    pub fn overwritten_by(&mut self, sources: Vec<Arc<str>>) {
        if let Some(predecessor) = &mut self.predecessor {
            predecessor.sources.extend(sources);
        }
        self.plan();
        self.enqueue(|_| true);
    }

    /// Somebody says that this node is offline, which it is not.
    pub fn still_online(&mut self) {
        if !self.closing {
            self.set(Slot::Status, Value::Online(true), 0);
        }
    }

    /// Home Assistant has started: it is told of everything again.
    pub fn announce_again(&mut self) {
        self.enqueue(Slot::is_for_birth);
    }

    /// Publishes the slots that `fits` holds for again, in their order.
    fn enqueue(&mut self, fits: impl Fn(&Slot) -> bool) {
        if !self.connected {
            return;
        }
        for (slot, content) in self.slots.iter_mut().filter(|(slot, _)| fits(slot)) {
            if !content.queued {
                content.queued = true;
                self.queue.push_back(slot.clone());
            }
        }
    }

    /// Works out what is announced, and what of a predecessor is removed.
    fn plan(&mut self) {
        let (Some(info), Some(before)) = (&self.info, &mut self.predecessor) else { return };
        let plan = self.discovery.plan(&self.topics, info, before);
        *before = self.discovery.leaves(info);
        // What was planned once and has not arrived keeps its number.
        let next = self.slots.keys().filter_map(Slot::number).max().map_or(0, |number| number + 1);
        let numbered = |list: Vec<Publication>, slot: fn(usize) -> Slot, first: usize| {
            list.into_iter().enumerate().map(move |(at, ready)| (slot(first + at), Value::Ready(ready)))
        };
        let slots: Vec<_> = numbered(plan.before, Slot::Before, next)
            .chain(numbered(plan.announcements, Slot::Announcement, 0))
            .chain(numbered(plan.after, Slot::After, next))
            .collect();
        for (slot, value) in slots {
            self.set(slot, value, 0);
        }
    }

    /// The broker took the connection, and grants `limits`: everything retained is published again, then the outbox.
    pub fn connected(&mut self, limits: Limits) {
        self.disconnected();
        self.limits = limits;
        self.connected = true;
        self.connections += 1;
        self.slots.remove(&Slot::Stats);
        self.queue = self.slots.keys().cloned().collect();
        for content in self.slots.values_mut() {
            content.queued = true;
            content.after = 0;
        }
    }

    /// The connection is gone, and with it all packet ids.
    pub fn disconnected(&mut self) {
        self.connected = false;
        self.handed.clear();
        self.unacknowledged.clear();
        self.flights.clear();
        self.refused_events.clear();
        self.windows.clear();
        self.replies.clear();
        self.outbox.reset();
    }

    /// The connection has ended; call this before [`disconnected`](Self::disconnected). Says which message it ended on,
    /// where that is known.
    pub fn interrupted(&mut self, ending: Ending) -> Option<Refused> {
        if !self.connected {
            return None;
        }
        let first = self.flights.oldest();
        let was_careful = std::mem::replace(&mut self.careful, false);
        match (ending, first) {
            (Ending::Refused(reason), Some(Flight { packet_id, message, dispensable })) => {
                // It would be refused for ever.
                if let Some(token @ Token::Event(..)) = self.unacknowledged.remove(&packet_id) {
                    self.done(token);
                }
                if dispensable {
                    self.withheld.refused(&message);
                }
                Some(Refused { message, reason: Some(reason), withheld: true })
            }
            (Ending::Closed, Some(Flight { message, dispensable, .. })) => {
                self.careful = true;
                // Of several that are out, the answers to the first may have been lost with the connection.
                if !was_careful {
                    return None;
                }
                let again = self.withheld.closed_on(message.clone(), dispensable);
                again.then_some(Refused { message, reason: None, withheld: dispensable })
            }
            (Ending::Closed | Ending::Refused(_) | Ending::Other, _) => {
                self.withheld.acquit();
                None
            }
        }
    }

    /// Events that were refused are tried again.
    pub fn retry_refused(&mut self) {
        for (source, id) in std::mem::take(&mut self.refused_events) {
            self.outbox.put_back(id, &source);
        }
    }

    /// Returns true if there are such events.
    pub fn has_refused_events(&self) -> bool {
        !self.refused_events.is_empty()
    }

    /// Messages that were left out because the broker takes none of their size, since the last call.
    pub fn too_large(&mut self) -> Vec<Sized> {
        std::mem::take(&mut self.too_large)
    }

    /// Limits of this connection.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns true once the broker has taken everything that is published on a new connection.
    pub fn is_complete(&self) -> bool {
        self.connected && self.info.is_some() && self.queue.is_empty() && self.in_flight() == 0
    }

    /// The next message for the client; it counts as handed over.
    pub fn take(&mut self) -> Option<Publication> {
        if !self.connected {
            return None;
        }
        if self.careful && self.queue.is_empty() && self.outbox.is_empty() && self.in_flight() == 0 {
            self.careful = false;
        }
        let room = if self.careful { 1 } else { self.limits.in_flight };
        while self.in_flight() < room
            && !(self.careful && (!self.handed.is_empty() || !self.flights.is_empty()))
        {
            let (token, mut publication) = self.choose(room)?;
            publication.retain &= self.limits.retain;
            // An answer is needed to each message.
            let least = u8::from(self.careful);
            publication.qos = publication.qos.max(least).min(self.limits.max_qos);
            let message = Sized { topic: publication.topic.clone(), bytes: publication.payload.len() };
            if !self.limits.fits(&publication) {
                self.too_large.push(message);
                if let Token::Event(id, source) = token {
                    self.outbox.acknowledged(id, &source);
                }
                continue;
            }
            if token.is_dispensable() && self.withheld.holds(&message.topic, message.bytes) {
                continue;
            }
            self.handed.push_back((token, message));
            return Some(publication);
        }
        None
    }

    /// The client did not take what [`take`](Self::take) gave last; it will come again.
    pub fn refused(&mut self) {
        match self.handed.pop_back() {
            Some((Token::Slot(slot), _)) => {
                if let Some(content) = self.slots.get_mut(&slot)
                    && !content.queued
                {
                    content.queued = true;
                    self.queue.push_front(slot);
                }
            }
            Some((Token::Event(id, source), _)) => self.outbox.put_back(id, &source),
            Some((Token::Window(_) | Token::Reply, _)) | None => {}
        }
    }

    /// The client sent the oldest message that it holds; `packet_id` is 0 for quality of service 0.
    pub fn sent(&mut self, packet_id: u16) {
        let Some((token, message)) = self.handed.pop_front() else { return };
        if self.limits.max_qos > 0 {
            self.flights.push(Flight { packet_id, message, dispensable: token.is_dispensable() });
        }
        if packet_id != 0 {
            self.unacknowledged.insert(packet_id, token);
        } else if self.limits.max_qos == 0 {
            // There is no other answer.
            self.done(token);
        }
    }

    /// The broker answered a message: it took it, or refused it for `reason`. Says what was refused.
    pub fn acknowledged(&mut self, packet_id: u16, reason: Option<Reason>) -> Option<Refused> {
        let message = self.flights.answered(packet_id);
        let token = self.unacknowledged.remove(&packet_id)?;
        let message = message?;
        let Some(reason) = reason else {
            self.withheld.taken(&message.topic, message.bytes);
            self.done(token);
            return None;
        };
        let withheld = reason.is_lasting();
        match token {
            Token::Event(id, source) if !withheld => {
                self.refused_events.insert(source, id);
            }
            token => {
                if withheld && token.is_dispensable() {
                    self.withheld.refused(&message);
                } else {
                    self.withheld.known(&message.topic);
                }
                // Its next value goes out as if it had been taken.
                self.done(token);
            }
        }
        Some(Refused { message, reason: Some(reason), withheld })
    }

    fn done(&mut self, token: Token) {
        let cause = match token {
            Token::Event(id, source) => {
                self.outbox.acknowledged(id, &source);
                self.causes.remove(&id)
            }
            Token::Window(cause) => cause,
            Token::Slot(slot) if slot.is_once() => {
                self.slots.remove(&slot);
                None
            }
            Token::Slot(_) | Token::Reply => None,
        };
        if let Some(cause) = cause {
            cause.end();
        }
    }

    /// Says good-bye: every source `offline`, then the node. Events stay where they are.
    pub fn close(&mut self) {
        self.closing = true;
        self.windows.clear();
        self.queue.clear();
        for content in self.slots.values_mut() {
            content.queued = false;
        }
        let sources: BTreeSet<Arc<str>> =
            self.slots.keys().filter_map(Slot::source).map(Arc::clone).collect();
        for source in sources {
            self.set(Slot::Availability(source), Value::Online(false), 0);
        }
        self.set(Slot::Status, Value::Online(false), 0);
    }

    /// Whether everything has left, and what wants an acknowledgement has one.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.windows.is_empty()
            && self.replies.is_empty()
            && self.in_flight() == 0
            && (self.closing || self.outbox.is_empty())
    }

    /// Events that wait for their acknowledgement.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Whether it is known what runs here.
    pub fn has_info(&self) -> bool {
        self.info.is_some()
    }

    /// When this daemon started, as its `info` says it; later than any other where it has said nothing yet.
    pub fn started(&self) -> String {
        self.info.as_ref().map_or("~".to_owned(), |info| format!("{:.3}", info.started))
    }

    /// The topics that are published to.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Events that are not acknowledged.
    pub fn waiting_events(&self) -> usize {
        self.outbox.len()
    }

    fn in_flight(&self) -> usize {
        self.handed.len() + self.unacknowledged.len()
    }

    fn set(&mut self, slot: Slot, value: Value, after: u64) {
        let content = self.slots.entry(slot.clone()).or_insert_with(|| Content {
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

    fn mqtt_stats(&self) -> MqttStats {
        MqttStats {
            connected: self.connected,
            reconnects: self.connections.saturating_sub(1),
            outbox: self.outbox.len(),
        }
    }

    fn choose(&mut self, room: usize) -> Option<(Token, Publication)> {
        let Self { queue, slots, outbox, refused_events, .. } = self;
        let due = queue.iter().position(|slot| {
            let after = slots.get(slot).map_or(0, |content| content.after);
            let waits = |source| outbox.waits(source, after) && !refused_events.contains_key(source);
            after == 0 || slot.source().is_none_or(|source| !waits(source))
        });
        if let Some(slot) = due.and_then(|at| queue.remove(at)) {
            let mqtt = self.mqtt_stats();
            let content = self.slots.get_mut(&slot)?;
            content.queued = false;
            let publication = slot.publication(&content.value, &self.topics, mqtt);
            return Some((Token::Slot(slot), publication));
        }
        if !self.closing
            && let Some((id, source, payload)) = self.outbox.take()
        {
            let topic = self.topics.of_source(&source, "event");
            let publication = Publication { topic, qos: 1, retain: false, payload: payload.to_vec() };
            return Some((Token::Event(id, source), publication));
        }
        if let Some(reply) = self.replies.pop_front() {
            return Some((Token::Reply, reply));
        }
        if self.in_flight() >= WINDOWS_IN_FLIGHT.min((2 * room / 3).max(1)) {
            return None;
        }
        let (source, window, cause) = self.windows.pop_front()?;
        let topic = self.topics.of_source(&source, "window");
        let qos = self.window_qos.unwrap_or(0);
        Some((Token::Window(cause), Publication { topic, qos, retain: false, payload: encode(&*window) }))
    }
}

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;
