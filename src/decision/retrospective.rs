//! Retrospective segments for the log, labelled once the patches after them are known.
//!
//! The most probable change points are followed back from the newest patch: the most probable
//! segment began at some patch, the one that was most probable just before that began at another,
//! and so on. The label of a segment is the state with the largest share of all of its patches. Two
//! minutes of patches are kept.

use std::collections::VecDeque;

use super::config::DecisionConfig;
use super::segment::evidence_weight;
use super::shares::{Evidence, PatchShares};
use super::time::{Seconds, SourceTime};
use super::verdict::Verdict;
use crate::event::SourceState;

/// Length of pending sound from which segments become final.
const MAX_PENDING: Seconds = Seconds(120.0);
/// Newest sound that stays pending even then.
const LAG: Seconds = Seconds(60.0);

/// Segment whose verdict does not change any more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinalSegment {
    /// Start.
    pub start: SourceTime,
    /// End.
    pub end: SourceTime,
    /// Verdict; the confidence of a label is its mean posterior in the music of the segment.
    pub verdict: Verdict,
}

/// Patch that is not final.
#[derive(Debug)]
struct PendingPatch {
    /// Start of a segment that begins with this patch.
    begins: SourceTime,
    weight: Seconds,
    /// Number of patches since the change point that was most probable with this patch.
    length: u64,
    music: f32,
    /// Share of each state, then the posterior of each label.
    values: Box<[f32]>,
}

/// Finalizer of segments, in order and without gaps while the source delivers audio.
#[derive(Debug)]
pub(super) struct Retrospective {
    labels: usize,
    noise_weight: f64,
    /// Start of the part that is not final.
    start: Option<SourceTime>,
    /// End of the last patch.
    last_end: SourceTime,
    patches: VecDeque<PendingPatch>,
    /// Verdict of the part that is not final, if it is dead air.
    dead_air: Option<Verdict>,
    final_segments: Vec<FinalSegment>,
}

impl Retrospective {
    pub(super) fn new(labels: usize, config: &DecisionConfig) -> Self {
        Self {
            labels,
            noise_weight: config.constants.noise_weight,
            start: None,
            last_end: SourceTime::MIN,
            patches: VecDeque::new(),
            dead_air: None,
            final_segments: Vec::new(),
        }
    }

    /// Returns the segments that have become final since the last call, in order.
    pub(super) fn take(&mut self) -> Vec<FinalSegment> {
        std::mem::take(&mut self.final_segments)
    }

    /// Processes a patch between `start` and `end`; `dead_air` is its verdict if it is dead air.
    pub(super) fn advance(&mut self, start: SourceTime, end: SourceTime, dead_air: Option<Verdict>) {
        if end < self.last_end {
            // The time of the source starts over.
            self.close();
        }
        if self.dead_air.is_some() && self.dead_air != dead_air {
            self.end(self.last_end);
        }
        self.start.get_or_insert(start.max(self.last_end));
        self.last_end = end;
    }

    /// Adds that patch as evidence. `elapsed`: time since the previous patch; `length`: patches
    /// since the most probable change point; `begins`: start of a segment that begins with this
    /// patch.
    pub(super) fn weigh(&mut self, patch: &PatchShares, elapsed: Seconds, length: u64, begins: SourceTime) {
        let (posteriors, music) = patch.music();
        self.patches.push_back(PendingPatch {
            begins,
            weight: evidence_weight(patch, elapsed, self.noise_weight),
            length,
            music: music as f32,
            values: patch.states().iter().chain(posteriors).map(|value| *value as f32).collect(),
        });
        if self.start.is_some_and(|start| self.last_end - start >= MAX_PENDING) {
            self.finish(self.last_end - LAG, self.last_end);
        }
    }

    /// Records that the patch was dead air, which has lasted for `length`.
    pub(super) fn record_dead_air(&mut self, verdict: Verdict, length: Seconds) {
        if self.dead_air.is_none() {
            self.end(self.last_end - length);
            self.dead_air = Some(verdict);
        } else if self.start.is_some_and(|start| self.last_end - start >= MAX_PENDING) {
            self.push(self.last_end, verdict);
        }
    }

    /// Makes everything final, because no more audio arrives.
    pub(super) fn close(&mut self) {
        self.end(self.last_end);
        (self.start, self.last_end) = (None, SourceTime::MIN);
    }

    /// Makes everything final up to `at`, without relation to what follows.
    fn end(&mut self, at: SourceTime) {
        match self.dead_air.take() {
            Some(verdict) => self.push(at, verdict),
            None => self.finish(at, at),
        }
        self.patches.clear();
    }

    /// Makes final what lies before `horizon`; the last patch ends at `to`.
    fn finish(&mut self, horizon: SourceTime, to: SourceTime) {
        // First patches of the segments, the last segment first.
        let mut begins = Vec::new();
        let mut end = self.patches.len();
        while end > 0 {
            let length = usize::try_from(self.patches[end - 1].length).unwrap_or(end);
            end = end.saturating_sub(length.max(1));
            begins.push(end);
        }
        if begins.is_empty() {
            self.push(horizon, Verdict::state(SourceState::Uncertain));
            return;
        }
        let mut done = 0;
        for (index, first) in begins.iter().enumerate().rev() {
            let next = index.checked_sub(1).map(|index| begins[index]);
            let ends_at = next.map_or(to, |next| self.patches[next].begins);
            let verdict = self.judge(*first, next.unwrap_or(self.patches.len()));
            self.push(ends_at.min(horizon), verdict);
            if ends_at >= horizon {
                // The rest of the segment stays pending: later patches may change its label.
                done = self.patches.partition_point(|patch| patch.begins < horizon);
                break;
            }
            done = next.unwrap_or(self.patches.len());
        }
        self.patches.drain(..done);
    }

    /// Verdict of the patches from `first` to before `end`.
    fn judge(&self, first: usize, end: usize) -> Verdict {
        let mut evidence = Evidence::new(self.labels);
        let mut values = vec![0.0; 2 * self.labels + 2];
        for patch in self.patches.range(first..end) {
            values.iter_mut().zip(&patch.values).for_each(|(value, stored)| *value = f64::from(*stored));
            let (states, posteriors) = values.split_at(self.labels + 2);
            evidence.add(states, posteriors, patch.music.into(), patch.weight, 1.0);
        }
        evidence.verdict(evidence.largest())
    }

    /// Adds a final segment that ends at `end`.
    fn push(&mut self, end: SourceTime, verdict: Verdict) {
        if let Some(start) = self.start.filter(|start| *start < end) {
            self.final_segments.push(FinalSegment { start, end, verdict });
            self.start = Some(end);
        }
    }
}
