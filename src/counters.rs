//! Layer 0: counters, histograms and times that any thread may update.

mod histogram;
mod moment;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

pub(crate) use histogram::{Histogram, HistogramTotals};
pub(crate) use moment::Moment;

/// Counters of one source since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct SourceCounters {
    /// Patches produced.
    pub(crate) produced: Counter,
    /// Patches scored.
    pub(crate) scored: Counter,
    /// Patches dropped: at gaps and under overload.
    pub(crate) dropped: Counter,
    /// Patches handed to the scheduler.
    pub(crate) enqueued: Counter,
    /// Patches of these that are scored, dropped or evicted.
    pub(crate) processed: Counter,
    /// Audio skipped without decoding under overload, in milliseconds.
    pub(crate) skipped_ms: Counter,
    /// Overflows of the capture ring buffer.
    pub(crate) xruns: Counter,
    /// Times that the source was reopened.
    pub(crate) reconnects: Counter,
    /// Time from the arrival of the last sample that a patch needs to the acknowledgement of the
    /// message that it caused; without such a message, to its decision.
    pub(crate) latency: Histogram,
    /// Arrival of the last audio.
    pub(crate) last_audio: Moment,
    /// Audio analysed since the last scored patch, in milliseconds.
    pub(crate) unscored_ms: Counter,
    /// Start of the read in progress; clear while the source is not read.
    pub(crate) reading: Moment,
    /// Clips of the source.
    #[cfg_attr(
        not(all(feature = "clips", feature = "web")),
        allow(dead_code, reason = "counted by the writer, read by metrics")
    )]
    pub(crate) clips: Arc<ClipCounters>,
}

impl SourceCounters {
    /// Patches that wait for inference or are being scored.
    pub(crate) fn pending(&self) -> u64 {
        // Read in this order, so that a patch that is processed meanwhile does not underflow.
        let processed = self.processed.get();
        self.enqueued.get().saturating_sub(processed)
    }
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
    /// Start of the work in progress; clear while inference waits for jobs.
    pub(crate) working: Moment,
}

/// Counters of the MQTT connection since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct MqttCounters {
    /// True while the broker is connected.
    pub(crate) connected: Flag,
    /// Connections made.
    pub(crate) connections: Counter,
    /// Events that wait for their acknowledgement.
    pub(crate) outbox: Counter,
    /// Events dropped because the outbox was full.
    pub(crate) events_dropped: Counter,
    /// Patch results dropped.
    pub(crate) windows_dropped: Counter,
}

/// Counters of the as-run log since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct LogCounters {
    /// True while writing fails.
    pub(crate) failing: Flag,
}

/// Condition that any thread may update.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn set(&self, value: bool) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
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
