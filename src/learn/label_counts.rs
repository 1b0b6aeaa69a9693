//! Counts of answers of one label, and the ratios of them.

/// Counts of right and wrong answers of one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelCounts {
    /// Answered and true.
    pub hits: u64,
    /// Answered and not true.
    pub false_alarms: u64,
    /// True and not answered.
    pub misses: u64,
}

impl LabelCounts {
    /// Number of rows that have it.
    pub fn support(self) -> u64 {
        self.hits + self.misses
    }

    /// Share of the answers that are right; `None` where it was never answered.
    pub fn precision(self) -> Option<f64> {
        ratio(self.hits, self.hits + self.false_alarms)
    }

    /// Share of the truths that were answered; `None` without support.
    pub fn recall(self) -> Option<f64> {
        ratio(self.hits, self.support())
    }

    /// Harmonic mean of both, 2·hits / (2·hits + false alarms + misses); `None` without support.
    pub fn f1(self) -> Option<f64> {
        ratio(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses).filter(|_| self.support() > 0)
    }

    /// hits / (hits + false alarms + misses); `None` without support.
    pub fn jaccard(self) -> Option<f64> {
        ratio(self.hits, self.hits + self.false_alarms + self.misses).filter(|_| self.support() > 0)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
