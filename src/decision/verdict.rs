//! State of a source with the index of its label.

use crate::event::SourceState;

/// State, with a label and its posterior if the state is music.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// State.
    pub state: SourceState,
    /// Index of the label; `Some` only for music.
    pub label: Option<usize>,
    /// Posterior of the label, 0–1; `Some` only for music.
    pub confidence: Option<f32>,
}

impl Verdict {
    /// Music with the label `label`.
    pub fn music(label: usize, confidence: f32) -> Self {
        Self { state: SourceState::Music, label: Some(label), confidence: Some(confidence) }
    }

    /// State without a label.
    pub fn state(state: SourceState) -> Self {
        Self { state, label: None, confidence: None }
    }
}
