//! Explanation of one decision: plain values, read from the model.
//!
//! States are indexed as in [`super::shares`]: the labels of the genre head, then speech, then
//! noise.

use std::sync::Arc;

use super::Decider;
use super::dead_air::DeadAirDetector;
use super::selector::SwitchComparison;
use super::time::{Seconds, SourceTime};
use crate::event::DeadAirCause;

/// State of the decision stage after one patch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DecisionTrace {
    /// Loudness.
    pub level: LoudnessTrace,
    /// True if the patch was evidence; too quiet patches and those with values that are not finite
    /// are not.
    pub weighed: bool,
    /// Present segment.
    pub segment: SegmentTrace,
    /// Last comparison; `None` before the first evidence and in dead air.
    pub comparison: Option<SwitchComparison>,
    /// Published state.
    pub held: Option<usize>,
    /// Time until the published state is given up, while another has a larger share.
    pub kept_for: Option<Seconds>,
}

/// Loudness of the source: silence, and dead air of any cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LoudnessTrace {
    /// Cause of dead air, or `None`.
    pub dead_air: Option<DeadAirCause>,
    /// Threshold of quiet sound in LUFS, with the hysteresis while silent.
    pub quiet_below: f32,
    /// Time for which it has been quiet.
    pub quiet: Seconds,
    /// Time after which it counts as silent.
    pub after: Seconds,
}

impl LoudnessTrace {
    /// State of `detector` at `time`, the time of its last update.
    fn new(detector: &DeadAirDetector, time: SourceTime) -> Self {
        let silence = &detector.silence;
        Self {
            dead_air: detector.present(),
            quiet_below: silence.quiet_below(),
            quiet: silence.quiet_for(time),
            after: silence.after(),
        }
    }
}

/// Present segment: sound since the last change point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SegmentTrace {
    /// Time since its most probable change point.
    pub age: Seconds,
    /// Probability of the newest patch under the segment before it, 0–1; `None` for a first patch.
    pub fit: Option<f64>,
    /// Probability of a later change point, 0–1.
    pub changing: f64,
    /// Every state, by descending share; empty before the first patch.
    pub states: Vec<RankedShare>,
}

/// Share of one state in the present segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RankedShare {
    pub state: usize,
    /// 0–1.
    pub share: f64,
}

impl Decider {
    /// Names of all states, in the order of their indices in `trace`.
    pub(crate) fn state_names(&self) -> Vec<Arc<str>> {
        (0..self.filter.shares().len()).map(|state| self.state_name(state)).collect()
    }

    /// Explains the verdict after the last patch, which ended at `time`.
    pub(crate) fn explain(&self, time: SourceTime) -> DecisionTrace {
        let shares = self.filter.shares().iter().enumerate();
        let mut states: Vec<RankedShare> =
            shares.map(|(state, share)| RankedShare { state, share: *share }).collect();
        states.sort_by(|one, other| other.share.total_cmp(&one.share));
        if self.filter.length() == 0 {
            states.clear();
        }
        DecisionTrace {
            level: LoudnessTrace::new(&self.dead_air, time),
            weighed: self.weighed,
            segment: SegmentTrace {
                age: self.filter.age(),
                fit: self.filter.fit(),
                changing: self.filter.changing(),
                states,
            },
            comparison: self.selector.comparison(),
            held: self.selector.held(),
            kept_for: self.selector.kept_for(),
        }
    }
}
