//! Time that any thread may update.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Origin of all moments.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Time of the monotonic clock, to the millisecond, or none.
///
/// It is set by one store, so that it may be updated with every block of audio.
#[derive(Debug, Default)]
pub(crate) struct Moment(
    /// Milliseconds since [`EPOCH`], plus one; 0: none.
    AtomicU64,
);

impl Moment {
    /// Sets the moment to `now`.
    pub(crate) fn mark(&self, now: Instant) {
        self.0.store(milliseconds(now) + 1, Relaxed);
    }

    /// Sets the moment to none.
    pub(crate) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// Time from the moment to `now`; `None` without a moment.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        let since = self.0.load(Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(milliseconds(now).saturating_sub(since)))
    }
}

fn milliseconds(now: Instant) -> u64 {
    now.saturating_duration_since(*EPOCH).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_ages_until_it_is_cleared() {
        let (moment, now) = (Moment::default(), Instant::now());
        assert_eq!(moment.age(now), None);
        moment.mark(now + Duration::from_secs(1));
        assert_eq!(moment.age(now + Duration::from_secs(3)), Some(Duration::from_secs(2)));
        assert_eq!(moment.age(now), Some(Duration::ZERO), "never negative");
        moment.clear();
        assert_eq!(moment.age(now), None);
    }
}
