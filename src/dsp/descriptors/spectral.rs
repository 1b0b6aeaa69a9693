//! Spectral shape of one frame.

use super::super::log_compression::Compressor;
use super::super::params::{Compression, Reference};
use super::framing::{BINS, bin_hertz};

/// Share of the magnitudes at or below the roll-off: librosa's default.
const ROLLOFF: f32 = 0.85;

/// Smallest power that flatness distinguishes from silence: librosa's `amin`.
const FLATNESS_FLOOR: f64 = 1e-10;

/// Measures of one spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SpectralShape {
    /// Mean frequency in Hz, weighted by magnitude: librosa's `spectral_centroid`; 0 in silence.
    pub(super) centroid: f64,
    /// Root mean square deviation from the centroid in Hz, weighted by magnitude: librosa's
    /// `spectral_bandwidth` (`p=2`).
    pub(super) bandwidth: f64,
    /// Frequency in Hz of the first bin up to which 0.85 of the magnitudes lie: librosa's
    /// `spectral_rolloff`.
    pub(super) rolloff: f64,
    /// Geometric over arithmetic mean of the powers, 0 to 1: librosa's `spectral_flatness`; 1 in
    /// silence.
    pub(super) flatness: f64,
}

/// Analyser of consecutive spectra.
pub(super) struct ShapeMeter {
    hertz: Vec<f64>,
    magnitudes: Vec<f64>,
    decibels: Vec<f32>,
    compressor: Compressor,
}

impl ShapeMeter {
    pub(super) fn new() -> Self {
        Self {
            hertz: (0..BINS).map(bin_hertz).collect(),
            magnitudes: Vec::with_capacity(BINS),
            decibels: Vec::with_capacity(BINS),
            compressor: Compressor::new(&Compression::PowerToDb {
                reference: Reference::Value(1.0),
                amin: FLATNESS_FLOOR,
                top_db: None,
            }),
        }
    }

    /// Shape of `powers`, [`BINS`] of them.
    pub(super) fn measure(&mut self, powers: &[f32]) -> SpectralShape {
        self.magnitudes.clear();
        self.magnitudes.extend(powers.iter().map(|&power| f64::from(power.sqrt())));
        let total: f64 = self.magnitudes.iter().sum();
        let (mut centroid, mut bandwidth, mut rolloff) = (0.0, 0.0, 0.0);
        if total > 0.0 {
            let bins = || self.hertz.iter().zip(&self.magnitudes);
            centroid = bins().map(|(hertz, magnitude)| hertz * magnitude).sum::<f64>() / total;
            let square: f64 = bins().map(|(hertz, magnitude)| (hertz - centroid).powi(2) * magnitude).sum();
            bandwidth = (square / total).sqrt();
            rolloff = self.rolloff();
        }
        SpectralShape { centroid, bandwidth, rolloff, flatness: self.flatness(powers) }
    }

    /// Roll-off, summed in single precision like librosa, so that rounding selects the same bin.
    fn rolloff(&self) -> f64 {
        let sums = self.magnitudes.iter().scan(0.0_f32, |sum, &magnitude| {
            *sum += magnitude as f32;
            Some(*sum)
        });
        let threshold = ROLLOFF * sums.clone().last().unwrap_or(0.0);
        bin_hertz(sums.clone().position(|sum| sum >= threshold).unwrap_or(BINS - 1))
    }

    /// Flatness; the geometric mean is computed from decibels instead of librosa's natural
    /// logarithms.
    fn flatness(&mut self, powers: &[f32]) -> f64 {
        let count = powers.len() as f64;
        self.decibels.clear();
        self.decibels.extend_from_slice(powers);
        self.compressor.apply(&mut self.decibels);
        let decibels = self.decibels.iter().map(|&db| f64::from(db)).sum::<f64>() / count;
        let arithmetic =
            powers.iter().map(|&power| f64::from(power).max(FLATNESS_FLOOR)).sum::<f64>() / count;
        (10_f64.powf(decibels / 10.0) / arithmetic).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(powers: &[f32]) -> SpectralShape {
        ShapeMeter::new().measure(powers)
    }

    #[test]
    fn one_bin_is_all_centroid_and_no_bandwidth() {
        let mut powers = vec![0.0; BINS];
        powers[100] = 4.0;
        let shape = shape(&powers);
        assert!((shape.centroid - bin_hertz(100)).abs() < 1e-9 && shape.bandwidth < 1e-9, "{shape:?}");
        assert_eq!(shape.rolloff, bin_hertz(100));
        // 1024 bins at the floor, one at 4.
        let geometric = (1e-10_f64.ln() + 4e10_f64.ln() / 1025.0).exp();
        let expected = geometric / ((4.0 + 1024e-10) / 1025.0);
        assert!((shape.flatness / expected - 1.0).abs() < 1e-5, "{shape:?} {expected}");
    }

    #[test]
    fn two_bins_lie_half_their_distance_from_the_middle() {
        let mut powers = vec![0.0; BINS];
        (powers[100], powers[300]) = (9.0, 9.0);
        let shape = shape(&powers);
        assert!((shape.centroid - bin_hertz(200)).abs() < 1e-9, "{shape:?}");
        assert!((shape.bandwidth - bin_hertz(100)).abs() < 1e-9, "{shape:?}");
        assert_eq!(shape.rolloff, bin_hertz(300));
    }

    #[test]
    fn a_white_spectrum_is_flat() {
        let shape = shape(&[0.01; BINS]);
        assert!((shape.flatness - 1.0).abs() < 1e-6 && (shape.centroid - 5512.5).abs() < 1e-6, "{shape:?}");
        // First bin with 0.85 · 1025 = 871.25 bins up to and including it.
        assert_eq!(shape.rolloff, bin_hertz(871));
    }

    #[test]
    fn silence_is_flat_and_lies_at_0_hz() {
        let silence = SpectralShape { centroid: 0.0, bandwidth: 0.0, rolloff: 0.0, flatness: 1.0 };
        let found = shape(&[0.0; BINS]);
        assert!((found.flatness - 1.0).abs() < 1e-6, "{found:?}");
        assert_eq!(SpectralShape { flatness: 1.0, ..found }, silence);
    }
}
