//! The JSON payloads that subscribers may rely on (`docs/mqtt.md`).
//!
//! Every key is in every message; an unknown value is `null`. No number is NaN or infinite.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// `…/state`: what is published of a source now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct State {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// When the message was made.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// Patches produced for the source in this run.
    pub patch: u64,
    /// `music`, `speech`, `silence`, `noise`, `uncertain` or `lost`.
    pub state: &'static str,
    /// A label where `state` is `music`, else the state's name.
    pub genre: Arc<str>,
    /// Posterior of `genre` after smoothing, 0–1; `null` unless the state is `music`.
    pub confidence: Option<f32>,
    /// Best label (or state) of the newest patch alone.
    pub raw_genre: Option<Arc<str>>,
    /// Its calibrated posterior, 0–1.
    pub raw_confidence: Option<f32>,
    /// Since when `genre` has been what it is.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// Short-term loudness in LUFS, at least −70; `null` before the first patch.
    pub lufs_s: Option<f32>,
    /// `ON` or `OFF`.
    pub dead_air: &'static str,
    /// Source name, as in the topic.
    pub source: Arc<str>,
    /// Source name, as configured.
    pub source_name: Arc<str>,
    /// Bundle name.
    pub model: Arc<str>,
}

/// `…/event`: one decided change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// Counts a source's events without a hole.
    pub seq: u64,
    /// When it was decided.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// What happened, with its own keys.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of event and their keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event_type", rename_all = "snake_case")]
pub enum EventKind {
    /// The published `genre` changed, state names included, except to and from `lost`.
    GenreChanged {
        /// The genre before.
        from: Arc<str>,
        /// The genre now.
        to: Arc<str>,
        /// Posterior of `to`; `null` unless it is a label.
        confidence: Option<f32>,
    },
    /// Silence began.
    DeadAirStarted,
    /// Silence ended.
    DeadAirEnded,
    /// Audio stopped arriving.
    SourceLost,
    /// Audio arrives again.
    SourceRecovered,
    /// The queue of events overflowed.
    EventsDropped {
        /// How many were lost.
        count: u64,
    },
}

/// A label with its posterior.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelP {
    /// The label.
    pub label: Arc<str>,
    /// Its posterior, 0–1.
    pub p: f32,
}

/// `…/attributes`: best labels and tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attributes {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// When the message was made.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// Best labels of the genre head, after smoothing, best first.
    pub top: Vec<LabelP>,
    /// Best tags of the newest patch, best first.
    pub tags: Vec<LabelP>,
    /// Title that the stream announces.
    pub title: Option<Arc<str>>,
    /// Bundle name.
    pub model: Arc<str>,
    /// Head name.
    pub head: Arc<str>,
}

/// `…/window`: one scored patch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// Wall-clock time of the patch's end.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// Index of the patch.
    pub patch: u64,
    /// Start in the source, in seconds.
    pub start: f64,
    /// End in the source, in seconds.
    pub end: f64,
    /// State of this patch alone.
    pub state: &'static str,
    /// Best label where `state` is `music`, else the state's name.
    pub genre: Arc<str>,
    /// Posterior of `genre`; `null` unless the state is `music`.
    pub confidence: Option<f32>,
    /// All posteriors, in the head's order.
    #[serde(serialize_with = "as_map")]
    pub scores: Vec<(Arc<str>, f32)>,
    /// Short-term loudness in LUFS at the patch's end.
    pub lufs_s: f32,
}

/// `…/info`: what runs here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Info {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// Version of the program.
    pub version: &'static str,
    /// When the process started.
    #[serde(serialize_with = "rfc3339")]
    pub started: Timestamp,
    /// Bundle name.
    pub model: Arc<str>,
    /// SHA-256 of the model file that is scored.
    pub model_sha256: Arc<str>,
    /// Head name.
    pub head: Arc<str>,
    /// The head's labels.
    pub labels: Vec<Arc<str>>,
    /// `cpu` or `cuda`: the provider in use.
    pub execution_provider: &'static str,
    /// Why that one.
    pub execution_provider_reason: Arc<str>,
    /// How far the trunk looks ahead, in milliseconds.
    pub lookahead_ms: f64,
    /// Seconds between patches.
    pub hop_s: f64,
    /// The sources.
    pub sources: Vec<SourceInfo>,
}

/// A source as `info` names it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceInfo {
    /// Name, as in topics.
    pub name: Arc<str>,
    /// Address, credentials removed.
    pub uri: Arc<str>,
}

/// `…/stats`: counters and timings since the start of the process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// When the message was made.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// `cpu` or `cuda`.
    pub execution_provider: &'static str,
    /// Seconds of audio scored a second of inference; `null` before the first patch.
    pub realtime_factor: Option<f64>,
    /// Resident memory in MiB; `null` where the system does not say.
    pub rss_mb: Option<f64>,
    /// Processor cores used on average since the last message.
    pub cpu_cores: Option<f64>,
    /// The connection; the MQTT sink fills it in.
    pub mqtt: Option<MqttStats>,
    /// By source name.
    pub sources: BTreeMap<Arc<str>, SourceStats>,
}

/// State of the MQTT connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MqttStats {
    /// Always true in a message that arrives.
    pub connected: bool,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Events that wait for their acknowledgement.
    pub outbox: usize,
}

/// Counters of one source; `produced = scored + dropped` whenever nothing is in flight.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceStats {
    /// Published state.
    pub state: &'static str,
    /// Patches cut.
    pub produced: u64,
    /// Patches scored.
    pub scored: u64,
    /// Patches counted as dropped.
    pub dropped: u64,
    /// Times that the capture ring overflowed.
    pub xruns: u64,
    /// Times that the source was opened anew.
    pub reconnects: u64,
    /// From the arrival of a patch's last sample to its decision, median, in milliseconds.
    pub latency_ms_p50: Option<f64>,
    /// The same, 99th percentile.
    pub latency_ms_p99: Option<f64>,
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    // Always three digits, so that strings sort as times do.
    serializer.collect_str(&format_args!("{time:.3}"))
}

fn as_map<S: Serializer>(scores: &[(Arc<str>, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().map(|(label, p)| (label.as_ref(), p)))
}
