//! Spectrum of one frame.

use std::f64::consts::TAU;
use std::sync::Arc;

use multiversion::multiversion;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::mel::STRIDE;
use super::params::{LogMelParams, Spectrum};
use super::taper::taper;

/// Plan, taper and buffers for the Fourier transform of single frames.
///
/// A real frame of N samples goes through a complex transform of N / 2: its even samples are the
/// real parts, its odd ones the imaginary parts. The two spectra are separated afterwards (Press et
/// al., Numerical Recipes, 12.3), in the same pass that squares them, so that the spectrum itself
/// is never stored.
pub(super) struct Stft {
    fft: Arc<dyn Fft<f32>>,
    /// Half of the taper: the factors ½ of the separation are applied here, exactly.
    taper: Vec<f32>,
    spectrum: Spectrum,
    packed: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// cos and −sin of 2πk / N for k from 1 to N / 4.
    twiddles: [Vec<f32>; 2],
    /// `fft_size / 2 + 1` bins, then [`STRIDE`] zeros for the mel bank's padded reads.
    bins: Vec<f32>,
}

impl Stft {
    pub(super) fn new(params: &LogMelParams) -> Self {
        let half = params.fft_size / 2;
        let fft = FftPlanner::new().plan_fft_forward(half);
        let angles = || (1..=half / 2).map(|k| TAU * k as f64 / params.fft_size as f64);
        Self {
            taper: taper(params).iter().map(|w| 0.5 * w).collect(),
            spectrum: params.spectrum,
            packed: vec![Complex::default(); half],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            twiddles: [
                angles().map(|angle| angle.cos() as f32).collect(),
                angles().map(|angle| -angle.sin() as f32).collect(),
            ],
            bins: vec![0.0; half + 1 + STRIDE],
            fft,
        }
    }

    /// Magnitudes or powers of `frame` ([`LogMelParams::frame_length`] samples), followed by
    /// [`STRIDE`] zeros.
    pub(super) fn spectrum(&mut self, frame: &[f32]) -> &[f32] {
        pack(frame, &self.taper, &mut self.packed);
        self.fft.process_with_scratch(&mut self.packed, &mut self.scratch);
        let bins = self.packed.len() + 1;
        powers(&self.packed, &self.twiddles[0], &self.twiddles[1], &mut self.bins[..bins]);
        if self.spectrum == Spectrum::Magnitude {
            roots(&mut self.bins[..bins]);
        }
        &self.bins
    }
}

/// Multiplies `frame` by the taper into `packed`, with zeros if it is shorter.
#[multiversion(targets("x86_64+avx2+fma"))]
fn pack(frame: &[f32], taper: &[f32], packed: &mut [Complex<f32>]) {
    let (x, w) = (frame.as_chunks::<2>(), taper.as_chunks::<2>());
    let (whole, rest) = packed.split_at_mut(x.0.len().min(packed.len()));
    for ((z, x), w) in whole.iter_mut().zip(x.0).zip(w.0) {
        *z = Complex::new(x[0] * w[0], x[1] * w[1]);
    }
    rest.fill(Complex::default());
    if let (Some(z), [x], [w]) = (rest.first_mut(), x.1, w.1) {
        z.re = x * w;
    }
}

/// Pairs of bins processed at once: single-precision numbers in an AVX2 register.
const LANES: usize = 8;

/// Powers of the bins of a real frame from the transform `z` of the packed one, whose input was
/// halved.
///
/// Bins k and half − k come from the same two inputs. The explicit arrays are required for
/// vectorisation: the compiler does not vectorise a loop that runs in both directions.
#[multiversion(targets("x86_64+avx2+fma"))]
#[allow(clippy::needless_range_loop)] // Lanes by number are what the compiler makes vectors of.
fn powers(z: &[Complex<f32>], cosines: &[f32], sines: &[f32], out: &mut [f32]) {
    let half = z.len();
    let (sum, difference) = (2.0 * (z[0].re + z[0].im), 2.0 * (z[0].re - z[0].im));
    out[0] = sum * sum;
    out[half] = difference * difference;
    let (cosine_blocks, cosine_rest) = cosines.as_chunks::<LANES>();
    let (sine_blocks, sine_rest) = sines.as_chunks::<LANES>();
    let mut k = 1;
    for (cosines, sines) in cosine_blocks.iter().zip(sine_blocks) {
        let (low, high) = (&z[k..k + LANES], &z[half + 1 - k - LANES..half + 1 - k]);
        let (mut plus, mut minus) = ([0.0; LANES], [0.0; LANES]);
        for l in 0..LANES {
            (plus[l], minus[l]) = pair(low[l], high[LANES - 1 - l], cosines[l], sines[l]);
        }
        out[k..k + LANES].copy_from_slice(&plus);
        minus.reverse();
        out[half + 1 - k - LANES..half + 1 - k].copy_from_slice(&minus);
        k += LANES;
    }
    for (&cosine, &sine) in cosine_rest.iter().zip(sine_rest) {
        (out[k], out[half - k]) = pair(z[k], z[half - k], cosine, sine);
        k += 1;
    }
}

/// Powers of bins k and half − k.
#[inline(always)]
fn pair(a: Complex<f32>, b: Complex<f32>, cosine: f32, sine: f32) -> (f32, f32) {
    let even = (a.re + b.re, a.im - b.im);
    let odd = (a.im + b.im, b.re - a.re);
    let turned = (cosine * odd.0 - sine * odd.1, cosine * odd.1 + sine * odd.0);
    let plus = (even.0 + turned.0, even.1 + turned.1);
    let minus = (even.0 - turned.0, even.1 - turned.1);
    (plus.0 * plus.0 + plus.1 * plus.1, minus.0 * minus.0 + minus.1 * minus.1)
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn roots(values: &mut [f32]) {
    for value in values {
        *value = value.sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Edge cases of the packing: odd halves, odd tapers, the shortest lengths.
    #[test]
    fn equals_the_transform_by_its_definition() {
        for (fft_size, taper_length) in [(512, 400), (512, 512), (512, 399), (2, 2), (4, 3), (6, 6), (90, 77)]
        {
            let params = LogMelParams { fft_size, taper_length, ..LogMelParams::yamnet() };
            let frame: Vec<f32> = (0..taper_length).map(|n| ((n * n) % 97) as f32 / 97.0 - 0.5).collect();
            let curve = taper(&params);
            let mut stft = Stft::new(&params);
            stft.spectrum(&frame);
            let bins = stft.spectrum(&frame);
            for (k, bin) in bins.iter().enumerate().take(fft_size / 2 + 1) {
                let (mut re, mut im) = (0.0, 0.0);
                for (n, (x, w)) in frame.iter().zip(&curve).enumerate() {
                    let angle = TAU * (k * n % fft_size) as f64 / fft_size as f64;
                    re += f64::from(x * w) * angle.cos();
                    im += f64::from(x * w) * angle.sin();
                }
                assert!((f64::from(*bin) - re.hypot(im)).abs() < 2e-5, "{fft_size}: bin {k}");
            }
            assert_eq!(bins[fft_size / 2 + 1..], [0.0; STRIDE]);
        }
    }
}
