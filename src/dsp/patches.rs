//! Patch grid in exact integer arithmetic.

use super::error::DspError;
use super::params::{LogMelParams, check};
use crate::limits::HOP_S;

/// Patch parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchParams {
    /// Frames per patch, at least 1.
    pub frames: usize,
    /// Seconds from one patch to the next, within [`HOP_S`], with microsecond resolution.
    pub hop_seconds: f64,
    /// Number of frames before a patch, or the oldest of its group, that are included as context if
    /// available.
    pub before: usize,
    /// Number of frames after a patch that are included as context; fewer at the end of the signal.
    pub after: usize,
    /// Number of patches emitted together, at least 1.
    pub group: usize,
}

impl PatchParams {
    /// Creates patches of `frames`, emitted one by one and without context.
    pub fn new(frames: usize, hop_seconds: f64) -> Self {
        Self { frames, hop_seconds, before: 0, after: 0, group: 1 }
    }

    /// Checks all ranges.
    ///
    /// # Errors
    /// Names the parameter that is out of range.
    pub fn validate(&self) -> Result<(), DspError> {
        check((1..=100_000).contains(&self.frames), "frames", self.frames, "use 1 to 100000")?;
        check(self.before <= 100_000, "before", self.before, "use at most 100000")?;
        check(self.after <= 100_000, "after", self.after, "use at most 100000")?;
        check((1..=64).contains(&self.group), "group", self.group, "use 1 to 64")?;
        check(HOP_S.contains(self.hop_seconds), "hop", self.hop_seconds, "use 0.25 to 3 seconds")
    }
}

/// Grid of patches, in integers so that it is exact at any distance.
#[derive(Debug, Clone, Copy)]
pub(super) struct PatchGrid {
    pub(super) frames: u64,
    /// Patch hop in frames, as a fraction.
    numerator: u128,
    denominator: u128,
}

impl PatchGrid {
    pub(super) fn new(patch: &PatchParams, params: &LogMelParams) -> Result<Self, DspError> {
        patch.validate()?;
        let microseconds = (patch.hop_seconds * 1e6).round() as u128;
        Ok(Self {
            frames: patch.frames as u64,
            numerator: microseconds * u128::from(params.sample_rate.hertz()),
            denominator: params.hop_length as u128 * 1_000_000,
        })
    }

    /// First frame of patch `k` of a segment: ⌊k · hop in frames⌋.
    pub(super) fn start(&self, k: u64) -> u64 {
        (u128::from(k) * self.numerator / self.denominator) as u64
    }

    /// Returns true if `frames` are at least half a hop.
    pub(super) fn is_half_a_hop(&self, frames: u64) -> bool {
        2 * u128::from(frames) * self.denominator >= self.numerator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(hop_seconds: f64) -> PatchGrid {
        PatchGrid::new(&PatchParams::new(187, hop_seconds), &LogMelParams::musicnn()).unwrap()
    }

    #[test]
    fn starts_follow_the_contract() {
        let starts = |hop, n| (0..n).map(|k| grid(hop).start(k)).collect::<Vec<_>>();
        assert_eq!(starts(1.0, 5), [0, 62, 125, 187, 250]);
        assert_eq!(starts(0.25, 5), [0, 15, 31, 46, 62]);
        assert_eq!(starts(3.0, 3), [0, 187, 375]);
        // 0.7 has no exact binary form, yet ten million hops of 43.75 frames are exact.
        assert_eq!(grid(0.7).start(10_000_000), 437_500_000);
    }

    #[test]
    fn half_a_hop_is_exact() {
        // Half of 62.5 frames is 31.25.
        assert!(!grid(1.0).is_half_a_hop(31) && grid(1.0).is_half_a_hop(32));
    }

    #[test]
    fn ranges_are_checked() {
        for (frames, hop_seconds) in [(0, 1.0), (187, 0.1), (187, 3.5), (187, f64::NAN)] {
            assert!(PatchParams::new(frames, hop_seconds).validate().is_err());
        }
    }
}
