//! `[decision]` and `[source.silence]`.

use serde::Deserialize;

/// `[decision]`: how hard it is to change the published genre.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionConfig {
    /// Time constant of the exponential average, in seconds; 0 for none.
    pub time_constant: f64,
    /// A label must be at least this likely to be published, 0–1.
    pub enter: f32,
    /// A published label is dropped below this, 0–1, at most `enter`.
    pub leave: f32,
    /// Another label must be likelier than the published one by this much, 0–1.
    pub margin: f32,
    /// A decision is held for at least this many seconds.
    pub min_dwell: f64,
}

impl Default for DecisionConfig {
    fn default() -> Self {
        Self { time_constant: 8.0, enter: 0.5, leave: 0.35, margin: 0.2, min_dwell: 4.0 }
    }
}

impl DecisionConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        for (key, value) in [("enter", self.enter), ("leave", self.leave), ("margin", self.margin)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("`decision.{key}` is {value}, not 0 to 1"));
            }
        }
        if self.leave > self.enter {
            return Err(format!(
                "`decision.leave` ({}) is above `decision.enter` ({})",
                self.leave, self.enter
            ));
        }
        for (key, value) in [("time_constant", self.time_constant), ("min_dwell", self.min_dwell)] {
            if !(0.0..=3600.0).contains(&value) {
                return Err(format!("`decision.{key}` is {value}, not 0 to 3600 seconds"));
            }
        }
        Ok(())
    }
}

/// `[source.silence]`: when a source counts as silent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
