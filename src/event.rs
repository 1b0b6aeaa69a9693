//! Layer 0: domain events, without any wire format. Each sink encodes them in its own way.
//!
//! Every name that leaves the process ([`SourceState::as_str`], [`EventType::as_str`], …) is
//! declared beside its variant, so that no list of names can disagree with an enum.

mod answer;
mod clip;
mod daemon;
mod snapshot;

use std::fmt;
use std::sync::Arc;

pub use answer::{CommandRefusal, StoredCorrection};
pub use clip::{CLIPS, ClipFileName, ClipFormat, ClipPath};
pub use daemon::{DaemonInfo, DaemonStats, OverloadStats, SourceIdentity, SourceStats};
pub use snapshot::{
    LabelPosterior, NamedSegment, NamedVerdict, NumberedEvent, SourceAttributes, StateShares, StateSnapshot,
    WindowResult,
};

/// Declares an enum whose variants have published names.
macro_rules! named_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All variants, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Published name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

named_enum! {
    /// State of a source.
    pub enum SourceState {
        /// Music of some genre.
        Music = "music",
        /// Speech.
        Speech = "speech",
        /// Silence: the loudness is below the threshold.
        Silence = "silence",
        /// Sound that is neither music nor speech.
        Noise = "noise",
        /// No state is likely enough.
        Uncertain = "uncertain",
        /// No audio arrives.
        Lost = "lost",
    }
}

impl SourceState {
    /// State with this name, in any case. A genre must not have the name of a state: the two share
    /// the payload key `genre`.
    pub fn named(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str().eq_ignore_ascii_case(label.trim()))
    }
}

named_enum! {
    /// Health of a source's input.
    pub enum SourceHealth {
        /// No audio has arrived yet.
        Starting = "starting",
        /// Audio arrives.
        Healthy = "healthy",
        /// Audio arrives slower than real time.
        Slow = "slow",
        /// Audio arrives, and parts of it are skipped because the machine is overloaded.
        Overloaded = "overloaded",
        /// Audio has stopped arriving on an open connection.
        Stalled = "stalled",
        /// The source is reopened after a pause.
        Recovering = "recovering",
        /// Reopening is unlikely to help: it is tried seldom or never.
        Failed = "failed",
    }
}

named_enum! {
    /// Cause of dead air.
    pub enum DeadAirCause {
        /// Loudness below the threshold.
        Silence = "silence",
        /// Repetition of the same sound to the bit.
        Loop = "loop",
        /// A single pure tone.
        Tone = "tone",
    }
}

named_enum! {
    /// One of two channels.
    pub enum Channel {
        /// The first.
        Left = "left",
        /// The second.
        Right = "right",
    }
}

named_enum! {
    /// Type of a [`SourceEvent`], as published in `event_type`.
    pub enum EventType {
        /// See [`SourceEvent::GenreChanged`].
        GenreChanged = "genre_changed",
        /// See [`SourceEvent::DeadAirStarted`].
        DeadAirStarted = "dead_air_started",
        /// See [`SourceEvent::DeadAirEnded`].
        DeadAirEnded = "dead_air_ended",
        /// See [`SourceEvent::SourceLost`].
        SourceLost = "source_lost",
        /// See [`SourceEvent::SourceRecovered`].
        SourceRecovered = "source_recovered",
        /// See [`SourceEvent::OffFormatStarted`].
        OffFormatStarted = "off_format_started",
        /// See [`SourceEvent::OffFormatEnded`].
        OffFormatEnded = "off_format_ended",
        /// See [`SourceEvent::TalkLimitStarted`].
        TalkLimitStarted = "talk_limit_started",
        /// See [`SourceEvent::TalkLimitEnded`].
        TalkLimitEnded = "talk_limit_ended",
        /// See [`SourceEvent::ImbalanceStarted`].
        ImbalanceStarted = "imbalance_started",
        /// See [`SourceEvent::ImbalanceEnded`].
        ImbalanceEnded = "imbalance_ended",
        /// See [`SourceEvent::StreamSlowStarted`].
        StreamSlowStarted = "stream_slow_started",
        /// See [`SourceEvent::StreamSlowEnded`].
        StreamSlowEnded = "stream_slow_ended",
        /// See [`SourceEvent::EventsDropped`].
        EventsDropped = "events_dropped",
    }
}

impl EventType {
    /// Type with this published name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.as_str() == name)
    }
}

/// Gate posteriors of a patch, 0–1 each.
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
    /// Most likely state; music where the posteriors are not finite.
    pub fn state(self) -> SourceState {
        let music = if self.music.is_finite() { self.music } else { 0.0 };
        match (self.speech > music, self.noise > music) {
            (true, true) if self.noise > self.speech => SourceState::Noise,
            (true, _) => SourceState::Speech,
            (false, true) => SourceState::Noise,
            (false, false) => SourceState::Music,
        }
    }
}

