//! The MQTT sink: MQTT 5 or 3.1.1 through `rumqttc`, on the contract of `docs/reference/mqtt.md`.
//!
//! What is published, and in which order, is the pure [`session`]'s business, events are the
//! [`outbox`]'s and on disk the [`ledger`]'s. This file moves bytes: it connects, hands over what the session wants to
//! publish, reports what left and what was acknowledged, and connects again.

mod audit;
#[cfg(feature = "broker")]
pub mod broker;
pub mod check;
mod claim;
pub mod config;
mod connection;
mod discovery;
pub mod failure;
mod flight;
mod ledger;
mod listen;
mod negotiation;
pub mod outbox;
mod prefix;
mod publication;
mod reason;
mod reporter;
mod server;
pub mod session;
mod slot;
pub mod store;
mod tls;
mod upkeep;
mod wire;
mod withheld;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use self::claim::{Found, Other, Question, leave, look};
pub use self::config::{DiscoveryStyle, Login, MqttConfig, MqttConfigError, Protocol, RawMqttConfig, Secret};
use self::connection::{GOOD_BYE, GoodBye, Line};
use self::discovery::Discovery;
use self::failure::{Failure, Kind};
use self::ledger::Ledger;
use self::listen::{Heard, Listener};
use self::negotiation::{Negotiation, client_id};
use self::outbox::Outbox;
use self::reporter::Reporter;
pub use self::server::{Server, Transport};
use self::session::Session;
use self::store::{Left, Store};
use self::wire::{Events, Hello, Limits, Signal, Version};
use self::withheld::Ending;
use super::topics::Topics;
use super::{Message, Refusing, Request, Sink, SinkFuture};
use crate::backoff::{Backoff, HEALTHY};
use crate::sink::database::StoreError;
use crate::state::numbered;
use crate::thread::Stop;

/// A broker that is silent for twice as long is taken to be gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The client gives a sign of life at every keep-alive; without one for so many of them it hangs in a write.
const STALLED: u32 = 3;

/// A broker notices by one and a half keep-alives that a client is gone, and a live daemon publishes `stats` each 30 s.
const GHOST: Duration = Duration::from_secs(35);

/// When the sources have ended by themselves there is time: to connect first, and for all that waits.
const LINGER: Duration = Duration::from_secs(10);

/// What is published comes back within this long, where publishing is allowed.
const ECHO: Duration = Duration::from_secs(10);

/// Events that the broker refused are offered again after this long.
const RETRY: Duration = Duration::from_secs(60);

/// Home Assistant's start is answered after a random pause up to this, so that not all daemons answer at once.
const BIRTH: Duration = Duration::from_secs(2);

/// Publishes to a broker; goes on without one and catches up.
pub struct MqttSink {
    config: MqttConfig,
    /// The name that was asked for; others are numbered after it.
    node: Arc<str>,
    /// Which number is to be tried first.
    number: usize,
    /// Whether the name must be that one.
    fixed: bool,
    run: Arc<str>,
    /// The daemon's id over restarts: of an earlier run a broker may still believe that it lives.
    instance: Option<Arc<str>>,
    /// Whether the name is known to be this daemon's.
    claimed: bool,
    /// A run that seems to have had the name for longer, and when it was heard.
    rival: Option<(Arc<str>, Instant)>,
    discovery: Discovery,
    session: Session,
    ledger: Ledger,
    negotiation: Negotiation,
    /// The last CONNECT.
    hello: Hello,
    /// The audit of the broker's retained messages has begun, which happens once.
    audited: bool,
    backoff: Backoff,
    reporter: Reporter,
    /// Where requests go to.
    requests: Option<Sender<Request>>,
    refusing: Option<Refusing>,
    /// While this is not set, the end of the inbox is no reason to hurry.
    patience: Option<Stop>,
    /// Once the inbox has closed: when to give up connecting.
    give_up: Option<tokio::time::Instant>,
}

