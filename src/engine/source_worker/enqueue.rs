//! Patches on their way into jobs and into the queue.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::SourceWorker;
use super::patch_batcher::PatchBatcher;
use crate::dsp::PatchView;
use crate::engine::job::{InferenceJob, WorkItem};
use crate::tap::{PatchFrames, TapDetail};

/// Age at which the patches of a live source are dropped instead of scored: newer ones wait.
const MAX_AGE: Duration = Duration::from_millis(1500);

/// Interval at which a worker that waits for a job checks the stop token.
const STOP_CHECK: Duration = Duration::from_millis(100);

impl SourceWorker {
    /// Adds a patch to the current job and sends the job once it is complete.
    pub(super) fn add_patch(&self, batcher: &mut PatchBatcher, view: &PatchView<'_>, arrived: Instant) {
        if self.tap.is_watched(TapDetail::Frames) {
            self.show_frames(view);
        }
        let Some(mut job) = batcher.current.take().or_else(|| self.free_job(batcher)) else {
            batcher.cutter.lost();
            self.counters.dropped.add(1);
            return;
        };
        // Live audio after the last sample that the patch needs has delayed it by its length.
        let late = if self.is_live() { (batcher.block_end - view.received_to_s).max(0.0) } else { 0.0 };
        let needed_at = arrived.checked_sub(Duration::from_secs_f64(late)).unwrap_or(arrived);
        job.patches.push((view.patch, needed_at));
        if batcher.cutter.add(view, &mut job.stretch) {
            job.deadline = self.is_live().then(|| needed_at + MAX_AGE);
            self.counters.enqueued.add(job.patches.len() as u64);
            self.work.send(WorkItem::Job(job));
        } else {
            batcher.current = Some(job);
        }
    }

    /// Copies the frames of a patch for those who watch the source.
    fn show_frames(&self, view: &PatchView<'_>) {
        let frame_s = self.front_end.hop_length as f64 / f64::from(self.front_end.sample_rate.hertz());
        self.tap.push(&PatchFrames {
            run: view.segment,
            first: view.start,
            ends_at_ms: view.patch.ends_at.as_millisecond(),
            frame_ms: frame_s * 1000.0,
            bands: view.bands,
            log_mel: view.log_mel,
        });
    }

    /// Takes an empty job. If none is free, a live source discards its pending jobs, whose patches
    /// count as dropped; other sources wait.
    fn free_job(&self, batcher: &mut PatchBatcher) -> Option<InferenceJob> {
        self.recycled.try_iter().for_each(|job| batcher.recycle(job));
        if batcher.free.is_empty() && self.is_live() {
            self.work.evict_pending(|job| {
                self.counters.dropped.add(job.patches.len() as u64);
                self.counters.processed.add(job.patches.len() as u64);
                batcher.free.push(job);
            });
            batcher.cutter.lost();
        }
        while batcher.free.is_empty() && !self.is_live() && !self.stop.is_set() {
            match self.recycled.recv_timeout(STOP_CHECK) {
                Ok(job) => batcher.recycle(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let mut job = batcher.free.pop()?;
        job.stretch.clear();
        job.patches.clear();
        job.failed = false;
        Some(job)
    }
}