/// Decided change of a source. Its [`fmt::Display`] is the wording for people.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEvent {
    /// The published genre changed, state names included, except to and from `lost`.
    GenreChanged {
        /// Genre before.
        from: Arc<str>,
        /// Genre now.
        to: Arc<str>,
        /// Mean posterior of `to`, 0–1; `None` unless it is a label.
        confidence: Option<f32>,
    },
    /// Dead air began.
    DeadAirStarted {
        /// Its cause.
        cause: DeadAirCause,
    },
    /// Dead air ended.
    DeadAirEnded,
    /// Audio stopped arriving.
    SourceLost {
        /// Reason, for people; `None` where it is unknown.
        reason: Option<Arc<str>>,
    },
    /// Audio arrives again.
    SourceRecovered,
    /// Music outside the source's format has been played for too long.
    OffFormatStarted,
    /// Music of the format is played again.
    OffFormatEnded,
    /// The share of talk in the last hour exceeds its limit.
    TalkLimitStarted,
    /// The share of talk is within its limit again.
    TalkLimitEnded,
    /// One of two channels is missing.
    ImbalanceStarted {
        /// The missing channel.
        quiet: Channel,
        /// Level of the left channel over the right one, in dB.
        balance_db: f32,
    },
    /// Both channels are present again, or neither is.
    ImbalanceEnded,
    /// Audio arrives slower than real time: players stutter.
    StreamSlowStarted {
        /// Seconds of audio per second.
        rate: f32,
    },
    /// Audio arrives in real time again, or not at all.
    StreamSlowEnded,
    /// Events were lost: too many were waiting, or their storage was damaged.
    EventsDropped {
        /// Number of lost events; `None` where it is unknown.
        count: Option<u64>,
    },
}

/// Importance of an event, for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Ordinary change of the programme.
    Notice,
    /// End of a problem.
    Cleared,
    /// Problem with the programme.
    Minor,
    /// Problem with the signal.
    Major,
    /// Loss of audio or events.
    Critical,
}

impl SourceEvent {
    /// Type of the event.
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::GenreChanged { .. } => EventType::GenreChanged,
            Self::DeadAirStarted { .. } => EventType::DeadAirStarted,
            Self::DeadAirEnded => EventType::DeadAirEnded,
            Self::SourceLost { .. } => EventType::SourceLost,
            Self::SourceRecovered => EventType::SourceRecovered,
            Self::OffFormatStarted => EventType::OffFormatStarted,
            Self::OffFormatEnded => EventType::OffFormatEnded,
            Self::TalkLimitStarted => EventType::TalkLimitStarted,
            Self::TalkLimitEnded => EventType::TalkLimitEnded,
            Self::ImbalanceStarted { .. } => EventType::ImbalanceStarted,
            Self::ImbalanceEnded => EventType::ImbalanceEnded,
            Self::StreamSlowStarted { .. } => EventType::StreamSlowStarted,
            Self::StreamSlowEnded => EventType::StreamSlowEnded,
            Self::EventsDropped { .. } => EventType::EventsDropped,
        }
    }

    /// True if a new state begins with the event, so that `since` becomes its time.
    pub const fn begins_state(&self) -> bool {
        match self {
            Self::GenreChanged { .. } | Self::SourceLost { .. } | Self::SourceRecovered => true,
            Self::DeadAirStarted { .. }
            | Self::DeadAirEnded
            | Self::OffFormatStarted
            | Self::OffFormatEnded
            | Self::TalkLimitStarted
            | Self::TalkLimitEnded
            | Self::ImbalanceStarted { .. }
            | Self::ImbalanceEnded
            | Self::StreamSlowStarted { .. }
            | Self::StreamSlowEnded
            | Self::EventsDropped { .. } => false,
        }
    }

    /// Importance of the event.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::GenreChanged { .. } => Severity::Notice,
            Self::OffFormatStarted | Self::TalkLimitStarted | Self::ImbalanceStarted { .. } => {
                Severity::Minor
            }
            Self::DeadAirStarted { .. } | Self::StreamSlowStarted { .. } => Severity::Major,
            Self::SourceLost { .. } | Self::EventsDropped { .. } => Severity::Critical,
            Self::DeadAirEnded
            | Self::SourceRecovered
            | Self::OffFormatEnded
            | Self::TalkLimitEnded
            | Self::ImbalanceEnded
            | Self::StreamSlowEnded => Severity::Cleared,
        }
    }
}

impl fmt::Display for SourceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GenreChanged { from, to, confidence: Some(confidence) } => {
                write!(f, "{to} {confidence:.2} (was {from})")
            }
            Self::GenreChanged { from, to, confidence: None } => write!(f, "{to} (was {from})"),
            Self::DeadAirStarted { cause } => write!(f, "dead air: {}", cause.as_str()),
            Self::DeadAirEnded => f.write_str("sound again"),
            Self::SourceLost { reason: Some(reason) } => write!(f, "source lost: {reason}"),
            Self::SourceLost { reason: None } => f.write_str("source lost"),
            Self::SourceRecovered => f.write_str("source is back"),
            Self::OffFormatStarted => f.write_str("off format"),
            Self::OffFormatEnded => f.write_str("on format again"),
            Self::TalkLimitStarted => f.write_str("too much talk"),
            Self::TalkLimitEnded => f.write_str("talk within its limit again"),
            Self::ImbalanceStarted { quiet, balance_db } => {
                write!(f, "{} channel missing ({balance_db:+.0} dB)", quiet.as_str())
            }
            Self::ImbalanceEnded => f.write_str("both channels again"),
            Self::StreamSlowStarted { rate } => write!(f, "stream is slow ({rate:.2} times real time)"),
            Self::StreamSlowEnded => f.write_str("stream is no longer slow"),
            Self::EventsDropped { count: Some(count) } => write!(f, "{count} changes dropped"),
            Self::EventsDropped { count: None } => f.write_str("some changes dropped"),
        }
    }
}
