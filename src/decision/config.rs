//! `[decision]`, `[source.silence]`, `[source.dead_air]` and `[source.imbalance]`.

use serde::{Deserialize, Serialize};

use crate::limits::{ConfigError, Limit};
use crate::settings::{DecisionSettings, SilenceSettings};

const EXPECTED_PIECE_S: Limit = Limit::new("decision.expected_piece_s", 5.0, 3600.0, "seconds");
const SWITCH_MARGIN: Limit = Limit::new("decision.switch_margin", 0.01, 0.9, "");
const HOLD_S: Limit = Limit::new("decision.hold_s", 1.0, 3600.0, "seconds");
const THRESHOLD_LUFS: Limit = Limit::new("silence.threshold_lufs", -70.0, 0.0, "LUFS");
const SILENCE_AFTER_S: Limit = Limit::new("silence.after_s", 0.0, 86_400.0, "seconds");
const LOOP_AFTER_S: Limit = Limit::new("dead_air.loop_after_s", 1.0, 86_400.0, "seconds").or_zero("never");
const TONE_AFTER_S: Limit = Limit::new("dead_air.tone_after_s", 1.0, 86_400.0, "seconds").or_zero("never");
const THRESHOLD_DB: Limit = Limit::new("imbalance.threshold_db", 6.0, 60.0, "dB").or_zero("never");
const IMBALANCE_AFTER_S: Limit = Limit::new("imbalance.after_s", 0.0, 86_400.0, "seconds");

/// `[decision]`: when the published genre changes.
///
/// `docs/design/decisions-and-delay.md` has the model, and the curves of all keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionConfig {
    /// Mean length of a piece, in seconds, 5 to 3600: the expected time from one change of the
    /// sound to the next.
    pub expected_piece_s: f64,
    /// Share of the present sound, 0.01 to 0.9, by which another label, speech or noise must lead
    /// the published one to replace it. If nothing is published, a state must exceed an even share
    /// (1/n) by this fraction of the distance from 1/n to 1.
    pub switch_margin: f64,
    /// Seconds, 1 to 3600, for which the published label is kept while another has a larger share,
    /// though not by the margin.
    pub hold_s: f64,
    /// Constants that the configuration does not set.
    #[serde(skip)]
    pub constants: DecisionConstants,
}

impl Default for DecisionConfig {
    fn default() -> Self {
        Self {
            expected_piece_s: 300.0,
            switch_margin: 0.25,
            hold_s: 120.0,
            constants: DecisionConstants::default(),
        }
    }
}

/// Constants of the model. `genred eval --sweep` varies them for the ablation in
/// `docs/design/decisions-and-delay.md`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DecisionConstants {
    /// Prior of each state at the beginning of a segment, in seconds: a few patches are not
    /// conclusive.
    pub prior_s: f64,
    /// Exponent of a second's likelihood.
    pub sharpness: f64,
    /// Weight of a second of noise: music has noisy bars, and pieces begin with applause or hiss.
    pub noise_weight: f64,
    /// Time constant, in seconds, with which the evidence of a segment decays: long pieces change.
    pub memory_s: f64,
    /// Number of segments that are kept as hypotheses; the least probable one is dropped.
    pub max_segments: f64,
}

impl Default for DecisionConstants {
    fn default() -> Self {
        Self { prior_s: 0.35, sharpness: 3.0, noise_weight: 0.1, memory_s: 30.0, max_segments: 24.0 }
    }
}

impl DecisionConfig {
    /// Settings that can be changed at run time.
    pub fn settings(&self) -> DecisionSettings {
        DecisionSettings {
            expected_piece_s: self.expected_piece_s,
            switch_margin: self.switch_margin,
            hold_s: self.hold_s,
        }
    }

    /// This configuration with other run-time settings.
    #[must_use]
    pub fn with_settings(&self, settings: &DecisionSettings) -> Self {
        let DecisionSettings { expected_piece_s, switch_margin, hold_s } = *settings;
        Self { expected_piece_s, switch_margin, hold_s, constants: self.constants }
    }

