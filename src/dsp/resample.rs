//! Resampling of mono samples from the source's rate to the model's.

use audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use super::error::DspError;
use super::limits::MIN_RATE;
use crate::audio::SampleRate;

/// Minimum length of the anti-alias filter, in samples of the lower rate. Determines the steepness:
/// flat to 0.9 Nyquist, and full attenuation at Nyquist.
const FILTER_LENGTH: usize = 512;

/// Streaming resampler without delay: output sample `k` is the input at time `k / to`.
///
/// Works in blocks counted from the first sample, so that the output is bit-identical for any
/// chunking of the input. Equal rates pass through.
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    fft: Option<Fft<f32>>,
    block_in: Vec<f32>,
    filled: usize,
    block_out: Vec<f32>,
    /// Samples of the filter's delay yet to be dropped.
    delay: usize,
    received: u64,
    returned: u64,
}

impl Resampler {
    /// Creates a resampler between two rates.
    ///
    /// # Errors
    /// A rate is below 4 kHz, or the pair is not supported.
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self, DspError> {
        if from.hertz() < MIN_RATE {
            return Err(DspError::Rate(from));
        }
        let mut built = Self {
            from,
            to,
            fft: None,
            block_in: Vec::new(),
            filled: 0,
            block_out: Vec::new(),
            delay: 0,
            received: 0,
            returned: 0,
        };
        if from != to {
            let refused =
                |error: &dyn std::fmt::Display| DspError::Resample { from, to, reason: error.to_string() };
            let fft = plan(from, to).map_err(|error| refused(&error))?;
            built.block_in = vec![0.0; fft.input_frames_max()];
            built.block_out = vec![0.0; fft.output_frames_max()];
            built.delay = fft.output_delay();
            built.fft = Some(fft);
        }
        Ok(built)
    }

    /// Maximum number of samples that one push of `samples` yields.
    pub fn max_output(&self, samples: usize) -> usize {
        let blocks = samples.checked_div(self.block_in.len()).map_or(0, |whole| whole + 1);
        if self.fft.is_some() { blocks * self.block_out.len() } else { samples }
    }

    /// Processes `samples` (finite) and appends the completed output to `out`.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.received += samples.len() as u64;
        if self.fft.is_none() {
            self.returned += samples.len() as u64;
            out.extend_from_slice(samples);
            return;
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let room = &mut self.block_in[self.filled..];
            let (now, later) = rest.split_at(rest.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.filled += now.len();
            rest = later;
            if self.filled == self.block_in.len() {
                self.convert(u64::MAX, out);
            }
        }
    }

    /// Ends the signal: appends the rest, so that ⌈input · to / from⌉ samples were returned in all,
    /// and resets the resampler.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if self.fft.is_some() {
            let (from, to) = (u64::from(self.from.hertz()), u64::from(self.to.hertz()));
            let total = (self.received * to).div_ceil(from);
            while self.returned < total {
                self.block_in[self.filled..].fill(0.0);
                self.convert(total, out);
            }
        }
        self.reset();
    }

    /// Returns to the initial state: the next sample is the first of a signal.
    pub fn reset(&mut self) {
        if let Some(fft) = &mut self.fft {
            fft.reset();
            self.delay = fft.output_delay();
        }
        (self.filled, self.received, self.returned) = (0, 0, 0);
    }

    /// Converts one full block; appends the part after the delay and before sample `total`.
    fn convert(&mut self, total: u64, out: &mut Vec<f32>) {
        let Some(fft) = &mut self.fft else { return };
        let (frames_in, frames_out) = (self.block_in.len(), self.block_out.len());
        let outcome = match (
            SequentialSlice::new(self.block_in.as_slice(), 1, frames_in),
            SequentialSlice::new_mut(self.block_out.as_mut_slice(), 1, frames_out),
        ) {
            (Ok(input), Ok(mut output)) => {
                fft.process_into_buffer(&input, &mut output, None::<&Indexing>).is_ok()
            }
            _ => false,
        };
        debug_assert!(outcome, "the plan made these buffers");
        self.filled = 0;
        let skipped = self.delay.min(frames_out);
        self.delay -= skipped;
        let wanted = (total - self.returned).min((frames_out - skipped) as u64) as usize;
        out.extend_from_slice(&self.block_out[skipped..skipped + wanted]);
        self.returned += wanted as u64;
    }
}

/// Plans rubato's FFT resampler with a block of at least [`FILTER_LENGTH`] samples at the lower
/// rate.
fn plan(from: SampleRate, to: SampleRate) -> Result<Fft<f32>, rubato::ResamplerConstructionError> {
    let (from, to) = (from.hertz() as usize, to.hertz() as usize);
    let common = gcd(from, to);
    // An even number of units, so that half a block, the delay, is a whole number of samples at
    // both rates.
    let units = (FILTER_LENGTH * common).div_ceil(from.min(to)).next_multiple_of(2);
    let block = units * (from / common);
    Fft::new_custom(from, to, block, 1, 1, WindowFunction::BlackmanHarris2, FixedSync::Both)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
