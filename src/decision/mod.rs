//! Floor 1: from posteriors to what is published. Pure: no clock, no I/O.
//!
//! Time is the source's own, in seconds, as the patches carry it; so a recording that is
//! read as fast as possible is decided exactly as it would have been live.
//!
//! A patch's posteriors and those of the gate are shares of the *states*: labels, speech and noise
//! ([`shares`]). Change-point detection divides the sound into segments of one mixture of states
//! each ([`segment`]), and the state with a clearly larger share of the present one is published
//! ([`selector`]). Dead air is told by the level alone ([`dead_air`], [`silence`]). [`trace`] says why, and
//! [`retrospective`] what a stretch turned out to have been.

mod balance;
mod config;
mod dead_air;
mod event;
mod retrospective;
mod segment;
mod selector;
mod shares;
mod silence;
#[cfg(test)]
mod tests;
pub mod trace;
mod watch;

use std::sync::Arc;

pub use config::{Constants, DeadAirConfig, DecisionConfig, ImbalanceConfig, SilenceConfig};
pub use event::{Change, DeadAir, GatePosteriors, Side, State, Verdict};
pub use retrospective::FinalSegment;
pub use watch::{Watch, WatchConfig};

use dead_air::DeadAirWatch;
use retrospective::Retrospective;
use segment::SegmentFilter;
use selector::Selector;
use shares::Shares;
use trace::{Sound, StateShare, Trace};

use crate::audio::Level;

/// The most seconds that one patch can stand for: after a hole it says nothing of the time before it.
const MOST_SECONDS: f64 = 3.0;
/// Seconds that a patch stands for where none came before it.
const FIRST_SECONDS: f64 = 1.0;

/// What one patch showed.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Time of the patch's beginning in the source, in seconds.
    pub start: f64,
    /// Time of its end.
    pub time: f64,
    /// The head's posteriors, 0–1, one a label.
    pub posteriors: &'a [f32],
    /// Posteriors of the gate, where there is one.
    pub gate: Option<GatePosteriors>,
    /// How loud it was, and what else is told of it without the model.
    pub level: Level,
}

/// State and best label of one patch alone, as windows and offline verdicts carry it.
pub fn raw(
    posteriors: &[f32],
    gate: Option<GatePosteriors>,
    lufs_s: f32,
    silence: &SilenceConfig,
) -> Verdict {
    if lufs_s < silence.threshold_lufs {
        return Verdict::state(State::Silence);
    }
    if let Some(state @ (State::Speech | State::Noise)) = gate.map(GatePosteriors::state) {
        return Verdict::state(state);
    }
    best(posteriors).map_or(Verdict::state(State::Uncertain), |(label, p)| Verdict::music(label, p))
}

/// Decides what is published of one source.
#[derive(Debug)]
pub struct Decider {
    shares: Shares,
    filter: SegmentFilter,
    selector: Selector,
    dead_air: DeadAirWatch,
    retrospective: Retrospective,
    /// Time of the last patch, heard or silent, since everything was forgotten.
    last: Option<f64>,
    /// Whether the last patch was evidence.
    weighed: bool,
    verdict: Verdict,
    /// Mean posteriors of the present sound.
    smoothed: Vec<f32>,
    labels: Vec<Arc<str>>,
}

impl Decider {
    /// A decider that is `uncertain` so far.
    pub fn new(
        labels: &[Arc<str>],
        decision: &DecisionConfig,
        silence: &SilenceConfig,
        dead_air: &DeadAirConfig,
    ) -> Self {
        Self {
            shares: Shares::new(labels.len()),
            filter: SegmentFilter::new(labels.len(), decision),
            selector: Selector::new(decision),
            dead_air: DeadAirWatch::new(dead_air, silence),
            retrospective: Retrospective::new(labels.len(), decision),
            last: None,
            weighed: false,
            verdict: Verdict::state(State::Uncertain),
            smoothed: Vec::with_capacity(labels.len()),
            labels: labels.to_vec(),
        }
    }

    /// What is published now.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The value of `genre` for a verdict: the label, or the state's name.
    pub fn genre(&self, verdict: Verdict) -> Arc<str> {
        verdict
            .label
            .and_then(|label| self.labels.get(label))
            .cloned()
            .unwrap_or_else(|| verdict.state.as_str().into())
    }

    /// Mean posteriors since the sound last changed, weighted by how much of each patch is music;
    /// empty before the first audible patch.
    pub fn smoothed(&self) -> &[f32] {
        &self.smoothed
    }

    /// Whether the source counts as dead air.
    pub fn is_dead_air(&self) -> bool {
        self.dead_air.present().is_some()
    }

    /// Label or name of a state as [`trace`] counts them: the labels, then speech, then noise.
    pub fn state_name(&self, state: usize) -> Arc<str> {
        self.genre(self.filter.evidence().verdict(Some(state)))
    }

