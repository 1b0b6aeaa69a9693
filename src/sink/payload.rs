//! JSON payloads that subscribers may rely on (`docs/reference/mqtt.md`).
//!
//! MQTT, `--output jsonl`, the trace socket and the as-run log's `event.json` share this contract.
//! Each type here is made from a domain type of [`crate::event`] and is used by nothing but sinks
//! and readers of what sinks wrote.
//!
//! Every key is in every message; an unknown value is `null`. No number is NaN or infinite.

mod daemon;
mod event;
mod label;
mod settings;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod trace;
pub(crate) mod words;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::audio::Level;
use crate::event::LabelPosterior;

#[cfg(feature = "web")]
pub(crate) use daemon::SourceStatsPayload;
pub(crate) use daemon::{ConnectionStats, InfoPayload, StatsPayload};
pub(crate) use event::EventPayload;
pub(crate) use label::LabelledPayload;
pub(crate) use settings::{RefusalPayload, SettingsPayload};
pub(crate) use state::{AttributesPayload, StatePayload, WindowPayload};

/// Label with its posterior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct LabelPayload {
    /// The label.
    pub(crate) label: Arc<str>,
    /// Its posterior, 0–1.
    #[serde(serialize_with = "to_4_places")]
    pub(crate) p: f32,
}

impl LabelPayload {
    fn list(ranked: &[LabelPosterior]) -> Vec<Self> {
        ranked.iter().map(|LabelPosterior { label, p }| Self { label: label.clone(), p: *p }).collect()
    }
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    // Always three digits, so that strings sort as times do.
    serializer.collect_str(&format_args!("{time:.3}"))
}

/// Scores are not rounded, so that they can be compared between runs.
fn as_map<S: Serializer>(scores: &[(Arc<str>, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().map(|(label, p)| (label.as_ref(), p)))
}

/// Posterior: the fifth place means nothing.
fn to_4_places<S: Serializer>(p: &(impl Into<Option<f32>> + Copy), serializer: S) -> Result<S::Ok, S::Error> {
    rounded((*p).into(), 1e4).serialize(serializer)
}

/// Loudness in LUFS, not below the floor, at which digital silence is reported.
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

/// Rounded in single precision, which prints without further digits.
fn rounded(value: Option<f32>, scale: f32) -> Option<f32> {
    value.map(|value| (value * scale).round() / scale)
}
