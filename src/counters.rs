//! Layer 0: counters and histograms that any thread may update.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters of one source since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct SourceCounters {
    /// Patches produced.
    pub(crate) produced: Counter,
    /// Patches scored.
    pub(crate) scored: Counter,
    /// Patches dropped: at gaps and under overload.
    pub(crate) dropped: Counter,
    /// Audio skipped without decoding under overload, in milliseconds.
    pub(crate) skipped_ms: Counter,
    /// Overflows of the capture ring buffer.
    pub(crate) xruns: Counter,
    /// Times that the source was reopened.
    pub(crate) reconnects: Counter,
    /// Time from the arrival of the last sample that a patch needs to the acknowledgement of the
    /// message that it caused; without such a message, to its decision.
    pub(crate) latency: Histogram,
    /// Clips of the source.
    #[cfg_attr(not(test), allow(dead_code, reason = "read by metrics"))]
    pub(crate) clips: Arc<ClipCounters>,
}

/// Counters of the clips of one source since the start of the process.
#[derive(Debug, Default)]
#[cfg_attr(not(feature = "clips"), allow(dead_code, reason = "counted by the writer of clips"))]
pub(crate) struct ClipCounters {
    /// Clips written.
    pub(crate) written: Counter,
    /// Events whose clip could not be written.
    pub(crate) failed: Counter,
    /// Clips deleted, by age and by total size.
    pub(crate) deleted: Counter,
    /// Chunks of audio dropped because the writer was behind; each leaves a gap in the ring.
    pub(crate) chunks_dropped: Counter,
}

/// Counters of inference since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct InferenceCounters {
    /// Nanoseconds inside the model.
    pub(crate) busy_ns: Counter,
    /// Patches scored.
    pub(crate) patches: Counter,
    /// Longest time from the audio that a patch needs to its inference, in nanoseconds, since the
    /// last [`Counter::take`].
    pub(crate) delay_ns: Counter,
}

/// Count that any thread may update.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// Sets the count to a total that is counted elsewhere.
    pub(crate) fn set(&self, total: u64) {
        self.0.store(total, Relaxed);
    }

    /// Raises the count to `value` if that is more.
    pub(crate) fn raise(&self, value: u64) {
        self.0.fetch_max(value, Relaxed);
    }

    /// Returns the count and sets it to 0.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Relaxed)
    }

    /// Present count.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Four buckets per octave from 16 µs to about 70 s: quantiles are exact to 19 %.
const BUCKETS: usize = 4 * 22;
const FIRST_NS: f64 = 16_000.0;

/// Durations in logarithmic buckets.
#[derive(Debug)]
pub(crate) struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    /// Counts one duration; values out of range count in the first or last bucket.
    pub(crate) fn record(&self, duration: Duration) {
        let octaves = (duration.as_nanos() as f64 / FIRST_NS).max(1.0).log2();
        self.0[((octaves * 4.0) as usize).min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// Quantile `q` (0–1) in milliseconds, as the upper edge of its bucket; `None` before the first
    /// duration.
    pub(crate) fn quantile_ms(&self, q: f64) -> Option<f64> {
        Self::quantile_ms_of([self], q)
    }

    /// Quantile over several histograms.
    pub(crate) fn quantile_ms_of<'a>(histograms: impl IntoIterator<Item = &'a Self>, q: f64) -> Option<f64> {
        let mut counts = [0; BUCKETS];
        for histogram in histograms {
            counts.iter_mut().zip(&histogram.0).for_each(|(sum, count)| *sum += count.load(Relaxed));
        }
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
}