    /// Returns the key that replaced the former key `key`.
    pub fn renamed(key: &str) -> Option<&'static str> {
        match key {
            "change_distance" | "lead" | "clear" | "replace" | "least" => Some("switch_margin"),
            "change_seconds" | "memory" => Some("expected_piece_s"),
            "carry" => Some("hold_s"),
            _ => None,
        }
    }

    /// Every key and constant by its name.
    pub fn values(&self) -> [(&'static str, f64); 8] {
        let DecisionConstants { prior_s, sharpness, noise_weight, memory_s, max_segments } = self.constants;
        [
            ("expected_piece_s", self.expected_piece_s),
            ("switch_margin", self.switch_margin),
            ("hold_s", self.hold_s),
            ("prior_s", prior_s),
            ("sharpness", sharpness),
            ("noise_weight", noise_weight),
            ("memory_s", memory_s),
            ("max_segments", max_segments),
        ]
    }

    /// Sets the key or constant `key`.
    ///
    /// # Errors
    /// There is none of that name, or the value is out of its range.
    pub fn set(&mut self, key: &str, value: f64) -> Result<(), ConfigError> {
        let place = match key {
            "expected_piece_s" => &mut self.expected_piece_s,
            "switch_margin" => &mut self.switch_margin,
            "hold_s" => &mut self.hold_s,
            "prior_s" => &mut self.constants.prior_s,
            "sharpness" => &mut self.constants.sharpness,
            "noise_weight" => &mut self.constants.noise_weight,
            "memory_s" => &mut self.constants.memory_s,
            "max_segments" => &mut self.constants.max_segments,
            _ => {
                let known = self.values().map(|(key, _)| key).join("`, `");
                return Err(ConfigError::new(key, "not a key", format!("one of `{known}`")));
            }
        };
        *place = value;
        self.validate()
    }

    /// Checks limits.
    ///
    /// # Errors
    /// The first setting outside its limits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (limit, value) in [
            (EXPECTED_PIECE_S, self.expected_piece_s),
            (SWITCH_MARGIN, self.switch_margin),
            (HOLD_S, self.hold_s),
            (Limit::new("decision.prior_s", 0.01, 10.0, "seconds"), self.constants.prior_s),
            (Limit::new("decision.sharpness", 0.1, 10.0, ""), self.constants.sharpness),
            (Limit::new("decision.noise_weight", 0.0, 1.0, ""), self.constants.noise_weight),
            (Limit::new("decision.memory_s", 1.0, 1e6, "seconds"), self.constants.memory_s),
            (Limit::new("decision.max_segments", 2.0, 256.0, ""), self.constants.max_segments),
        ] {
            limit.check(value)?;
        }
        Ok(())
    }
}

/// `[source.silence]`: when a source counts as silent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SilenceConfig {
    /// Threshold of the short-term loudness, in LUFS, −70 to 0.
    pub threshold_lufs: f32,
    /// Time below the threshold, in seconds, after which a source counts as silent.
    pub after_s: f64,
}

impl Default for SilenceConfig {
    fn default() -> Self {
        Self { threshold_lufs: -60.0, after_s: 2.0 }
    }
}

impl From<&SilenceSettings> for SilenceConfig {
    fn from(settings: &SilenceSettings) -> Self {
        let SilenceSettings { threshold_lufs, after_s } = *settings;
        Self { threshold_lufs, after_s }
    }
}

impl SilenceConfig {
    /// Settings that can be changed at run time: all of them.
    pub fn settings(&self) -> SilenceSettings {
        SilenceSettings { threshold_lufs: self.threshold_lufs, after_s: self.after_s }
    }

    /// Checks limits.
    ///
    /// # Errors
    /// The first setting outside its limits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        THRESHOLD_LUFS.check(self.threshold_lufs.into())?;
        SILENCE_AFTER_S.check(self.after_s)?;
        Ok(())
    }
}

/// `[source.dead_air]`: dead air other than silence.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadAirConfig {
    /// Seconds after which audio that repeats bit by bit counts as dead air; 0: never.
    pub loop_after_s: f64,
    /// Seconds after which a pure tone counts as dead air; 0: never.
    pub tone_after_s: f64,
}

impl Default for DeadAirConfig {
    fn default() -> Self {
        Self { loop_after_s: 20.0, tone_after_s: 10.0 }
    }
}

impl DeadAirConfig {
    /// Checks limits.
    ///
    /// # Errors
    /// The first setting outside its limits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        LOOP_AFTER_S.check(self.loop_after_s)?;
        TONE_AFTER_S.check(self.tone_after_s)?;
        Ok(())
    }
}

/// `[source.imbalance]`: when one of two channels counts as missing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImbalanceConfig {
    /// Smallest difference of level between the channels, in dB, 6 to 60; 0: never.
    pub threshold_db: f32,
    /// Duration of that difference, in seconds.
    pub after_s: f64,
}

impl Default for ImbalanceConfig {
    fn default() -> Self {
        Self { threshold_db: 20.0, after_s: 30.0 }
    }
}

impl ImbalanceConfig {
    /// Checks limits.
    ///
    /// # Errors
    /// The first setting outside its limits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        THRESHOLD_DB.check(self.threshold_db.into())?;
        IMBALANCE_AFTER_S.check(self.after_s)?;
        Ok(())
    }
}
