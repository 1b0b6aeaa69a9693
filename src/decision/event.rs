//! Verdicts, and the changes of state that are published.

use std::fmt;
use std::sync::Arc;

/// State of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Music, of a genre.
    Music,
    /// Speech.
    Speech,
    /// Sound, but neither music nor speech.
    Noise,
    /// Too quiet for too long.
    Silence,
    /// Sound, but no state has enough evidence.
    Uncertain,
    /// No audio arrives.
    Lost,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Music, Self::Speech, Self::Noise, Self::Silence, Self::Uncertain, Self::Lost];

    /// State with the name `label`, ignoring case. No genre may have such a name, because
    /// subscribers could not tell the two apart.
    pub fn named(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(label.trim()))
    }

    /// Name in payloads.
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

/// Posteriors of the gate for one patch, 0–1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatePosteriors {
    /// Music, including singing.
    pub music: f32,
    /// Speech, over music or alone.
    pub speech: f32,
    /// Neither.
    pub noise: f32,
}

impl GatePosteriors {
    /// Most probable of the three states; music if no posterior is a number.
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

/// State, with a label and its posterior if the state is music.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// State.
    pub state: State,
    /// Index of the label; `Some` only for music.
    pub label: Option<usize>,
    /// Posterior of the label, 0–1; `Some` only for music.
    pub confidence: Option<f32>,
}

impl Verdict {
    /// Music with the label `label`.
    pub fn music(label: usize, confidence: f32) -> Self {
        Self { state: State::Music, label: Some(label), confidence: Some(confidence) }
    }

    /// State without a label.
    pub fn state(state: State) -> Self {
        Self { state, label: None, confidence: None }
    }
}

/// Reason for dead air.
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
    /// Name in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Loop => "loop",
            Self::Tone => "tone",
        }
    }
}

/// Channel of a stereo source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StereoSide {
    /// First channel.
    Left,
    /// Second channel.
    Right,
}

impl StereoSide {
    /// Name in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// Change of what is published of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The published genre or state changed, except to and from `lost`.
    Genre {
        /// Previous genre or state.
        from: Arc<str>,
        /// New genre or state.
        to: Arc<str>,
        /// Posterior of `to`, if it is a label.
        confidence: Option<f32>,
    },
    /// Dead air began.
    DeadAirStarted(DeadAir),
    /// Dead air ended.
    DeadAirEnded,
    /// Audio stopped arriving, with the reason if it is known.
    Lost(Option<Arc<str>>),
    /// Audio arrives again.
    Recovered,
    /// Music outside the declared format has been played for too long.
    OffFormatStarted,
    /// Music of the declared format is played again.
    OffFormatEnded,
    /// The last hour had more talk than its limit.
    TalkLimitStarted,
    /// Talk is within its limit again.
    TalkLimitEnded,
    /// One of two channels is missing.
    ImbalanceStarted {
        /// Missing channel.
        quiet: StereoSide,
        /// Level of the left channel over the right one, in dB.
        balance_db: f32,
    },
    /// Both channels have similar levels again, or the source is lost.
    ImbalanceEnded,
    /// Audio arrives slower than real time.
    SlowStarted {
        /// Seconds of audio per second.
        rate: f32,
    },
    /// Audio arrives in real time again, or not at all.
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
