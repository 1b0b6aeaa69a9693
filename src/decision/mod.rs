//! Layer 1: from posteriors to published changes. Pure: no clock, no I/O.
//!
//! Time is the time of the source, as the patches carry it. So a recording that is read as fast as
//! possible gives the same decisions as the live source.
//!
//! The posteriors of head and gate are the shares of the *states* in a patch: labels, speech and
//! noise ([`shares`]). Change-point detection divides the sound into segments, each a mixture of
//! states ([`segment`]). The state whose share of the present segment leads by a margin is
//! published ([`selector`]). Dead air depends on the level only ([`dead_air`], which combines
//! [`silence`] with tones and loops).
//! [`trace`] explains a decision. [`retrospective`] labels segments for the log.

mod channel_balance;
mod config;
mod dead_air;
mod format_monitor;
mod hour_shares;
mod retrospective;
mod segment;
mod selector;
mod shares;
mod silence;
#[cfg(test)]
mod tests;
mod time;
pub(crate) mod trace;
mod verdict;

use std::sync::Arc;

pub use config::{DeadAirConfig, DecisionConfig, DecisionConstants, ImbalanceConfig, SilenceConfig};
pub use format_monitor::{FormatMonitor, FormatMonitorConfig, UnknownGenreError};
pub use hour_shares::HourShares;
pub use retrospective::FinalSegment;
#[cfg(test)]
pub(crate) use selector::SwitchComparison;
pub use time::{Seconds, SourceTime};
#[cfg(test)]
pub(crate) use trace::LoudnessTrace;
pub use verdict::Verdict;

use dead_air::DeadAirDetector;
use retrospective::Retrospective;
use segment::SegmentFilter;
use selector::Selector;
use shares::PatchShares;

use crate::audio::Level;
use crate::event::{DeadAirCause, GatePosteriors, NamedVerdict, SourceEvent, SourceState};

/// Longest time that one patch is evidence for. After a gap, it is no evidence of the time before
/// it.
const MAX_PATCH_TIME: Seconds = Seconds(3.0);
/// Time that the first patch is evidence for.
const FIRST_PATCH_TIME: Seconds = Seconds(1.0);

/// Input of the decision stage for one patch.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Start of the patch.
    pub start: SourceTime,
    /// End of the patch.
    pub end: SourceTime,
    /// Posteriors of the head, 0–1, one per label.
    pub posteriors: &'a [f32],
    /// Posteriors of the gate, if the bundle has one.
    pub gate: Option<GatePosteriors>,
    /// Loudness and other measurements without the model.
    pub level: Level,
}

/// State and best label of a single patch, as in per-patch messages and offline verdicts.
pub fn raw(
    posteriors: &[f32],
    gate: Option<GatePosteriors>,
    lufs_s: f32,
    silence: &SilenceConfig,
) -> Verdict {
    if lufs_s < silence.threshold_lufs {
        return Verdict::state(SourceState::Silence);
    }
    if let Some(state @ (SourceState::Speech | SourceState::Noise)) = gate.map(GatePosteriors::state) {
        return Verdict::state(state);
    }
    best(posteriors).map_or(Verdict::state(SourceState::Uncertain), |(label, p)| Verdict::music(label, p))
}

/// Decision stage of one source.
#[derive(Debug)]
pub struct Decider {
    shares: PatchShares,
    filter: SegmentFilter,
    selector: Selector,
    dead_air: DeadAirDetector,
    retrospective: Retrospective,
    /// End of the last patch since the last reset.
    last: Option<SourceTime>,
    /// True if the last patch was evidence.
    weighed: bool,
    verdict: Verdict,
    /// Mean posteriors of the present segment.
    smoothed: Vec<f32>,
    labels: Vec<Arc<str>>,
}

impl Decider {
    /// Creates a decision stage in the state `uncertain`.
    pub fn new(
        labels: &[Arc<str>],
        decision: &DecisionConfig,
        silence: &SilenceConfig,
        dead_air: &DeadAirConfig,
    ) -> Self {
        Self {
            shares: PatchShares::new(labels.len()),
            filter: SegmentFilter::new(labels.len(), decision),
            selector: Selector::new(decision),
            dead_air: DeadAirDetector::new(dead_air, silence),
            retrospective: Retrospective::new(labels.len(), decision),
            last: None,
            weighed: false,
            verdict: Verdict::state(SourceState::Uncertain),
            smoothed: Vec::with_capacity(labels.len()),
            labels: labels.to_vec(),
        }
    }

    /// Published verdict.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Value of `genre` for a verdict: the label, or the name of the state.
    pub fn genre(&self, verdict: Verdict) -> Arc<str> {
        verdict
            .label
            .and_then(|label| self.labels.get(label))
            .cloned()
            .unwrap_or_else(|| verdict.state.as_str().into())
    }

    /// `verdict` with its genre by name.
    pub fn named(&self, verdict: Verdict) -> NamedVerdict {
        let Verdict { state, confidence, .. } = verdict;
        NamedVerdict { state, genre: self.genre(verdict), confidence }
    }

