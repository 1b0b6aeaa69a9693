//! Lifecycle of the MQTT connection: claiming the node name, connecting, online, flushing, leaving.
//! A state machine without I/O and clock: events and their time go in, actions come out.
//!
//! ```text
//! Claiming ──▶ Connecting ──▶ Online ──▶ Flushing ──▶ Leaving ──▶ Ended
//!    ▲  │          ▲  │          │           │
//!    │  └──────────┼──┴──────────┴───────────┴──▶ BackingOff (failure)
//!    └─────────────┴───────────────────────────────┘
//! ```
//!
//! A conflict about the node name leads from `Claiming` or `Online` back to `Claiming` with an
//! alternative name, or to `Yielded` if the name is fixed. `Flushing` starts when the inbox closes.

mod inbound;
mod link;
mod name;
mod shutdown;
mod timers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::link::Link;
pub(crate) use self::name::NodeName;
use super::config::{MqttConfig, Protocol};
use super::discovery::Discovery;
use super::failure::{ConnectionFailure, FailureKind};
use super::last_will::LastWill;
use super::name_probe::{LookupQuery, NameLookup};
use super::negotiation::{Negotiation, client_id};
use super::notice::ConnectionNotice;
use super::outbox::Outbox;
use super::protocol::{BrokerLimits, BrokerSignal, ConnectRequest, ProtocolVersion};
use super::publication::Publication;
use super::session::Session;
use super::subscriptions::Subscriptions;
use super::suppression::ConnectionEnd;
use crate::backoff::Backoff;
use crate::command::CommandRequest;
use crate::counters::MqttCounters;
use crate::sink::Message;
use crate::sink::topics::Topics;

/// State of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LifecycleState {
    /// The node name is being looked up.
    Claiming,
    /// Waits for the CONNACK.
    Connecting,
    Online,
    /// The inbox has closed; waiting messages are published.
    Flushing {
        /// End of the shutdown.
        until: Instant,
    },
    /// `offline` is published for the sources and the node, then the client disconnects.
    Leaving {
        /// End of the shutdown.
        until: Instant,
    },
    /// Waits before the next attempt.
    BackingOff {
        until: Instant,
    },
    /// The name belongs to another daemon. Messages are stored until the inbox closes.
    Yielded,
    Ended,
}

/// Input of the lifecycle.
#[derive(Debug)]
pub(crate) enum LifecycleEvent {
    Start,
    Message(Message),
    InboxClosed,
    NameLookup(Result<(NameLookup, BrokerLimits), ConnectionFailure>),
    Signal(BrokerSignal),
    /// The connection failed or could not be made.
    Failed(ConnectionFailure),
    /// The [deadline](Lifecycle::deadline) has passed.
    Timer,
}

/// Output of the lifecycle, to be executed in order.
#[derive(Debug)]
pub(crate) enum LifecycleAction {
    /// Looks up a node name and returns the result as [`LifecycleEvent::NameLookup`].
    LookUpName(Box<LookupQuery>),
    /// Opens a connection.
    Connect(ConnectRequest),
    Subscribe(Vec<String>),
    Unsubscribe(String),
    Disconnect,
    /// Disconnects, waits for the end of the connection, and drops it.
    DisconnectAndWait,
    /// Drops the connection or the lookup.
    Drop,
    /// Forwards a command to the engine.
    Forward(CommandRequest),
    Report(ConnectionNotice),
    /// Ends the daemon for this reason.
    EndDaemon(String),
}

/// State machine of the connection.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    state: LifecycleState,
    name: NodeName,
    run: Arc<str>,
    protocol: Protocol,
    /// Commands are subscribed to.
    accepts_commands: bool,
    discovery: Discovery,
    session: Session,
    negotiation: Negotiation,
    backoff: Backoff,
    /// The last CONNECT.
    request: ConnectRequest,
    /// State of the current connection.
    link: Link,
    /// The audit of retained messages, which runs once per process, has started.
    audited: bool,
    /// A stop drains the queues instead of ending quickly.
    drains: bool,
    inbox_closed: bool,
    /// End of connection attempts, once the inbox has closed.
    give_up_at: Option<Instant>,
    actions: VecDeque<LifecycleAction>,
}

