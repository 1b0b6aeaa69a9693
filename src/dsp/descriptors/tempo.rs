//! Tempo in beats per minute.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::framing::{BANDS, FRAME, HOP, RATE};

/// Length of a tempogram window in frames: 8 s, librosa's `ac_size`, in whole frames.
const WINDOW: usize = 8 * RATE.hertz() as usize / HOP;

/// Length of the transform: at least 2 · [`WINDOW`] − 1, and a product of small primes.
const TRANSFORM: usize = 720;

/// Delay of onsets in frames: one for the difference, the others for the middle of the analysis
/// frame.
const DELAY: usize = 1 + FRAME / (2 * HOP);

/// Centre of the prior in beats per minute, its width in octaves, and its upper limit: librosa's
/// defaults.
const START_BPM: f64 = 120.0;
const WIDTH_OCTAVES: f64 = 1.0;
const MAX_BPM: f64 = 320.0;

/// Onset strength of each frame of a log-mel spectrogram: librosa's `onset.onset_strength`.
///
/// `decibels` is row-major `[frames, BANDS]`. The result is the mean over the bands of the rise
/// since the previous frame, delayed to the middle of the analysis frame and cut to the
/// spectrogram's length.
pub(super) fn onset_strength(decibels: &[f32]) -> Vec<f64> {
    let frames = decibels.len() / BANDS;
    let rises =
        decibels.chunks_exact(BANDS).zip(decibels.chunks_exact(BANDS).skip(1)).map(|(before, now)| {
            let rise = |(before, now): (&f32, &f32)| f64::from((now - before).max(0.0));
            before.iter().zip(now).map(rise).sum::<f64>() / BANDS as f64
        });
    std::iter::repeat_n(0.0, DELAY).chain(rises).take(frames).collect()
}

/// Tempo estimator equal to librosa's `feature.tempo` with its defaults.
pub(super) struct TempoMeter {
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    /// Periodic Hann, [`WINDOW`] values.
    taper: Vec<f64>,
    /// Log-normal prior of each lag; −∞ above [`MAX_BPM`].
    prior: Vec<f64>,
}

impl TempoMeter {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let angle = |n: usize| std::f64::consts::TAU * n as f64 / WINDOW as f64;
        let prior = |lag: usize| {
            let octaves = (bpm(lag) / START_BPM).log2() / WIDTH_OCTAVES;
            if bpm(lag) < MAX_BPM { -0.5 * octaves * octaves } else { f64::NEG_INFINITY }
        };
        Self {
            forward: planner.plan_fft_forward(TRANSFORM),
            inverse: planner.plan_fft_inverse(TRANSFORM),
            taper: (0..WINDOW).map(|n| 0.5 - 0.5 * angle(n).cos()).collect(),
            prior: (0..WINDOW).map(prior).collect(),
        }
    }

    /// Tempo in beats per minute of `onsets`, one value per frame.
    ///
    /// If nothing repeats, as in silence, the prior decides: 117.45, the lag nearest 120.
    pub(super) fn measure(&self, onsets: &[f64]) -> f64 {
        let tempogram = self.mean_tempogram(onsets);
        let mut best = (f64::NEG_INFINITY, WINDOW - 1);
        for (lag, (value, prior)) in tempogram.iter().zip(&self.prior).enumerate() {
            // Rounding may leave a value below 0, whose logarithm is NaN.
            let score = (1e6 * value.max(0.0)).ln_1p() + prior;
            if score > best.0 {
                best = (score, lag);
            }
        }
        bpm(best.1)
    }

    /// Mean over the frames of librosa's `feature.tempogram`: the autocorrelations of the tapered
    /// surroundings of each frame, normalised to a maximum of 1.
    ///
    /// The maximum is the energy, at lag 0, so that the spectra can be averaged and transformed
    /// back once.
    fn mean_tempogram(&self, onsets: &[f64]) -> Vec<f64> {
        let padded = with_ramps(onsets);
        let mut input = self.forward.make_input_vec();
        let mut spectrum = self.forward.make_output_vec();
        let mut scratch = self.forward.make_scratch_vec();
        let mut sum = vec![Complex::new(0.0, 0.0); spectrum.len()];
        for around in padded.windows(WINDOW).take(onsets.len()) {
            // The transform uses its input as scratch.
            input[WINDOW..].fill(0.0);
            let mut energy = 0.0;
            for ((slot, value), weight) in input.iter_mut().zip(around).zip(&self.taper) {
                *slot = value * weight;
                energy += *slot * *slot;
            }
            if energy < f64::MIN_POSITIVE {
                continue;
            }
            let done = self.forward.process_with_scratch(&mut input, &mut spectrum, &mut scratch);
            debug_assert!(done.is_ok(), "the plan made these buffers");
            for (total, bin) in sum.iter_mut().zip(&spectrum) {
                total.re += bin.norm_sqr() / energy;
            }
        }
        let mut tempogram = self.inverse.make_output_vec();
        let mut scratch = self.inverse.make_scratch_vec();
        let done = self.inverse.process_with_scratch(&mut sum, &mut tempogram, &mut scratch);
        debug_assert!(done.is_ok(), "the plan made these buffers");
        let factor = 1.0 / (TRANSFORM * onsets.len().max(1)) as f64;
        tempogram.truncate(WINDOW);
        tempogram.iter_mut().for_each(|value| *value *= factor);
        tempogram
    }
}

