//! Why it was decided so: plain values, read off what decides.
//!
//! A *state* is counted as [`super::shares`] counts them: the labels of the genre head, then speech,
//! then noise.

use super::event::DeadAir;

/// How a source stands after one patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// By loudness.
    pub level: Level,
    /// Whether the patch was evidence: it is not where it is too quiet, or not all of it is numbers.
    pub weighed: bool,
    /// The present sound.
    pub sound: Sound,
    /// The last decision; `None` before the first patch that was evidence, and in silence.
    pub choice: Option<Standing>,
    /// The state that is held since.
    pub held: Option<usize>,
    /// Seconds more for which it is kept at most, where another has a larger share.
    pub kept_for_s: Option<f64>,
}

/// Silence, and what else is dead air.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// What makes it dead air.
    pub dead_air: Option<DeadAir>,
    /// What counts as quiet, in LUFS: the threshold, and where it is silent the margin on top of it.
    pub quiet_below: f32,
    /// For how many seconds it has been quiet.
    pub quiet_s: f64,
    /// For how many it must.
    pub after: f64,
}

/// The present sound: the stretch that one mixture of states describes.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Seconds since it most likely began.
    pub age_s: f64,
    /// Probability of the newest patch under what was heard before it, 0–1; `None` where that is nothing.
    pub fit: Option<f64>,
    /// Probability that something else has begun since, 0–1.
    pub changing: f64,
    /// Every state, the one with the largest share first; empty before the first patch.
    pub states: Vec<StateShare>,
}

/// Share of one state in the present sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateShare {
    /// The state.
    pub state: usize,
    /// Its share, 0–1.
    pub share: f64,
}

/// How the state that may be held next stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// The state that was held when it was judged.
    pub held: Option<usize>,
    /// The state.
    pub candidate: usize,
    /// The one that it must lead; `None` where nothing is held: then it must lead an even share of all.
    pub against: Option<usize>,
    /// Share by which it does; below 0 it trails.
    pub ahead: f64,
    /// Share by which it must.
    pub needed: f64,
    /// Whether it did, and is held since.
    pub passes: bool,
}
