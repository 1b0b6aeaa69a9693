//! Mel filter banks.

use multiversion::multiversion;

use super::params::{LogMelParams, MelNorm, MelScale, MelSlope};

/// Bands processed side by side: single-precision numbers in an AVX2 register.
const LANES: usize = 8;

/// Bins processed at once. Four parallel sums hide the latency of an addition.
pub(super) const STRIDE: usize = 4;

/// Filter bank as a matrix, row-major `[bands, fft_size / 2 + 1]`, in double precision.
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

// Slaney's scale: 3 mel per 200 Hz up to 1 kHz, then 27 steps per factor of 6.4.
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

/// Filter bank in the form in which it is applied: bands in groups of [`LANES`], one per vector
/// lane, and for each group the weights of every bin that contributes to one of them.
///
/// Neighbouring bands cover nearly the same bins, so few of the weights are zero, and no sum
/// crosses vector lanes.
pub(super) struct MelBank {
    groups: Vec<BandGroup>,
    /// Row-major `[bins of a group, LANES]`, group after group.
    weights: Vec<f32>,
}

/// Bins covered by [`LANES`] bands, in multiples of [`STRIDE`].
struct BandGroup {
    first: usize,
    steps: usize,
}

impl MelBank {
    pub(super) fn new(params: &LogMelParams) -> Self {
        let bins = params.fft_size / 2 + 1;
        let matrix = mel_filters(params);
        let mut bank = Self { groups: Vec::new(), weights: Vec::new() };
        for rows in matrix.chunks(LANES * bins) {
            let covers = |&bin: &usize| rows.iter().skip(bin).step_by(bins).any(|&weight| weight > 0.0);
            let first = (0..bins).find(covers).unwrap_or(0);
            let end = (0..bins).rev().find(covers).map_or(0, |last| last + 1);
            let steps = (end - first).div_ceil(STRIDE);
            for bin in first..first + steps * STRIDE {
                for lane in 0..LANES {
                    let weight = if bin < bins { rows.get(lane * bins + bin) } else { None };
                    bank.weights.push(weight.map_or(0.0, |&weight| weight as f32));
                }
            }
            bank.groups.push(BandGroup { first, steps });
        }
        bank
    }

    /// Applies the filters to `spectrum` (`fft_size / 2 + 1` bins and [`STRIDE`] zeros) and writes
    /// `row` (`bands`).
    pub(super) fn apply(&self, spectrum: &[f32], row: &mut [f32]) {
        apply(&self.groups, &self.weights, spectrum, row);
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
#[allow(clippy::needless_range_loop)] // Lanes by number are what the compiler makes vectors of.
fn apply(groups: &[BandGroup], mut weights: &[f32], spectrum: &[f32], row: &mut [f32]) {
    for (group, values) in groups.iter().zip(row.chunks_mut(LANES)) {
        let (own, rest) = weights.split_at(group.steps * STRIDE * LANES);
        weights = rest;
        let bins = &spectrum[group.first..group.first + group.steps * STRIDE];
        let mut sums = [[0.0_f32; LANES]; STRIDE];
        for (w, x) in own.as_chunks::<{ STRIDE * LANES }>().0.iter().zip(bins.as_chunks::<STRIDE>().0) {
            for step in 0..STRIDE {
                for lane in 0..LANES {
                    sums[step][lane] += w[step * LANES + lane] * x[step];
                }
            }
        }
        let mut total = [0.0; LANES];
        for lane in 0..LANES {
            total[lane] = (sums[0][lane] + sums[2][lane]) + (sums[1][lane] + sums[3][lane]);
        }
        values.copy_from_slice(&total[..values.len()]);
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
        let odd = LogMelParams { bands: 51, ..LogMelParams::musicnn() };
        for params in [LogMelParams::musicnn(), LogMelParams::yamnet(), odd] {
            let bins = params.fft_size / 2 + 1;
            let mut spectrum: Vec<f32> = (0..bins).map(|i| ((i * 7919) % 101) as f32).collect();
            let matrix = mel_filters(&params);
            let dense: Vec<f64> = matrix
                .chunks_exact(bins)
                .map(|row| row.iter().zip(&spectrum).map(|(w, &x)| w * f64::from(x)).sum())
                .collect();
            spectrum.resize(bins + STRIDE, 0.0);
            let mut row = vec![0.0; params.bands];
            MelBank::new(&params).apply(&spectrum, &mut row);
            for (sparse, dense) in row.iter().zip(dense) {
                assert!((f64::from(*sparse) - dense).abs() <= 1e-6 * dense.abs(), "{sparse} {dense}");
            }
        }
    }
}
