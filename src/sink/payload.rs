//! The JSON payloads that subscribers may rely on (`docs/reference/mqtt.md`).
//!
//! Every key is in every message; an unknown value is `null`. No number is NaN or infinite.

mod label;
pub mod trace;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::audio::Level;
use crate::decision::{DecisionConfig, SilenceConfig};

pub use label::{Answer, Labelled};

/// The states, other than `music`, that `genre` may name.
pub const STATES: [&str; 5] = ["speech", "silence", "noise", "uncertain", "lost"];

/// Every `event_type`; Home Assistant wants to know them beforehand.
pub const EVENT_TYPES: [&str; 14] = [
    "genre_changed",
    "dead_air_started",
    "dead_air_ended",
    "source_lost",
    "source_recovered",
    "off_format_started",
    "off_format_ended",
    "talk_limit_started",
    "talk_limit_ended",
    "imbalance_started",
    "imbalance_ended",
    "stream_slow_started",
    "stream_slow_ended",
    "events_dropped",
];

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
    /// Mean posterior of `genre` in the music since the last change, 0–1; `null` unless the state is `music`.
    #[serde(serialize_with = "to_4_places")]
    pub confidence: Option<f32>,
    /// Best label (or state) of the newest patch alone.
    pub raw_genre: Option<Arc<str>>,
    /// Its calibrated posterior, 0–1.
    #[serde(serialize_with = "to_4_places")]
    pub raw_confidence: Option<f32>,
    /// Since when `genre` has been what it is.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// Short-term loudness in LUFS, at least −70; `null` before the first patch.
    #[serde(serialize_with = "loudness")]
    pub lufs_s: Option<f32>,
    /// Momentary loudness in LUFS, at least −70; `null` before the first patch.
    #[serde(serialize_with = "loudness")]
    pub lufs_m: Option<f32>,
    /// True peak of the last 3 s in dBTP; `null` unless the source asks for it with `true_peak`.
    #[serde(serialize_with = "to_2_places")]
    pub true_peak_db: Option<f32>,
    /// `ON` or `OFF`.
    pub dead_air: &'static str,
    /// Source name, as in the topic.
    pub source: Arc<str>,
    /// Source name, as configured.
    pub source_name: Arc<str>,
    /// Bundle name.
    pub model: Arc<str>,
}

/// Retrospective label of a stretch of a source's time ([`crate::decision::FinalSegment`]); for the log, on no topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// When it begins, in the source's seconds, as those of [`Window`].
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// `music`, `speech`, `silence`, `noise` or `uncertain`.
    pub state: &'static str,
    /// A label where `state` is `music`, else the state's name.
    pub genre: Arc<str>,
    /// Mean posterior of `genre` in the music of it, 0–1; `None` unless the state is `music`.
    pub confidence: Option<f32>,
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
        #[serde(serialize_with = "to_4_places")]
        confidence: Option<f32>,
    },
    /// Dead air began.
    DeadAirStarted {
        /// `silence`, `loop` or `tone`.
        reason: &'static str,
    },
    /// Dead air ended.
    DeadAirEnded,
    /// Audio stopped arriving.
    SourceLost {
        /// Why, for people; `null` where it is not known.
        reason: Option<Arc<str>>,
    },
    /// Audio arrives again.
    SourceRecovered,
    /// Music that does not belong to the source's format has been played for too long.
    OffFormatStarted,
    /// Music that belongs to it is played again.
    OffFormatEnded,
    /// More of the last hour was talk than should be.
    TalkLimitStarted,
    /// No longer.
    TalkLimitEnded,
    /// One of two channels is missing.
    ImbalanceStarted {
        /// The channel that is missing: `left` or `right`.
        quiet: &'static str,
        /// By how many dB the left channel is louder than the right one.
        #[serde(serialize_with = "to_2_places")]
        balance_db: f32,
    },
    /// It is there again.
    ImbalanceEnded,
    /// Audio arrives slower than real time: players stutter.
    StreamSlowStarted {
        /// Seconds of audio per second.
        #[serde(serialize_with = "to_2_places")]
        rate: f32,
    },
    /// It arrives in real time again, or not at all.
    StreamSlowEnded,
    /// Events were lost: too many waited, or what they were kept in was damaged.
    EventsDropped {
        /// How many; `null` where nobody knows.
        count: Option<u64>,
    },
}

