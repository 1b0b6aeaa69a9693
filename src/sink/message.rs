//! Messages from the director to the sinks: domain values, not yet encoded.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::audio::Patch;
use crate::command::CommandOrigin;
use crate::counters::SourceCounters;
use crate::decision::trace::DecisionTrace;
use crate::event::{
    CommandRefusal, DaemonInfo, DaemonStats, GatePosteriors, LabelPosterior, NamedSegment, NamedVerdict,
    NumberedEvent, SourceAttributes, SourceHealth, StateSnapshot, StoredCorrection, WindowResult,
};
use crate::settings::SourceSettings;

/// Message to every sink. `source` is the source's name, as in topics.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Message {
    /// Description of the daemon: the first message, and again when something in it changes.
    Info(Arc<DaemonInfo>),
    /// Counters, every 30 seconds.
    Stats(Arc<DaemonStats>),
    /// Availability of a source: `online` while audio arrives.
    Availability { source: Arc<str>, online: bool },
    /// Published state, on every change and as a heartbeat.
    State { source: Arc<str>, state: Arc<StateSnapshot> },
    /// Decided change. `latency` is set where the time to its acknowledgement is measured.
    Event { source: Arc<str>, event: Arc<NumberedEvent>, latency: Option<LatencyProbe> },
    /// Best labels and tags, at most once a minute.
    Attributes { source: Arc<str>, attributes: Arc<SourceAttributes> },
    /// Result of a scored patch. `latency` as in [`Message::Event`].
    Window { source: Arc<str>, window: Arc<WindowResult>, latency: Option<LatencyProbe> },
    /// Retrospective verdict on a segment, once it is final.
    FinalSegment { source: Arc<str>, segment: Arc<NamedSegment> },
    /// Present settings of a source.
    Settings { source: Arc<str>, settings: Arc<SettingsSnapshot> },
    /// Health of a source's input, when it changes.
    Health { source: Arc<str>, health: SourceHealth, reason: Option<Arc<str>> },
    /// Answer to a command.
    Answer { source: Arc<str>, origin: CommandOrigin, answer: Arc<CommandAnswer> },
    /// Explanation of the newest decision, while a client watches.
    Explanation { source: Arc<str>, explanation: Arc<PatchExplanation> },
}

/// Measures the time from the arrival of audio to the acknowledgement of the message that it
/// caused.
#[derive(Debug, Clone)]
pub struct LatencyProbe {
    /// Time at which the last sample that the patch needs had been read.
    pub(crate) arrived: Instant,
    /// Counters of the source.
    pub(crate) counters: Arc<SourceCounters>,
}

impl LatencyProbe {
    /// Records the time that has passed.
    pub(crate) fn record(&self) {
        self.counters.latency.record(self.arrived.elapsed());
    }
}

/// Settings of a source at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsSnapshot {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Time of the snapshot.
    pub at: Timestamp,
    /// The settings.
    pub settings: SourceSettings,
}

/// Answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandAnswer {
    /// A correction was stored.
    Stored(StoredCorrection),
    /// The settings were changed. Only requests receive it: they await an answer, and others see
    /// [`Message::Settings`].
    Changed(Arc<SettingsSnapshot>),
    /// The command was refused.
    Refused(CommandRefusal),
}

/// Explanation of what is published after one patch.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchExplanation {
    /// The patch.
    pub patch: Patch,
    /// Posterior of every label, most likely first.
    pub posteriors: Vec<LabelPosterior>,
    /// Gate posteriors; `None` where the model has no gate.
    pub gate: Option<GatePosteriors>,
    /// Values of the decision stage, which numbers labels, speech and noise.
    pub(crate) reasons: DecisionTrace,
    /// Names in the order of those numbers.
    pub state_names: Vec<Arc<str>>,
    /// Published verdict.
    pub published: NamedVerdict,
    /// Time since which its genre has been published.
    pub since: Timestamp,
}
