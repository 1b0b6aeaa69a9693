//! Retrospective labels: stretches of sound, judged with the patches that follow them.
//!
//! What is published has to be said while little is known. A log can wait. So the model's segments
//! are followed back from the newest patch: the likeliest segment began somewhere, the one that was
//! likeliest just before that began somewhere else, and so on. Each is called by the state with the
//! largest share of all of its patches. Two minutes of patches are kept for that.

use std::collections::VecDeque;

use super::config::DecisionConfig;
use super::event::{State, Verdict};
use super::segment::weighted;
use super::shares::{Evidence, Shares};

/// Segments become final once so many seconds of sound are not.
const KEPT_S: f64 = 120.0;
/// The newest seconds, which are not final even then.
const LAG_S: f64 = 60.0;

/// A stretch of a source's time, and what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinalSegment {
    /// When it begins, in the source's seconds.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// Its verdict; the confidence of a label is its mean posterior in the music of the stretch.
    pub verdict: Verdict,
}

/// One patch that is not final.
#[derive(Debug)]
struct Kept {
    /// Start of a segment that begins with it.
    begins: f64,
    /// Seconds of evidence.
    evidence_s: f64,
    /// Number of patches of the segment that was likeliest then.
    length: u64,
    music: f32,
    /// Share of each state, then the posterior of each label.
    values: Box<[f32]>,
}

/// Makes segments final, in order, without holes while the source is heard.
#[derive(Debug)]
pub(super) struct Retrospective {
    labels: usize,
    noise_weight: f64,
    /// Start of the part that is not final.
    start: Option<f64>,
    /// The end of the last patch.
    heard_to: f64,
    patches: VecDeque<Kept>,
    /// Verdict of the stretch, if it is dead air.
    dead: Option<Verdict>,
    found: Vec<FinalSegment>,
}

impl Retrospective {
    /// One that has heard nothing yet.
    pub fn new(labels: usize, config: &DecisionConfig) -> Self {
        Self {
            labels,
            noise_weight: config.constants.noise_weight,
            start: None,
            heard_to: f64::NEG_INFINITY,
            patches: VecDeque::new(),
            dead: None,
            found: Vec::new(),
        }
    }

    /// Segments that have become final since the last call, in order.
    pub fn take(&mut self) -> Vec<FinalSegment> {
        std::mem::take(&mut self.found)
    }

    /// Takes note of a patch between `start` and `end`; `dead` where it is dead air.
    pub fn reach(&mut self, start: f64, end: f64, dead: Option<Verdict>) {
        if end < self.heard_to {
            // Time starts over.
            self.close();
        }
        if self.dead.is_some() && self.dead != dead {
            self.end(self.heard_to);
        }
        self.start.get_or_insert(start.max(self.heard_to));
        self.heard_to = end;
    }

    /// Takes in that patch as evidence for `seconds`. `length`: patches of the segment that is
    /// likeliest with it; `begins`: where a segment that begins with it would begin.
    pub fn weigh(&mut self, patch: &Shares, seconds: f64, length: u64, begins: f64) {
        let (posteriors, music) = patch.music();
        self.patches.push_back(Kept {
            begins,
            evidence_s: weighted(patch, seconds, self.noise_weight),
            length,
            music: music as f32,
            values: patch.states().iter().chain(posteriors).map(|value| *value as f32).collect(),
        });
        if self.start.is_some_and(|start| self.heard_to - start >= KEPT_S) {
            self.finish(self.heard_to - LAG_S, self.heard_to);
        }
    }

    /// Takes note that the patch was dead air, which has lasted for `seconds`.
    pub fn die(&mut self, verdict: Verdict, seconds: f64) {
        if self.dead.is_none() {
            self.end(self.heard_to - seconds);
            self.dead = Some(verdict);
        } else if self.start.is_some_and(|start| self.heard_to - start >= KEPT_S) {
            self.push(self.heard_to, verdict);
        }
    }

    /// Nothing is heard any more: everything is final.
    pub fn close(&mut self) {
        self.end(self.heard_to);
        (self.start, self.heard_to) = (None, f64::NEG_INFINITY);
    }

    /// Makes everything final, up to `at`; it says nothing about what follows.
    fn end(&mut self, at: f64) {
        match self.dead.take() {
            Some(dead) => self.push(at, dead),
            None => self.finish(at, at),
        }
        self.patches.clear();
    }

    /// Makes final what lies before `horizon`, where all was heard to `to`.
    fn finish(&mut self, horizon: f64, to: f64) {
        // Beginnings of the segments, as indices of patches, the last one first.
        let mut begins = Vec::new();
        let mut end = self.patches.len();
        while end > 0 {
            let length = usize::try_from(self.patches[end - 1].length).unwrap_or(end);
            end = end.saturating_sub(length.max(1));
            begins.push(end);
        }
        if begins.is_empty() {
            self.push(horizon, Verdict::state(State::Uncertain));
            return;
        }
        let mut done = 0;
        for (index, first) in begins.iter().enumerate().rev() {
            let next = index.checked_sub(1).map(|index| begins[index]);
            let ends_at = next.map_or(to, |next| self.patches[next].begins);
            let verdict = self.judge(*first, next.unwrap_or(self.patches.len()));
            self.push(ends_at.min(horizon), verdict);
            if ends_at >= horizon {
                // The rest of the segment stays, to be judged with what follows.
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
            values.iter_mut().zip(&patch.values).for_each(|(value, kept)| *value = f64::from(*kept));
            let (states, posteriors) = values.split_at(self.labels + 2);
            evidence.add(states, posteriors, patch.music.into(), patch.evidence_s, 1.0);
        }
        evidence.verdict(evidence.largest())
    }

    /// Adds a final segment that ends at `end`.
    fn push(&mut self, end: f64, verdict: Verdict) {
        if let Some(start) = self.start.filter(|start| *start < end) {
            self.found.push(FinalSegment { start, end, verdict });
            self.start = Some(end);
        }
    }
}
