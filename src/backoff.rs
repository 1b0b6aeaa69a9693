//! Layer 0: pauses between attempts, of sources (`engine/supervisor.rs`) and of the broker
//! connection (`sink/mqtt/lifecycle.rs`).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Length of a connection that resets the back-off.
pub(crate) const HEALTHY: Duration = Duration::from_secs(60);

const FIRST: Duration = Duration::from_secs(1);

/// Doubling pauses with jitter, so that daemons that lost the same broker do not return at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Creates pauses from one second to `longest` (`reconnect_max_s`).
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, next: FIRST.min(longest) }
    }

    /// Pause after a connection or an attempt of length `lasted`.
    pub(crate) fn pause(&mut self, lasted: Duration) -> Duration {
        self.pause_with(lasted, random())
    }

    /// The longest pause, with jitter. The next pause is not affected.
    pub(crate) fn longest_pause(&self) -> Duration {
        jitter(self.longest, random())
    }

    /// Pause after a connection of length `lasted`; `random` is uniform over all values.
    fn pause_with(&mut self, lasted: Duration, random: u64) -> Duration {
        if lasted >= HEALTHY {
            self.next = FIRST.min(self.longest);
        }
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        jitter(pause, random)
    }
}

/// Between three quarters and the whole of `pause`.
fn jitter(pause: Duration, random: u64) -> Duration {
    pause.mul_f64(0.75 + 0.25 * (random as f64 / u64::MAX as f64))
}

/// Random value from the random hash keys of the standard library, which suffices for jitter.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_starts_anew_after_a_healthy_minute() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let mut pause = |lasted: u64| backoff.pause_with(Duration::from_secs(lasted), u64::MAX).as_secs_f64();
        assert_eq!(
            [pause(0), pause(0), pause(59), pause(0), pause(0), pause(0)],
            [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
        );
        assert_eq!([pause(60), pause(0)], [1.0, 2.0]);
    }

    #[test]
    fn jitter_shortens_by_a_quarter_at_most() {
        let mut backoff = Backoff::new(Duration::from_millis(400));
        assert_eq!(backoff.pause_with(Duration::ZERO, 0), Duration::from_millis(300));
        for _ in 0..100 {
            let pause = backoff.pause(Duration::ZERO);
            assert!(pause >= Duration::from_millis(300) && pause <= Duration::from_millis(400));
        }
    }
}
