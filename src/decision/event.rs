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
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Music, Self::Speech, Self::Noise, Self::Silence, Self::Uncertain, Self::Lost];

    /// The state that `label` names, in any case. No genre may be called like one: subscribers
    /// could not tell them apart.
    pub fn named(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(label.trim()))
    }

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

/// What makes dead air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadAir {
    /// Too quiet for too long.
    Silence,
    /// The same sound again and again.
    Loop,
    /// One pure tone.
    Tone,
}

impl DeadAir {
    /// The name in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Loop => "loop",
            Self::Tone => "tone",
        }
    }
}

/// One of two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

impl Side {
    /// The name in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
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
    /// Dead air began.
    DeadAirStarted(DeadAir),
    /// Dead air ended.
    DeadAirEnded,
    /// Audio stopped arriving; why, where it is known.
    Lost(Option<Arc<str>>),
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
    /// One of two channels is missing.
    ImbalanceStarted {
        /// Which.
        quiet: Side,
        /// By how many dB the left one is louder than the right one.
        balance_db: f32,
    },
    /// Both are there again, or neither is.
    ImbalanceEnded,
    /// Audio arrives slower than real time.
    SlowStarted {
        /// Seconds of audio per second.
        rate: f32,
    },
    /// It arrives in real time again, or not at all.
    SlowEnded,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Genre { from, to, .. } => write!(f, "genre {from} → {to}"),
            Self::DeadAirStarted(by) => write!(f, "dead air started: {}", by.as_str()),
            Self::DeadAirEnded => f.write_str("dead air ended"),
            Self::Lost(None) => f.write_str("source lost"),
            Self::Lost(Some(reason)) => write!(f, "source lost: {reason}"),
            Self::Recovered => f.write_str("source recovered"),
            Self::OffFormatStarted => f.write_str("off format"),
            Self::OffFormatEnded => f.write_str("on format again"),
            Self::TalkLimitStarted => f.write_str("too much talk"),
            Self::TalkLimitEnded => f.write_str("talk within its limit again"),
            Self::ImbalanceStarted { quiet, balance_db } => {
                write!(f, "the {} channel is missing ({balance_db:+.0} dB)", quiet.as_str())
            }
            Self::ImbalanceEnded => f.write_str("both channels are alike again"),
            Self::SlowStarted { rate } => write!(f, "slow stream: {rate:.2} times real time"),
            Self::SlowEnded => f.write_str("slow stream ended"),
        }
    }
}
