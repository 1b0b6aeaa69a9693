//! Limits of decoded streams.

use crate::audio::SampleRate;

/// Accepted sample rates, in Hz.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 1_000..=SampleRate::MAX;

/// Maximum number of channels.
pub(super) const MAX_CHANNELS: usize = 64;

/// Placeholder until the first packet states the rate.
pub(in crate::source) const ANY_RATE: SampleRate = SampleRate::HZ_48000;
