//! Descriptors of three-second windows, equal to those of librosa 0.11, for classical models.
//! Offline only; allocates freely.
//!
//! ```text
//! samples ─┬─▶ waveform: zero crossings, RMS
//!          └─▶ STFT powers ─┬─▶ spectral: centroid, bandwidth, roll-off, flatness
//!                           ├─▶ chroma
//!                           ├─▶ hpss: harmonic / percussive
//!                           └─▶ mel bands in dB ─┬─▶ mfcc
//!                                                └─▶ tempo
//! ```
//!
//! Every window is analysed on its own, with librosa's padding at both ends: a row equals the
//! result for `librosa.load(file, offset=start, duration=3)`. All windows are mono at 22,050 Hz, in
//! centred frames of 2048 samples every 512.
//!
//! [`DescriptorStream`] cuts a signal into windows, [`Describer`] analyses one.
//!
//! **Invariant**: every value is finite for any samples.

mod chroma;
mod describer;
mod hpss;
mod mfcc;
mod spectral;
mod stream;
mod tempo;
mod waveform;

pub use describer::Describer;
pub use stream::{DescriptorStream, WINDOW_HOP_SECONDS, WINDOW_SECONDS};

use super::params::{
    Compression, LogMelParams, MelNorm, MelScale, MelSlope, Reference, Spectrum, Taper, TaperPadding,
};
use crate::audio::SampleRate;

/// Sample rate of the analysis: librosa's default.
pub const RATE: SampleRate = match SampleRate::new(22_050) {
    Some(rate) => rate,
    None => unreachable!(),
};

/// Frame length in samples.
const FRAME: usize = 2048;

/// Samples from one frame to the next.
const HOP: usize = 512;

/// Number of bins of a frame's spectrum.
const BINS: usize = FRAME / 2 + 1;

/// Number of mel bands for the MFCCs and the tempo.
const BANDS: usize = 128;

/// Number of descriptors per frame.
pub const FRAME_DESCRIPTORS: usize = 38;

/// Their names, in the order of [`Descriptors::moments`].
pub const FRAME_DESCRIPTOR_NAMES: [&str; FRAME_DESCRIPTORS] = [
    "zcr",
    "centroid",
    "bandwidth",
    "rolloff",
    "flatness",
    "rms",
    "mfcc_01",
    "mfcc_02",
    "mfcc_03",
    "mfcc_04",
    "mfcc_05",
    "mfcc_06",
    "mfcc_07",
    "mfcc_08",
    "mfcc_09",
    "mfcc_10",
    "mfcc_11",
    "mfcc_12",
    "mfcc_13",
    "mfcc_14",
    "mfcc_15",
    "mfcc_16",
    "mfcc_17",
    "mfcc_18",
    "mfcc_19",
    "mfcc_20",
    "chroma_c",
    "chroma_c_sharp",
    "chroma_d",
    "chroma_d_sharp",
    "chroma_e",
    "chroma_f",
    "chroma_f_sharp",
    "chroma_g",
    "chroma_g_sharp",
    "chroma_a",
    "chroma_a_sharp",
    "chroma_b",
];

/// Mean and population variance (NumPy's `var`, `ddof=0`) over a window's frames.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// Arithmetic mean, in the descriptor's unit.
    pub mean: f64,
    /// Variance, in the square of that unit.
    pub var: f64,
}

impl Moments {
    /// Moments of `values`; zeros if there are none.
    fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.clone().sum::<f64>() / count;
        Self { mean, var: values.map(|value| (value - mean).powi(2)).sum::<f64>() / count }
    }
}

/// Descriptors of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptors {
    /// Tempo in beats per minute, from 7.5 to 288: librosa's `feature.tempo`.
    pub tempo: f64,
    /// Moments of [`FRAME_DESCRIPTOR_NAMES`], in that order.
    pub moments: [Moments; FRAME_DESCRIPTORS],
    /// Energy of the harmonic part over that of the percussive part, at least 0; 1 in silence.
    pub harmonic_ratio: f64,
}

impl Descriptors {
    /// Names of [`Descriptors::values`]: `tempo`, `zcr_mean`, `zcr_var`, …, `harmonic_ratio`.
    pub fn columns() -> Vec<String> {
        let moments =
            FRAME_DESCRIPTOR_NAMES.iter().flat_map(|name| [format!("{name}_mean"), format!("{name}_var")]);
        std::iter::once("tempo".to_owned()).chain(moments).chain(["harmonic_ratio".to_owned()]).collect()
    }

    /// All values, in the order of [`Descriptors::columns`].
    pub fn values(&self) -> Vec<f64> {
        let moments = self.moments.iter().flat_map(|moments| [moments.mean, moments.var]);
        std::iter::once(self.tempo).chain(moments).chain([self.harmonic_ratio]).collect()
    }
}

/// Number of frames of a centred analysis of `samples`.
fn frame_count(samples: usize) -> usize {
    1 + samples / HOP
}

/// Samples covered by frame `frame` of a centred analysis of `samples`.
fn covered(frame: usize, samples: usize) -> std::ops::Range<usize> {
    let end = (frame * HOP + FRAME / 2).min(samples);
    (frame * HOP).saturating_sub(FRAME / 2).min(end)..end
}

/// Frequency of bin `bin`, in Hz.
fn bin_hertz(bin: usize) -> f64 {
    bin as f64 * f64::from(RATE.hertz()) / FRAME as f64
}

/// librosa's `melspectrogram` and `power_to_db` with their defaults.
fn parameters() -> LogMelParams {
    LogMelParams {
        sample_rate: RATE,
        fft_size: FRAME,
        hop_length: HOP,
        taper_length: FRAME,
        taper: Taper::Hann,
        taper_padding: TaperPadding::Both,
        centred: true,
        spectrum: Spectrum::Power,
        bands: BANDS,
        mel_scale: MelScale::Slaney,
        mel_slope: MelSlope::Hertz,
        mel_norm: MelNorm::Slaney,
        f_min: 0.0,
        f_max: f64::from(RATE.hertz()) / 2.0,
        compression: Compression::PowerToDb {
            reference: Reference::Value(1.0),
            amin: 1e-10,
            top_db: Some(80.0),
        },
    }
}

#[cfg(test)]
mod tests;
