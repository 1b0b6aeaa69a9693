//! Results of classification and decision at one moment.

use std::sync::Arc;

use jiff::Timestamp;

use super::{ClipPath, SourceEvent, SourceState};
use crate::audio::{Level, PatchSpan};

/// State of a source, with its genre by name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedVerdict {
    /// The state.
    pub state: SourceState,
    /// Label where the state is music, else the state's name.
    pub genre: Arc<str>,
    /// Posterior of the label, 0–1; `None` unless the state is music.
    pub confidence: Option<f32>,
}

impl NamedVerdict {
    /// Verdict of a state other than music.
    pub fn of_state(state: SourceState) -> Self {
        Self { state, genre: state.as_str().into(), confidence: None }
    }
}

/// Published state of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSnapshot {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Time of the snapshot.
    pub at: Timestamp,
    /// Patches that were produced for the source in this run.
    pub patches: u64,
    /// Debounced verdict; the confidence is the mean posterior of the music since the last change.
    pub published: NamedVerdict,
    /// Verdict of the newest patch alone.
    pub newest: Option<NamedVerdict>,
    /// Time since which the genre has been published.
    pub since: Timestamp,
    /// Level at the end of the newest patch.
    pub level: Option<Level>,
    /// True while the source is dead air.
    pub dead_air: bool,
    /// Source name, as in topics.
    pub source: Arc<str>,
    /// Source name, as configured.
    pub display_name: Arc<str>,
    /// Bundle name.
    pub model: Arc<str>,
}

/// Event of a source, with its place in the sequence of all its events.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberedEvent {
    /// Random id of the process run that decided it.
    pub run: Arc<str>,
    /// Sequence number: gapless per source, across restarts.
    pub seq: u64,
    /// Time of the decision.
    pub at: Timestamp,
    /// The event.
    pub event: SourceEvent,
    /// Clip of the audio around the event, if one is made.
    pub clip: Option<ClipPath>,
}

/// Result of one scored patch.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowResult {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Wall-clock time of the patch's end.
    pub at: Timestamp,
    /// Index of the patch.
    pub patch: u64,
    /// Position in the source.
    pub span: PatchSpan,
    /// Verdict of this patch alone.
    pub verdict: NamedVerdict,
    /// Posterior of every label, in the head's order.
    pub scores: Vec<(Arc<str>, f32)>,
    /// Level at the patch's end.
    pub level: Level,
}

/// Label with its posterior.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPosterior {
    /// The label.
    pub label: Arc<str>,
    /// Its posterior, 0–1.
    pub p: f32,
}

impl LabelPosterior {
    /// The `count` most likely labels, most likely first; posteriors that are not finite are left
    /// out.
    pub fn top(labels: &[Arc<str>], posteriors: &[f32], count: usize) -> Vec<Self> {
        let mut ranked: Vec<_> = labels.iter().zip(posteriors).filter(|(_, p)| p.is_finite()).collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranked.into_iter().take(count).map(|(label, p)| Self { label: label.clone(), p: *p }).collect()
    }
}

/// Shares of states in the last hour of a source, 0–1 each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateShares {
    /// Music.
    pub music: f32,
    /// Speech.
    pub speech: f32,
}

/// Best labels and tags of a source, and the title that it announces.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceAttributes {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Time of the snapshot.
    pub at: Timestamp,
    /// Best labels of the genre head in the music since the last change, best first.
    pub top: Vec<LabelPosterior>,
    /// Best tags of the newest patch, best first.
    pub tags: Vec<LabelPosterior>,
    /// Shares in the last hour; `None` before a minute of it is classified.
    pub shares: Option<StateShares>,
    /// Title that the stream announces.
    pub title: Option<Arc<str>>,
    /// Bundle name.
    pub model: Arc<str>,
    /// Head name.
    pub head: Arc<str>,
}

/// Retrospective verdict on a segment of a source, for the as-run log.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedSegment {
    /// Start in the source, in seconds.
    pub start: f64,
    /// End in the source, in seconds.
    pub end: f64,
    /// The verdict; the confidence is the mean posterior in the music of the segment.
    pub verdict: NamedVerdict,
}
