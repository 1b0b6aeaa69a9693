//! Limits of the accepted input.

/// Lowest source rate in Hz: K-weighting has a pole pair at 1.7 kHz, and music needs more.
pub(super) const MIN_RATE: u32 = 4000;

/// Maximum number of channels measured.
pub(super) const MAX_CHANNELS: u16 = 64;
