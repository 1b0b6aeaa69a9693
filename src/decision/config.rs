//! `[decision]`, `[source.silence]`, `[source.dead_air]` and `[source.imbalance]`.

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
    /// After a change, a label other than the published one must lead by this share of the evidence as well, 0–1, less the longer
    /// it has been since the change, and nothing after `carry`; by less where the published one has stood for less than 90 s.
    pub clear: f64,
    /// Without a change, another label replaces the published one once it leads that by this much evidence; by 20 s at most where the
    /// sound went back to what it was less than a minute before.
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
            clear: 0.75,
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
        for (key, value) in [("clear", self.clear), ("least", self.least)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("`decision.{key}` is {value}, not 0 to 1"));
            }
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

/// `[source.dead_air]`: what else than silence counts as dead air.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadAirConfig {
    /// Sound that has repeated itself to the bit for this many seconds; 0: never.
    pub loop_after: f64,
    /// A pure tone that has lasted for this many seconds; 0: never.
    pub tone_after: f64,
}

impl Default for DeadAirConfig {
    fn default() -> Self {
        Self { loop_after: 20.0, tone_after: 10.0 }
    }
}

impl DeadAirConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        for (key, value) in [("loop_after", self.loop_after), ("tone_after", self.tone_after)] {
            if value != 0.0 && !(1.0..=86_400.0).contains(&value) {
                return Err(format!("`dead_air.{key}` is {value}, not 1 to 86400 seconds, or 0 for never"));
            }
        }
        Ok(())
    }
}

/// `[source.imbalance]`: when one of two channels counts as missing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImbalanceConfig {
    /// One channel is louder than the other by at least this many dB, 6 to 60; 0: never.
    pub threshold_db: f32,
    /// For this many seconds.
    pub after: f64,
}

impl Default for ImbalanceConfig {
    fn default() -> Self {
        Self { threshold_db: 20.0, after: 30.0 }
    }
}

impl ImbalanceConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if self.threshold_db != 0.0 && !(6.0..=60.0).contains(&self.threshold_db) {
            return Err(format!(
                "`imbalance.threshold_db` is {}, not 6 to 60 dB, or 0 for never",
                self.threshold_db
            ));
        }
        if !(0.0..=86_400.0).contains(&self.after) {
            return Err(format!("`imbalance.after` is {}, not 0 to 86400 seconds", self.after));
        }
        Ok(())
    }
}
