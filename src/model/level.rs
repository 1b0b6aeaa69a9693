//! The level at which a streamed trunk hears: quiet sound is made as loud as the trunk's training material, and
//! bass that a small loudspeaker left out is given back.
//!
//! The gains follow the patch: the last three seconds. Windowed trunks have the same inside; the formulas, and
//! why, are in `training/genred_training/level.py`.

use serde::Deserialize;

use crate::dsp::{exp10_minus_one, log10_one_plus};

/// `[trunk.streamed.level]` of a manifest. Decibels are of mel power, 1 being full scale.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelEntry {
    /// A patch's mean power is lifted to this,
    reference_db: f32,
    /// by at most this much.
    max_gain_db: f32,
    /// Usual power of the lowest bands beside the mean of the bands `mids`.
    usual_bass_db: Vec<f32>,
    /// Bands, from and to.
    mids: [usize; 2],
    /// A band may be this much weaker than usual,
    slack_db: f32,
    /// and is lifted by at most this much.
    max_bass_db: f32,
}

impl LevelEntry {
    /// Checks the entry against the front end's number of bands.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self, bands: usize) -> Result<(), String> {
        let decibels = [self.reference_db, self.max_gain_db, self.slack_db, self.max_bass_db];
        if decibels.iter().chain(&self.usual_bass_db).any(|db| db.is_nan() || db.abs() > 100.0) {
            return Err("level: decibels must be numbers from -100 to 100".into());
        }
        if self.usual_bass_db.len() > bands {
            return Err(format!("level.usual_bass_db has more values than there are bands, {bands}"));
        }
        if !(self.mids[0] < self.mids[1] && self.mids[1] <= bands) {
            return Err(format!("level.mids is {:?}, not a range of the {bands} bands", self.mids));
        }
        Ok(())
    }
}

/// Digital silence has no power to divide by; the gain ends long before.
const SMALLEST: f32 = 1e-3;

/// Lifts log-mel rows, `log10(1 + scale * power)`, to the level.
#[derive(Debug, Clone)]
pub struct Level {
    bands: usize,
    /// What the mean of `scale * power` is lifted to, and by how much at most.
    reference: f32,
    max_gain: f32,
    /// Least power of the lowest bands beside that of the mids.
    least_bass: Vec<f32>,
    mids: std::ops::Range<usize>,
    max_bass: f32,
    /// Powers of a row, and the gain of each band.
    powers: Vec<f32>,
    gains: Vec<f32>,
}

impl Level {
    /// `entry` must be valid for the number of `bands`; `scale` is the compression's.
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

    /// Lifts `rows`, `[n, bands]`, as the patch `[frames, bands]` needs it.
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

    /// Takes the gains from a patch.
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
