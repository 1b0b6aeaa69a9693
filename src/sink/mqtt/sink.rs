//! The sink itself: executes the actions of the [`Lifecycle`].

mod builder;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::config::MqttConfig;
use super::failure::ConnectionFailure;
use super::lifecycle::{Lifecycle, LifecycleAction, LifecycleEvent, NodeName};
use super::name_lookup::{disconnect, look_up};
use super::persistence::OutboxPersistence;
use super::protocol::BrokerSignal;
use super::reporter::ConnectionReporter;
use super::wire::{MqttClient, MqttEvents, open};
use crate::command::CommandRequest;
use crate::counters::MqttCounters;
use crate::sink::{FatalHandle, Message, Sink, SinkFuture};
use crate::thread::Stop;

/// Result of the pending operation of the connection.
enum IoEvent {
    Lifecycle(LifecycleEvent),
    Signal(MqttEvents, Result<BrokerSignal, ConnectionFailure>),
}

/// Pending operation. It outlives a turn of the event loop, because a dropped poll may lose a
/// packet.
type IoFuture = Pin<Box<dyn Future<Output = IoEvent> + Send>>;

/// Publishes to a broker. Messages wait while there is no connection.
pub struct MqttSink {
    config: MqttConfig,
    lifecycle: Lifecycle,
    persistence: OutboxPersistence,
    reporter: ConnectionReporter,
    counters: Arc<MqttCounters>,
    commands: Option<Sender<CommandRequest>>,
    fatal_handle: Option<FatalHandle>,
    /// While it is not set, a stop drains the queues.
    drain_on: Option<Stop>,
    client: Option<MqttClient>,
    events: Option<MqttEvents>,
    pending: Option<IoFuture>,
}

impl MqttSink {
    /// A sink that connects once it runs. `node` is the name in topics, `run` the random id of this
    /// start.
    pub fn new(config: MqttConfig, node: Arc<str>, run: Arc<str>) -> Self {
        Self {
            lifecycle: Lifecycle::new(&config, NodeName::new(node), run, Instant::now()),
            persistence: OutboxPersistence::none(),
            reporter: ConnectionReporter::new(config.server.clone()),
            config,
            counters: Arc::default(),
            commands: None,
            fatal_handle: None,
            drain_on: None,
            client: None,
            events: None,
            pending: None,
        }
    }

    async fn event_loop(mut self, mut inbox: mpsc::Receiver<Message>) {
        self.step(LifecycleEvent::Start).await;
        while !self.lifecycle.has_ended() {
            let deadline = self.lifecycle.deadline();
            let wake_at = deadline.unwrap_or_else(Instant::now).into();
            let event = tokio::select! {
                io = next(&mut self.pending) => match io {
                    IoEvent::Lifecycle(event) => event,
                    IoEvent::Signal(events, result) => {
                        self.events = Some(events);
                        result.map_or_else(LifecycleEvent::Failed, LifecycleEvent::Signal)
                    }
                },
                message = inbox.recv(), if self.lifecycle.is_accepting() => {
                    message.map_or(LifecycleEvent::InboxClosed, LifecycleEvent::Message)
                }
                event = self.persistence.next_event() => {
                    self.persistence.handle(event, self.lifecycle.outbox());
                    self.pump().await;
                    continue;
                }
                () = sleep_until(wake_at), if deadline.is_some() => LifecycleEvent::Timer,
            };
            self.step(event).await;
        }
        self.persistence.close(self.lifecycle.outbox()).await;
    }

    async fn step(&mut self, event: LifecycleEvent) {
        self.lifecycle.set_drains(self.drain_on.as_ref().is_some_and(|stop| !stop.is_set()));
        self.lifecycle.handle(event, Instant::now());
        self.pump().await;
        let (events, windows) = self.lifecycle.dropped();
        self.reporter.dropped(events, windows, Instant::now());
        self.lifecycle.count(&self.counters);
    }

    /// Synchronises the store, publishes what may be published, and executes the actions.
    async fn pump(&mut self) {
        self.execute_actions().await;
        self.persistence.sync(self.lifecycle.outbox());
        let client = self.client.as_ref();
        let mut publish = |publication| client.is_some_and(|client| client.publish(publication));
        self.lifecycle.pump(&mut publish, Instant::now());
        self.execute_actions().await;
        if let Some(mut events) = self.events.take() {
            self.pending = Some(Box::pin(async move {
                let result = events.poll().await;
                IoEvent::Signal(events, result)
            }));
        }
    }

    async fn execute_actions(&mut self) {
        while let Some(action) = self.lifecycle.next_action() {
            self.execute(action).await;
        }
    }

    async fn execute(&mut self, action: LifecycleAction) {
        match action {
            LifecycleAction::LookUpName(query) => {
                let look_up = look_up(self.config.clone(), *query);
                let result = async { IoEvent::Lifecycle(LifecycleEvent::NameLookup(look_up.await)) };
                self.pending = Some(Box::pin(result));
            }
            // A client per connection: requests, packet ids and acknowledgements never reach the
            // next one.
            LifecycleAction::Connect(request) => match open(&self.config, &request) {
                Ok((client, events)) => (self.client, self.events) = (Some(client), Some(events)),
                Err(failure) => self.lifecycle.handle(LifecycleEvent::Failed(failure), Instant::now()),
            },
            LifecycleAction::Subscribe(topics) => self.with_client(|client| client.subscribe(topics)),
            LifecycleAction::Unsubscribe(topic) => self.with_client(|client| client.unsubscribe(&topic)),
            LifecycleAction::Disconnect => self.with_client(MqttClient::disconnect),
            LifecycleAction::DisconnectAndWait => {
                if let (Some(client), Some(mut events)) = (self.client.take(), self.events.take()) {
                    disconnect(&client, &mut events).await;
                }
            }
            LifecycleAction::Drop => (self.client, self.events, self.pending) = (None, None, None),
            LifecycleAction::Forward(request) => self.forward(request),
            LifecycleAction::Report(notice) => {
                self.reporter.report(&notice, Instant::now(), self.persistence.is_kept());
            }
            LifecycleAction::EndDaemon(reason) => match &self.fatal_handle {
                Some(handle) => handle.fail(reason),
                None => tracing::error!("{reason}"),
            },
        }
    }

    fn with_client(&self, request: impl FnOnce(&MqttClient) -> bool) {
        if let Some(client) = &self.client {
            request(client);
        }
    }

    fn forward(&self, request: CommandRequest) {
        if let Some(commands) = &self.commands
            && let Err(error) = commands.try_send(request)
        {
            let request = error.into_inner();
            tracing::warn!(source = &*request.source, "too many commands at once: a command is dropped");
        }
    }
}

/// Completes the pending operation; waits forever if there is none. Cancel safe.
async fn next(pending: &mut Option<IoFuture>) -> IoEvent {
    let Some(operation) = pending else { return std::future::pending().await };
    let event = operation.await;
    *pending = None;
    event
}

impl Sink for MqttSink {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture {
        Box::pin(self.event_loop(inbox))
    }
}
