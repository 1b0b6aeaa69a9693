//! Points in the time of a source, and lengths of it.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

/// Length of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Seconds(pub f64);

/// Point in the time of a source, in seconds from its first sample.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct SourceTime(pub f64);

impl Seconds {
    pub(super) const ZERO: Self = Self(0.0);

    pub(super) fn clamp(self, least: Self, most: Self) -> Self {
        Self(self.0.clamp(least.0, most.0))
    }
}

impl SourceTime {
    /// Before every patch.
    pub(super) const MIN: Self = Self(f64::NEG_INFINITY);

    /// Later of the two.
    pub(super) fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// Earlier of the two.
    pub(super) fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// Point halfway between the two.
    pub(super) fn middle(self, other: Self) -> Self {
        Self((self.0 + other.0) / 2.0)
    }
}

impl Add for Seconds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Seconds {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Seconds {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul<f64> for Seconds {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self(self.0 * factor)
    }
}

impl Sum for Seconds {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|seconds| seconds.0).sum())
    }
}

impl Sub for SourceTime {
    type Output = Seconds;

    fn sub(self, earlier: Self) -> Seconds {
        Seconds(self.0 - earlier.0)
    }
}

impl Add<Seconds> for SourceTime {
    type Output = Self;

    fn add(self, length: Seconds) -> Self {
        Self(self.0 + length.0)
    }
}

impl Sub<Seconds> for SourceTime {
    type Output = Self;

    fn sub(self, length: Seconds) -> Self {
        Self(self.0 - length.0)
    }
}
