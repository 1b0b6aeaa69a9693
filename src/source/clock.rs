//! Wall-clock anchors of blocks.

use std::time::{Duration, Instant};

use crate::audio::Block;

/// Interval at which live sources renew their anchor: sound cards drift by seconds per day.
const RENEW: Duration = Duration::from_secs(60);

/// Maximum lead of a live source's time over the clock. A backlog that arrives at once exceeds it.
const AHEAD: Duration = Duration::from_millis(250);

/// Maximum lag of a live source's time behind the clock. Audio slower than real time exceeds it.
const BEHIND: Duration = Duration::from_secs(2);

/// Source of wall-clock anchors.
#[derive(Debug)]
pub(super) enum Clock {
    /// A recording that began at this time; later anchors follow from the sample count.
    Recorded { start: jiff::Timestamp, started: bool },
    /// Live audio: the time of the last anchor, and the time of sample 0 derived from it.
    Live { taken: Option<(Instant, Option<Instant>)> },
}

impl Clock {
    /// Creates a clock for a recording whose first sample was taken at `start`.
    pub(super) fn recorded(start: jiff::Timestamp) -> Self {
        Self::Recorded { start, started: false }
    }

    /// Creates a clock that reads the wall clock as audio arrives.
    pub(super) fn live() -> Self {
        Self::Live { taken: None }
    }

    /// Makes the next block of a live source carry an anchor, because it may have been delayed.
    pub(super) fn renew(&mut self) {
        if let Self::Live { taken } = self {
            *taken = None;
        }
    }

    /// Sets or clears `block.anchor`. `age` is the time since the first sample of a live source was
    /// taken.
    pub(super) fn stamp(&mut self, block: &mut Block, age: Duration) {
        block.anchor = match self {
            Self::Recorded { start, started } => {
                let due = !std::mem::replace(started, true) || block.gap;
                due.then(|| shifted(*start, block.rate.seconds(block.span.start)))
            }
            Self::Live { taken } => {
                let (now, end) =
                    (Instant::now(), Duration::from_secs_f64(block.rate.seconds(block.span.end)));
                // End of the block if it were taken now, compared with its end according to the
                // last anchor.
                let passed = age.saturating_sub(length(block));
                let is_off = |zero: Option<Instant>| {
                    let sounded = zero.map(|zero| zero + end + passed);
                    sounded.is_some_and(|at| at > now + AHEAD || at + BEHIND < now)
                };
                let due = block.gap
                    || taken.is_none_or(|(at, zero)| now.duration_since(at) >= RENEW || is_off(zero));
                due.then(|| {
                    *taken = Some((now, now.checked_sub(end + passed)));
                    shifted(jiff::Timestamp::now(), -age.as_secs_f64())
                })
            }
        };
    }
}

/// Duration of the samples of `block`.
pub(super) fn length(block: &Block) -> Duration {
    Duration::from_secs_f64(block.rate.seconds(block.span.len()))
}

/// Moves `time` by `seconds`; returns it unchanged if the result leaves the calendar.
fn shifted(time: jiff::Timestamp, seconds: f64) -> jiff::Timestamp {
    jiff::SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{SampleRate, Span};

    fn block(start: u64, gap: bool) -> Block {
        let mut block = Block::with_capacity(SampleRate::new(1000).unwrap(), 1, 10);
        block.span = Span { start, end: start + 10 };
        block.gap = gap;
        block
    }

    fn anchor(clock: &mut Clock, mut block: Block) -> Option<jiff::Timestamp> {
        clock.stamp(&mut block, Duration::from_secs(2));
        block.anchor
    }

    #[test]
    fn a_recording_is_anchored_at_its_start_and_after_gaps() {
        let start: jiff::Timestamp = "2024-05-01T12:00:00Z".parse().unwrap();
        let mut clock = Clock::recorded(start);
        assert_eq!(anchor(&mut clock, block(0, false)), Some(start));
        assert_eq!(anchor(&mut clock, block(10, false)), None);
        assert_eq!(anchor(&mut clock, block(1500, true)), Some("2024-05-01T12:00:01.5Z".parse().unwrap()));
    }

    #[test]
    fn live_sound_is_anchored_when_it_sounded() {
        let mut clock = Clock::live();
        let before = jiff::Timestamp::now();
        let taken = anchor(&mut clock, block(0, false)).unwrap();
        let age = before.duration_since(taken);
        assert!((1.9..=2.0).contains(&age.as_secs_f64()), "{age}");
        assert_eq!(anchor(&mut clock, block(10, false)), None);
        assert!(anchor(&mut clock, block(30, true)).is_some());
        clock.renew();
        assert!(anchor(&mut clock, block(40, false)).is_some());
        // A backlog arrives at once, then audio arrives late.
        assert_eq!(anchor(&mut clock, block(200, false)), None);
        assert!(anchor(&mut clock, block(400, false)).is_some());
        std::thread::sleep(Duration::from_millis(2050));
        assert!(anchor(&mut clock, block(410, false)).is_some());
    }
}
