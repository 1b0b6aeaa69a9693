//! Mel-frequency cepstral coefficients.

use std::f64::consts::PI;

use super::framing::BANDS;

/// Number of coefficients: librosa's default.
pub(super) const COEFFICIENTS: usize = 20;

/// Orthonormal DCT-II of mel bands in decibels: librosa's `feature.mfcc`.
///
/// M(k) = s(k) √(2 / N) Σ S(n) cos(π k (2n + 1) / 2N), with s(0) = √½ and s(k) = 1 otherwise.
pub(super) struct Dct {
    /// Row-major `[COEFFICIENTS, BANDS]`.
    matrix: Vec<f64>,
}

impl Dct {
    pub(super) fn new() -> Self {
        let bands = BANDS as f64;
        let weight = |k: usize, n: usize| {
            let scale = if k == 0 { 1.0 / bands } else { 2.0 / bands };
            scale.sqrt() * (PI * k as f64 * (2 * n + 1) as f64 / (2.0 * bands)).cos()
        };
        let matrix = (0..COEFFICIENTS).flat_map(|k| (0..BANDS).map(move |n| weight(k, n))).collect();
        Self { matrix }
    }

    /// Transforms `decibels` ([`BANDS`]) into `out` ([`COEFFICIENTS`]).
    pub(super) fn apply(&self, decibels: &[f32], out: &mut [f64]) {
        for (row, value) in self.matrix.chunks_exact(BANDS).zip(out) {
            *value = row.iter().zip(decibels).map(|(weight, &db)| weight * f64::from(db)).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_bands_have_a_first_coefficient_only() {
        let mut out = [0.0; COEFFICIENTS];
        Dct::new().apply(&[-20.0; BANDS], &mut out);
        assert!((out[0] + 20.0 * 128_f64.sqrt()).abs() < 1e-10);
        assert!(out[1..].iter().all(|value| value.abs() < 1e-10));
    }

    #[test]
    fn a_cosine_over_the_bands_is_one_coefficient() {
        let bands: Vec<f32> =
            (0..BANDS).map(|n| (PI * 5.0 * (2 * n + 1) as f64 / 256.0).cos() as f32).collect();
        let mut out = [0.0; COEFFICIENTS];
        Dct::new().apply(&bands, &mut out);
        for (k, value) in out.iter().enumerate() {
            let expected = if k == 5 { 8.0 } else { 0.0 };
            assert!((value - expected).abs() < 1e-6, "{k}: {value}");
        }
    }
}
