//! `[decision]` and `[source.silence]`.

use serde::{Deserialize, Serialize};

/// `[decision]`: when a source counts as having changed, and what it takes to publish and to replace a label.
///
/// `docs/decisions-and-delay.md` has the curves of all keys but `carry` and `least`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionConfig {
    /// A patch further than this from what was heard since the last change speaks for a change. 0: alike; 1: as far as one
    /// label is from another, where each is likely at 0.8; below 1.
    pub change_distance: f64,
    /// That many seconds of patches at distance 1, more of nearer and fewer of farther ones, are a change; above 0.
    pub change_seconds: f64,
    /// After a change, the best label is published once it leads the next by this much evidence, posterior times seconds;
    /// by more where the sound is nearer than 1 to what it was before the change.
    pub lead: f64,
    /// Without a change, another label replaces the published one once it leads that by this much evidence.
    pub replace: f64,
    /// Evidence fades with this time constant, in seconds, 10 to 3600.
    pub memory: f64,
    /// After a change, the label from before is kept for at most this many seconds while no other leads.
    pub carry: f64,
    /// Share of the evidence since the last change, 0–1, that a label, speech or noise must have to be published.
    pub least: f64,
}

impl Default for DecisionConfig {
    fn default() -> Self {
        Self {
            change_distance: 0.57,
            change_seconds: 1.5,
            lead: 0.75,
            replace: 150.0,
            memory: 600.0,
            carry: 40.0,
            least: 0.15,
        }
    }
}

impl DecisionConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if !(0.0..=0.99).contains(&self.change_distance) {
            return Err(format!("`decision.change_distance` is {}, not 0 to 0.99", self.change_distance));
        }
        if !(0.0..=1.0).contains(&self.least) {
            return Err(format!("`decision.least` is {}, not 0 to 1", self.least));
        }
        for (key, value, least) in [
            ("change_seconds", self.change_seconds, 0.01),
            ("lead", self.lead, 0.0),
            ("replace", self.replace, 0.0),
            // With less, a run never holds enough to be unlike of (`run::SETTLED`).
            ("memory", self.memory, 10.0),
            ("carry", self.carry, 0.0),
        ] {
            if !(least..=3600.0).contains(&value) {
                return Err(format!("`decision.{key}` is {value}, not {least} to 3600 seconds"));
            }
        }
        Ok(())
    }
}

/// `[source.silence]`: when a source counts as silent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SilenceConfig {
    /// Quieter than this short-term loudness, in LUFS, −70 to 0.
    pub threshold_lufs: f32,
    /// For this many seconds.
    pub after: f64,
}

impl Default for SilenceConfig {
    fn default() -> Self {
        Self { threshold_lufs: -60.0, after: 2.0 }
    }
}

impl SilenceConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if !(-70.0..=0.0).contains(&self.threshold_lufs) {
            return Err(format!("`silence.threshold_lufs` is {}, not -70 to 0 LUFS", self.threshold_lufs));
        }
        if !(0.0..=86_400.0).contains(&self.after) {
            return Err(format!("`silence.after` is {}, not 0 to 86400 seconds", self.after));
        }
        Ok(())
    }
}
