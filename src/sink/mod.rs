//! Layer 2: destinations of decisions.
//!
//! Every sink receives every [`Message`] through a bounded queue of its own, encodes those that
//! concern it and ignores the rest. A slow sink loses only its own messages.
//!
//! Three modules are no sinks: [`corrections`] is a store that the engine writes and reads,
//! [`payload`] holds encodings that several sinks share, and [`command_parser`] parses what
//! subscribers and clients send.

#[cfg(feature = "log")]
pub(crate) mod asrun;
#[cfg_attr(not(feature = "mqtt"), allow(dead_code, unused_imports, reason = "used by the MQTT sink"))]
pub(crate) mod command_parser;
#[cfg_attr(not(feature = "corrections"), allow(dead_code, unused_imports, reason = "no store"))]
pub(crate) mod corrections;
#[cfg(any(feature = "corrections", feature = "log", feature = "mqtt"))]
mod database;
pub(crate) mod jsonl;
mod message;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg_attr(not(feature = "mqtt"), allow(dead_code, unused_imports, reason = "used by the MQTT sink"))]
pub(crate) mod payload;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod slug;
pub(crate) mod text;
#[cfg_attr(not(feature = "mqtt"), allow(dead_code, unused_imports, reason = "used by the MQTT sink"))]
pub(crate) mod topics;
pub(crate) mod trace;
#[cfg(feature = "web")]
pub(crate) mod web;
mod writer;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use crate::thread::Stop;

pub use message::{CommandAnswer, LatencyProbe, Message, PatchExplanation, SettingsSnapshot};

/// Ends the daemon for a reason that only a sink can detect.
#[derive(Debug, Clone)]
pub struct FatalHandle {
    stop: Stop,
    reason: Arc<OnceLock<String>>,
}

impl FatalHandle {
    /// Handle that sets `stop`.
    pub fn new(stop: Stop) -> Self {
        Self { stop, reason: Arc::default() }
    }

    /// Ends the daemon; the first reason counts.
    pub fn fail(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.stop.set();
    }

    /// Reason for which the daemon was ended.
    pub fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}

/// JSON object of one line: its kind, its source, and the keys of the payload.
#[derive(serde::Serialize)]
struct JsonLine<'a, P> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(flatten)]
    payload: &'a P,
}

/// Future that a sink runs as.
pub type SinkFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Destination of messages. It runs on the tokio runtime and must not block a worker.
pub trait Sink: Send {
    /// Name in logs.
    fn name(&self) -> &'static str;

    /// Consumes messages until `inbox` closes, then finishes pending work and returns.
    /// The sink logs its own errors, with repeats rate-limited, and carries on.
    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture;
}
