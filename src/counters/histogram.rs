//! Histogram of durations.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Four buckets per octave from 16 µs to about 70 s: quantiles are exact to 19 %.
const BUCKETS: usize = 4 * 22;
const FIRST_NS: f64 = 16_000.0;
/// Buckets below a millisecond, which [`Histogram::totals_of`] joins.
const FIRST_TOTAL: usize = 4 * 6;

/// Durations in logarithmic buckets.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    /// Nanoseconds of all durations.
    sum_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), sum_ns: AtomicU64::new(0) }
    }
}

/// Contents of several histograms, in wider buckets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistogramTotals {
    /// Sum of all durations, in seconds.
    pub(crate) sum_s: f64,
    /// Number of durations.
    pub(crate) count: u64,
    /// Upper edge in seconds and number of durations of each bucket, not cumulated; the last edge
    /// is infinite.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Counts one duration; values out of range count in the first or last bucket.
    pub(crate) fn record(&self, duration: Duration) {
        let octaves = (duration.as_nanos() as f64 / FIRST_NS).max(1.0).log2();
        self.counts[((octaves * 4.0) as usize).min(BUCKETS - 1)].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(duration.as_nanos().min(u64::MAX.into()) as u64, Relaxed);
    }

    /// Quantile `q` (0–1) in milliseconds, as the upper edge of its bucket; `None` before the first
    /// duration.
    pub(crate) fn quantile_ms(&self, q: f64) -> Option<f64> {
        Self::quantile_ms_of([self], q)
    }

    /// Quantile over several histograms.
    pub(crate) fn quantile_ms_of<'a>(histograms: impl IntoIterator<Item = &'a Self>, q: f64) -> Option<f64> {
        let (counts, _) = Self::counts_of(histograms);
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        let rank = ((total as f64 * q).ceil() as u64).clamp(1, total);
        let mut below = 0;
        let bucket = counts.iter().position(|count: &u64| {
            below += count;
            below >= rank
        })?;
        Some(FIRST_NS * 2f64.powf((bucket + 1) as f64 / 4.0) / 1e6)
    }

    /// Totals of several histograms, in buckets of one octave from a millisecond up.
    pub(crate) fn totals_of<'a>(histograms: impl IntoIterator<Item = &'a Self>) -> HistogramTotals {
        let (counts, sum_ns) = Self::counts_of(histograms);
        let (first, rest) = counts.split_at(FIRST_TOTAL);
        let edge = |bucket: usize| FIRST_NS * 2f64.powf(bucket as f64 / 4.0) / 1e9;
        let octaves = rest.chunks(4).enumerate();
        let mut buckets: Vec<(f64, u64)> = std::iter::once((edge(FIRST_TOTAL), first.iter().sum()))
            .chain(
                octaves.map(|(octave, counts)| (edge(FIRST_TOTAL + 4 * (octave + 1)), counts.iter().sum())),
            )
            .collect();
        // The last bucket also holds every longer duration.
        if let Some((edge, _)) = buckets.last_mut() {
            *edge = f64::INFINITY;
        }
        HistogramTotals { sum_s: sum_ns as f64 / 1e9, count: counts.iter().sum(), buckets }
    }

    fn counts_of<'a>(histograms: impl IntoIterator<Item = &'a Self>) -> ([u64; BUCKETS], u64) {
        let (mut counts, mut sum_ns) = ([0; BUCKETS], 0_u64);
        for histogram in histograms {
            counts.iter_mut().zip(&histogram.counts).for_each(|(sum, count)| *sum += count.load(Relaxed));
            sum_ns = sum_ns.saturating_add(histogram.sum_ns.load(Relaxed));
        }
        (counts, sum_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_stay_within_a_bucket() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        (1..=100).for_each(|ms| histogram.record(Duration::from_millis(ms)));
        for (q, expected) in [(0.5, 50.0), (0.99, 99.0), (0.01, 1.0)] {
            let found = histogram.quantile_ms(q).unwrap();
            assert!(found >= expected && found <= expected * 1.19, "{q}: {found} for {expected}");
        }
    }

    #[test]
    fn several_count_as_one() {
        let (quick, slow) = (Histogram::default(), Histogram::default());
        (0..99).for_each(|_| quick.record(Duration::from_millis(1)));
        slow.record(Duration::from_secs(1));
        let quantile = |q| Histogram::quantile_ms_of([&quick, &slow], q).unwrap();
        assert!(quantile(0.99) < 1.2 && quantile(1.0) >= 1000.0);
    }

    #[test]
    fn extremes_are_counted() {
        let histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_secs(3600));
        assert!(histogram.quantile_ms(0.5).unwrap() < 0.1);
        assert!(histogram.quantile_ms(1.0).unwrap() > 60_000.0);
    }

    #[test]
    fn totals_hold_every_duration_once() {
        let (quick, slow) = (Histogram::default(), Histogram::default());
        [1, 500, 1_500].into_iter().for_each(|us| quick.record(Duration::from_micros(us)));
        [3, 3600].into_iter().for_each(|s| slow.record(Duration::from_secs(s)));
        let totals = Histogram::totals_of([&quick, &slow]);
        assert_eq!(totals.count, 5);
        assert!((totals.sum_s - 3_603.002_001).abs() < 1e-6, "{}", totals.sum_s);
        assert_eq!(totals.buckets.len(), 17);
        let filled: Vec<_> = totals.buckets.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(filled, [(0.001_024, 2), (0.002_048, 1), (4.194_304, 1), (f64::INFINITY, 1)]);
        assert!(totals.buckets.is_sorted_by(|a, b| a.0 < b.0));
    }
}
