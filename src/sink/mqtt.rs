//! The MQTT sink: MQTT 3.1.1 through `rumqttc`, on the contract of `docs/mqtt.md`.
//!
//! What is published, and in which order, is the pure [`session`]'s business, events are the
//! [`outbox`]'s. This file moves bytes: it connects, hands over what the session wants to
//! publish, reports what left and what was acknowledged, and connects again.

#[cfg(feature = "broker")]
pub mod broker;
pub mod config;
mod failure;
pub mod outbox;
pub mod session;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

pub use self::config::{Login, MqttConfig, MqttConfigError, RawMqttConfig, Secret, Server};
use self::failure::{Failure, Reporter};
use self::session::{IN_FLIGHT, MAX_PAYLOAD, OUTBOX_CAPACITY, Session};
use super::topics::Topics;
use super::{Message, Sink, SinkFuture};
use crate::backoff::{Backoff, HEALTHY};
use crate::thread::Stop;

/// A broker that is silent for twice as long is taken to be gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The client gives a sign of life at every keep-alive; without one for this long it hangs in a write.
const STALLED: Duration = KEEP_ALIVE.saturating_mul(3);

/// At a stop, events that wait have this long,
const FLUSH: Duration = Duration::from_millis(450);

/// and the good-bye is over after this long in total.
const GOOD_BYE: Duration = Duration::from_millis(800);

/// When the sources have ended by themselves there is time: to connect first, and for all that waits.
const LINGER: Duration = Duration::from_secs(10);

/// Publishes to a broker; goes on without one and catches up.
pub struct MqttSink {
    options: MqttOptions,
    session: Session,
    backoff: Backoff,
    reporter: Reporter,
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
}

