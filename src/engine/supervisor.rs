//! Whether a source is well, and what is done where it is not. Pure: what happens is told, with its time.
//!
//! ```text
//! starting ──▶ healthy ◀──────────────┐
//!     │           │ no sound          │ sound
//!     │           ▼ for `lost_after`  │
//!     │        stalled ───────────────┤
//!     │           │ given up, broken off, ended
//!     ▼           ▼                   │
//! failed ◀──▶ recovering ─────────────┘
//! ```
//!
//! What counts is decoded sound, whatever a socket says.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::source::SourceError;

/// How long the first sound of a stream may take: names, redirects and playlists come before it.
const FIRST_SOUND: Duration = Duration::from_secs(15);

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It was never heard yet.
    Starting,
    /// Sound arrives.
    Healthy,
    /// Sound arrives slower than real time.
    Slow,
    /// No sound arrives, and it is waited for.
    Stalled,
    /// It will be opened anew, after a pause.
    Recovering,
    /// It is not likely to come back by itself: it is opened anew seldom, or never.
    Failed,
}

impl Health {
    /// The name in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Recovering => "recovering",
            Self::Failed => "failed",
        }
    }
}

/// What a read without sound means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// Nothing yet.
    Waits,
    /// There has been none for this long, just now for too long.
    Stalled(Duration),
    /// There has been none for so long that the source is to be opened anew.
    GivenUp(Duration),
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Opening it anew after a pause.
    Again(Health, Duration),
    /// Nothing.
    Never,
}

/// Follows one source.
#[derive(Debug)]
pub struct Supervisor {
    backoff: Backoff,
    lost_after: Duration,
    /// Whether it is opened anew when no sound arrives; else it says itself when that is needed.
    gives_up: bool,
    /// When it was opened, or sound last arrived.
    last: Instant,
    /// When sound first arrived since it was opened, or since it stalled.
    first: Option<Instant>,
    stalled: bool,
}

impl Supervisor {
    /// One of a source that is opened at `now`. Pauses last up to `longest_pause`.
    pub fn new(longest_pause: Duration, lost_after: Duration, gives_up: bool, now: Instant) -> Self {
        Self {
            backoff: Backoff::new(longest_pause),
            lost_after,
            gives_up,
            last: now,
            first: None,
            stalled: false,
        }
    }

    /// It is opened anew.
    pub fn opens(&mut self, now: Instant) {
        (self.last, self.first, self.stalled) = (now, None, false);
    }

    /// Sound has arrived; whether it did not before.
    pub fn hears(&mut self, now: Instant) -> bool {
        self.last = now;
        let begins = std::mem::take(&mut self.stalled) || self.first.is_none();
        if begins {
            self.first = Some(now);
        }
        begins
    }

    /// No sound has arrived for a while.
    pub fn waits(&mut self, now: Instant) -> Quiet {
        let quiet = now.saturating_duration_since(self.last);
        let first = if self.gives_up { self.lost_after.max(FIRST_SOUND) } else { self.lost_after };
        let patience = if self.first.is_some() { self.lost_after } else { first };
        match (quiet >= patience, self.gives_up) {
            (false, _) => Quiet::Waits,
            (true, true) => Quiet::GivenUp(quiet),
            // What was never heard has nothing to lose.
            (true, false) if self.stalled || self.first.is_none() => Quiet::Waits,
            (true, false) => {
                self.stalled = true;
                Quiet::Stalled(quiet)
            }
        }
    }

