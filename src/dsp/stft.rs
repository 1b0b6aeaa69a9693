//! One frame's spectrum.

use std::sync::Arc;

use multiversion::multiversion;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::mel::LANES;
use super::params::{LogMelParams, Spectrum};
use super::taper::taper;

/// Plan, taper and buffers for the Fourier transform of single frames.
pub(super) struct Stft {
    fft: Arc<dyn RealToComplex<f32>>,
    taper: Vec<f32>,
    spectrum: Spectrum,
    input: Vec<f32>,
    output: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// `fft_size / 2 + 1` bins, then [`LANES`] zeros for the mel bank's padded reads.
    bins: Vec<f32>,
}

impl Stft {
    pub(super) fn new(params: &LogMelParams) -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(params.fft_size);
        Self {
            taper: taper(params),
            spectrum: params.spectrum,
            input: fft.make_input_vec(),
            output: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            bins: vec![0.0; params.fft_size / 2 + 1 + LANES],
            fft,
        }
    }

    /// Magnitudes or powers of `frame` ([`LogMelParams::frame_length`] samples),
    /// followed by [`LANES`] zeros.
    pub(super) fn spectrum(&mut self, frame: &[f32]) -> &[f32] {
        let (head, tail) = self.input.split_at_mut(self.taper.len());
        multiply(frame, &self.taper, head);
        // The transform uses its input as scratch, so the zeros behind a short taper are written anew.
        tail.fill(0.0);
        let outcome = self.fft.process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch);
        debug_assert!(outcome.is_ok(), "the plan made these buffers");
        match self.spectrum {
            Spectrum::Power => powers(&self.output, &mut self.bins),
            Spectrum::Magnitude => magnitudes(&self.output, &mut self.bins),
        }
        &self.bins
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn multiply(frame: &[f32], taper: &[f32], out: &mut [f32]) {
    for ((out, x), w) in out.iter_mut().zip(frame).zip(taper) {
        *out = x * w;
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn powers(bins: &[Complex<f32>], out: &mut [f32]) {
    for (out, z) in out.iter_mut().zip(bins) {
        *out = z.re * z.re + z.im * z.im;
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn magnitudes(bins: &[Complex<f32>], out: &mut [f32]) {
    for (out, z) in out.iter_mut().zip(bins) {
        *out = (z.re * z.re + z.im * z.im).sqrt();
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn equals_the_transform_by_its_definition() {
        let params = LogMelParams::yamnet();
        let frame: Vec<f32> = (0..400).map(|n| ((n * n) % 97) as f32 / 97.0 - 0.5).collect();
        let curve = taper(&params);
        let mut stft = Stft::new(&params);
        stft.spectrum(&frame);
        let bins = stft.spectrum(&frame);
        for (k, bin) in bins.iter().take(257).enumerate() {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, (x, w)) in frame.iter().zip(&curve).enumerate() {
                let angle = TAU * (k * n % 512) as f64 / 512.0;
                re += f64::from(x * w) * angle.cos();
                im += f64::from(x * w) * angle.sin();
            }
            assert!((f64::from(*bin) - re.hypot(im)).abs() < 2e-5, "bin {k}");
        }
        assert!(bins[257..].iter().all(|&x| x == 0.0));
    }
}
