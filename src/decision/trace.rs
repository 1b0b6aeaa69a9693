//! Why it was decided so: plain values, read off what decides.
//!
//! A *state* is counted as evidence counts them: the labels of the genre head, then speech, then noise.

use super::event::DeadAir;

/// How a source stands after one patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// By loudness.
    pub level: Level,
    /// Whether the patch was evidence: it is not where it is too quiet, or not all of it is numbers.
    pub weighed: bool,
    /// The sound since the last change.
    pub run: Run,
    /// How it stood when the last patch that was evidence was decided upon; `None` before the first, and in silence.
    pub choice: Option<Standing>,
    /// What is held since.
    pub held: Option<usize>,
    /// Whether `held` was chosen by the present run, and not by the one before.
    pub settled: bool,
    /// How many seconds more what the run before chose is held at most; `None` where nothing of the kind is.
    pub carried_for: Option<f64>,
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

/// The sound since the last change, and whether it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Seconds since it began.
    pub age: f64,
    /// Seconds of evidence, what has faded left out, and noise counted in part.
    pub seconds: f64,
    /// Seconds of evidence that wait beside it, and may be the beginning of the next.
    pub waiting: f64,
    /// The newest patch's distance from it, 1 being as far as one sure label is from another; `None` where the run was too
    /// short to be unlike of.
    pub patch_distance: Option<f64>,
    /// A patch further than this speaks for a change.
    pub change_distance: f64,
    /// What speaks for a change, in seconds, the newest patch included.
    pub sum: f64,
    /// As much of it is a change.
    pub change_seconds: f64,
    /// Whether the newest patch completed one; then all else here is of the new run.
    pub changed: bool,
    /// How far it is from the run before; `None` where there was none.
    pub step: Option<f64>,
    /// Every state, the one that most speaks for first.
    pub states: Vec<StateEvidence>,
}

/// What speaks for one state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateEvidence {
    /// The state.
    pub state: usize,
    /// Seconds that speak for it.
    pub seconds: f64,
    /// Their share of the run's, 0–1.
    pub share: f64,
}

/// What makes a state the one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It leads the next by `decision.lead`, more where the sound is much as before: so in a new run.
    Lead,
    /// It leads the held one by `decision.replace`: so in a run that has chosen.
    Replace,
}

/// How the state that may be held next stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// What it must do.
    pub rule: Rule,
    /// What was held when it was judged.
    pub held: Option<usize>,
    /// The state.
    pub candidate: usize,
    /// The one that it must lead.
    pub against: usize,
    /// By how many seconds of evidence it does; below 0 it trails.
    pub ahead: f64,
    /// By how many it must.
    pub needed: f64,
    /// Its share of the evidence, 0–1.
    pub share: f64,
    /// The share that it must have.
    pub least: f64,
    /// Whether it did, and is held since.
    pub passes: bool,
}
