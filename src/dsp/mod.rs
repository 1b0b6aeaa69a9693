//! Floor 1: from blocks of samples to patches of log-mel frames. Pure: no input or output, no threads, no clock.
//!
//! ```text
//! Block ─▶ sanitise ─┬─▶ loudness (native rate, all channels), repetition ──┐
//!                    └─▶ downmix ─▶ resample ─▶ log-mel frames ─▶ patches ──┴─▶ PatchView
//! ```
//!
//! [`FrontEnd`] is all of it for one source, [`FrameStream`] the same way as far as
//! the frames, [`LogMel`] the frames alone, and [`log_mel`] the offline convenience.
//! [`Resampler`] and [`Loudness`] are the other stages, for whoever measures them, and
//! [`descriptors`] are librosa's, for classical models.
//!
//! **Invariant**: however a signal is cut into blocks, the frames, patches, levels
//! and spans are the same to the bit. Every stage counts samples from the start of
//! its segment and never looks at where a block ends.
//!
//! **Invariant**: after a source's first patch, nothing in here allocates or frees
//! until the source ends or changes its format.

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

/// What the front end can't do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DspError {
    /// A parameter is out of its range.
    #[error("front end: `{name}` is {value}; {fix}")]
    Parameter {
        /// The parameter's name, as in the manifest.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        fix: String,
    },
    /// The source's sample rate is too low to be analysed.
    #[error("the sample rate is `{0}`; use at least {min} Hz", min = resample::MIN_RATE)]
    Rate(SampleRate),
    /// The source's channel count is not supported.
    #[error("the sound has `{0}` channels; use 1 to {max}", max = loudness::MAX_CHANNELS)]
    Channels(u16),
    /// The meter of true peaks does not know such sound.
    #[error("the true peak of `{1}` channels at `{0}` cannot be measured; leave out `true_peak`")]
    TruePeak(SampleRate, u16),
    /// A finite source ended without a single sample.
    #[error("the sound is empty; give a file or stream that holds at least one sample")]
    Empty,
    /// The resampler refused a pair of rates.
    #[error("cannot resample `{from}` to `{to}`: {reason}; convert the sound to another rate first")]
    Resample {
        /// The source's rate.
        from: SampleRate,
        /// The model's rate.
        to: SampleRate,
        /// What the resampler said.
        reason: String,
    },
}

#[cfg(test)]
mod samples;