impl Lifecycle {
    /// A lifecycle that begins with [`LifecycleEvent::Start`].
    pub(crate) fn new(config: &MqttConfig, name: NodeName, run: Arc<str>, now: Instant) -> Self {
        let discovery = Discovery::of(config);
        let topics = Topics::new(Arc::clone(&config.prefix), Arc::clone(name.requested()));
        let negotiation = Negotiation::new(config.protocol);
        let subscriptions = Subscriptions::new(&topics, &run, &discovery, false);
        let outbox = Outbox::new(config.outbox_max_events);
        Self {
            state: LifecycleState::Claiming,
            name,
            run,
            protocol: config.protocol,
            accepts_commands: false,
            request: negotiation.request("", None),
            negotiation,
            session: Session::new(topics, config.patch_qos, discovery.clone(), outbox),
            discovery,
            backoff: Backoff::new(config.reconnect_max),
            link: Link::new(subscriptions, now),
            audited: false,
            drains: false,
            inbox_closed: false,
            give_up_at: None,
            actions: VecDeque::new(),
        }
    }

    pub(crate) fn name_mut(&mut self) -> &mut NodeName {
        &mut self.name
    }

    /// Subscribes to commands on later connections.
    pub(crate) fn accept_commands(&mut self) {
        self.accepts_commands = true;
    }

