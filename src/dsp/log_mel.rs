//! Log-mel frames.

use ndarray::Array2;

use super::downmix::sanitise_into;
use super::error::DspError;
use super::log_compression::Compressor;
use super::mel::MelBank;
use super::params::{Compression, LogMelParams, Reference, Spectrum, check};
use super::stft::Stft;
use super::tone::ToneDetector;

/// Number of hops in the buffer beyond one frame.
const HOPS_AHEAD: usize = 16;

/// Streaming log-mel analysis: mono samples at the model's rate in, rows of bands out.
///
/// Each hop computes only its new frame. Plans and buffers are created once; pushing allocates only
/// if `out` must grow. For a whole signal at once, see [`log_mel`].
pub struct LogMel {
    params: LogMelParams,
    stft: Stft,
    bank: MelBank,
    compressor: Compressor,
    tone: ToneDetector,
    /// Samples from the start of the next frame on, then room.
    buffer: Vec<f32>,
    filled: usize,
    pushed: u64,
}

impl LogMel {
    /// Creates an empty stream.
    ///
    /// # Errors
    /// A parameter is out of range, or needs the whole signal (`top_db`, `reference = "max"`).
    pub fn new(params: &LogMelParams) -> Result<Self, DspError> {
        check(
            params.compression.is_streaming(),
            "compression",
            "relative to the whole signal",
            "leave out `top_db` and give `reference` a value, or analyse whole files",
        )?;
        Self::build(params, Compressor::new(&params.compression))
    }

    fn build(params: &LogMelParams, compressor: Compressor) -> Result<Self, DspError> {
        params.validate()?;
        let mut built = Self {
            params: params.clone(),
            stft: Stft::new(params),
            bank: MelBank::new(params),
            compressor,
            tone: ToneDetector::new(params.spectrum == Spectrum::Magnitude),
            buffer: vec![0.0; params.frame_length() + HOPS_AHEAD * params.hop_length],
            filled: 0,
            pushed: 0,
        };
        built.reset();
        Ok(built)
    }

    /// Parameters of the analysis.
    pub fn params(&self) -> &LogMelParams {
        &self.params
    }

    /// Processes `samples` and appends the completed frames to `out`, row-major `[frames, bands]`.
    /// NaN, infinity and values beyond [`SAMPLE_LIMIT`](super::SAMPLE_LIMIT) count as 0.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.pushed += samples.len() as u64;
        let mut rest = samples;
        while !rest.is_empty() {
            let room = &mut self.buffer[self.filled..];
            let (now, later) = rest.split_at(rest.len().min(room.len()));
            sanitise_into(now, room);
            self.filled += now.len();
            rest = later;
            self.analyse(out);
        }
    }

    /// Ends the signal: appends the frames that extend beyond its end, and resets the stream. A
    /// signal without samples yields no frames.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if self.pushed > 0 {
            let end = self.filled + self.params.padding();
            let mut at = self.filled;
            while at < end {
                let stop = end.min(at + self.buffer.len() - self.filled);
                self.buffer[self.filled..self.filled + stop - at].fill(0.0);
                self.filled += stop - at;
                at = stop;
                self.analyse(out);
            }
        }
        self.reset();
    }

    /// Returns to the initial state: the next sample is the first of a signal.
    pub fn reset(&mut self) {
        self.filled = self.params.padding();
        self.buffer[..self.filled].fill(0.0);
        self.pushed = 0;
        self.tone.reset();
    }

    /// Number of consecutive frames, up to frame `end` (of the last hundred), that hold one pure,
    /// steady tone.
    pub(super) fn tone_before(&self, end: u64) -> u32 {
        self.tone.frames_before(end)
    }

    /// Appends every frame that is completely in the buffer.
    fn analyse(&mut self, out: &mut Vec<f32>) {
        let (length, hop, bands) = (self.params.frame_length(), self.params.hop_length, self.params.bands);
        if self.filled < length {
            return;
        }
        let first = out.len();
        let frames = 1 + (self.filled - length) / hop;
        out.resize(first + frames * bands, 0.0);
        let rows = &mut out[first..];
        for (frame, row) in rows.chunks_exact_mut(bands).enumerate() {
            let start = frame * hop;
            let spectrum = self.stft.spectrum(&self.buffer[start..start + length]);
            self.tone.push(&spectrum[..=self.params.fft_size / 2]);
            self.bank.apply(spectrum, row);
        }
        self.compressor.apply(rows);
        self.buffer.copy_within(frames * hop..self.filled, 0);
        self.filled -= frames * hop;
    }
}

