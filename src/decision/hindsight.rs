//! What a stretch of sound was, once it is over.
//!
//! What is published has to be said while little is known. A log can wait: when a run has ended, or has lasted for [`LONGEST`],
//! all of its evidence says what it was, and the change before it lies where the first patch of the new kind was, not where
//! enough of them had been heard.

use super::choice::Choice;
use super::event::Verdict;
use super::evidence::{Evidence, Shares};
use super::run::Step;

/// A run is settled in pieces of this many seconds.
const LONGEST: f64 = 120.0;

/// A stretch of a source's time, and what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settled {
    /// When it begins, in the source's seconds.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// What it was; the confidence of a label is its mean posterior in the music of the stretch.
    pub verdict: Verdict,
}

/// Settles a source's time, stretch by stretch, without holes while it is heard.
#[derive(Debug)]
pub struct Hindsight {
    /// Where what is not settled begins.
    start: Option<f64>,
    /// The end of the last patch.
    heard_to: f64,
    stretch: Evidence,
    /// Patches that may be the beginning of another run, and where they begin.
    waiting: Evidence,
    waits_from: f64,
    /// What the stretch before was, where it says anything about this one.
    before: Option<usize>,
    /// Whether this is the same run as the stretch before.
    goes_on: bool,
    /// What the stretch is where it is dead air.
    dead: Option<Verdict>,
    settled: Vec<Settled>,
}

impl Hindsight {
    /// One that has heard nothing yet.
    pub fn new(labels: usize) -> Self {
        Self {
            start: None,
            heard_to: f64::NEG_INFINITY,
            stretch: Evidence::new(labels),
            waiting: Evidence::new(labels),
            waits_from: 0.0,
            before: None,
            goes_on: false,
            dead: None,
            settled: Vec::new(),
        }
    }

    /// What has been settled since this was last asked for, in order.
    pub fn take(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// A patch arrives that lies between `start` and `end`; `dead` where it is dead air.
    pub fn reach(&mut self, start: f64, end: f64, dead: Option<Verdict>, choice: &Choice) {
        if end < self.heard_to {
            // Time begins anew.
            self.close(choice);
        }
        if self.dead.is_some() && self.dead != dead {
            self.end(self.heard_to, choice);
        }
        self.start.get_or_insert(start.max(self.heard_to));
        self.heard_to = end;
    }

    /// That patch was evidence, for `seconds`, and the runs took the `step`; a run that began with it would begin at `begins`.
    pub fn weigh(&mut self, patch: &Shares, seconds: f64, begins: f64, step: Step, choice: &Choice) {
        if step == Step::Joined {
            self.stretch.join(&self.waiting);
            self.waiting.fade(0.0);
            self.stretch.add(patch, seconds);
            if self.lasts() {
                self.settle(self.heard_to, choice);
                self.goes_on = true;
            }
            return;
        }
        if self.waiting.seconds() == 0.0 {
            self.waits_from = begins;
        }
        self.waiting.add(patch, seconds);
        if step == Step::Changed {
            self.settle(self.waits_from, choice);
            self.goes_on = false;
            std::mem::swap(&mut self.stretch, &mut self.waiting);
        }
    }

    /// That patch was dead air, which has lasted for `seconds`.
    pub fn die(&mut self, verdict: Verdict, seconds: f64, choice: &Choice) {
        if self.dead.is_none() {
            self.end(self.heard_to - seconds, choice);
            self.dead = Some(verdict);
        } else if self.lasts() {
            self.settle(self.heard_to, choice);
        }
    }

    /// Nothing is heard any more.
    pub fn close(&mut self, choice: &Choice) {
        self.end(self.heard_to, choice);
        (self.start, self.heard_to) = (None, f64::NEG_INFINITY);
    }

    /// What came before `at` says nothing about what follows.
    fn end(&mut self, at: f64, choice: &Choice) {
        self.stretch.join(&self.waiting);
        self.waiting.fade(0.0);
        self.settle(at, choice);
        (self.before, self.goes_on, self.dead) = (None, false, None);
    }

    /// Whether it is long enough to be settled.
    fn lasts(&self) -> bool {
        self.start.is_some_and(|start| self.heard_to - start >= LONGEST)
    }

    /// Settles everything up to `at`.
    fn settle(&mut self, at: f64, choice: &Choice) {
        if let Some(start) = self.start.filter(|start| *start < at) {
            let before = self.before.map(|state| (state, self.goes_on));
            let verdict = self.dead.unwrap_or_else(|| {
                self.before = choice.in_hindsight(&self.stretch, before);
                self.stretch.verdict(self.before)
            });
            self.settled.push(Settled { start, end: at, verdict });
            self.start = Some(at);
        }
        self.stretch.fade(0.0);
    }
}
