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
mod framing;
mod hpss;
mod mfcc;
mod row;
mod spectral;
mod stream;
mod tempo;
mod waveform;

pub use describer::Describer;
pub use framing::RATE;
pub use row::{Descriptors, FRAME_DESCRIPTOR_NAMES, FRAME_DESCRIPTORS, Moments};
pub use stream::{DescriptorStream, WINDOW_HOP_SECONDS, WINDOW_SECONDS};

#[cfg(test)]
mod tests;