    /// Mean posteriors since the last change point, weighted by the share of music in each patch;
    /// empty before the first evidence.
    pub fn smoothed(&self) -> &[f32] {
        &self.smoothed
    }

    /// True if the source counts as dead air.
    pub fn is_dead_air(&self) -> bool {
        self.dead_air.present().is_some()
    }

    /// Label or name of the state with this index in [`trace`].
    pub(crate) fn state_name(&self, state: usize) -> Arc<str> {
        self.genre(self.filter.evidence().verdict(Some(state)))
    }

    /// Processes one patch. Returns the changes to publish, in order.
    pub fn observe(&mut self, seen: Observation<'_>) -> Vec<SourceEvent> {
        let mut changes = self.recover();
        let was = self.dead_air.present();
        let dead_air = self.dead_air.update(seen.end, &seen.level);
        match (was, dead_air) {
            (None, Some(cause)) => changes.push(SourceEvent::DeadAirStarted { cause }),
            (Some(_), None) => changes.push(SourceEvent::DeadAirEnded),
            _ => {}
        }
        let dead_air = dead_air.map(|cause| {
            Verdict::state(if cause == DeadAirCause::Silence {
                SourceState::Silence
            } else {
                SourceState::Noise
            })
        });
        self.retrospective.advance(seen.start, seen.end, dead_air);
        let next = match dead_air {
            Some(verdict) => {
                self.retrospective.record_dead_air(verdict, self.dead_air.lasted(seen.end, &seen.level));
                // Sound before dead air is no evidence of the sound after it.
                self.reset();
                verdict
            }
            None => self.weigh(&seen),
        };
        let (from, to) = (self.genre(self.verdict), self.genre(next));
        if from != to {
            changes.push(SourceEvent::GenreChanged { from, to, confidence: next.confidence });
        }
        self.verdict = next;
        changes
    }

    /// Returns the segments that have become final since the last call, in order and without gaps
    /// while audio arrives. The newest one to two minutes are not final.
    pub fn final_segments(&mut self) -> Vec<FinalSegment> {
        self.retrospective.take()
    }

    /// Makes everything final and resets the model: the source has ended or is paused.
    pub fn finish(&mut self) {
        self.retrospective.close();
        self.reset();
    }

    /// Continues with other settings and keeps evidence and verdict.
    pub fn configure(&mut self, decision: &DecisionConfig, silence: &SilenceConfig) {
        self.filter.configure(decision);
        self.selector.configure(decision);
        self.dead_air.silence.configure(silence);
    }

    /// Resets the stage, because the source is paused. Returns the changes to publish.
    pub fn pause(&mut self) -> Vec<SourceEvent> {
        let from = self.verdict;
        self.finish();
        let mut changes = Vec::new();
        if self.dead_air.reset() {
            changes.push(SourceEvent::DeadAirEnded);
        }
        if matches!(from.state, SourceState::Lost | SourceState::Uncertain) {
            return changes;
        }
        self.verdict = Verdict::state(SourceState::Uncertain);
        changes.push(SourceEvent::GenreChanged {
            from: self.genre(from),
            to: self.genre(self.verdict),
            confidence: None,
        });
        changes
    }

    /// Ends the state `lost`, because audio arrives again.
    pub fn recover(&mut self) -> Vec<SourceEvent> {
        if self.verdict.state != SourceState::Lost {
            return Vec::new();
        }
        self.verdict = Verdict::state(SourceState::Uncertain);
        vec![SourceEvent::SourceRecovered]
    }

    /// Enters the state `lost`, because audio stopped arriving.
    pub fn lose(&mut self, reason: Option<Arc<str>>) -> Vec<SourceEvent> {
        let mut changes = Vec::new();
        if self.verdict.state == SourceState::Lost {
            return changes;
        }
        if self.dead_air.reset() {
            changes.push(SourceEvent::DeadAirEnded);
        }
        changes.push(SourceEvent::SourceLost { reason });
        self.finish();
        self.verdict = Verdict::state(SourceState::Lost);
        changes
    }

    /// Adds a patch that is not dead air to the evidence and returns the verdict.
    fn weigh(&mut self, seen: &Observation<'_>) -> Verdict {
        let elapsed =
            self.last.map_or(FIRST_PATCH_TIME, |last| (seen.end - last).clamp(Seconds::ZERO, MAX_PATCH_TIME));
        self.last = Some(seen.end);
        self.weighed =
            self.dead_air.silence.is_loud(seen.level.lufs_s) && self.shares.set(seen.posteriors, seen.gate);
        if self.weighed {
            self.filter.update(&self.shares, elapsed);
            // The posteriors of a patch are those of its longer part. So the change point lies
            // between the middle of the previous patch and that of this one.
            let begins = seen.start.middle(seen.end - elapsed);
            self.retrospective.weigh(&self.shares, elapsed, self.filter.length(), begins);
            self.selector.update(self.filter.shares(), elapsed);
            let evidence = self.filter.evidence();
            self.smoothed.clear();
            self.smoothed.extend((0..self.labels.len()).map(|label| evidence.posterior(label) as f32));
        }
        self.filter.evidence().verdict(self.selector.held())
    }

    fn reset(&mut self) {
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
