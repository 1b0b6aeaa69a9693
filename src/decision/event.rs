//! What is decided, and what changed by it.

use std::fmt;
use std::sync::Arc;

/// The states of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Music, of a genre.
    Music,
    /// Somebody talks.
    Speech,
    /// Sound, but neither music nor speech.
    Noise,
    /// Too quiet for too long.
    Silence,
    /// Sound, but nothing is likely enough.
    Uncertain,
    /// No audio arrives.
    Lost,
}

impl State {
    /// The name in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Music => "music",
            Self::Speech => "speech",
            Self::Noise => "noise",
            Self::Silence => "silence",
            Self::Uncertain => "uncertain",
            Self::Lost => "lost",
        }
    }
}

/// What a patch is, whatever its genre: posteriors, 0–1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatePosteriors {
    /// Music, singing included.
    pub music: f32,
    /// Speech, over music or alone.
    pub speech: f32,
    /// Neither.
    pub noise: f32,
}

impl GatePosteriors {
    /// The likeliest of the three states; music where there is nothing to tell by.
    pub fn state(self) -> State {
        let music = if self.music.is_finite() { self.music } else { 0.0 };
        match (self.speech > music, self.noise > music) {
            (true, true) if self.noise > self.speech => State::Noise,
            (true, _) => State::Speech,
            (false, true) => State::Noise,
            (false, false) => State::Music,
        }
    }
}

/// A state, with its label and posterior where it is music.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// Index of the label; `None` unless the state is music.
    pub label: Option<usize>,
    /// Posterior of the label, 0–1; `None` unless the state is music.
    pub confidence: Option<f32>,
}

impl Verdict {
    /// Music of the label `label`.
    pub fn music(label: usize, confidence: f32) -> Self {
        Self { state: State::Music, label: Some(label), confidence: Some(confidence) }
    }

    /// A state without a label.
    pub fn state(state: State) -> Self {
        Self { state, label: None, confidence: None }
    }
}

/// One decided change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The published genre changed, state names included, except to and from `lost`.
    Genre {
        /// Before.
        from: Arc<str>,
        /// Now.
        to: Arc<str>,
        /// Posterior of `to`, where it is a label.
        confidence: Option<f32>,
    },
    /// Silence began.
    DeadAirStarted,
    /// Silence ended.
    DeadAirEnded,
    /// Audio stopped arriving.
    Lost,
    /// Audio arrives again.
    Recovered,
    /// Music that does not belong to the format has been played for too long.
    OffFormatStarted,
    /// Music that belongs to it is played again.
    OffFormatEnded,
    /// More of the last hour was talk than should be.
    TalkLimitStarted,
    /// No longer.
    TalkLimitEnded,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Genre { from, to, .. } => write!(f, "genre {from} → {to}"),
            Self::DeadAirStarted => f.write_str("dead air started"),
            Self::DeadAirEnded => f.write_str("dead air ended"),
            Self::Lost => f.write_str("source lost"),
            Self::Recovered => f.write_str("source recovered"),
            Self::OffFormatStarted => f.write_str("off format"),
            Self::OffFormatEnded => f.write_str("on format again"),
            Self::TalkLimitStarted => f.write_str("too much talk"),
            Self::TalkLimitEnded => f.write_str("talk within its limit again"),
        }
    }
}
