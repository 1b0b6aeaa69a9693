//! Floor 2: where decisions go.
//!
//! Every sink gets every [`Message`] through a bounded queue of its own and takes what
//! concerns it; a slow one loses only its own messages.

#[cfg(feature = "log")]
pub mod asrun;
pub mod corrections;
#[cfg(any(feature = "corrections", feature = "log", feature = "mqtt"))]
mod database;
pub mod jsonl;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod payload;
#[cfg(test)]
pub(crate) mod samples;
pub mod slug;
pub mod text;
pub mod topics;
pub mod trace;
mod writer;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::stats::SourceCounters;
use crate::thread::Stop;

/// What a message came of, so that its way can be timed to its end.
#[derive(Debug, Clone)]
pub struct Cause {
    /// When the last sample that the patch needs had been read.
    pub arrived: Instant,
    /// The source's counters.
    pub counters: Arc<SourceCounters>,
}

impl Cause {
    /// The message has been acknowledged.
    pub fn end(&self) {
        self.counters.latency.record(self.arrived.elapsed());
    }
}

/// One thing that happened, addressed but not yet encoded.
///
/// `source` is the source's name as it stands in topics.
#[derive(Debug, Clone)]
pub enum Message {
    /// What runs here; first, and again when something in it changes.
    Info(Arc<payload::Info>),
    /// Every 30 seconds. The sink that owns a connection fills in `mqtt` itself.
    Stats(Arc<payload::Stats>),
    /// Audio arrives, or does not.
    Availability {
        /// Source name.
        source: Arc<str>,
        /// Whether audio arrives.
        online: bool,
    },
    /// On every change, and as a heartbeat.
    State {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::State>,
    },
    /// One decided change.
    Event {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::Event>,
        /// The patch that it was decided by, where its way to the acknowledgement is to be timed.
        cause: Option<Cause>,
    },
    /// Best labels and tags; at most one a minute.
    Attributes {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::Attributes>,
    },
    /// Every scored patch.
    Window {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::Window>,
        /// The patch, where its way to the acknowledgement is to be timed.
        cause: Option<Cause>,
    },
    /// What a stretch of a source's time was, once that is settled.
    Settled {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::Settled>,
    },
    /// What can be set of a source, as it is.
    Settings {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::Settings>,
    },
    /// A command of a subscriber was not taken.
    Refusal {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::Refusal>,
    },
    /// A subscriber's correction was stored.
    Labelled {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::Labelled>,
    },
    /// An answer to one client of the trace socket.
    Answer {
        /// Number of the client.
        client: u64,
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: payload::Answer,
    },
    /// How a source stands after a scored patch; only while somebody listens ([`trace::Listeners`]).
    Trace {
        /// Source name.
        source: Arc<str>,
        /// The payload.
        payload: Arc<payload::trace::Trace>,
    },
}

/// The one who is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Subscribers of the source's topics.
    Subscriber,
    /// A client of the trace socket, by its number.
    Client(u64),
}

/// What a subscriber wants of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Source name, as it was given.
    pub source: Arc<str>,
    /// What.
    pub ask: Ask,
    /// By whom.
    pub from: Asker,
}

/// Kinds of [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Other settings: JSON, as it came.
    Set(Vec<u8>),
    /// The right genre of what was heard last: JSON or text, as it came.
    Label(Vec<u8>),
    /// A command that the broker had kept: it would come again at every connection.
    Retained,
    /// A command that is too long to be any.
    TooLong,
    /// What is published of it, and its settings.
    Get,
}

/// Ends the daemon for a reason that only a sink can know.
#[derive(Debug, Clone)]
pub struct Refusing {
    stop: Stop,
    reason: Arc<OnceLock<String>>,
}

impl Refusing {
    /// One that sets `stop`.
    pub fn new(stop: Stop) -> Self {
        Self { stop, reason: Arc::default() }
    }

    /// Ends the daemon.
    pub fn refuse(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.stop.set();
    }

    /// Why it was ended, where it was.
    pub fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}

/// One line of JSON, without its end: what it is, whose, and the payload's keys.
#[derive(serde::Serialize)]
struct Line<'a, P> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(flatten)]
    payload: &'a P,
}

/// The future that a sink runs as.
pub type SinkFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Somewhere for messages to go; runs on the tokio runtime and must never block a worker for long.
pub trait Sink: Send {
    /// For logs.
    fn name(&self) -> &'static str;

    /// Consumes messages until `inbox` closes, then finishes what is under way and returns.
    /// Errors are the sink's own: it logs them (repeats rate-limited) and goes on.
    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture;
}
