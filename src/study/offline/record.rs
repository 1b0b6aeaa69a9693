//! JSON of a classified file: output of `genred classify --json` and of the API.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::verdict::{FileVerdict, WindowVerdict};
use crate::decision::Verdict;

/// Verdict on a file, with all its windows.
#[derive(Serialize)]
pub(crate) struct FileRecord<'a> {
    file: &'a str,
    duration_s: f64,
    model: &'a str,
    head: &'a str,
    #[serde(flatten)]
    verdict: VerdictRecord<'a>,
    windows: Vec<WindowRecord<'a>>,
}

impl<'a> FileRecord<'a> {
    /// Record of the file called `file`, classified by `head` of the bundle `model`.
    pub(crate) fn new(
        file: &'a str,
        model: &'a str,
        head: &'a str,
        labels: &'a [Arc<str>],
        found: &FileVerdict,
    ) -> Self {
        Self {
            file,
            duration_s: (found.duration_s * 1000.0).round() / 1000.0,
            model,
            head,
            verdict: VerdictRecord::new(found.verdict, &found.posteriors, labels),
            windows: found.windows.iter().map(|window| WindowRecord::new(window, labels)).collect(),
        }
    }
}

/// Verdict on one patch, with its position in seconds.
#[derive(Serialize)]
pub(crate) struct WindowRecord<'a> {
    start: f64,
    end: f64,
    #[serde(flatten)]
    verdict: VerdictRecord<'a>,
}

impl<'a> WindowRecord<'a> {
    /// Record of `window`.
    pub(crate) fn new(window: &WindowVerdict, labels: &'a [Arc<str>]) -> Self {
        Self {
            start: window.span.start,
            end: window.span.end,
            verdict: VerdictRecord::new(window.verdict, &window.posteriors, labels),
        }
    }
}

/// State, genre, confidence, and scores by label.
#[derive(Serialize)]
struct VerdictRecord<'a> {
    state: &'static str,
    genre: &'a str,
    confidence: Option<f32>,
    #[serde(serialize_with = "as_map")]
    scores: Vec<(&'a str, f32)>,
}

impl<'a> VerdictRecord<'a> {
    fn new(verdict: Verdict, posteriors: &[f32], labels: &'a [Arc<str>]) -> Self {
        Self {
            state: verdict.state.as_str(),
            genre: genre_or_state(verdict, labels),
            confidence: verdict.confidence,
            scores: labels.iter().map(AsRef::as_ref).zip(posteriors.iter().copied()).collect(),
        }
    }
}

/// Genre of a verdict, or its state if it has no genre.
pub(crate) fn genre_or_state(verdict: Verdict, labels: &[Arc<str>]) -> &str {
    verdict.label.and_then(|label| labels.get(label)).map_or(verdict.state.as_str(), |label| label)
}

fn as_map<S: Serializer>(scores: &[(&str, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().copied())
}
