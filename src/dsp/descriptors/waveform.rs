//! Measures of the samples themselves.

use super::framing::{FRAME, covered, frame_count};

/// Magnitude up to which a sample counts as 0: librosa's `zero_crossings(threshold=1e-10)`.
const ZERO: f32 = 1e-10;

/// Zero-crossing rate of each frame, 0 to 1: librosa's `feature.zero_crossing_rate`.
///
/// The share of a frame's samples whose sign differs from the sample before; 0 counts as positive,
/// and the frame's first sample never counts. librosa repeats the outermost samples beyond both
/// ends (`mode="edge"`), where nothing crosses, so only real samples are examined.
pub(super) fn zero_crossing_rates(samples: &[f32]) -> impl Iterator<Item = f64> {
    let negative = |x: f32| x < -ZERO;
    // Number of crossings up to and including each sample.
    let mut sums = Vec::with_capacity(samples.len());
    let mut sum = 0_u32;
    let mut before = samples.first().is_some_and(|&x| negative(x));
    for &x in samples {
        sum += u32::from(negative(x) != before);
        before = negative(x);
        sums.push(sum);
    }
    let length = samples.len();
    (0..frame_count(length)).map(move |frame| {
        let range = covered(frame, length);
        let crossings = if range.is_empty() { 0 } else { sums[range.end - 1] - sums[range.start] };
        f64::from(crossings) / FRAME as f64
    })
}

/// Root mean square of each frame: librosa's `feature.rms`, with zeros beyond both ends.
pub(super) fn rms(samples: &[f32]) -> impl Iterator<Item = f64> {
    (0..frame_count(samples.len())).map(|frame| {
        let energy: f64 =
            samples[covered(frame, samples.len())].iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (energy / FRAME as f64).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn an_alternating_signal_crosses_at_every_sample_but_the_first() {
        let samples: Vec<f32> = (0..8192).map(|n| if n % 2 == 0 { 0.5 } else { -0.5 }).collect();
        let rates: Vec<f64> = zero_crossing_rates(&samples).collect();
        assert_eq!(rates.len(), 17);
        assert_eq!(rates[8], 2047.0 / 2048.0);
        // Half of the first frame is the repeated first sample.
        assert_eq!(rates[0], 1023.0 / 2048.0);
    }

    #[test]
    fn zero_is_positive_and_a_whisper_is_zero() {
        let samples = [1.0, 0.0, -0.0, -1e-11, 1.0, -1.0, 0.0];
        assert_eq!(zero_crossing_rates(&samples).collect::<Vec<_>>(), [2.0 / 2048.0]);
    }

    #[test]
    fn the_rms_of_a_sine_is_its_amplitude_over_the_root_of_two() {
        // 16 samples per period: a frame holds whole periods.
        let samples: Vec<f32> = (0..8192).map(|n| (0.3 * (TAU * n as f64 / 16.0).sin()) as f32).collect();
        let values: Vec<f64> = rms(&samples).collect();
        assert!((values[8] - 0.3 / 2_f64.sqrt()).abs() < 1e-7);
        // Half of the first frame is zeros.
        assert!((values[0] - 0.15).abs() < 1e-7);
    }
}
