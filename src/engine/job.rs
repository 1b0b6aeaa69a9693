//! Values that travel through the engine: from a source worker to inference, and on to the
//! director.

use std::sync::Arc;
use std::time::Instant;

use crate::audio::{Patch, SourceId};
use crate::event::SourceHealth;
use crate::model::{Scores, Stretch};

use super::slow_stream::Pace;

/// Jobs that each source owns. They are recycled, so that no memory is allocated after warm-up.
pub(super) const JOBS_PER_SOURCE: usize = 4;

/// Item in the queue of a source.
#[derive(Debug)]
pub(super) enum WorkItem {
    /// Patches to score.
    Job(InferenceJob),
    /// Event of the source itself, in order with its patches.
    Event(SourceId, WorkerEvent),
}

/// Patches that are scored together, with the frames that they need.
#[derive(Debug, Default)]
pub(super) struct InferenceJob {
    /// Input of the trunk.
    pub(crate) stretch: Stretch,
    /// The patches, each with the time at which the last sample that it needs had been read.
    pub(crate) patches: Vec<(Patch, Instant)>,
    /// Set when the job comes back unscored: the features after it must not build upon it.
    pub(crate) failed: bool,
    /// Time after which the scores of a live source are of no use.
    pub(crate) deadline: Option<Instant>,
}

/// Event of a source, as its worker observes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WorkerEvent {
    /// Audio arrives, for the first time or again.
    Arriving {
        /// Time of its first sample, in seconds of the source.
        position_s: f64,
    },
    /// No audio arrives.
    Lost {
        /// Health of the input.
        health: SourceHealth,
        /// Reason, for people.
        reason: Arc<str>,
    },
    /// Audio arrives slower than real time, or no longer so.
    PaceChanged(Pace),
    /// The stream announces another title; `None` if it no longer announces one.
    Title(Option<Arc<str>>),
    /// The source was finite, and has ended.
    Ended,
    /// The source has failed and is not reopened; the reason is for people.
    Failed(String),
}

/// Item from inference to the director, in the order in which each source sent it.
#[derive(Debug)]
pub(super) enum InferenceResult {
    /// A scored patch.
    Scored {
        /// The patch.
        patch: Patch,
        /// Its scores.
        scores: Scores,
        /// Time at which the last sample that the patch needs had been read.
        arrived: Instant,
    },
    /// Event of a source.
    Event(SourceId, WorkerEvent),
}
