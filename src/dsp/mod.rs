//! Layer 1: conversion of blocks to patches of log-mel frames. Pure: no I/O, no threads, no clock.
//!
//! ```text
//! Block ─▶ sanitise ─┬─▶ loudness (native rate, all channels), repetition ──┐
//!                    └─▶ downmix ─▶ resample ─▶ log-mel frames ─▶ patches ──┴─▶ PatchView
//! ```
//!
//! [`FrontEnd`] covers the whole path for one source, [`FrameStream`] the path up to the frames,
//! [`LogMel`] the frames alone, and [`log_mel()`] a whole signal offline. [`Resampler`] and
//! [`Loudness`] are the other stages, public for measurements. [`descriptors`] are librosa's
//! descriptors for classical models.
//!
//! **Invariant**: frames, patches, levels and spans are bit-identical for any chunking of the
//! input. Every stage counts samples from the start of its segment and ignores block boundaries.
//!
//! **Invariant**: after a source's first patch, nothing in this module allocates or frees until the
//! source ends or changes its format.

pub mod descriptors;
mod downmix;
mod error;
mod frame_segment;
mod frame_stream;
mod front_end;
mod intake;
mod k_weighting;
mod limits;
mod log_compression;
mod log_mel;
mod loudness;
mod mel;
mod params;
mod patches;
mod repetition;
mod resample;
mod stft;
mod taper;
mod tone;
mod true_peak;

pub use downmix::SAMPLE_LIMIT;
pub use error::DspError;
pub use frame_stream::FrameStream;
pub use front_end::{FrontEnd, PatchCounters, PatchView};
pub use log_compression::{exp10_minus_one, log10_one_plus};
pub use log_mel::{LogMel, log_mel};
pub use loudness::Loudness;
pub use mel::mel_filters;
pub use params::{
    Compression, LogMelParams, MelNorm, MelScale, MelSlope, Reference, Spectrum, Taper, TaperPadding,
};
pub use patches::PatchParams;
pub use resample::Resampler;

#[cfg(test)]
mod samples;
