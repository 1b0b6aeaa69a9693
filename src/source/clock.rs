//! When blocks are given a wall-clock time, and which.

use std::time::{Duration, Instant};

use crate::audio::Block;

/// Live sources take the time anew after this long: sound cards drift by seconds a day.
const RENEW: Duration = Duration::from_secs(60);

/// By how much the time of a live source may be ahead of the clock, as it is where a backlog arrives at once.
const AHEAD: Duration = Duration::from_millis(250);

/// By how much it may be behind, as it is where audio arrives slower than real time.
const BEHIND: Duration = Duration::from_secs(2);

/// Gives blocks their anchors.
#[derive(Debug)]
pub(super) enum Clock {
    /// The recording began at this time; later anchors follow from the sample count.
    Recorded { start: jiff::Timestamp, begun: bool },
    /// Sound that happens now: when the time was last taken, and when sample 0 sounded by it.
    Live { taken: Option<(Instant, Option<Instant>)> },
}

impl Clock {
    /// A recording whose first sample belongs to `start`.
    pub(super) fn recorded(start: jiff::Timestamp) -> Self {
        Self::Recorded { start, begun: false }
    }

    /// Sound whose time is read off the wall clock as it arrives.
    pub(super) fn live() -> Self {
        Self::Live { taken: None }
    }

    /// Makes the next block of a live source carry an anchor: it may have waited somewhere.
    pub(super) fn renew(&mut self) {
        if let Self::Live { taken } = self {
            *taken = None;
        }
    }

    /// Sets or clears `block.anchor`; `age` is how long ago its first sample sounded, for live sources.
    pub(super) fn stamp(&mut self, block: &mut Block, age: Duration) {
        block.anchor = match self {
            Self::Recorded { start, begun } => {
                let due = !std::mem::replace(begun, true) || block.gap;
                due.then(|| shifted(*start, block.rate.seconds(block.span.start)))
            }
            Self::Live { taken } => {
                let (now, end) =
                    (Instant::now(), Duration::from_secs_f64(block.rate.seconds(block.span.end)));
                // When the end of the block would have sounded, were it just taken, and as the last one says.
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

/// How long the samples of `block` last.
pub(super) fn length(block: &Block) -> Duration {
    Duration::from_secs_f64(block.rate.seconds(block.span.len()))
}

/// `time` moved by `seconds`; unmoved where that leaves the calendar.
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
        // A backlog arrives at once; audio arrives late.
        assert_eq!(anchor(&mut clock, block(200, false)), None);
        assert!(anchor(&mut clock, block(400, false)).is_some());
        std::thread::sleep(Duration::from_millis(2050));
        assert!(anchor(&mut clock, block(410, false)).is_some());
    }
}
