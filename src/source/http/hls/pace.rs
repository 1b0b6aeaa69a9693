//! The pace at which HLS is heard: steadily, though it comes a segment at a time.
//!
//! Segments appear every few seconds. Were each heard as soon as it can be had, there would be
//! a pause before every one that looks as if the stream had stalled. So sound is held to the pace of the clock some
//! way behind the newest segment, and that way is kept: a little slower where it has become short, faster where long.

use std::time::{Duration, Instant};

/// How much is heard at once at the start, in seconds: enough for a first answer.
const BURST: f64 = 5.0;

/// How much faster than it sounded.
const BURST_PACE: f64 = 4.0;

/// How far behind the newest segment's end, in target durations.
const BEHIND: f64 = 2.0;

/// By how much the pace gives way at most, and at how many target durations too far or too near it does.
const GIVE: f64 = 0.05;
const GIVE_AT: f64 = 2.0;

/// Says how long a block has to wait.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    /// When what was let through will have sounded.
    due: Option<Instant>,
    /// Seconds let through so far.
    passed: f64,
}

impl Pacer {
    /// How long a block of `seconds` has to wait when the stream is known for `ahead` seconds more, in segments of `target` at most.
    /// `None` for `ahead`: all of it is known.
    pub(super) fn wait(&mut self, now: Instant, seconds: f64, ahead: Option<f64>, target: f64) -> Duration {
        let speed = match ahead {
            _ if self.passed < BURST.min(target) => BURST_PACE,
            None => 1.0,
            Some(ahead) => 1.0 + (GIVE * (ahead / target - BEHIND) / GIVE_AT).clamp(-GIVE, GIVE),
        };
        // What was waited for in vain is not made up for.
        let due = self.due.filter(|due| *due + Duration::from_millis(500) > now).unwrap_or(now);
        self.due = Some(due + Duration::from_secs_f64(seconds / speed));
        self.passed += seconds;
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays segments of `target` seconds that appear one after another at `rate` of our clock, three of them at once at first; the
    /// longest pause of the last half in seconds, and how far behind the end it is.
    fn play(target: f64, rate: f64, seconds: f64) -> (f64, f64) {
        let (mut pacer, begun, block) = (Pacer::default(), Instant::now(), 0.04);
        let (mut now, mut heard, mut longest) = (0.0_f64, 0.0, 0.0_f64);
        while now < seconds {
            let known = target * (3.0 + (now * rate / target).floor());
            if heard + block > known {
                now += 0.01;
                longest = if now > seconds / 2.0 { longest.max(f64::INFINITY) } else { longest };
                continue;
            }
            let at = begun + Duration::from_secs_f64(now);
            let wait = pacer.wait(at, block, Some(known - heard), target).as_secs_f64();
            now += wait;
            heard += block;
            longest = if now > seconds / 2.0 { longest.max(wait) } else { longest };
        }
        (longest, target * (3.0 + now * rate / target) - heard)
    }

    #[test]
    fn sound_is_steady_whatever_the_segments_and_the_servers_clock() {
        for target in [1.0, 2.0, 6.0, 10.0] {
            for rate in [0.98, 1.0, 1.02] {
                let (longest, behind) = play(target, rate, 3600.0);
                assert!(longest < 0.06, "{target} s at {rate}: a pause of {longest} s");
                assert!((target..4.0 * target).contains(&behind), "{target} s at {rate}: {behind} s behind");
            }
        }
    }

    #[test]
    fn the_first_seconds_come_at_once_and_recordings_at_their_own_pace() {
        let (mut pacer, begun) = (Pacer::default(), Instant::now());
        let mut now = begun;
        for _ in 0..500 {
            now += pacer.wait(now, 0.04, None, 10.0);
        }
        let took = (now - begun).as_secs_f64();
        assert!((took - (5.0 / 4.0 + 15.0)).abs() < 0.1, "20 s in {took} s");
        // After a pause it goes on as before.
        now += Duration::from_secs(30);
        assert_eq!(pacer.wait(now, 1.0, None, 10.0), Duration::ZERO);
        assert_eq!(pacer.wait(now, 1.0, None, 10.0), Duration::from_secs(1));
    }
}
