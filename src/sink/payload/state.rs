//! `…/state`, `…/window` and `…/attributes`.

use jiff::Timestamp;
use serde::Serialize;

use super::{LabelPayload, as_map, loudness, rfc3339, to_2_places, to_4_places};
use crate::event::{SourceAttributes, StateSnapshot, WindowResult};

/// `…/state`: published state of a source.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct StatePayload<'a> {
    run: &'a str,
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    ts: Timestamp,
    patch: u64,
    state: &'static str,
    genre: &'a str,
    #[serde(serialize_with = "to_4_places")]
    confidence: Option<f32>,
    raw_genre: Option<&'a str>,
    #[serde(serialize_with = "to_4_places")]
    raw_confidence: Option<f32>,
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    since: Timestamp,
    #[serde(serialize_with = "loudness")]
    lufs_s: Option<f32>,
    #[serde(serialize_with = "loudness")]
    lufs_m: Option<f32>,
    #[serde(serialize_with = "to_2_places")]
    true_peak_db: Option<f32>,
    dead_air: &'static str,
    source: &'a str,
    source_name: &'a str,
    model: &'a str,
}

impl<'a> From<&'a StateSnapshot> for StatePayload<'a> {
    fn from(state: &'a StateSnapshot) -> Self {
        Self {
            run: &state.run,
            ts: state.at,
            patch: state.patches,
            state: state.published.state.as_str(),
            genre: &state.published.genre,
            confidence: state.published.confidence,
            raw_genre: state.newest.as_ref().map(|newest| &*newest.genre),
            raw_confidence: state.newest.as_ref().and_then(|newest| newest.confidence),
            since: state.since,
            lufs_s: state.level.map(|level| level.lufs_s),
            lufs_m: state.level.map(|level| level.lufs_m),
            true_peak_db: state.level.and_then(|level| level.true_peak_db),
            dead_air: if state.dead_air { "ON" } else { "OFF" },
            source: &state.source,
            source_name: &state.display_name,
            model: &state.model,
        }
    }
}

/// `…/window`: result of one scored patch.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WindowPayload<'a> {
    run: &'a str,
    #[serde(serialize_with = "rfc3339")]
    ts: Timestamp,
    patch: u64,
    start: f64,
    end: f64,
    state: &'static str,
    genre: &'a str,
    confidence: Option<f32>,
    #[serde(serialize_with = "as_map")]
    scores: &'a [(std::sync::Arc<str>, f32)],
    #[serde(serialize_with = "loudness")]
    lufs_s: f32,
    #[serde(serialize_with = "loudness")]
    lufs_m: f32,
    #[serde(serialize_with = "to_2_places")]
    true_peak_db: Option<f32>,
}

impl<'a> From<&'a WindowResult> for WindowPayload<'a> {
    fn from(window: &'a WindowResult) -> Self {
        Self {
            run: &window.run,
            ts: window.at,
            patch: window.patch,
            start: window.span.start,
            end: window.span.end,
            state: window.verdict.state.as_str(),
            genre: &window.verdict.genre,
            confidence: window.verdict.confidence,
            scores: &window.scores,
            lufs_s: window.level.lufs_s,
            lufs_m: window.level.lufs_m,
            true_peak_db: window.level.true_peak_db,
        }
    }
}

/// `…/attributes`: best labels and tags, shares of the last hour, and the title.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct AttributesPayload<'a> {
    run: &'a str,
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    ts: Timestamp,
    top: Vec<LabelPayload>,
    tags: Vec<LabelPayload>,
    #[serde(serialize_with = "to_4_places")]
    music_share_1h: Option<f32>,
    #[serde(serialize_with = "to_4_places")]
    speech_share_1h: Option<f32>,
    title: Option<&'a str>,
    model: &'a str,
    head: &'a str,
}

impl<'a> From<&'a SourceAttributes> for AttributesPayload<'a> {
    fn from(attributes: &'a SourceAttributes) -> Self {
        Self {
            run: &attributes.run,
            ts: attributes.at,
            top: LabelPayload::list(&attributes.top),
            tags: LabelPayload::list(&attributes.tags),
            music_share_1h: attributes.shares.map(|shares| shares.music),
            speech_share_1h: attributes.shares.map(|shares| shares.speech),
            title: attributes.title.as_deref(),
            model: &attributes.model,
            head: &attributes.head,
        }
    }
}
