//! Ratio of harmonic to percussive energy.

/// Width of the median filters in frames or bins: librosa's default.
const KERNEL: usize = 31;

/// Negligible power, so that silence has a ratio and no ratio is infinite.
const FLOOR: f64 = 1e-10;

/// Energy of the harmonic part over that of the percussive part of a spectrogram of `powers`,
/// row-major `[frames, bins]`; at least 0, and 1 in silence.
///
/// The parts are those of librosa's `decompose.hpss` with its defaults (Fitzgerald,
/// "Harmonic/percussive separation using median filtering", 2010): H and P are the medians of the
/// magnitudes over 31 frames and over 31 bins, reflected at the edges, and the masks H² / (H² + P²)
/// and P² / (H² + P²), ½ where both are 0. The energies are the sums of the squares of the masked
/// magnitudes, without resynthesis:
///
/// (Σ |X · maskₕ|² + 10⁻¹⁰) / (Σ |X · maskₚ|² + 10⁻¹⁰)
///
/// A root preserves order, so the medians can be taken of the powers.
pub(super) fn harmonic_ratio(powers: &[f32], bins: usize) -> f64 {
    let frames = powers.len() / bins;
    let mut filter = MedianFilter::default();
    // Over time, bin by bin, in place.
    let mut harmonic = vec![0.0; powers.len()];
    let (mut line, mut medians) = (vec![0.0; frames], vec![0.0; frames]);
    for bin in 0..bins {
        for (value, row) in line.iter_mut().zip(powers.chunks_exact(bins)) {
            *value = row[bin];
        }
        filter.apply(&line, &mut medians);
        for (row, median) in harmonic.chunks_exact_mut(bins).zip(&medians) {
            row[bin] = *median;
        }
    }
    let mut percussive = vec![0.0; bins];
    let (mut steady, mut struck) = (FLOOR, FLOOR);
    for (row, harmonic) in powers.chunks_exact(bins).zip(harmonic.chunks_exact(bins)) {
        filter.apply(row, &mut percussive);
        for ((&power, &h), &p) in row.iter().zip(harmonic).zip(&percussive) {
            let (power, h, p) = (f64::from(power), f64::from(h), f64::from(p));
            let mask = if h + p > 0.0 { h / (h + p) } else { 0.5 };
            steady += power * mask * mask;
            struck += power * (1.0 - mask) * (1.0 - mask);
        }
    }
    steady / struck
}

/// Running median of [`KERNEL`] values, with its window kept sorted.
#[derive(Default)]
struct MedianFilter {
    /// Input with its reflections.
    padded: Vec<f32>,
}

impl MedianFilter {
    /// Writes the median around each value of `line` to `out`, both of equal length. Edges are
    /// reflected with the outermost value repeated (SciPy's `median_filter(mode="reflect")`).
    fn apply(&mut self, line: &[f32], out: &mut [f32]) {
        const HALF: isize = (KERNEL / 2) as isize;
        let length = line.len() as isize;
        let reflected = |at: isize| {
            let at = at.rem_euclid(2 * length);
            line[(if at < length { at } else { 2 * length - 1 - at }) as usize]
        };
        self.padded.clear();
        self.padded.extend((-HALF..0).map(reflected));
        self.padded.extend_from_slice(line);
        self.padded.extend((length..length + HALF).map(reflected));
        let mut ordered = [f32::INFINITY; KERNEL + 1];
        ordered[..KERNEL].copy_from_slice(&self.padded[..KERNEL]);
        ordered[..KERNEL].sort_unstable_by(f32::total_cmp);
        for (at, slot) in out.iter_mut().enumerate() {
            *slot = ordered[KERNEL / 2];
            if let Some(&next) = self.padded.get(at + KERNEL) {
                replace(&mut ordered, self.padded[at], next);
            }
        }
    }
}

/// Replaces the present value `old` by `new` in the sorted values.
#[inline(always)]
fn replace(ordered: &mut [f32; KERNEL + 1], old: f32, new: f32) {
    let below = |limit: f32| ordered.iter().map(|&value| u32::from(value < limit)).sum::<u32>() as usize;
    let (from, to) = (below(old), below(new));
    if to > from {
        ordered.copy_within(from + 1..to, from);
        ordered[to - 1] = new;
    } else {
        ordered.copy_within(to..from, to + 1);
        ordered[to] = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        // Few distinct values, so that many are equal.
        (0..count).map(|n| ((n * n * 7919 + n * 31) % 53) as f32).collect()
    }

    #[test]
    fn the_running_median_is_the_median() {
        for length in [1, 2, 14, 15, 16, 31, 40, 200] {
            let line = noise(length);
            let mut out = vec![0.0; length];
            MedianFilter::default().apply(&line, &mut out);
            for (at, median) in out.iter().enumerate() {
                let mut window: Vec<f32> = (at as isize - 15..=at as isize + 15)
                    .map(|mut i| {
                        // Step by step, as in the definition of the reflection.
                        while i < 0 || i >= length as isize {
                            i = if i < 0 { -1 - i } else { 2 * length as isize - 1 - i };
                        }
                        line[i as usize]
                    })
                    .collect();
                window.sort_by(f32::total_cmp);
                assert_eq!(*median, window[15], "{length} at {at}");
            }
        }
    }

    /// `[frames, bins]`, 4 where `on` is true.
    fn spectrogram(on: impl Fn(usize, usize) -> bool) -> Vec<f32> {
        (0..130)
            .flat_map(|t| (0..100).map(move |f| (t, f)))
            .map(|(t, f)| if on(t, f) { 4.0 } else { 0.0 })
            .collect()
    }

    #[test]
    fn a_held_tone_is_harmonic_and_a_click_percussive() {
        assert!(harmonic_ratio(&spectrogram(|_, f| f == 50), 100) > 1e10);
        assert!(harmonic_ratio(&spectrogram(|t, _| t == 50), 100) < 1e-10);
    }

    #[test]
    fn a_tone_and_a_click_have_the_ratio_of_their_energies() {
        // At the crossing, both masks are ½: a quarter of the energy each.
        let found = harmonic_ratio(&spectrogram(|t, f| f == 50 || t == 50), 100);
        assert!((found - (129.0 + 0.25) / (99.0 + 0.25)).abs() < 1e-9, "{found}");
    }

    #[test]
    fn what_is_neither_is_both() {
        assert_eq!(harmonic_ratio(&[0.0; 1000], 100), 1.0);
        assert_eq!(harmonic_ratio(&[2.0; 13_000], 100), 1.0);
        assert_eq!(harmonic_ratio(&[1.0; 1], 1), 1.0);
    }
}