    /// Selects between a stop that drains the queues and a quick one.
    pub(crate) fn set_drains(&mut self, drains: bool) {
        self.drains = drains;
    }

    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        self.session.outbox()
    }

    /// Numbers of dropped events and windows.
    pub(crate) fn dropped(&self) -> (u64, u64) {
        (self.session.events_dropped, self.session.windows_dropped)
    }

    /// Copies the counts of the connection.
    pub(crate) fn count(&self, counters: &MqttCounters) {
        self.session.count(counters);
    }

    /// Returns false after [`LifecycleEvent::InboxClosed`].
    pub(crate) fn is_accepting(&self) -> bool {
        !self.inbox_closed
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state == LifecycleState::Ended
    }

    /// Next action; call until it returns `None` after each event.
    pub(crate) fn next_action(&mut self) -> Option<LifecycleAction> {
        self.actions.pop_front()
    }

    /// Handles an event. Call [`pump`](Self::pump) after it.
    pub(crate) fn handle(&mut self, event: LifecycleEvent, now: Instant) {
        match event {
            LifecycleEvent::Start => self.attempt(now),
            LifecycleEvent::Message(message) => self.session.accept(message),
            LifecycleEvent::InboxClosed => self.on_inbox_closed(now),
            LifecycleEvent::NameLookup(Ok((found, limits))) => self.on_name_lookup(&found, &limits, now),
            LifecycleEvent::NameLookup(Err(failure)) | LifecycleEvent::Failed(failure) => {
                self.on_failure(failure, now);
            }
            LifecycleEvent::Signal(signal) => {
                self.link.last_signal = now;
                self.on_signal(signal, now);
            }
            LifecycleEvent::Timer => self.on_timer(now),
        }
    }

    /// Passes messages to the client through `publish`, which returns false if its queue is full,
    /// and continues the shutdown.
    pub(crate) fn pump(&mut self, publish: &mut dyn FnMut(Publication) -> bool, now: Instant) {
        if self.session.is_idle() {
            match self.state {
                LifecycleState::Flushing { until } => self.leave(until),
                // Refused only by a full queue, and the queue of an idle session is empty.
                LifecycleState::Leaving { .. } => self.push(LifecycleAction::Disconnect),
                _ => {}
            }
        }
        while let Some(publication) = self.session.take() {
            if !publish(publication) {
                self.session.take_back();
                break;
            }
        }
        let max_packet = self.session.limits().max_packet;
        for message in self.session.take_oversized() {
            self.report(ConnectionNotice::Oversized { message, max_packet });
        }
        self.continue_audit(now);
    }

    /// Looks up the node name, or connects if that is done.
    fn attempt(&mut self, now: Instant) {
        if self.name.is_confirmed() {
            return self.connect(now);
        }
        let topics = self.session.topics().with_node(&self.name.candidate());
        // Without a last will, which would act for the daemon that uses the name.
        self.request = self.negotiation.request(&client_id(topics.node(), &self.run), None);
        let query = LookupQuery {
            request: self.request.clone(),
            topics,
            discovery: self.discovery.clone(),
            instance: self.name.instance().cloned(),
            peer_timeout: self.name.peer_timeout(),
        };
        self.state = LifecycleState::Claiming;
        self.push(LifecycleAction::LookUpName(Box::new(query)));
    }

    fn on_name_lookup(&mut self, found: &NameLookup, limits: &BrokerLimits, now: Instant) {
        self.on_accepted(limits);
        let candidate = self.name.candidate();
        if self.name.is_taken(found) {
            self.report(ConnectionNotice::NameTaken { node: candidate });
            return self.give_name_up(now);
        }
        if candidate != **self.name.requested() {
            self.report(ConnectionNotice::Renamed { node: candidate.clone() });
        }
        let topics = self.session.topics().with_node(&candidate);
        self.session.claimed(topics, found.previous_run());
        self.name.confirm();
        self.attempt(now);
    }

    /// Tries the next alternative name, or ends the daemon if its name is fixed.
    fn give_name_up(&mut self, now: Instant) {
        self.session.disconnected();
        self.link.connected_at = None;
        if self.name.is_fixed() {
            let node = self.name.requested();
            let reason =
                format!("another genred publishes as node `{node}`; give one of them another `node`");
            self.push(LifecycleAction::EndDaemon(reason));
            self.state = if self.inbox_closed { LifecycleState::Ended } else { LifecycleState::Yielded };
        } else {
            self.name.advance();
            self.attempt(now);
            if self.inbox_closed && self.give_up_at.is_none() {
                self.on_inbox_closed(now);
            }
        }
    }

    fn connect(&mut self, now: Instant) {
        let topics = self.session.topics().clone();
        let client_id = client_id(topics.node(), &self.run);
        self.request = self.negotiation.request(&client_id, Some(LastWill::topic(&topics)));
        let subscriptions = Subscriptions::new(&topics, &self.run, &self.discovery, self.accepts_commands);
        self.link = Link::new(subscriptions, now);
        self.state = LifecycleState::Connecting;
        self.push(LifecycleAction::Connect(self.request.clone()));
    }

    /// Records that the broker accepted a connection.
    fn on_accepted(&mut self, limits: &BrokerLimits) {
        if self.protocol == Protocol::Auto && limits.version == ProtocolVersion::V311 {
            self.report(ConnectionNotice::FellBack);
        }
        self.negotiation.accepted(&self.request, limits);
    }

    fn on_connected(&mut self, limits: &BrokerLimits, now: Instant) {
        self.link.connected_at = Some(now);
        self.on_accepted(limits);
        let limits = self.negotiation.restricted(limits.clone());
        let waiting_events = self.session.waiting_events();
        self.report(ConnectionNotice::Connected { limits: limits.clone(), waiting_events });
        // An audit needs retained messages.
        self.audited |= !limits.retain;
        // The queue of a new client is empty.
        self.push(LifecycleAction::Subscribe(self.link.subscriptions.filters()));
        self.session.connected(limits);
        self.state = match self.inbox_closed {
            true => self.flushing(now),
            false => LifecycleState::Online,
        };
    }

    fn on_failure(&mut self, failure: ConnectionFailure, now: Instant) {
        match self.state {
            // Time is left to connect again for the waiting events.
            LifecycleState::Flushing { until } if self.may_reconnect(until, now) => {
                self.give_up_at = Some(until);
            }
            LifecycleState::Flushing { .. } | LifecycleState::Leaving { .. } => return self.end(),
            _ => {}
        }
        self.push(LifecycleAction::Drop);
        let end = match failure.kind {
            FailureKind::Closed => ConnectionEnd::Closed,
            FailureKind::Message(reason) => ConnectionEnd::Refused(reason),
            _ => ConnectionEnd::Other,
        };
        let refused = self.session.interrupted(end);
        self.session.disconnected();
        if self.negotiation.failed(&self.request, &failure) {
            return self.attempt(now);
        }
        let lasted =
            self.link.connected_at.take().map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let retry_in = self.backoff.pause(lasted);
        let waiting_events = self.session.waiting_events();
        self.report(ConnectionNotice::Lost { failure, refused, lasted, retry_in, waiting_events });
        self.state = LifecycleState::BackingOff { until: now + retry_in };
    }

    fn push(&mut self, action: LifecycleAction) {
        self.actions.push_back(action);
    }

    fn report(&mut self, notice: ConnectionNotice) {
        self.push(LifecycleAction::Report(notice));
    }
}

#[cfg(test)]
mod name_tests;
#[cfg(test)]
mod shutdown_tests;
#[cfg(test)]
mod tests;
