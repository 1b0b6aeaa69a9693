//! Explanation of one decision: plain values, read from the model.
//!
//! States are indexed as in [`super::shares`]: the labels of the genre head, then speech, then
//! noise.

use super::time::Seconds;
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

/// Silence and other dead air.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LoudnessTrace {
    /// Reason for dead air.
    pub dead_air: Option<DeadAirCause>,
    /// Threshold of quiet sound in LUFS, with the hysteresis while silent.
    pub quiet_below: f32,
    /// Time for which it has been quiet.
    pub quiet: Seconds,
    /// Time after which it counts as silent.
    pub after: Seconds,
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

/// Comparison of the state that may be published next with the published one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SwitchComparison {
    /// Published state before the comparison.
    pub held: Option<usize>,
    pub candidate: usize,
    /// State that the candidate must lead; `None` where none is published: the candidate must lead
    /// an even share of all states.
    pub against: Option<usize>,
    /// Share by which the candidate leads; negative if it trails.
    pub ahead: f64,
    /// Share by which it must lead.
    pub needed: f64,
    /// True if the candidate was published.
    pub passes: bool,
}
