//! Jobs of one source.

use crate::audio::SourceId;
use crate::engine::job::{InferenceJob, JOBS_PER_SOURCE};
use crate::model::{Cutter, Feed};

/// Jobs of one source, and the one that is being filled.
pub(super) struct PatchBatcher {
    pub(super) cutter: Cutter,
    /// The incomplete job.
    pub(super) current: Option<InferenceJob>,
    /// Free jobs; the last one is used next, so that jobs that are never needed never grow.
    pub(super) free: Vec<InferenceJob>,
    /// End of the newest block, in seconds of the source.
    pub(super) block_end: f64,
}

impl PatchBatcher {
    pub(super) fn new(feed: &Feed, SourceId(index): SourceId) -> Self {
        let free = (0..JOBS_PER_SOURCE).map(|_| InferenceJob::default()).collect();
        Self { cutter: Cutter::new(feed, index), current: None, free, block_end: 0.0 }
    }

    /// Makes the next patch start new features, which do not continue the previous ones.
    pub(super) fn break_continuity(&mut self) {
        self.cutter.lost();
    }

    /// Discards the incomplete job and returns the number of its patches.
    pub(super) fn discard_incomplete(&mut self) -> u64 {
        let Some(job) = self.current.take() else { return 0 };
        let patches = job.patches.len() as u64;
        self.free.push(job);
        patches
    }

    /// Takes a job back from inference.
    pub(super) fn recycle(&mut self, job: InferenceJob) {
        if job.failed {
            self.cutter.lost();
        }
        self.free.push(job);
    }
}