/// Beats per minute of a lag in frames; infinite for lag 0.
fn bpm(lag: usize) -> f64 {
    60.0 * f64::from(RATE.hertz()) / (HOP * lag) as f64
}

/// Pads `onsets` with linear ramps from and to 0, half a window each: NumPy's
/// `pad(mode="linear_ramp")`.
fn with_ramps(onsets: &[f64]) -> Vec<f64> {
    const RAMP: usize = WINDOW / 2;
    let (first, last) = (onsets.first().copied().unwrap_or(0.0), onsets.last().copied().unwrap_or(0.0));
    let step = |n: usize| n as f64 / RAMP as f64;
    let before = (0..RAMP).map(|n| first * step(n));
    let after = (0..RAMP).rev().map(|n| last * step(n));
    before.chain(onsets.iter().copied()).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Onsets every `period` frames.
    fn train(period: usize) -> Vec<f64> {
        (0..130).map(|n| if n % period == 5 { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn a_regular_beat_has_its_own_tempo() {
        let meter = TempoMeter::new();
        for period in [15, 18, 21, 22, 25] {
            assert_eq!(meter.measure(&train(period)), bpm(period), "{period}");
        }
    }

    #[test]
    fn silence_has_the_tempo_nearest_120() {
        let silent = TempoMeter::new().measure(&[0.0; 130]);
        assert!((silent - 117.453_835_227).abs() < 1e-6, "{silent}");
        assert_eq!(TempoMeter::new().measure(&[0.0]), silent);
    }

    #[test]
    fn the_mean_of_the_spectra_is_the_mean_tempogram() {
        let meter = TempoMeter::new();
        let onsets: Vec<f64> = (0..130).map(|n| ((n * n) % 17) as f64 + 0.5).collect();
        let padded = with_ramps(&onsets);
        let mut mean = vec![0.0; WINDOW];
        for around in padded.windows(WINDOW).take(130) {
            let x: Vec<f64> = around.iter().zip(&meter.taper).map(|(x, w)| x * w).collect();
            let at = |lag: usize| x.iter().zip(&x[lag..]).map(|(a, b)| a * b).sum::<f64>();
            mean.iter_mut().enumerate().for_each(|(lag, sum)| *sum += at(lag) / at(0) / 130.0);
        }
        let found = meter.mean_tempogram(&onsets);
        assert!(found.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn onsets_are_rises_only() {
        let level = [0.0, 0.0, 8.0, 8.0, 2.0, 0.0, 0.0];
        let decibels: Vec<f32> = level.iter().flat_map(|&db| [db; BANDS]).collect();
        // The rise is between frames 1 and 2, and its frame's middle two frames later.
        assert_eq!(onset_strength(&decibels), [0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0]);
        assert_eq!(onset_strength(&decibels[..BANDS]), [0.0]);
    }
}
