//! Trace socket, which `genred why` and `genred label` connect to: lines of JSON.
//!
//! A client receives a `hello`, then a `trace` for each scored patch and an `event` for each
//! change, of all sources. A slow client loses lines and receives their number (`lost`). A client
//! may send commands ([`client_command`]), which are answered by a line.

mod client;
#[cfg_attr(not(feature = "corrections"), allow(dead_code, reason = "`genred label` sends commands"))]
pub(crate) mod client_command;
mod line;
mod listeners;
mod socket;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::payload::trace::{GenreChange, PublishedPayload, TraceHello, TracePayload, TracedSource};
use super::payload::{EventPayload, LabelledPayload, RefusalPayload};
use super::{CommandAnswer, Message, Sink, SinkFuture};
use crate::command::{CommandOrigin, CommandRequest};
use crate::event::StateSnapshot;

use line::line;
pub(crate) use listeners::Listeners;
pub(crate) use socket::{EXTENSION, SocketError, TraceSocket};

/// Maximum number of clients.
const MAX_CLIENTS: usize = 8;
/// Capacity of the queue of a client; beyond it, lines are lost.
const QUEUE_LENGTH: usize = 256;
/// Changes per source in `hello`.
const MAX_CHANGES: usize = 10;
/// Time in which clients may receive pending lines at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);
/// Pause after a connection could not be accepted, for example for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Sink that sends decisions and their explanations to clients.
#[derive(Debug)]
pub(crate) struct TraceSink {
    socket: TraceSocket,
    listeners: Listeners,
    hello: TraceHello,
    clients: Vec<TraceClient>,
    /// Clients that have connected so far.
    connected: u64,
    /// Receiver of client commands.
    requests: Option<Sender<CommandRequest>>,
}

impl TraceSink {
    /// Sink of the daemon `node`. `names` holds each source's name in topics and as configured.
    pub(crate) fn new(
        socket: TraceSocket,
        run: Arc<str>,
        node: Arc<str>,
        names: Vec<(Arc<str>, Arc<str>)>,
    ) -> Self {
        let source =
            |(name, source_name)| TracedSource { name, source_name, published: None, changes: Vec::new() };
        let sources = names.into_iter().map(source).collect();
        let hello = TraceHello { run, version: env!("CARGO_PKG_VERSION").into(), node, sources };
        let listeners = Listeners::default();
        Self { socket, listeners, hello, clients: Vec::new(), connected: 0, requests: None }
    }

    /// Sends commands of clients to `requests`; without it they are ignored.
    #[must_use]
    pub(crate) fn with_commands(mut self, requests: Sender<CommandRequest>) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Connected clients, while the sink runs.
    pub(crate) fn listeners(&self) -> Listeners {
        self.listeners.clone()
    }

    async fn serve(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(&message),
                    None => break,
                },
                accepted = self.socket.accept() => match accepted {
                    Ok(stream) => self.welcome(stream, &mut tasks),
                    Err(error) => {
                        tracing::debug!(%error, "a connection to the trace socket failed");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        drop(self.socket);
        // The tasks end once their queues are empty.
        self.clients.clear();
        let _ = timeout(FLUSH_TIMEOUT, async { while tasks.join_next().await.is_some() {} }).await;
    }

    fn take(&mut self, message: &Message) {
        match message {
            Message::State { source, state } => self.remember(source, state),
            Message::Event { source, event, .. } => {
                self.send("event", source, &EventPayload::from(&**event));
            }
            Message::Explanation { source, explanation } => {
                self.send("trace", source, &TracePayload::from(&**explanation));
            }
            Message::Answer { source, origin: CommandOrigin::Client(client), answer } => {
                self.answer(*client, source, answer);
            }
            _ => {}
        }
    }

    fn remember(&mut self, source: &str, state: &StateSnapshot) {
        let Some(source) = self.hello.sources.iter_mut().find(|known| *known.name == *source) else { return };
        let now = PublishedPayload::new(&state.published, state.since);
        let genre = &state.published.genre;
        if let Some(before) = source.published.replace(now)
            && before.genre != *genre
        {
            if source.changes.len() == MAX_CHANGES {
                source.changes.remove(0);
            }
            source.changes.push(GenreChange { ts: state.since, from: before.genre, to: genre.clone() });
        }
    }

    fn send(&mut self, kind: &'static str, source: &str, payload: &impl Serialize) {
        self.clients.retain(TraceClient::is_connected);
        if self.clients.is_empty() {
            return;
        }
        if let Some(line) = line(kind, Some(source), payload) {
            self.clients.iter_mut().for_each(|client| client.send(&line));
        }
    }

    fn answer(&mut self, client: u64, source: &str, answer: &CommandAnswer) {
        let Some(client) = self.clients.iter_mut().find(|known| known.id == client) else { return };
        let line = match answer {
            CommandAnswer::Stored(stored) => line("labelled", Some(source), &LabelledPayload::from(stored)),
            CommandAnswer::Refused(refusal) => line("refused", Some(source), &RefusalPayload::from(refusal)),
            CommandAnswer::Changed(_) => return,
        };
        line.into_iter().for_each(|line| client.send(&line));
    }

    fn welcome(&mut self, stream: UnixStream, tasks: &mut JoinSet<()>) {
        self.clients.retain(TraceClient::is_connected);
        if self.clients.len() >= MAX_CLIENTS {
            refuse(stream);
            return;
        }
        let Some(hello) = line("hello", None, &self.hello) else { return };
        let (tx, rx) = mpsc::channel(QUEUE_LENGTH);
        let id = self.connected;
        self.connected += 1;
        let mut client = TraceClient { id, lines: tx, lost: 0 };
        client.send(&hello);
        self.clients.push(client);
        tasks.spawn(client::serve(stream, rx, self.requests.clone(), id, self.listeners.join()));
    }
}

impl Sink for TraceSink {
    fn name(&self) -> &'static str {
        "trace"
    }

    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture {
        Box::pin(self.serve(inbox))
    }
}

/// The sink's end of a client's queue.
#[derive(Debug)]
struct TraceClient {
    id: u64,
    lines: mpsc::Sender<Arc<str>>,
    lost: u64,
}

#[derive(Serialize)]
struct LostLines {
    lines: u64,
}

impl TraceClient {
    fn is_connected(&self) -> bool {
        !self.lines.is_closed()
    }

    /// Queues a line, after the number of lines that were lost before it.
    fn send(&mut self, text: &Arc<str>) {
        if self.lost > 0
            && let Some(lost) = line("lost", None, &LostLines { lines: self.lost })
            && self.lines.try_send(lost).is_ok()
        {
            self.lost = 0;
        }
        if self.lost > 0 || self.lines.try_send(text.clone()).is_err() {
            self.lost += 1;
        }
    }
}

/// Refuses a client, with the reason if it can be sent without waiting.
fn refuse(stream: UnixStream) {
    #[derive(Serialize)]
    struct Full {
        clients: usize,
    }
    if let (Ok(mut stream), Some(full)) =
        (stream.into_std(), line("full", None, &Full { clients: MAX_CLIENTS }))
    {
        let _ = stream.write_all(full.as_bytes());
    }
}