    /// Why the last patch, at `time`, led to what is published now.
    pub fn explain(&self, time: f64) -> Trace {
        let shares = self.filter.shares().iter().enumerate();
        let mut states: Vec<StateShare> =
            shares.map(|(state, share)| StateShare { state, share: *share }).collect();
        states.sort_by(|one, other| other.share.total_cmp(&one.share));
        if self.filter.length() == 0 {
            states.clear();
        }
        Trace {
            level: self.dead_air.explain(time),
            weighed: self.weighed,
            sound: Sound {
                age_s: self.filter.age_s(),
                fit: self.filter.fit(),
                changing: self.filter.changing(),
                states,
            },
            choice: self.selector.judged(),
            held: self.selector.held(),
            kept_for_s: self.selector.kept_for_s(),
        }
    }

    /// Takes in one patch and returns what changed by it, in the order in which it is to be published.
    pub fn observe(&mut self, seen: Observation<'_>) -> Vec<Change> {
        let mut changes = self.recover();
        let was = self.dead_air.present();
        let dead_air = self.dead_air.update(seen.time, &seen.level);
        match (was, dead_air) {
            (None, Some(by)) => changes.push(Change::DeadAirStarted(by)),
            (Some(_), None) => changes.push(Change::DeadAirEnded),
            _ => {}
        }
        let dead = dead_air
            .map(|by| Verdict::state(if by == DeadAir::Silence { State::Silence } else { State::Noise }));
        self.retrospective.reach(seen.start, seen.time, dead);
        let next = match dead {
            Some(dead) => {
                self.retrospective.die(dead, self.dead_air.lasted(seen.time, &seen.level));
                // What was heard before it says nothing about what comes after it.
                self.forget();
                dead
            }
            None => self.weigh(&seen),
        };
        let (from, to) = (self.genre(self.verdict), self.genre(next));
        if from != to {
            changes.push(Change::Genre { from, to, confidence: next.confidence });
        }
        self.verdict = next;
        changes
    }

    /// Segments that have become final since the last call: in order, without holes while the source
    /// is heard. The newest two minutes or so are not.
    pub fn final_segments(&mut self) -> Vec<FinalSegment> {
        self.retrospective.take()
    }

    /// Makes everything final: the source has ended, or is not heard for now, and what was heard is
    /// forgotten.
    pub fn finish(&mut self) {
        self.retrospective.close();
        self.forget();
    }

    /// Goes on with other settings; what was heard and decided stays.
    pub fn configure(&mut self, decision: &DecisionConfig, silence: &SilenceConfig) {
        self.filter.configure(decision);
        self.selector.configure(decision);
        self.dead_air.silence.configure(silence);
    }

    /// The source is not heard for now: nothing is known of it.
    pub fn pause(&mut self) -> Vec<Change> {
        let from = self.verdict;
        self.finish();
        let mut changes = Vec::new();
        if self.dead_air.reset() {
            changes.push(Change::DeadAirEnded);
        }
        if matches!(from.state, State::Lost | State::Uncertain) {
            return changes;
        }
        self.verdict = Verdict::state(State::Uncertain);
        changes.push(Change::Genre {
            from: self.genre(from),
            to: self.genre(self.verdict),
            confidence: None,
        });
        changes
    }

    /// Audio arrives again; nothing where it had not been lost.
    pub fn recover(&mut self) -> Vec<Change> {
        if self.verdict.state != State::Lost {
            return Vec::new();
        }
        self.verdict = Verdict::state(State::Uncertain);
        vec![Change::Recovered]
    }

    /// Audio stopped arriving, for that reason.
    pub fn lose(&mut self, reason: Option<Arc<str>>) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.verdict.state == State::Lost {
            return changes;
        }
        if self.dead_air.reset() {
            changes.push(Change::DeadAirEnded);
        }
        changes.push(Change::Lost(reason));
        self.finish();
        self.verdict = Verdict::state(State::Lost);
        changes
    }

    /// Adds a patch that is no silence to the evidence, and reads the verdict from it.
    fn weigh(&mut self, seen: &Observation<'_>) -> Verdict {
        let seconds = self.last.map_or(FIRST_SECONDS, |last| (seen.time - last).clamp(0.0, MOST_SECONDS));
        self.last = Some(seen.time);
        self.weighed =
            self.dead_air.silence.is_loud(seen.level.lufs_s) && self.shares.set(seen.posteriors, seen.gate);
        if self.weighed {
            self.filter.update(&self.shares, seconds);
            // A patch is of the kind that most of it is: the middle of the first one of a kind lies
            // behind the change, that of the patch before it did not.
            let begins = (seen.start + seen.time - seconds) / 2.0;
            self.retrospective.weigh(&self.shares, seconds, self.filter.length(), begins);
            self.selector.update(self.filter.shares(), seconds);
            let evidence = self.filter.evidence();
            self.smoothed.clear();
            self.smoothed.extend((0..self.labels.len()).map(|label| evidence.posterior(label) as f32));
        }
        self.filter.evidence().verdict(self.selector.held())
    }

    fn forget(&mut self) {
        self.filter.reset();
        self.selector.reset();
        self.smoothed.clear();
        self.last = None;
        self.weighed = false;
    }
}

/// Index and value of the largest finite posterior.
fn best(posteriors: &[f32]) -> Option<(usize, f32)> {
    posteriors
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, p)| p.is_finite())
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}