    /// It has failed, or has ended where it should not. Where it never `was_there`, nothing follows.
    pub fn fails(&mut self, error: &SourceError, was_there: bool) -> Next {
        // Only as long as it was heard was it well.
        let healthy = self.first.map_or(Duration::ZERO, |first| self.last.saturating_duration_since(first));
        if !error.is_transient() || !was_there {
            return Next::Never;
        }
        if error.is_unlikely() {
            return Next::Again(Health::Failed, self.backoff.longest_pause());
        }
        Next::Again(Health::Recovering, self.backoff.pause(healthy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST_AFTER: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(60);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn pause(next: Next) -> f64 {
        match next {
            Next::Again(Health::Recovering, pause) => pause.as_secs_f64(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stream_without_sound_is_given_up() {
        let zero = Instant::now();
        let mut stream = Supervisor::new(LONGEST, LOST_AFTER, true, zero);
        // Its first sound may take longer.
        assert_eq!(stream.waits(zero + seconds(14)), Quiet::Waits);
        assert_eq!(stream.waits(zero + seconds(15)), Quiet::GivenUp(seconds(15)));
        assert!(stream.hears(zero + seconds(16)) && !stream.hears(zero + seconds(17)));
        assert_eq!(stream.waits(zero + seconds(21)), Quiet::Waits);
        assert_eq!(stream.waits(zero + seconds(22)), Quiet::GivenUp(seconds(5)));
        stream.opens(zero + seconds(30));
        assert_eq!(stream.waits(zero + seconds(36)), Quiet::Waits);
        assert!(stream.hears(zero + seconds(37)));
    }

    #[test]
    fn a_device_stalls_and_goes_on() {
        let zero = Instant::now();
        let mut device = Supervisor::new(LONGEST, LOST_AFTER, false, zero);
        assert_eq!(device.waits(zero + seconds(100)), Quiet::Waits);
        assert!(device.hears(zero + seconds(100)));
        assert_eq!(device.waits(zero + seconds(105)), Quiet::Stalled(seconds(5)));
        assert_eq!(device.waits(zero + seconds(106)), Quiet::Waits, "said once");
        assert!(device.hears(zero + seconds(107)), "it arrives again");
        // The time in which it was silent does not make it healthy.
        assert_eq!(device.waits(zero + seconds(200)), Quiet::Stalled(seconds(93)));
        assert!(device.hears(zero + seconds(300)));
        let lost = SourceError::Transient("unplugged".into());
        device.fails(&lost, true);
        device.opens(zero + seconds(301));
        let again = pause(device.fails(&lost, true));
        assert!(again >= 1.5, "{again}");
    }

    #[test]
    fn pauses_grow_until_it_has_been_heard_for_a_minute() {
        let transient = SourceError::Transient("ended".into());
        let zero = Instant::now();
        let mut stream = Supervisor::new(LONGEST, LOST_AFTER, true, zero);
        let range =
            |pause: f64, whole: f64| assert!((0.75 * whole..=whole).contains(&pause), "{pause} {whole}");
        range(pause(stream.fails(&transient, true)), 1.0);
        // An hour without sound is not a healthy hour.
        stream.opens(zero);
        assert_eq!(stream.waits(zero + seconds(3600)), Quiet::GivenUp(seconds(3600)));
        range(pause(stream.fails(&transient, true)), 2.0);
        stream.opens(zero);
        stream.hears(zero + seconds(100));
        stream.hears(zero + seconds(159));
        range(pause(stream.fails(&transient, true)), 4.0);
        stream.opens(zero);
        stream.hears(zero + seconds(100));
        stream.hears(zero + seconds(160));
        range(pause(stream.fails(&transient, true)), 1.0);
    }

    #[test]
    fn what_will_not_help_is_not_tried_or_seldom() {
        let mut source = Supervisor::new(LONGEST, LOST_AFTER, true, Instant::now());
        let unlikely = SourceError::Unlikely("no audio".into());
        let Next::Again(Health::Failed, pause) = source.fails(&unlikely, true) else { panic!("never again") };
        assert!((0.75 * 60.0..=60.0).contains(&pause.as_secs_f64()), "{pause:?}");
        assert_eq!(source.fails(&SourceError::Permanent("no such file".into()), true), Next::Never);
        assert_eq!(source.fails(&SourceError::Transient("no such device".into()), false), Next::Never);
    }
}
