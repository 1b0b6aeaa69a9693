//! K-weighting filter of ITU-R BS.1770 at any rate: a shelf and a high-pass.
//!
//! The recommendation gives coefficients at 48 kHz only. Those of other rates follow from the
//! underlying analogue filters, by the bilinear transform with preserved corner frequencies. Their
//! parameters are the ones that libebur128 and most meters use.

use std::f64::consts::PI;

use crate::audio::SampleRate;

/// States below this count as zero: far below any sound, far above denormal numbers.
const SILENT: f64 = 1e-15;

/// Transfer function `b0 + b1 z^-1 + b2 z^-2` over `1 + a1 z^-1 + a2 z^-2`.
#[derive(Debug, Clone, Copy)]
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
}

/// Filter that sums the weighted energies of several channels.
#[derive(Debug, Clone)]
pub(super) struct KWeighting {
    shelf: Biquad,
    high_pass: Biquad,
    /// Per pair of channels: two states of the shelf, two of the high-pass.
    states: Vec<[ChannelPair; 4]>,
    /// Per pair: weight of each channel's energy.
    gains: Vec<ChannelPair>,
    /// Per pair: sums of squares since the last reset of the sums.
    energies: Vec<ChannelPair>,
    channels: usize,
}

/// Two channels side by side, processed by one SIMD instruction.
type ChannelPair = [f64; 2];

impl KWeighting {
    /// Creates a filter at rest, for `channels` in their usual order.
    pub(super) fn new(rate: SampleRate, channels: usize) -> Self {
        let gains = (0..channels).step_by(2);
        let gains: Vec<ChannelPair> =
            gains.map(|first| [first, first + 1].map(|at| gain(at, channels))).collect();
        Self {
            shelf: shelf(f64::from(rate.hertz())),
            high_pass: high_pass(f64::from(rate.hertz())),
            states: vec![[[0.0; 2]; 4]; gains.len()],
            energies: vec![[0.0; 2]; gains.len()],
            gains,
            channels,
        }
    }

    /// Weighted energy of all channels, summed over the samples since [`KWeighting::restart_sums`].
    pub(super) fn energy(&self) -> f64 {
        let pairs = self.energies.iter().zip(&self.gains);
        pairs.map(|(energy, gain)| energy[0] * gain[0] + energy[1] * gain[1]).sum()
    }

    /// Weighted energies of the first two channels, summed like [`KWeighting::energy`]; `None`
    /// unless there are exactly two.
    pub(super) fn energies(&self) -> Option<[f64; 2]> {
        (self.channels == 2).then(|| self.energies.first().copied()).flatten()
    }

    /// Processes `interleaved`. The sums are bit-identical for any chunking.
    pub(super) fn push(&mut self, interleaved: &[f32]) {
        for (index, (state, energy)) in self.states.iter_mut().zip(&mut self.energies).enumerate() {
            let (first, second) = (2 * index, (2 * index + 1).min(self.channels - 1));
            let frames = interleaved.chunks_exact(self.channels);
            let samples = frames.map(|frame| [f64::from(frame[first]), f64::from(frame[second])]);
            filtered(samples, state, energy, &self.shelf, &self.high_pass);
        }
    }

    /// Resets the sums, and flushes decayed states to zero. Must be called at fixed positions of
    /// the signal.
    pub(super) fn restart_sums(&mut self) {
        self.energies.fill([0.0; 2]);
        for value in self.states.as_flattened_mut().as_flattened_mut() {
            *value = if value.abs() < SILENT { 0.0 } else { *value };
        }
    }

    /// Returns to the initial state.
    pub(super) fn reset(&mut self) {
        self.states.fill([[0.0; 2]; 4]);
        self.energies.fill([0.0; 2]);
    }
}

