//! Inference thread: batches pending jobs, scores them, and passes the results on in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::job::{InferenceJob, InferenceResult, WorkItem};
use super::scheduler::{FairScheduler, Scheduled};
use crate::counters::{InferenceCounters, SourceCounters};
use crate::model::{Classifier, Scores, Stretch};
use crate::thread::Stop;

/// Time for which pending jobs are still scored after the stop token is set.
const SCORING_TIMEOUT: Duration = Duration::from_millis(250);

/// Shortest interval between reports of failures.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// Inference's end of one source.
pub(super) struct InferenceLane {
    /// Jobs go back to the worker through this channel.
    pub(crate) recycled: Sender<InferenceJob>,
    /// Counters of the source.
    pub(crate) counters: Arc<SourceCounters>,
}

/// State of the inference thread.
pub(super) struct InferenceWorker<C> {
    /// The model.
    pub(crate) classifier: C,
    /// Largest number of jobs per run of the model.
    pub(crate) max_batch: usize,
    /// Longest wait for further jobs before a run.
    pub(crate) max_wait: Duration,
    /// Once set, jobs are scored for [`SCORING_TIMEOUT`] more, then dropped.
    pub(crate) stop: Stop,
    /// Queues of all sources.
    pub(crate) scheduler: FairScheduler,
    /// Per source, by [`crate::audio::SourceId`].
    pub(crate) lanes: Vec<InferenceLane>,
    /// Counters of inference itself.
    pub(crate) counters: Arc<InferenceCounters>,
    /// Channel to the director.
    pub(crate) results: Sender<InferenceResult>,
}

impl<C: Classifier> InferenceWorker<C> {
    /// Runs until all source workers have ended and all queues are empty.
    pub(crate) fn run(&mut self) {
        let mut batch = Vec::with_capacity(self.max_batch);
        let mut scores = Vec::with_capacity(self.max_batch);
        let mut reported: Option<Instant> = None;
        let mut drain_deadline: Option<Instant> = None;
        loop {
            self.counters.working.clear();
            let mut next = self.scheduler.next(None);
            self.counters.working.mark(Instant::now());
            if matches!(next, Scheduled::Ended) {
                return;
            }
            let deadline = Instant::now() + self.max_wait;
            // An event closes the batch: earlier patches of its source must be scored before it.
            let event = loop {
                match next {
                    Scheduled::Item(WorkItem::Job(job)) => match self.is_late(&job) {
                        true => self.finish(&mut vec![job], std::iter::empty()),
                        false => batch.push(job),
                    },
                    Scheduled::Item(WorkItem::Event(source, event)) => break Some((source, event)),
                    Scheduled::TimedOut | Scheduled::Ended => break None,
                }
                if batch.len() >= self.max_batch {
                    break None;
                }
                next = self.scheduler.next(Some(deadline));
            };
            if self.stop.is_set() {
                drain_deadline.get_or_insert_with(|| Instant::now() + SCORING_TIMEOUT);
            }
            if drain_deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.finish(&mut batch, std::iter::empty());
            } else if !batch.is_empty() {
                self.score(&mut batch, &mut scores, &mut reported);
            }
            if let Some((source, event)) = event {
                let _ = self.results.send(InferenceResult::Event(source, event));
            }
        }
    }

    /// Returns true if the deadline of `job` has passed.
    fn is_late(&self, job: &InferenceJob) -> bool {
        let oldest = job.patches.first().map(|(_, needed_at)| needed_at.elapsed());
        self.counters.delay_ns.raise(oldest.unwrap_or_default().as_nanos() as u64);
        job.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }

    fn score(
        &mut self,
        batch: &mut Vec<InferenceJob>,
        scores: &mut Vec<Option<Scores>>,
        reported: &mut Option<Instant>,
    ) {
        scores.clear();
        let stretches: Vec<&Stretch> = batch.iter().map(|job| &job.stretch).collect();
        let started = Instant::now();
        let result = self.classifier.score(&stretches, scores);
        self.counters.busy_ns.add(started.elapsed().as_nanos() as u64);
        if let Err(error) = &result {
            scores.clear();
            if reported.is_none_or(|at| at.elapsed() > REPORT_INTERVAL) {
                *reported = Some(Instant::now());
                let patches: usize = batch.iter().map(|job| job.patches.len()).sum();
                tracing::error!(patches, "{error}; the patches count as dropped");
            }
        }
        self.finish(batch, scores.drain(..));
    }

    /// Sends the patches of `batch` on with their `scores` and recycles the jobs. Patches without
    /// scores count as dropped.
    fn finish(&mut self, batch: &mut Vec<InferenceJob>, mut scores: impl Iterator<Item = Option<Scores>>) {
        for mut job in batch.drain(..) {
            let lane = &self.lanes[job.stretch.source];
            for (patch, arrived) in std::mem::take(&mut job.patches) {
                match scores.next().flatten() {
                    Some(scores) => {
                        lane.counters.scored.add(1);
                        lane.counters.unscored_ms.set(0);
                        self.counters.patches.add(1);
                        let _ = self.results.send(InferenceResult::Scored { patch, scores, arrived });
                    }
                    None => {
                        lane.counters.dropped.add(1);
                        job.failed = true;
                    }
                }
                lane.counters.processed.add(1);
            }
            let _ = lane.recycled.send(job);
        }
    }
}
