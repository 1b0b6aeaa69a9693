//! Pacing of HLS: steady output although segments arrive as a whole.
//!
//! Segments appear every few seconds. If each were decoded as soon as it arrives, a pause would
//! precede every one and look like a stall. Audio is therefore paced by the clock at a distance
//! behind the newest segment, and that distance is controlled: slightly slower if it is short,
//! faster if it is long.

use std::time::{Duration, Instant};

/// Audio that passes fast at the start, in seconds; enough for a first result.
const BURST: f64 = 5.0;

/// Speed of the initial burst, relative to real time.
const BURST_PACE: f64 = 4.0;

/// Distance behind the end of the newest segment, in target durations.
const BEHIND: f64 = 2.0;

/// Maximum change of speed, and the deviation in target durations at which it is reached.
const GIVE: f64 = 0.05;
const GIVE_AT: f64 = 2.0;

/// Controller of the delay of each block.
#[derive(Debug, Default)]
pub(super) struct HlsPacer {
    /// Time at which all audio passed so far is due.
    due: Option<Instant>,
    /// Seconds passed so far.
    passed: f64,
}

impl HlsPacer {
    /// Delay of a block of `seconds` when `ahead` seconds are listed beyond it, in segments of at
    /// most `target` seconds.
    ///
    /// `ahead` is `None` if the whole programme is listed.
    pub(super) fn wait(&mut self, now: Instant, seconds: f64, ahead: Option<f64>, target: f64) -> Duration {
        let speed = match ahead {
            _ if self.passed < BURST.min(target) => BURST_PACE,
            None => 1.0,
            Some(ahead) => 1.0 + (GIVE * (ahead / target - BEHIND) / GIVE_AT).clamp(-GIVE, GIVE),
        };
        // Time lost waiting for input is not recovered.
        let due = self.due.filter(|due| *due + Duration::from_millis(500) > now).unwrap_or(now);
        self.due = Some(due + Duration::from_secs_f64(seconds / speed));
        self.passed += seconds;
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays segments of `target` seconds that appear at `rate` of the local clock, three of them
    /// at the start. Returns the longest pause in the second half and the final distance to the
    /// end, in seconds.
    fn play(target: f64, rate: f64, seconds: f64) -> (f64, f64) {
        let (mut pacer, started, block) = (HlsPacer::default(), Instant::now(), 0.04);
        let (mut now, mut played, mut longest) = (0.0_f64, 0.0, 0.0_f64);
        while now < seconds {
            let known = target * (3.0 + (now * rate / target).floor());
            if played + block > known {
                now += 0.01;
                longest = if now > seconds / 2.0 { longest.max(f64::INFINITY) } else { longest };
                continue;
            }
            let at = started + Duration::from_secs_f64(now);
            let wait = pacer.wait(at, block, Some(known - played), target).as_secs_f64();
            now += wait;
            played += block;
            longest = if now > seconds / 2.0 { longest.max(wait) } else { longest };
        }
        (longest, target * (3.0 + now * rate / target) - played)
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
        let (mut pacer, started) = (HlsPacer::default(), Instant::now());
        let mut now = started;
        for _ in 0..500 {
            now += pacer.wait(now, 0.04, None, 10.0);
        }
        let took = (now - started).as_secs_f64();
        assert!((took - (5.0 / 4.0 + 15.0)).abs() < 0.1, "20 s in {took} s");
        // Pacing continues normally after a pause.
        now += Duration::from_secs(30);
        assert_eq!(pacer.wait(now, 1.0, None, 10.0), Duration::ZERO);
        assert_eq!(pacer.wait(now, 1.0, None, 10.0), Duration::from_secs(1));
    }
}