/// Adds the squares of two filtered channels to `sums`.
fn filtered(
    samples: impl Iterator<Item = ChannelPair>,
    state: &mut [ChannelPair; 4],
    sums: &mut ChannelPair,
    shelf: &Biquad,
    high_pass: &Biquad,
) {
    let [mut s1, mut s2, mut h1, mut h2] = *state;
    let mut energy = *sums;
    for x in samples {
        for side in 0..2 {
            let y = shelf.b[0] * x[side] + s1[side];
            s1[side] = shelf.b[1] * x[side] - shelf.a[0] * y + s2[side];
            s2[side] = shelf.b[2] * x[side] - shelf.a[1] * y;
            let z = high_pass.b[0] * y + h1[side];
            h1[side] = high_pass.b[1] * y - high_pass.a[0] * z + h2[side];
            h2[side] = high_pass.b[2] * y - high_pass.a[1] * z;
            energy[side] += z * z;
        }
    }
    *state = [s1, s2, h1, h2];
    *sums = energy;
}

/// Weights of BS.1770-4, table 3, for the channel orders of WAV files. Beyond 5.1 the layout is
/// unknown, and all channels weigh the same.
fn gain(channel: usize, channels: usize) -> f64 {
    const SURROUND: f64 = 1.41;
    match (channels, channel) {
        (4, 2 | 3) | (5, 3 | 4) | (6, 4 | 5) => SURROUND,
        (6, 3) => 0.0,
        // The second channel of an incomplete pair does not exist.
        _ if channel >= channels => 0.0,
        _ => 1.0,
    }
}

fn shelf(rate: f64) -> Biquad {
    const FREQUENCY: f64 = 1_681.974_450_955_533;
    const GAIN_DB: f64 = 3.999_843_853_973_347;
    const Q: f64 = 0.707_175_236_955_419_6;
    let k = (PI * FREQUENCY / rate).tan();
    let high = 10_f64.powf(GAIN_DB / 20.0);
    let band = high.powf(0.499_666_774_154_541_6);
    let a0 = 1.0 + k / Q + k * k;
    Biquad {
        b: [
            (high + band * k / Q + k * k) / a0,
            2.0 * (k * k - high) / a0,
            (high - band * k / Q + k * k) / a0,
        ],
        a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / Q + k * k) / a0],
    }
}

fn high_pass(rate: f64) -> Biquad {
    const FREQUENCY: f64 = 38.135_470_876_024_44;
    const Q: f64 = 0.500_327_037_323_877_3;
    let k = (PI * FREQUENCY / rate).tan();
    let a0 = 1.0 + k / Q + k * k;
    Biquad { b: [1.0, -2.0, 1.0], a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / Q + k * k) / a0] }
}

#[cfg(test)]
mod tests {
    use ebur128::{EbuR128, Mode};

    use super::*;

    /// White noise, different on each channel.
    fn noise(values: usize) -> Vec<f32> {
        let mut state = 7_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        std::iter::repeat_with(next).take(values).collect()
    }

    #[test]
    fn energies_are_those_of_the_ebur128_library() {
        for hertz in [8000, 11_025, 44_100, 48_000, 192_000] {
            for channels in [1_u32, 2, 4, 5, 6] {
                let samples = hertz as usize / 10;
                let sound = noise(samples * channels as usize * 7);
                let mut library = EbuR128::new(channels, hertz, Mode::M).unwrap();
                library.add_frames_f32(&sound).unwrap();
                let expected = library.loudness_window(100).unwrap();
                let mut filter = KWeighting::new(SampleRate::new(hertz).unwrap(), channels as usize);
                let (before, last) = sound.split_at(sound.len() - samples * channels as usize);
                filter.push(before);
                filter.restart_sums();
                filter.push(last);
                let found = 10.0 * (filter.energy() / samples as f64).log10() - 0.691;
                assert!((found - expected).abs() < 1e-3, "{hertz} Hz, {channels}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn what_dies_away_ends() {
        let mut filter = KWeighting::new(SampleRate::HZ_48000, 2);
        filter.push(&noise(9600));
        for _ in 0..30 {
            filter.push(&[0.0; 9600]);
            filter.restart_sums();
        }
        assert!(filter.states.iter().flatten().flatten().all(|value| *value == 0.0));
    }
}
