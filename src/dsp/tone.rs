//! Detector of a sustained pure tone: a test signal, or a fault.

/// Bins on either side of the loudest that belong to the tone: the main lobe of a Hann taper.
const LOBE: usize = 2;

/// Required share of a frame's energy in these bins: the rest is 23 dB below.
const SHARE: f32 = 0.995;

/// Maximum change of energy since the start of the tone, as a factor: 1 dB.
const STEADY: f32 = 1.259;

/// Interval of evaluated frames.
const EVERY: u64 = 4;

/// Number of evaluated frames in the history.
const HISTORY: usize = 32;

/// Counts consecutive frames that hold one tone of constant pitch and level. Held notes are not
/// counted: they have overtones, swell or decay.
pub(super) struct ToneDetector {
    /// True if the bins hold magnitudes, false for powers.
    roots: bool,
    /// Number of frames so far.
    frames: u64,
    /// Loudest bin and energy at the start of the tone.
    began: (usize, f32),
    length: u32,
    /// Lengths at the last evaluated frames, by their number modulo its length.
    history: [u32; HISTORY],
}

impl ToneDetector {
    /// Creates an empty detector; `roots` is true if frames hold magnitudes, false for powers.
    pub(super) fn new(roots: bool) -> Self {
        Self { roots, frames: 0, began: (0, 0.0), length: 0, history: [0; HISTORY] }
    }

    /// Processes the spectrum of the next frame, `[bins]`.
    pub(super) fn push(&mut self, bins: &[f32]) {
        if self.frames.is_multiple_of(EVERY) {
            self.evaluate(bins);
            self.history[(self.frames / EVERY) as usize % HISTORY] = self.length;
        }
        self.frames += 1;
    }

    fn evaluate(&mut self, bins: &[f32]) {
        let energy = |bins: &[f32]| match self.roots {
            true => fold(bins, |sum, value| sum + value * value).iter().sum(),
            false => fold(bins, |sum, value| sum + value).iter().sum::<f32>(),
        };
        let loudest = |bins: &[f32]| fold(bins, |most, value| if value > most { value } else { most });
        let (most, total) = (loudest(bins).into_iter().fold(0.0, f32::max), energy(bins));
        let at = bins.iter().position(|value| *value == most).unwrap_or(0);
        let own = energy(&bins[at.saturating_sub(LOBE)..bins.len().min(at + LOBE + 1)]);
        let is_tone = total > 0.0 && total.is_finite() && own >= SHARE * total;
        let (bin, before) = self.began;
        let is_same = bin.abs_diff(at) <= 1 && total <= STEADY * before && before <= STEADY * total;
        self.length = match (is_tone, is_same && self.length > 0) {
            (true, true) => self.length.saturating_add(EVERY as u32),
            (true, false) => {
                self.began = (at, total);
                EVERY as u32
            }
            (false, _) => 0,
        };
    }

    /// Number of consecutive frames of one tone before frame `end`, counted from 0.
    pub(super) fn frames_before(&self, end: u64) -> u32 {
        let seen = |frames: u64| frames.div_ceil(EVERY);
        match seen(end.min(self.frames)).checked_sub(1) {
            Some(last) if seen(self.frames) - last <= HISTORY as u64 => self.history[last as usize % HISTORY],
            _ => 0,
        }
    }

    /// Returns to the initial state.
    pub(super) fn reset(&mut self) {
        (self.frames, self.length) = (0, 0);
    }
}

/// Folds every sixteenth value from 0, which the compiler vectorises.
fn fold(bins: &[f32], join: impl Fn(f32, f32) -> f32) -> [f32; 16] {
    let (blocks, rest) = bins.as_chunks::<16>();
    let mut folded = [0.0; 16];
    for block in blocks {
        folded.iter_mut().zip(block).for_each(|(so_far, value)| *so_far = join(*so_far, *value));
    }
    folded.iter_mut().zip(rest).for_each(|(so_far, value)| *so_far = join(*so_far, *value));
    folded
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use crate::dsp::samples::noise;
    use crate::dsp::{LogMel, LogMelParams};

    /// `gain · sin(2π · hertz · t)` at 16 kHz.
    fn sine(hertz: f64, gain: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (gain * (TAU * hertz * n as f64 / 16_000.0).sin()) as f32).collect()
    }

    fn mixed(a: &[f32], b: &[f32], gain: f32) -> Vec<f32> {
        a.iter().zip(b).map(|(a, b)| a + gain * b).collect()
    }

    /// Frames of tone at the end of 10 s of `signal`, of 625.
    fn tone_frames(params: &LogMelParams, signal: &[f32]) -> u32 {
        let mut log_mel = LogMel::new(params).unwrap();
        log_mel.push(signal, &mut Vec::new());
        log_mel.tone_before(u64::MAX)
    }

    #[test]
    fn tones_of_any_pitch_and_level_are_detected() {
        for hertz in [60.0, 440.0, 997.0, 1000.0, 3150.0, 7000.0] {
            for gain in [0.5, 0.01] {
                let tone = sine(hertz, gain, 160_000);
                assert!(tone_frames(&LogMelParams::musicnn(), &tone) > 610, "{hertz} Hz at {gain}");
                assert!(
                    tone_frames(&LogMelParams::yamnet(), &tone) > 610,
                    "{hertz} Hz at {gain}: magnitudes"
                );
                // Noise of a lossy codec or an analogue path, 40 dB below.
                let worn = mixed(&tone, &noise(160_000), gain as f32 * 0.01);
                assert!(tone_frames(&LogMelParams::musicnn(), &worn) > 610, "{hertz} Hz at {gain}, worn");
            }
        }
    }

    #[test]
    fn notes_noise_and_silence_are_not_tones() {
        let params = LogMelParams::musicnn();
        let length = 160_000;
        let note = sine(440.0, 0.5, length);
        assert_eq!(tone_frames(&params, &vec![0.0; length]), 0);
        assert_eq!(tone_frames(&params, &noise(length)), 0);
        assert_eq!(tone_frames(&params, &mixed(&note, &noise(length), 0.1)), 0);
        assert_eq!(
            tone_frames(&params, &mixed(&note, &sine(880.0, 0.5, length), 0.1)),
            0,
            "an overtone 20 dB below"
        );
        let fading: Vec<f32> =
            note.iter().enumerate().map(|(n, x)| x * (-(n as f32) / 64_000.0).exp()).collect();
        assert!(tone_frames(&params, &fading) < 63, "it loses 2 dB a second");
        let other = [note, sine(660.0, 0.5, 16_000)].concat();
        assert!((55..65).contains(&tone_frames(&params, &other)), "another pitch restarts the count");
    }
}