/// A label with its posterior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelP {
    /// The label.
    pub label: Arc<str>,
    /// Its posterior, 0–1.
    #[serde(serialize_with = "to_4_places")]
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
    /// Best labels of the genre head in the music since the last change, best first.
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
    #[serde(serialize_with = "loudness")]
    pub lufs_s: f32,
    /// Momentary loudness in LUFS at its end, at least −70.
    #[serde(serialize_with = "loudness")]
    pub lufs_m: f32,
    /// True peak of the last 3 s in dBTP; `null` unless the source asks for it.
    #[serde(serialize_with = "to_2_places")]
    pub true_peak_db: Option<f32>,
}

/// `…/info`: what runs here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Info {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// Random id of the daemon, the same at every start; `null` where it has no place to keep it.
    pub instance: Option<Arc<str>>,
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
    /// Name, as configured.
    pub source_name: Arc<str>,
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
    #[serde(serialize_with = "to_3_places")]
    pub realtime_factor: Option<f64>,
    /// Resident memory in MiB; `null` where the system does not say.
    #[serde(serialize_with = "to_3_places")]
    pub rss_mb: Option<f64>,
    /// Processor cores used on average since the last message.
    #[serde(serialize_with = "to_3_places")]
    pub cpu_cores: Option<f64>,
    /// The connection; the MQTT sink fills it in.
    pub mqtt: Option<MqttStats>,
    /// State of an overload; `null` while all live sources are analysed without a pause.
    pub overload: Option<Overload>,
    /// By source name.
    pub sources: BTreeMap<Arc<str>, SourceStats>,
}

/// More live sources than the machine can analyse: they take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Overload {
    /// Live sources that bring audio.
    pub sources: usize,
    /// Of them, about as many as could be analysed without a pause.
    pub sources_fit: usize,
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
    /// `starting`, `healthy`, `slow`, `stalled`, `recovering` or `failed`.
    pub health: &'static str,
    /// Why, for people; `null` where it is healthy.
    pub health_reason: Option<Arc<str>>,
    /// Patches cut.
    pub produced: u64,
    /// Patches scored.
    pub scored: u64,
    /// Patches counted as dropped.
    pub dropped: u64,
    /// Audio that was skipped because of an overload, in seconds: neither loudness nor dead air is measured in it.
    #[serde(serialize_with = "to_3_places")]
    pub skipped_s: Option<f64>,
    /// Times that the capture ring overflowed.
    pub xruns: u64,
    /// Times that the source was opened anew.
    pub reconnects: u64,
    /// From the arrival of a patch's last sample to its decision, median, in milliseconds.
    #[serde(serialize_with = "to_3_places")]
    pub latency_ms_p50: Option<f64>,
    /// The same, 99th percentile.
    #[serde(serialize_with = "to_3_places")]
    pub latency_ms_p99: Option<f64>,
}

/// `…/settings`: what can be set of a source, as it is; only where control is on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// When the message was made.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// Whether the source's sound is left unheard.
    pub paused: bool,
    /// Seconds between patches.
    pub hop: f64,
    /// What decides.
    pub thresholds: Thresholds,
}

/// The settings of the stages that decide.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Thresholds {
    /// As in `[decision]`.
    pub decision: DecisionConfig,
    /// As in `[source.silence]`.
    pub silence: SilenceConfig,
}

/// `…/error`: a command that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// When the message was made.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// The key that it is about, such as `thresholds.silence.after`; `null` where it is about all of the message.
    pub key: Option<String>,
    /// What is wrong, and what is accepted.
    pub message: String,
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    // Always three digits, so that strings sort as times do.
    serializer.collect_str(&format_args!("{time:.3}"))
}

