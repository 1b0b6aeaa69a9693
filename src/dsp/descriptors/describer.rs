//! Analysis of one window.

use super::super::downmix::sanitise;
use super::super::error::DspError;
use super::super::log_mel::compress_whole;
use super::super::mel::MelBank;
use super::super::stft::Stft;
use super::chroma::ChromaBank;
use super::framing::{BANDS, BINS, FRAME, HOP, covered, frame_count, parameters};
use super::mfcc::{COEFFICIENTS, Dct};
use super::row::{Descriptors, FRAME_DESCRIPTORS, Moments};
use super::spectral::ShapeMeter;
use super::tempo::{TempoMeter, onset_strength};
use super::{hpss, waveform};

/// Offsets of the descriptor groups in a frame's row, in the order of
/// [`FRAME_DESCRIPTOR_NAMES`](super::FRAME_DESCRIPTOR_NAMES).
const MFCC: usize = 6;
const CHROMA: usize = MFCC + COEFFICIENTS;

/// Plans, filters and buffers for the analysis of consecutive windows.
pub struct Describer {
    stft: Stft,
    mel: MelBank,
    shape: ShapeMeter,
    chroma: ChromaBank,
    dct: Dct,
    tempo: TempoMeter,
    samples: Vec<f32>,
    frame: Vec<f32>,
    /// Row-major `[frames, BINS]`.
    powers: Vec<f32>,
    /// Row-major `[frames, BANDS]`.
    decibels: Vec<f32>,
    rows: Vec<[f64; FRAME_DESCRIPTORS]>,
}

impl Describer {
    /// Creates a describer for any number of windows.
    pub fn new() -> Self {
        let params = parameters();
        Self {
            stft: Stft::new(&params),
            mel: MelBank::new(&params),
            shape: ShapeMeter::new(),
            chroma: ChromaBank::new(),
            dct: Dct::new(),
            tempo: TempoMeter::new(),
            samples: Vec::new(),
            frame: vec![0.0; FRAME],
            powers: Vec::new(),
            decibels: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Descriptors of `samples`, mono at [`RATE`](super::RATE), as one window.
    ///
    /// NaN, infinity and values beyond [`SAMPLE_LIMIT`](crate::dsp::SAMPLE_LIMIT) count as 0.
    ///
    /// # Errors
    /// There is no sample.
    pub fn describe(&mut self, samples: &[f32]) -> Result<Descriptors, DspError> {
        if samples.is_empty() {
            return Err(DspError::Empty);
        }
        sanitise(samples, &mut self.samples);
        self.rows.clear();
        self.rows.resize(frame_count(samples.len()), [0.0; FRAME_DESCRIPTORS]);
        self.measure_waveform();
        self.measure_spectra();
        compress_whole(&mut self.decibels, &parameters().compression);
        for (row, decibels) in self.rows.iter_mut().zip(self.decibels.chunks_exact(BANDS)) {
            self.dct.apply(decibels, &mut row[MFCC..CHROMA]);
        }
        Ok(Descriptors {
            tempo: self.tempo.measure(&onset_strength(&self.decibels)),
            moments: std::array::from_fn(|which| Moments::of(self.rows.iter().map(|row| row[which]))),
            harmonic_ratio: hpss::harmonic_ratio(&self.powers, BINS),
        })
    }

    fn measure_waveform(&mut self) {
        let measured = waveform::zero_crossing_rates(&self.samples).zip(waveform::rms(&self.samples));
        for (row, (zcr, rms)) in self.rows.iter_mut().zip(measured) {
            (row[0], row[5]) = (zcr, rms);
        }
    }

    /// Fills powers, mel energies, and the values of the rows that depend on a single spectrum.
    fn measure_spectra(&mut self) {
        self.powers.clear();
        self.decibels.clear();
        self.decibels.resize(self.rows.len() * BANDS, 0.0);
        for (at, row) in self.rows.iter_mut().enumerate() {
            let range = covered(at, self.samples.len());
            // Sample 0 of the frame is FRAME / 2 before its middle.
            let first = range.start + FRAME / 2 - at * HOP;
            self.frame.fill(0.0);
            self.frame[first..first + range.len()].copy_from_slice(&self.samples[range]);
            let spectrum = self.stft.spectrum(&self.frame);
            self.mel.apply(spectrum, &mut self.decibels[at * BANDS..(at + 1) * BANDS]);
            let powers = &spectrum[..BINS];
            self.powers.extend_from_slice(powers);
            let shape = self.shape.measure(powers);
            row[1..5].copy_from_slice(&[shape.centroid, shape.bandwidth, shape.rolloff, shape.flatness]);
            self.chroma.apply(powers, &mut row[CHROMA..]);
        }
    }
}

impl Default for Describer {
    fn default() -> Self {
        Self::new()
    }
}
