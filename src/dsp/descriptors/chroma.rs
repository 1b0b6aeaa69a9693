//! Pitch classes.

use super::framing::{BINS, FRAME, bin_hertz};

/// Pitch classes from C to B.
pub(super) const CLASSES: usize = 12;

/// Frequency of the lowest A from which librosa counts octaves, at `tuning=0`, in Hz.
const LOWEST_A: f64 = 440.0 / 16.0;

/// Octave at which bins weigh most, and the width of that weight in octaves: librosa's `ctroct` and
/// `octwidth`.
const CENTRE_OCTAVE: f64 = 5.0;
const OCTAVE_WIDTH: f64 = 2.0;

/// Filter bank from powers to pitch classes: librosa's `feature.chroma_stft(tuning=0.0)`, with
/// Ellis's filters ("Chroma feature analysis and synthesis", 2007): a Gaussian per class,
/// L2-normalised per bin, and a Gaussian over the octaves.
pub(super) struct ChromaBank {
    /// Row-major `[BINS, CLASSES]`.
    weights: Vec<f32>,
}

impl ChromaBank {
    pub(super) fn new() -> Self {
        let classes = CLASSES as f64;
        // Pitch of each bin in semitones above the lowest A; bin 0 is 1.5 octaves below bin 1.
        let pitch = |bin: usize| {
            let hertz = bin_hertz(bin.max(1));
            classes * (hertz / LOWEST_A).log2() - if bin == 0 { 1.5 * classes } else { 0.0 }
        };
        let mut weights = vec![0.0; BINS * CLASSES];
        for (bin, row) in weights.chunks_exact_mut(CLASSES).enumerate() {
            let width = if bin + 1 < FRAME { (pitch(bin + 1) - pitch(bin)).max(1.0) } else { 1.0 };
            let mut bumps = [0.0; CLASSES];
            for (class, bump) in bumps.iter_mut().enumerate() {
                let distance =
                    (pitch(bin) - class as f64 + 10.5 * classes).rem_euclid(classes) - 0.5 * classes;
                *bump = (-0.5 * (2.0 * distance / width).powi(2)).exp();
            }
            let norm = bumps.iter().map(|bump| bump * bump).sum::<f64>().sqrt();
            let octave = (-0.5 * ((pitch(bin) / classes - CENTRE_OCTAVE) / OCTAVE_WIDTH).powi(2)).exp();
            for (class, weight) in row.iter_mut().enumerate() {
                // From A to C: three semitones.
                *weight = (bumps[(class + 3) % CLASSES] / norm * octave) as f32;
            }
        }
        Self { weights }
    }

    /// Applies the filters to `powers` ([`BINS`]) and writes `out` ([`CLASSES`]), scaled to a
    /// maximum of 1; zeros in silence.
    pub(super) fn apply(&self, powers: &[f32], out: &mut [f64]) {
        out.fill(0.0);
        for (row, &power) in self.weights.chunks_exact(CLASSES).zip(powers) {
            out.iter_mut().zip(row).for_each(|(sum, &weight)| *sum += f64::from(weight) * f64::from(power));
        }
        let strongest = out.iter().copied().fold(0.0, f64::max);
        if strongest >= f64::from(f32::MIN_POSITIVE) {
            out.iter_mut().for_each(|value| *value /= strongest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(hertz: f64) -> [f64; CLASSES] {
        let mut powers = [0.0; BINS];
        powers[(hertz / bin_hertz(1)).round() as usize] = 3.0;
        let mut out = [0.0; CLASSES];
        ChromaBank::new().apply(&powers, &mut out);
        out
    }

    #[test]
    fn a_note_is_its_own_class() {
        // High enough for a bin to be narrower than a semitone.
        for (class, hertz) in [(0, 2093.0), (4, 2637.0), (7, 3136.0), (9, 3520.0), (11, 3951.1)] {
            let found = classes(hertz);
            assert_eq!(found[class], 1.0, "{hertz}: {found:?}");
            assert!(found.iter().filter(|&&value| value > 0.9).count() == 1, "{hertz}: {found:?}");
        }
    }

    #[test]
    fn an_octave_higher_is_the_same_class() {
        let (low, high) = (classes(1760.0), classes(7040.0));
        assert_eq!((low[9], high[9]), (1.0, 1.0));
    }

    #[test]
    fn silence_has_no_class() {
        let mut out = [1.0; CLASSES];
        ChromaBank::new().apply(&[0.0; BINS], &mut out);
        assert_eq!(out, [0.0; CLASSES]);
    }
}