/// Why a connection ended.
enum End {
    /// The inbox closed.
    Closed,
    Failed(Failure),
    /// Another daemon has the name, and was first.
    Yields,
}

impl MqttSink {
    /// A sink that connects once it runs. `node` is the name in topics, `run` this start's random id.
    pub fn new(config: MqttConfig, node: Arc<str>, run: Arc<str>) -> Self {
        let discovery = Discovery::of(&config);
        let topics = Topics::new(Arc::clone(&config.prefix), Arc::clone(&node));
        let outbox = Outbox::new(config.outbox_max_events);
        let negotiation = Negotiation::new(config.protocol);
        Self {
            hello: negotiation.hello("", None),
            negotiation,
            audited: false,
            session: Session::new(topics, config.patch_qos, discovery.clone(), outbox),
            backoff: Backoff::new(config.reconnect_max),
            reporter: Reporter::new(config.server.clone()),
            config,
            node,
            number: 1,
            fixed: true,
            run,
            instance: None,
            claimed: false,
            rival: None,
            discovery,
            ledger: Ledger::none(),
            requests: None,
            refusing: None,
            patience: None,
            give_up: None,
        }
    }

    /// Unless `stop` is set by the time that the inbox closes, what waits is published even if that takes
    /// some seconds, connecting included. Without this, the end is always a quick one.
    #[must_use]
    pub fn patient_until(mut self, stop: Stop) -> Self {
        self.patience = Some(stop);
        self
    }

    /// Events are kept in `store`, which had `left` from an earlier run.
    #[must_use]
    pub fn kept_in(mut self, store: Store, left: Result<Left, StoreError>) -> Self {
        self.ledger = Ledger::new(store, left.map(|left| left.rows), self.session.outbox());
        self
    }

    /// Another run of `instance` is an earlier one of this daemon.
    #[must_use]
    pub fn known_as(mut self, instance: Arc<str>) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Where another daemon has the name, this one takes `<node>-2`, `<node>-3` … instead of refusing to run.
    #[must_use]
    pub fn may_be_renamed(mut self) -> Self {
        self.fixed = false;
        self
    }

    /// `refusing` ends the daemon where its name is another's.
    #[must_use]
    pub fn refuses_by(mut self, refusing: Refusing) -> Self {
        self.refusing = Some(refusing);
        self
    }

    /// Requests of subscribers go to `requests`.
    #[must_use]
    pub fn asks(mut self, requests: Sender<Request>) -> Self {
        self.requests = Some(requests);
        self
    }

    /// How long the end may take, now that the inbox has closed.
    fn linger(&self) -> Option<Duration> {
        self.patience.as_ref().filter(|stop| !stop.is_set()).map(|_| LINGER)
    }

    /// The inbox has closed while there is no connection: whether to go on trying.
    fn closed_early(&mut self) -> bool {
        self.give_up = self.linger().map(|linger| tokio::time::Instant::now() + linger);
        if self.give_up.is_none() {
            self.abandoned();
        }
        self.give_up.is_some()
    }

    fn abandoned(&self) {
        self.reporter.abandoned(self.session.waiting_events(), self.ledger.is_kept());
    }

    async fn publish_until_closed(mut self, mut inbox: mpsc::Receiver<Message>) {
        self.connect_until_closed(&mut inbox).await;
        self.ledger.close(self.session.outbox()).await;
    }

