//! Layer 1: conversion of blocks to patches of log-mel frames. Pure: no I/O, no threads, no clock.
//!
//! ```text
//! Block ─▶ sanitise ─┬─▶ loudness (native rate, all channels), repetition ──┐
//!                    └─▶ downmix ─▶ resample ─▶ log-mel frames ─▶ patches ──┴─▶ PatchView
//! ```
//!
//! [`FrontEnd`] covers the whole path for one source, [`FrameStream`] the path up to the frames,
//! [`LogMel`] the frames alone, and [`log_mel`] a whole signal offline. [`Resampler`] and
//! [`Loudness`] are the other stages, public for measurements. [`descriptors`] are librosa's
//! descriptors for classical models.
//!
//! **Invariant**: frames, patches, levels and spans are bit-identical for any chunking of the
//! input. Every stage counts samples from the start of its segment and ignores block boundaries.
//!
//! **Invariant**: after a source's first patch, nothing in this module allocates or frees until the
//! source ends or changes its format.

mod compress;
pub mod descriptors;
mod downmix;
mod frame_stream;
mod front_end;
mod intake;
mod k_weighting;
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

pub use compress::{exp10_minus_one, log10_one_plus};
pub use downmix::SAMPLE_LIMIT;
pub use frame_stream::FrameStream;
pub use front_end::{Counters, FrontEnd, PatchView};
pub use log_mel::{LogMel, log_mel};
pub use loudness::Loudness;
pub use mel::mel_filters;
pub use params::{
    Compression, LogMelParams, MelNorm, MelScale, MelSlope, Reference, Spectrum, Taper, TaperPadding,
};
pub use patches::PatchParams;
pub use resample::Resampler;

use crate::audio::SampleRate;

/// Error of the front end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DspError {
    /// A parameter is out of range.
    #[error("front end: `{name}` is {value}; {fix}")]
    Parameter {
        /// Name of the parameter, as in the manifest.
        name: &'static str,
        /// Its value.
        value: String,
        /// Accepted values.
        fix: String,
    },
    /// The sample rate is too low.
    #[error("the sample rate is `{0}`; use at least {min} Hz", min = resample::MIN_RATE)]
    Rate(SampleRate),
    /// The channel count is not supported.
    #[error("the sound has `{0}` channels; use 1 to {max}", max = loudness::MAX_CHANNELS)]
    Channels(u16),
    /// The true-peak meter does not support the rate or channel count.
    #[error("the true peak of `{1}` channels at `{0}` cannot be measured; leave out `true_peak`")]
    TruePeak(SampleRate, u16),
    /// A finite source ended without a sample.
    #[error("the sound is empty; give a file or stream that holds at least one sample")]
    Empty,
    /// The resampler does not support the pair of rates.
    #[error("cannot resample `{from}` to `{to}`: {reason}; convert the sound to another rate first")]
    Resample {
        /// Rate of the source.
        from: SampleRate,
        /// Rate of the model.
        to: SampleRate,
        /// Error of the resampler.
        reason: String,
    },
}

#[cfg(test)]
mod samples;