/// Log-mel frames of a whole signal (mono, at the model's rate), `[frames, bands]`.
///
/// Bit-identical to [`LogMel`], but allocating, for offline use. Supports `top_db` and `reference =
/// "max"`.
///
/// # Errors
/// A parameter is out of range.
pub fn log_mel(samples: &[f32], params: &LogMelParams) -> Result<Array2<f32>, DspError> {
    let streaming = params.compression.is_streaming();
    let compressor = if streaming { Compressor::new(&params.compression) } else { Compressor::Linear };
    let mut stream = LogMel::build(params, compressor)?;
    let mut rows = Vec::with_capacity(params.frames(samples.len() as u64) as usize * params.bands);
    stream.push(samples, &mut rows);
    stream.finish(&mut rows);
    if !streaming {
        compress_whole(&mut rows, &params.compression);
    }
    let frames = rows.len() / params.bands;
    let shape = (frames, params.bands);
    Ok(Array2::from_shape_vec(shape, rows).unwrap_or_else(|_| Array2::zeros(shape)))
}

/// `power_to_db` relative to the signal's own maximum.
pub(super) fn compress_whole(values: &mut [f32], compression: &Compression) {
    let &Compression::PowerToDb { reference, amin, top_db } = compression else { return };
    let loudest = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let reference = match reference {
        Reference::Max => Reference::Value(f64::from(loudest(values))),
        value => value,
    };
    Compressor::new(&Compression::PowerToDb { reference, amin, top_db: None }).apply(values);
    if let Some(range) = top_db {
        let floor = loudest(values) - range as f32;
        values.iter_mut().for_each(|value| *value = value.max(floor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::samples::noise;

    #[test]
    fn frame_counts_are_the_published_ones() {
        for params in [LogMelParams::musicnn(), LogMelParams::yamnet()] {
            for samples in [0, 1, 255, 256, 399, 400, 512, 16_000, 47_616] {
                let rows = log_mel(&noise(samples), &params).unwrap();
                assert_eq!(rows.nrows() as u64, params.frames(samples as u64), "{samples}");
            }
        }
    }

    #[test]
    fn pieces_give_the_same_bits_as_the_whole() {
        let signal = noise(20_000);
        for params in [LogMelParams::musicnn(), LogMelParams::yamnet()] {
            let whole = log_mel(&signal, &params).unwrap();
            for piece in [1, 7, 256, 511, 5000, 19_999] {
                let mut stream = LogMel::new(&params).unwrap();
                let mut rows = Vec::new();
                signal.chunks(piece).for_each(|piece| stream.push(piece, &mut rows));
                stream.finish(&mut rows);
                assert!(rows.iter().zip(whole.iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
                assert_eq!(rows.len(), whole.len());
            }
        }
    }

    #[test]
    fn a_finished_stream_can_be_reused() {
        let signal = noise(3000);
        let mut stream = LogMel::new(&LogMelParams::musicnn()).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for out in [&mut first, &mut second] {
            stream.push(&signal, out);
            stream.finish(out);
        }
        assert_eq!(first, second);
    }

    #[test]
    fn hostile_samples_give_finite_frames() {
        let params = LogMelParams::musicnn();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE / 8.0, 0.0, 1.0] {
            let rows = log_mel(&[bad; 2000], &params).unwrap();
            assert!(rows.iter().all(|x| x.is_finite() && *x >= 0.0), "{bad}");
        }
        assert_eq!(
            log_mel(&[crate::dsp::SAMPLE_LIMIT; 5000], &params)
                .unwrap()
                .iter()
                .filter(|x| !x.is_finite())
                .count(),
            0
        );
        assert!(log_mel(&[f32::NAN; 2000], &params).unwrap().iter().all(|&x| x == 0.0));
    }

    #[test]
    fn what_needs_the_whole_signal_is_refused_in_a_stream() {
        let mut params = LogMelParams::musicnn();
        params.compression =
            Compression::PowerToDb { reference: Reference::Max, amin: 1e-10, top_db: Some(80.0) };
        let message = LogMel::new(&params).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains("leave out `top_db`"), "{message}");
        let rows = log_mel(&noise(4000), &params).unwrap();
        let (low, high) = rows.iter().fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        assert!((-80.0..-10.0).contains(&low) && high.abs() < 1e-4, "{low} {high}");
    }
}