    async fn connect_until_closed(&mut self, inbox: &mut mpsc::Receiver<Message>) {
        loop {
            let mut connected_at = None;
            let end = match self.claim(inbox).await {
                Ok(()) => self.connect(inbox, &mut connected_at).await,
                Err(end) => end,
            };
            let mut told = false;
            if let End::Failed(failure) = &end {
                let ending = match failure.kind {
                    Kind::Closed => Ending::Closed,
                    Kind::Message(reason) => Ending::Refused(reason),
                    _ => Ending::Other,
                };
                if let Some(refused) = self.session.interrupted(ending) {
                    told = self.reporter.refused(&refused);
                }
            }
            self.session.disconnected();
            let failure = match end {
                End::Closed => return,
                End::Yields if self.fixed => {
                    self.refuse();
                    // What is decided until all has stopped is kept for a later start.
                    while let Some(message) = inbox.recv().await {
                        self.accept(message);
                    }
                    return;
                }
                End::Yields => {
                    self.claimed = false;
                    self.number += 1;
                    continue;
                }
                End::Failed(failure) if self.negotiation.failed(&self.hello, &failure) => continue,
                End::Failed(failure) => failure,
            };
            let lasted = connected_at.map_or(Duration::ZERO, |at: Instant| at.elapsed());
            if lasted >= HEALTHY {
                self.reporter.healthy();
            }
            let pause = self.backoff.pause(lasted);
            let now = Instant::now();
            match told {
                true => self.reporter.interrupted(now),
                false => self.reporter.failed(&failure, now, pause, self.session.waiting_events()),
            }
            if self.meanwhile(inbox, tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Does `work` while messages are taken in; `None` once the inbox is closed.
    async fn meanwhile<T>(
        &mut self,
        inbox: &mut mpsc::Receiver<Message>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(work);
        loop {
            let give_up = self.give_up;
            tokio::select! {
                done = &mut work => return Some(done),
                () = sleep_until(give_up.unwrap_or_else(tokio::time::Instant::now)), if give_up.is_some() => {
                    self.abandoned();
                    return None;
                }
                message = inbox.recv(), if give_up.is_none() => match message {
                    Some(message) => self.accept(message),
                    None if self.closed_early() => {}
                    None => return None,
                },
                due = self.ledger.due() => self.ledger.see_to(due, self.session.outbox()),
            }
        }
    }

    /// Makes sure, once, that no other daemon lives under this one's name.
    async fn claim(&mut self, inbox: &mut mpsc::Receiver<Message>) -> Result<(), End> {
        while !self.claimed {
            let topics = self.session.topics().with_node(&numbered(&self.node, self.number));
            // Without a last will: it would speak for whoever has the name.
            self.hello = self.negotiation.hello(&client_id(topics.node(), &self.run), None);
            let (config, hello) = (self.config.clone(), self.hello.clone());
            let (instance, discovery) = (self.instance.clone(), self.discovery.clone());
            // A name that was not chosen is given up rather than waited for.
            let patience = if self.fixed { GHOST } else { Duration::ZERO };
            let question =
                Question { topics: &topics, discovery: &discovery, instance: instance.as_deref(), patience };
            let look = look(&config, &hello, question);
            let found = self.meanwhile(inbox, look).await.ok_or(End::Closed)?;
            let (found, limits) = found.map_err(End::Failed)?;
            self.accepted(&limits);
            let taken = if self.fixed { Found::is_taken } else { Found::seems_taken };
            if taken(&found, instance.as_deref()) {
                tracing::warn!(node = topics.node(), "another genred publishes under this node's name");
                if self.fixed {
                    return Err(End::Yields);
                }
                self.number += 1;
            } else {
                if topics.node() != &*self.node {
                    tracing::info!(node = topics.node(), "publishing under this name");
                }
                self.session.claimed(topics, found.predecessor());
                self.claimed = true;
            }
        }
        Ok(())
    }

    /// The name is another's for good.
    fn refuse(&self) {
        let node = &self.node;
        let reason = format!("another genred publishes as node `{node}`; give one of them another `node`");
        match &self.refusing {
            Some(refusing) => refusing.refuse(reason),
            None => tracing::error!("{reason}"),
        }
    }

    /// One connection, from its making to its end.
    async fn connect(
        &mut self,
        inbox: &mut mpsc::Receiver<Message>,
        connected_at: &mut Option<Instant>,
    ) -> End {
        let topics = self.session.topics().clone();
        self.hello = self.negotiation.hello(&client_id(topics.node(), &self.run), Some(topics.status()));
        // A client for each connection: what is left in one (requests, packet ids, unread
        // acknowledgements) would else be mistaken for the next connection's.
        let (client, mut events) = match wire::open(&self.config, &self.hello) {
            Ok(connection) => connection,
            Err(failure) => return End::Failed(failure),
        };
        let listener = Listener::new(&topics, &self.run, &self.discovery, self.requests.is_some());
        let mut line = Line::new(client, listener);
        let end = self.talk(inbox, &mut line, &mut events, connected_at).await;
        if matches!(end, End::Yields) {
            leave(&line.client, &mut events).await;
        }
        end
    }

    async fn talk(
        &mut self,
        inbox: &mut mpsc::Receiver<Message>,
        line: &mut Line,
        events: &mut Events,
        connected_at: &mut Option<Instant>,
    ) -> End {
        loop {
            // `poll` may lose a packet when it is dropped half-way, so each one is awaited to its end.
            let poll = events.poll();
            tokio::pin!(poll);
            let stalled =
                tokio::time::Instant::now() + self.session.limits().keep_alive.max(KEEP_ALIVE) * STALLED;
            let outcome = loop {
                let deadline = line.good_bye.as_ref().map_or(stalled, GoodBye::deadline);
                let deadline =
                    self.give_up.filter(|_| connected_at.is_none()).map_or(deadline, |at| at.min(deadline));
                let soon = line.soon();
                tokio::select! {
                    outcome = &mut poll => break outcome,
                    message = inbox.recv(), if line.good_bye.is_none() && self.give_up.is_none() => match message {
                        Some(message) => self.accept(message),
                        None if connected_at.is_some() => line.good_bye = Some(GoodBye::begin(self.linger())),
                        None if self.closed_early() => {}
                        None => return End::Closed,
                    },
                    due = self.ledger.due() => self.ledger.see_to(due, self.session.outbox()),
                    () = sleep_until(soon.unwrap_or(deadline)), if soon.is_some() => self.remember(line),
                    () = sleep_until(deadline) => match line.good_bye.take() {
                        None if self.give_up.is_some_and(|at| at <= tokio::time::Instant::now()) => {
                            self.abandoned();
                            return End::Closed;
                        }
                        None => return End::Failed(Failure::stalled()),
                        Some(GoodBye::Flushing { until }) => {
                            tracing::warn!(waiting_events = self.session.waiting_events(), "stopping before all events are acknowledged");
                            self.session.close();
                            line.good_bye = Some(GoodBye::Leaving { until });
                        }
                        // Without a clean end the broker publishes the last will, which says the same.
                        Some(GoodBye::Leaving { .. }) => {
                            tracing::warn!("the MQTT broker did not acknowledge the good-bye in time");
                            return End::Closed;
                        }
                    },
                }
                self.go_on(line);
            };
            match outcome {
                Ok(Signal::Connected(limits)) => {
                    *connected_at = Some(Instant::now());
                    self.accepted(&limits);
                    let limits = self.negotiation.restricted(limits);
                    self.reporter.connected(Instant::now(), self.session.waiting_events(), &limits);
                    self.reporter.restricted(&limits);
                    // What is not kept cannot be asked for.
                    self.audited |= !limits.retain;
                    // The queue of a new client is empty.
                    line.client.subscribe(line.listener.filters());
                    self.session.connected(limits);
                    if self.give_up.is_some() {
                        line.good_bye = Some(GoodBye::begin(self.linger()));
                    }
                }
                Ok(Signal::Subscribed(refusals)) => match &mut line.audit {
                    Some((audit, until)) if !audit.subscribed => {
                        audit.answered(refusals.iter().map(Option::is_some));
                        *until = tokio::time::Instant::now() + ECHO;
                    }
                    _ => {
                        let refused = line.listener.refused(&refusals);
                        // Without the right to listen to it, its coming back proves nothing.
                        line.hears_itself = !refused.iter().any(|(topic, _)| topic.ends_with("/info"));
                        if line.hears_itself && self.audited && self.session.has_info() {
                            line.echo_by = Some(tokio::time::Instant::now() + ECHO);
                        }
                        self.reporter.not_subscribed(&refused);
                    }
                },
                Ok(Signal::Message(message)) => {
                    if let Some((audit, _)) = &mut line.audit {
                        audit.saw(&message.topic);
                    }
                    let heard = line.listener.hear(&message);
                    if let Some(end) = self.hear(heard, line) {
                        return end;
                    }
                }
                Ok(Signal::Acknowledged(packet_id, reason)) => {
                    if let Some(refused) = self.session.acknowledged(packet_id, reason) {
                        self.reporter.refused(&refused);
                        if self.session.has_refused_events() {
                            line.retry_at.get_or_insert_with(|| tokio::time::Instant::now() + RETRY);
                        }
                    }
                }
                Ok(Signal::Sent(packet_id)) => self.session.sent(packet_id),
                Ok(Signal::Left) => return End::Closed,
                Ok(Signal::Other) => {}
                Err(failure) if self.has_time(line.good_bye.as_ref()) => return End::Failed(failure),
                Err(_) if line.good_bye.is_some() => return End::Closed,
                Err(failure) => return End::Failed(failure),
            }
            self.go_on(line);
        }
    }

    /// The broker took a connection.
    fn accepted(&mut self, limits: &Limits) {
        if self.config.protocol == Protocol::Auto && limits.version == Version::V311 {
            self.reporter.fell_back();
        }
        self.negotiation.accepted(&self.hello, limits);
    }

    /// Whether there is time to connect again for what waits, although the end has begun.
    fn has_time(&mut self, good_bye: Option<&GoodBye>) -> bool {
        let Some(GoodBye::Flushing { until }) = good_bye else { return false };
        let has_time = self.linger().is_some() && *until > tokio::time::Instant::now() + GOOD_BYE;
        if has_time {
            self.give_up = Some(*until);
        }
        has_time
    }

    fn accept(&mut self, message: Message) {
        self.session.accept(message);
        self.ledger.settle(self.session.outbox());
        self.reporter.dropped(self.session.events_dropped, self.session.windows_dropped, Instant::now());
    }

    /// Acts on what came in.
    fn hear(&mut self, heard: Heard, line: &mut Line) -> Option<End> {
        match heard {
            Heard::Nothing => {}
            Heard::Own => line.echo_by = None,
            // The will of an earlier connection, or of another daemon that is gone.
            Heard::Buried if line.good_bye.is_none() => self.session.still_online(),
            Heard::Buried => {}
            Heard::Birth => {
                let pause = BIRTH.mul_f64(fastrand::f64());
                line.birth_at.get_or_insert_with(|| tokio::time::Instant::now() + pause);
            }
            Heard::Request(request) => {
                if let Some(requests) = &self.requests
                    && let Err(error) = requests.try_send(request)
                {
                    let request = error.into_inner();
                    tracing::warn!(source = &*request.source, "too many requests at once: one is left out");
                }
            }
            Heard::Other(other) => return self.share(other),
        }
        None
    }

    /// Another daemon took this one's name in the same moment, or while this one was away: who came later gives way. One message
    /// may be an echo of old times; whoever lives answers what is then published again.
    fn share(&mut self, other: Other) -> Option<End> {
        let (ours, now) = (self.session.started(), Instant::now());
        let is_older =
            !other.started.is_empty() && (other.started.as_str(), &*other.run) < (ours.as_str(), &*self.run);
        let rival = self.rival.take().filter(|(_, at)| now.duration_since(*at) < GHOST);
        let again = rival.is_some_and(|(run, _)| run == other.run);
        if is_older {
            self.rival = Some((Arc::clone(&other.run), now));
        }
        if is_older && again {
            tracing::warn!(
                node = self.session.topics().node(),
                "another genred has published under this node's name for longer"
            );
            return Some(End::Yields);
        }
        self.session.overwritten_by(other.sources);
        None
    }
}

impl Sink for MqttSink {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture {
        Box::pin(self.publish_until_closed(inbox))
    }
}
