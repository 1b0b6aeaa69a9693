//! Input gain of a streamed trunk.
//!
//! Raises quiet audio to the level of the training material, and restores bass that a small
//! loudspeaker did not reproduce. The gains are computed from the current patch, the last three
//! seconds. Windowed trunks contain the same stage; `training/genred_training/level.py` has the
//! formulas and the reasons.

use serde::Deserialize;

use crate::dsp::{exp10_minus_one, log10_one_plus};
use crate::limits::ConfigError;

/// `[trunk.streamed.level]` of a manifest. Decibels are of mel power, 1 being full scale.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelEntry {
    /// Target of the mean power of a patch.
    reference_db: f32,
    /// Maximum gain.
    max_gain_db: f32,
    /// Usual power of the lowest bands, relative to the mean of the bands `mids`.
    usual_bass_db: Vec<f32>,
    /// Range of the middle bands, end excluded.
    mids: [usize; 2],
    /// Deviation below the usual power that is not corrected.
    slack_db: f32,
    /// Maximum additional gain of a low band.
    max_bass_db: f32,
}

impl LevelEntry {
    /// Checks the entry against the front end's number of bands.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn validate(&self, bands: usize) -> Result<(), ConfigError> {
        let single = [
            ("reference_db", self.reference_db),
            ("max_gain_db", self.max_gain_db),
            ("slack_db", self.slack_db),
            ("max_bass_db", self.max_bass_db),
        ];
        let usual = self.usual_bass_db.iter().map(|db| ("usual_bass_db", *db));
        for (key, db) in single.into_iter().chain(usual) {
            if !(-100.0..=100.0).contains(&db) {
                return Err(wrong(key, db, "-100 to 100 dB"));
            }
        }
        if self.usual_bass_db.len() > bands {
            let found = format!("a list of {} values", self.usual_bass_db.len());
            return Err(wrong("usual_bass_db", found, &format!("at most one per band, {bands}")));
        }
        if !(self.mids[0] < self.mids[1] && self.mids[1] <= bands) {
            return Err(wrong("mids", format!("{:?}", self.mids), &format!("a range of the {bands} bands")));
        }
        Ok(())
    }
}

fn wrong(key: &str, value: impl std::fmt::Display, expected: &str) -> ConfigError {
    ConfigError::new(format!("trunk.streamed.level.{key}"), value, expected)
}

/// Lower bound of divisors, for digital silence. Far below the power at which the maximum gain
/// applies.
const SMALLEST: f32 = 1e-3;

/// Applies the gains to log-mel rows, `log10(1 + scale * power)`.
#[derive(Debug, Clone)]
pub struct GainNormalizer {
    bands: usize,
    /// Target of the mean of `scale * power`.
    reference: f32,
    max_gain: f32,
    /// Minimum power of the lowest bands, relative to the middle bands.
    least_bass: Vec<f32>,
    mids: std::ops::Range<usize>,
    max_bass: f32,
    /// Scratch: powers of one row.
    powers: Vec<f32>,
    gains: Vec<f32>,
}

impl GainNormalizer {
    /// Creates the stage. `entry` must be valid for `bands`; `scale` is that of the compression.
    pub fn new(entry: &LevelEntry, bands: usize, scale: f64) -> Self {
        let ratio = |db: f32| 10_f32.powf(db / 10.0);
        Self {
            bands,
            reference: (scale * 10_f64.powf(f64::from(entry.reference_db) / 10.0)) as f32,
            max_gain: ratio(entry.max_gain_db),
            least_bass: entry.usual_bass_db.iter().map(|db| ratio(db - entry.slack_db)).collect(),
            mids: entry.mids[0]..entry.mids[1],
            max_bass: ratio(entry.max_bass_db),
            powers: vec![0.0; bands],
            gains: vec![1.0; bands],
        }
    }

    /// Applies to `rows`, `[n, bands]`, the gains of `patch`, `[frames, bands]`.
    pub fn lift(&mut self, patch: &[f32], rows: &mut [f32]) {
        self.listen(patch);
        if self.gains.iter().all(|gain| *gain == 1.0) {
            return;
        }
        exp10_minus_one(rows);
        for row in rows.chunks_exact_mut(self.bands) {
            row.iter_mut().zip(&self.gains).for_each(|(power, gain)| *power *= gain);
        }
        log10_one_plus(rows, 1.0);
    }

    /// Computes the gain of each band from a patch.
    fn listen(&mut self, patch: &[f32]) {
        let frames = (patch.len() / self.bands) as f32;
        self.gains.fill(0.0);
        for row in patch.chunks_exact(self.bands) {
            self.powers.copy_from_slice(row);
            exp10_minus_one(&mut self.powers);
            self.gains.iter_mut().zip(&self.powers).for_each(|(sum, power)| *sum += power);
        }
        self.gains.iter_mut().for_each(|sum| *sum /= frames);
        let means = &mut self.gains;
        let mean = means.iter().sum::<f32>() / means.len() as f32;
        let gain = (self.reference / mean.max(SMALLEST)).clamp(1.0, self.max_gain);
        let mids = means[self.mids.clone()].iter().sum::<f32>() / self.mids.len() as f32;
        for (mean, least) in means.iter_mut().zip(&self.least_bass) {
            *mean = gain * (mids * least / mean.max(SMALLEST)).clamp(1.0, self.max_bass);
        }
        means[self.least_bass.len()..].fill(gain);
    }
}
