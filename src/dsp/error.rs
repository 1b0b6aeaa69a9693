//! Errors of the front end.

use super::limits::{MAX_CHANNELS, MIN_RATE};
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
    #[error("the sample rate is `{0}`; use at least {min} Hz", min = MIN_RATE)]
    Rate(SampleRate),
    /// The channel count is not supported.
    #[error("the sound has `{0}` channels; use 1 to {max}", max = MAX_CHANNELS)]
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