/// Scores as they are, so that they can be compared with those of other runs.
fn as_map<S: Serializer>(scores: &[(Arc<str>, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().map(|(label, p)| (label.as_ref(), p)))
}

/// A posterior: a ten-thousandth is more than a model knows.
fn to_4_places<S: Serializer>(p: &(impl Into<Option<f32>> + Copy), serializer: S) -> Result<S::Ok, S::Error> {
    rounded((*p).into(), 1e4).serialize(serializer)
}

/// LUFS: a hundredth is more than anyone hears. Never below the floor, where digital silence would be.
fn loudness<S: Serializer>(lufs: &(impl Into<Option<f32>> + Copy), serializer: S) -> Result<S::Ok, S::Error> {
    let lufs = (*lufs).into().map(|lufs| lufs.max(Level::FLOOR));
    rounded(lufs, 1e2).serialize(serializer)
}

/// Decibels.
fn to_2_places<S: Serializer>(
    db: &(impl Into<Option<f32>> + Copy),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    rounded((*db).into(), 1e2).serialize(serializer)
}

fn to_3_places<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| (value * 1e3).round() / 1e3).serialize(serializer)
}

/// In single precision, which prints as short as it was rounded.
fn rounded(value: Option<f32>, scale: f32) -> Option<f32> {
    value.map(|value| (value * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    fn json(payload: &impl Serialize) -> String {
        serde_json::to_string(payload).unwrap()
    }

    #[test]
    fn state() {
        insta::assert_snapshot!(json(&samples::state()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","patch":187,"state":"music","genre":"jazz","confidence":0.83,"raw_genre":"blues","raw_confidence":0.4123,"since":"2026-11-03T14:01:59.000Z","lufs_s":-14.23,"lufs_m":-12.5,"true_peak_db":null,"dead_air":"OFF","source":"fm1","source_name":"FM 1","model":"musicnn-msd"}"#);
        let lost = State {
            state: "lost",
            genre: "lost".into(),
            confidence: None,
            raw_genre: None,
            raw_confidence: None,
            lufs_s: None,
            lufs_m: None,
            dead_air: "ON",
            ..samples::state()
        };
        insta::assert_snapshot!(json(&lost), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","patch":187,"state":"lost","genre":"lost","confidence":null,"raw_genre":null,"raw_confidence":null,"since":"2026-11-03T14:01:59.000Z","lufs_s":null,"lufs_m":null,"true_peak_db":null,"dead_air":"ON","source":"fm1","source_name":"FM 1","model":"musicnn-msd"}"#);
    }

    #[test]
    fn event() {
        insta::assert_snapshot!(json(&samples::event(1, samples::to_jazz())), @r#"{"run":"0f1e2d3c","seq":1,"ts":"2026-11-03T14:01:59.000Z","event_type":"genre_changed","from":"rock","to":"jazz","confidence":0.7123}"#);
        let others = [
            EventKind::GenreChanged { from: "jazz".into(), to: "silence".into(), confidence: None },
            EventKind::GenreChanged { from: "speech".into(), to: "noise".into(), confidence: None },
            EventKind::DeadAirStarted { reason: "silence" },
            EventKind::DeadAirEnded,
            EventKind::SourceLost { reason: Some("`http://a/b` ended".into()) },
            EventKind::SourceLost { reason: None },
            EventKind::SourceRecovered,
            EventKind::OffFormatStarted,
            EventKind::OffFormatEnded,
            EventKind::TalkLimitStarted,
            EventKind::TalkLimitEnded,
            EventKind::ImbalanceStarted { quiet: "right", balance_db: 31.259 },
            EventKind::ImbalanceEnded,
            EventKind::StreamSlowStarted { rate: 0.4961 },
            EventKind::StreamSlowEnded,
            EventKind::EventsDropped { count: Some(17) },
        ];
        let sent = |name: &&str| {
            others.iter().any(|kind| json(&samples::event(2, kind.clone())).contains(&format!("\"{name}\"")))
        };
        assert_eq!(EVENT_TYPES.iter().filter(|name| !sent(name)).count(), 0);
        let lines: Vec<String> = others.map(|kind| json(&samples::event(2, kind))).into();
        insta::assert_snapshot!(lines.join("\n"), @r#"
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"genre_changed","from":"jazz","to":"silence","confidence":null}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"genre_changed","from":"speech","to":"noise","confidence":null}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"dead_air_started","reason":"silence"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"dead_air_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"source_lost","reason":"`http://a/b` ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"source_lost","reason":null}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"source_recovered"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"off_format_started"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"off_format_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"talk_limit_started"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"talk_limit_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"imbalance_started","quiet":"right","balance_db":31.26}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"imbalance_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"stream_slow_started","rate":0.5}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"stream_slow_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"events_dropped","count":17}
"#);
    }

    #[test]
    fn attributes() {
        insta::assert_snapshot!(json(&samples::attributes()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","top":[{"label":"jazz","p":0.83},{"label":"blues","p":0.11}],"tags":[{"label":"instrumental","p":0.61}],"title":"John Doe - \"Blue\" in Grün","model":"musicnn-msd","head":"genres"}"#);
    }

    #[test]
    fn window() {
        insta::assert_snapshot!(json(&samples::window()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.000Z","patch":186,"start":185.984,"end":188.976,"state":"music","genre":"jazz","confidence":0.83,"scores":{"blues":0.12345679,"jazz":0.83,"rock":1e-7},"lufs_s":-14.23,"lufs_m":-12.5,"true_peak_db":-1.03}"#);
    }

    #[test]
    fn info() {
        insta::assert_snapshot!(json(&samples::info(1)), @r#"{"run":"0f1e2d3c","instance":"5c3a9e0f7b1d2846","version":"0.1.0","started":"2026-11-03T14:00:00.000Z","model":"musicnn-msd","model_sha256":"abababababababababababababababababababababababababababababababab","head":"genres","labels":["blues","jazz","rock"],"execution_provider":"cpu","execution_provider_reason":"`cuda` failed: no device","lookahead_ms":0.0,"hop_s":1.0,"sources":[{"name":"fm1","source_name":"FM 1","uri":"device:default"}]}"#);
    }

    #[test]
    fn stats() {
        insta::assert_snapshot!(json(&samples::stats()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:30.000Z","execution_provider":"cpu","realtime_factor":170.123,"rss_mb":61.25,"cpu_cores":0.012,"mqtt":{"connected":true,"reconnects":2,"outbox":0},"overload":null,"sources":{"fm1":{"state":"music","health":"healthy","health_reason":null,"produced":188,"scored":187,"dropped":1,"skipped_s":0.0,"xruns":0,"reconnects":0,"latency_ms_p50":7.512,"latency_ms_p99":null}}}"#);
    }

    #[test]
    fn settings_and_refusal() {
        insta::assert_snapshot!(json(&samples::settings()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","paused":false,"hop":1.0,"thresholds":{"decision":{"expected_piece_s":300.0,"switch_margin":0.25,"hold_s":120.0},"silence":{"threshold_lufs":-60.0,"after":2.0}}}"#);
        insta::assert_snapshot!(json(&samples::refusal()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","key":"hop","message":"17 is not 0.25 to 3 seconds"}"#);
    }

    #[test]
    fn the_documentation_shows_these() {
        let page = include_str!("../../docs/reference/mqtt.md");
        let info = Info { model_sha256: "abab…".into(), ..samples::info(1) };
        let examples = [
            json(&samples::state()),
            json(&samples::event(1, samples::to_jazz())),
            json(&samples::attributes()),
            json(&samples::window()),
            json(&info),
            json(&samples::stats()),
            json(&samples::settings()),
            json(&samples::refusal()),
        ];
        for example in examples {
            assert!(page.contains(&example), "`docs/reference/mqtt.md` lacks {example}");
        }
    }

    #[test]
    fn no_number_is_nan_or_infinite() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let state = State { confidence: Some(bad), raw_confidence: Some(bad), ..samples::state() };
            let window = Window {
                scores: vec![("jazz".into(), bad)],
                confidence: Some(bad),
                end: bad.into(),
                ..samples::window()
            };
            let stats = Stats { realtime_factor: Some(bad.into()), ..samples::stats() };
            let top = vec![LabelP { label: "jazz".into(), p: bad }];
            let attributes = Attributes { top, ..samples::attributes() };
            for text in [json(&state), json(&window), json(&stats), json(&attributes)] {
                assert!(text.contains(":null"), "{text}");
                assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
        let silence = State { lufs_s: Some(f32::NEG_INFINITY), ..samples::state() };
        assert!(json(&silence).contains(r#""lufs_s":-70.0,"#), "digital silence is the floor");
        let broken = State { lufs_s: Some(f32::NAN), ..samples::state() };
        assert!(json(&broken).contains(r#""lufs_s":-70.0,"#));
    }
}
