//! Mel filter banks.

use multiversion::multiversion;

use super::params::{LogMelParams, MelNorm, MelScale, MelSlope};

/// Values that a band's weights are padded to a multiple of.
pub(super) const LANES: usize = 8;

/// The filter bank as a matrix, row-major `[bands, fft_size / 2 + 1]`, designed in double precision.
///
/// Follows librosa's `filters.mel` for [`MelSlope::Hertz`] and TensorFlow's
/// `signal.linear_to_mel_weight_matrix` for [`MelSlope::Mel`].
pub fn mel_filters(params: &LogMelParams) -> Vec<f64> {
    let scale = params.mel_scale;
    let bins = params.fft_size / 2 + 1;
    let bin_hertz = f64::from(params.sample_rate.hertz()) / params.fft_size as f64;
    let (low, high) = (to_mel(scale, params.f_min), to_mel(scale, params.f_max));
    let edge = |i: usize| low + (high - low) * i as f64 / (params.bands + 1) as f64;
    let mut matrix = vec![0.0; params.bands * bins];
    for (band, row) in matrix.chunks_exact_mut(bins).enumerate() {
        let mels = [edge(band), edge(band + 1), edge(band + 2)];
        let hertz = mels.map(|mel| to_hertz(scale, mel));
        let norm = match params.mel_norm {
            MelNorm::Slaney => 2.0 / (hertz[2] - hertz[0]),
            MelNorm::None => 1.0,
        };
        for (bin, weight) in row.iter_mut().enumerate() {
            let frequency = bin as f64 * bin_hertz;
            let (x, [left, peak, right]) = match params.mel_slope {
                MelSlope::Hertz => (frequency, hertz),
                MelSlope::Mel => (to_mel(scale, frequency), mels),
            };
            let rising = (x - left) / (peak - left);
            let falling = (right - x) / (right - peak);
            *weight = rising.min(falling).max(0.0) * norm;
        }
    }
    matrix
}

// Slaney's scale: 3 mel for each 200 Hz up to 1 kHz, then 27 steps for each factor of 6.4.
const HERTZ_PER_MEL: f64 = 200.0 / 3.0;
const BREAK_HERTZ: f64 = 1000.0;
const BREAK_MEL: f64 = BREAK_HERTZ / HERTZ_PER_MEL;
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn to_mel(scale: MelScale, hertz: f64) -> f64 {
    match scale {
        MelScale::Slaney if hertz < BREAK_HERTZ => hertz / HERTZ_PER_MEL,
        MelScale::Slaney => BREAK_MEL + (hertz / BREAK_HERTZ).ln() / log_step(),
        MelScale::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
    }
}

fn to_hertz(scale: MelScale, mel: f64) -> f64 {
    match scale {
        MelScale::Slaney if mel < BREAK_MEL => mel * HERTZ_PER_MEL,
        MelScale::Slaney => BREAK_HERTZ * ((mel - BREAK_MEL) * log_step()).exp(),
        MelScale::Htk => 700.0 * (10_f64.powf(mel / 2595.0) - 1.0),
    }
}

/// The filter bank in the form that it is applied in: each band's weights alone,
/// padded with zeros to whole groups of [`LANES`].
pub(super) struct MelBank {
    /// First bin and number of groups of each band.
    runs: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl MelBank {
    pub(super) fn new(params: &LogMelParams) -> Self {
        let bins = params.fft_size / 2 + 1;
        let mut bank = Self { runs: Vec::with_capacity(params.bands), weights: Vec::new() };
        for row in mel_filters(params).chunks_exact(bins) {
            let first = row.iter().position(|&weight| weight > 0.0).unwrap_or(0);
            let end = row.iter().rposition(|&weight| weight > 0.0).map_or(0, |last| last + 1);
            let groups = (end - first).div_ceil(LANES);
            bank.runs.push((first, groups));
            let run = row[first..end].iter().map(|&weight| weight as f32);
            bank.weights.extend(run.chain(std::iter::repeat(0.0)).take(groups * LANES));
        }
        bank
    }

    /// Weighs `spectrum` (`fft_size / 2 + 1` bins and at least [`LANES`] zeros) into `row` (`bands`).
    pub(super) fn apply(&self, spectrum: &[f32], row: &mut [f32]) {
        apply(&self.runs, &self.weights, spectrum, row);
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn apply(runs: &[(usize, usize)], mut weights: &[f32], spectrum: &[f32], row: &mut [f32]) {
    for (value, &(first, groups)) in row.iter_mut().zip(runs) {
        let (own, rest) = weights.split_at(groups * LANES);
        weights = rest;
        let bins = &spectrum[first..first + groups * LANES];
        let mut sums = [0.0_f32; LANES];
        for (w, x) in own.chunks_exact(LANES).zip(bins.chunks_exact(LANES)) {
            for lane in 0..LANES {
                sums[lane] += w[lane] * x[lane];
            }
        }
        let fours = [sums[0] + sums[4], sums[1] + sums[5], sums[2] + sums[6], sums[3] + sums[7]];
        *value = (fours[0] + fours[2]) + (fours[1] + fours[3]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_meet_their_definitions() {
        assert!((to_mel(MelScale::Slaney, 1000.0) - 15.0).abs() < 1e-12);
        assert!((to_mel(MelScale::Slaney, 6400.0) - 42.0).abs() < 1e-12);
        assert!((to_mel(MelScale::Htk, 1000.0) - 1000.0).abs() < 0.02);
        for scale in [MelScale::Slaney, MelScale::Htk] {
            for hertz in [0.0, 60.0, 999.9, 1000.0, 4321.0, 11_025.0] {
                assert!((to_hertz(scale, to_mel(scale, hertz)) - hertz).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn the_sparse_form_is_the_matrix() {
        for params in [LogMelParams::musicnn(), LogMelParams::yamnet()] {
            let bins = params.fft_size / 2 + 1;
            let mut spectrum: Vec<f32> = (0..bins).map(|i| ((i * 7919) % 101) as f32).collect();
            let matrix = mel_filters(&params);
            let dense: Vec<f64> = matrix
                .chunks_exact(bins)
                .map(|row| row.iter().zip(&spectrum).map(|(w, &x)| w * f64::from(x)).sum())
                .collect();
            spectrum.resize(bins + LANES, 0.0);
            let mut row = vec![0.0; params.bands];
            MelBank::new(&params).apply(&spectrum, &mut row);
            for (sparse, dense) in row.iter().zip(dense) {
                assert!((f64::from(*sparse) - dense).abs() <= 1e-6 * dense.abs(), "{sparse} {dense}");
            }
        }
    }
}