impl MqttSink {
    /// A sink that connects once it runs. `node` is the name in topics, `run` this start's random id.
    pub fn new(config: MqttConfig, node: Arc<str>, run: Arc<str>) -> Self {
        let topics = Topics::new(Arc::clone(&config.prefix), Arc::clone(&node));
        let mut options =
            MqttOptions::new(format!("{node}-{run}"), config.server.host.clone(), config.server.port);
        options
            .set_keep_alive(KEEP_ALIVE)
            // Nothing of ours is left to the broker's memory of a session: the outbox sends again.
            .set_clean_session(true)
            .set_max_packet_size(MAX_PAYLOAD + 4096, MAX_PAYLOAD + 4096)
            .set_last_will(LastWill::new(topics.status(), "offline", QoS::AtLeastOnce, true));
        if let Some(login) = &config.login {
            options.set_credentials(login.username.clone(), login.password.reveal());
        }
        Self {
            options,
            session: Session::new(topics, config.window_qos, OUTBOX_CAPACITY),
            backoff: Backoff::new(config.reconnect_max),
            reporter: Reporter::new(config.server),
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

    /// How long the end may take, now that the inbox has closed.
    fn linger(&self) -> Option<Duration> {
        self.patience.as_ref().filter(|stop| !stop.is_set()).map(|_| LINGER)
    }

    /// The inbox has closed while there is no connection: whether to go on trying.
    fn closed_early(&mut self) -> bool {
        self.give_up = self.linger().map(|linger| tokio::time::Instant::now() + linger);
        if self.give_up.is_none() {
            self.reporter.abandoned(self.session.waiting_events());
        }
        self.give_up.is_some()
    }

    async fn publish_until_closed(mut self, mut inbox: mpsc::Receiver<Message>) {
        loop {
            // A client for each connection: what is left in one (requests, packet ids, unread
            // acknowledgements) would else be mistaken for the next connection's.
            let (client, mut events) = AsyncClient::new(self.options.clone(), IN_FLIGHT + 4);
            events.network_options.set_tcp_nodelay(true);
            let mut connected_at = None;
            let end = self.connection(&mut inbox, &client, events, &mut connected_at).await;
            self.session.disconnected();
            let failure = match end {
                End::Closed => return,
                End::Failed(failure) => failure,
            };
            let lasted = connected_at.map_or(Duration::ZERO, |at: Instant| at.elapsed());
            if lasted >= HEALTHY {
                self.reporter.healthy();
            }
            let pause = self.backoff.pause(lasted);
            self.reporter.failed(&failure, Instant::now(), pause, self.session.waiting_events());
            if self.pause(&mut inbox, pause).await.is_none() {
                return;
            }
        }
    }

    /// Takes messages in while there is nothing to publish to; `None` once the inbox is closed.
    async fn pause(&mut self, inbox: &mut mpsc::Receiver<Message>, pause: Duration) -> Option<()> {
        let until = tokio::time::Instant::now() + pause;
        loop {
            let give_up = self.give_up.filter(|give_up| *give_up < until);
            tokio::select! {
                () = sleep_until(give_up.unwrap_or(until)) => {
                    if give_up.is_some() {
                        self.reporter.abandoned(self.session.waiting_events());
                        return None;
                    }
                    return Some(());
                }
                message = inbox.recv(), if self.give_up.is_none() => match message {
                    Some(message) => self.accept(message),
                    None if self.closed_early() => {}
                    None => return None,
                },
            }
        }
    }

    /// One connection, from its making to its end.
    async fn connection(
        &mut self,
        inbox: &mut mpsc::Receiver<Message>,
        client: &AsyncClient,
        mut events: EventLoop,
        connected_at: &mut Option<Instant>,
    ) -> End {
        let mut good_bye: Option<GoodBye> = None;
        loop {
            // `poll` may lose a packet when it is dropped half-way, so each one is awaited to its end.
            let poll = events.poll();
            tokio::pin!(poll);
            let stalled = tokio::time::Instant::now() + STALLED;
            let outcome = loop {
                let deadline = good_bye.as_ref().map_or(stalled, GoodBye::deadline);
                let deadline =
                    self.give_up.filter(|_| connected_at.is_none()).map_or(deadline, |at| at.min(deadline));
                tokio::select! {
                    outcome = &mut poll => break outcome,
                    message = inbox.recv(), if good_bye.is_none() && self.give_up.is_none() => match message {
                        Some(message) => self.accept(message),
                        None if connected_at.is_some() => good_bye = Some(GoodBye::begin(self.linger())),
                        None if self.closed_early() => {}
                        None => return End::Closed,
                    },
                    () = sleep_until(deadline) => match good_bye.take() {
                        None if self.give_up.is_some_and(|at| at <= tokio::time::Instant::now()) => {
                            self.reporter.abandoned(self.session.waiting_events());
                            return End::Closed;
                        }
                        None => return End::Failed(Failure::stalled()),
                        Some(GoodBye::Flushing { until }) => {
                            tracing::warn!(waiting_events = self.session.waiting_events(), "stopping before all events are acknowledged");
                            self.session.close();
                            good_bye = Some(GoodBye::Leaving { until });
                        }
                        // Without a clean end the broker publishes the last will, which says the same.
                        Some(GoodBye::Leaving { .. }) => {
                            tracing::warn!("the MQTT broker did not acknowledge the good-bye in time");
                            return End::Closed;
                        }
                    },
                }
                self.go_on(client, &mut good_bye);
            };
            match outcome {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    *connected_at = Some(Instant::now());
                    self.reporter.connected(Instant::now(), self.session.waiting_events());
                    self.session.connected();
                    if self.give_up.is_some() {
                        good_bye = Some(GoodBye::begin(self.linger()));
                    }
                }
                Ok(Event::Incoming(Packet::PubAck(ack))) => self.session.acknowledged(ack.pkid),
                Ok(Event::Outgoing(Outgoing::Publish(packet_id))) => self.session.sent(packet_id),
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return End::Closed,
                Ok(_) => {}
                Err(_) if good_bye.is_some() => return End::Closed,
                Err(error) => return End::Failed(Failure::of(&error)),
            }
            self.go_on(client, &mut good_bye);
        }
    }

    fn accept(&mut self, message: Message) {
        self.session.accept(message);
        self.reporter.dropped(self.session.events_dropped, self.session.windows_dropped, Instant::now());
    }

    /// Hands the client what may go now, and takes the next step of a good-bye whose last one is done.
    fn go_on(&mut self, client: &AsyncClient, good_bye: &mut Option<GoodBye>) {
        if self.session.is_idle() {
            match good_bye {
                None => {}
                Some(GoodBye::Flushing { until }) => {
                    self.session.close();
                    *good_bye = Some(GoodBye::Leaving { until: *until });
                }
                Some(GoodBye::Leaving { .. }) => {
                    // Refused only by a full queue, and an idle session's is empty.
                    let _ = client.try_disconnect();
                }
            }
        }
        while let Some(publication) = self.session.take() {
            let qos = if publication.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let taken = client.try_publish(publication.topic, qos, publication.retain, publication.payload);
            if taken.is_err() {
                self.session.refused();
                return;
            }
        }
    }
}

/// The steps of a clean stop. `until` is when all of it has to be over.
enum GoodBye {
    /// What waits is published.
    Flushing { until: tokio::time::Instant },
    /// The sources and the node are said to be offline, then the client disconnects.
    Leaving { until: tokio::time::Instant },
}

impl GoodBye {
    fn begin(linger: Option<Duration>) -> Self {
        Self::Flushing { until: tokio::time::Instant::now() + linger.unwrap_or(GOOD_BYE) }
    }

    fn deadline(&self) -> tokio::time::Instant {
        match self {
            Self::Flushing { until } => *until - (GOOD_BYE - FLUSH),
            Self::Leaving { until } => *until,
        }
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
