//! Supervision of a source's input: detects stalls and decides about reopening. Pure: events and
//! their times are passed in.
//!
//! ```text
//! starting ──▶ healthy ◀──────────────┐
//!     │           │ no audio          │ audio
//!     │           ▼ for `lost_after`  │
//!     │        stalled ───────────────┤
//!     │           │ given up, broken off, ended
//!     ▼           ▼                   │
//! failed ◀──▶ recovering ─────────────┘
//! ```
//!
//! Only decoded audio counts, not the state of a socket. Pauses come from `backoff.rs`, up to
//! `reconnect_max_s`.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::event::SourceHealth;
use crate::source::{Reopen, SourceError};

/// Longest time to the first audio of a stream: name resolution, redirects and playlists precede
/// it.
const FIRST_AUDIO_TIMEOUT: Duration = Duration::from_secs(15);

/// Consequence of a read without audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quiet {
    /// None.
    Tolerated,
    /// The source has just stalled, after this long.
    Stalled(Duration),
    /// The source is to be reopened, after this long.
    GivenUp(Duration),
}

/// Consequence of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextAttempt {
    /// The source is reopened after a pause.
    After(SourceHealth, Duration),
    /// The source is not reopened.
    Never,
}

/// Supervisor of one source.
#[derive(Debug)]
pub(super) struct Supervisor {
    backoff: Backoff,
    lost_after: Duration,
    /// True if the source is reopened when no audio arrives; other sources fail by themselves.
    reopens_when_silent: bool,
    /// Time of the opening or of the last audio.
    last: Instant,
    /// Time of the first audio since the opening or the last stall.
    first: Option<Instant>,
    stalled: bool,
}

impl Supervisor {
    /// Supervisor of a source that is opened at `now`. Pauses last up to `longest_pause`.
    pub(crate) fn new(
        longest_pause: Duration,
        lost_after: Duration,
        reopens_when_silent: bool,
        now: Instant,
    ) -> Self {
        Self {
            backoff: Backoff::new(longest_pause),
            lost_after,
            reopens_when_silent,
            last: now,
            first: None,
            stalled: false,
        }
    }

    /// Records that the source is opened.
    pub(crate) fn on_open(&mut self, now: Instant) {
        (self.last, self.first, self.stalled) = (now, None, false);
    }

    /// Records audio. Returns true if none arrived before.
    pub(crate) fn on_audio(&mut self, now: Instant) -> bool {
        self.last = now;
        let begins = std::mem::take(&mut self.stalled) || self.first.is_none();
        if begins {
            self.first = Some(now);
        }
        begins
    }

    /// Records a read without audio.
    pub(crate) fn on_idle(&mut self, now: Instant) -> Quiet {
        let quiet = now.saturating_duration_since(self.last);
        let timeout = match self.first {
            None if self.reopens_when_silent => self.lost_after.max(FIRST_AUDIO_TIMEOUT),
            _ => self.lost_after,
        };
        match (quiet >= timeout, self.reopens_when_silent) {
            (false, _) => Quiet::Tolerated,
            (true, true) => Quiet::GivenUp(quiet),
            // A source that has not delivered audio yet cannot stall.
            (true, false) if self.stalled || self.first.is_none() => Quiet::Tolerated,
            (true, false) => {
                self.stalled = true;
                Quiet::Stalled(quiet)
            }
        }
    }

    /// Records a failure, or the end of a source that should not end. Without `may_retry`, the
    /// source is not reopened.
    pub(crate) fn on_failure(&mut self, error: &SourceError, may_retry: bool) -> NextAttempt {
        // The time without audio does not count as healthy.
        let healthy = self.first.map_or(Duration::ZERO, |first| self.last.saturating_duration_since(first));
        if !may_retry {
            return NextAttempt::Never;
        }
        match error.reopen() {
            Reopen::Never => NextAttempt::Never,
            Reopen::AtLongestPause => NextAttempt::After(SourceHealth::Failed, self.backoff.longest_pause()),
            Reopen::AfterBackoff => NextAttempt::After(SourceHealth::Recovering, self.backoff.pause(healthy)),
        }
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

    fn pause(next: NextAttempt) -> f64 {
        match next {
            NextAttempt::After(SourceHealth::Recovering, pause) => pause.as_secs_f64(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stream_without_audio_is_given_up() {
        let zero = Instant::now();
        let mut stream = Supervisor::new(LONGEST, LOST_AFTER, true, zero);
        // The first audio may take longer.
        assert_eq!(stream.on_idle(zero + seconds(14)), Quiet::Tolerated);
        assert_eq!(stream.on_idle(zero + seconds(15)), Quiet::GivenUp(seconds(15)));
        assert!(stream.on_audio(zero + seconds(16)) && !stream.on_audio(zero + seconds(17)));
        assert_eq!(stream.on_idle(zero + seconds(21)), Quiet::Tolerated);
        assert_eq!(stream.on_idle(zero + seconds(22)), Quiet::GivenUp(seconds(5)));
        stream.on_open(zero + seconds(30));
        assert_eq!(stream.on_idle(zero + seconds(36)), Quiet::Tolerated);
        assert!(stream.on_audio(zero + seconds(37)));
    }

    #[test]
    fn a_device_stalls_and_recovers() {
        let zero = Instant::now();
        let mut device = Supervisor::new(LONGEST, LOST_AFTER, false, zero);
        assert_eq!(device.on_idle(zero + seconds(100)), Quiet::Tolerated);
        assert!(device.on_audio(zero + seconds(100)));
        assert_eq!(device.on_idle(zero + seconds(105)), Quiet::Stalled(seconds(5)));
        assert_eq!(device.on_idle(zero + seconds(106)), Quiet::Tolerated, "reported once");
        assert!(device.on_audio(zero + seconds(107)), "it arrives again");
        // The time without audio does not count as healthy.
        assert_eq!(device.on_idle(zero + seconds(200)), Quiet::Stalled(seconds(93)));
        assert!(device.on_audio(zero + seconds(300)));
        let lost = SourceError::Transient("unplugged".into());
        device.on_failure(&lost, true);
        device.on_open(zero + seconds(301));
        let again = pause(device.on_failure(&lost, true));
        assert!(again >= 1.5, "{again}");
    }

    #[test]
    fn pauses_grow_until_audio_has_arrived_for_a_minute() {
        let transient = SourceError::Transient("ended".into());
        let zero = Instant::now();
        let mut stream = Supervisor::new(LONGEST, LOST_AFTER, true, zero);
        let range =
            |pause: f64, whole: f64| assert!((0.75 * whole..=whole).contains(&pause), "{pause} {whole}");
        range(pause(stream.on_failure(&transient, true)), 1.0);
        // An hour without audio is not a healthy hour.
        stream.on_open(zero);
        assert_eq!(stream.on_idle(zero + seconds(3600)), Quiet::GivenUp(seconds(3600)));
        range(pause(stream.on_failure(&transient, true)), 2.0);
        stream.on_open(zero);
        stream.on_audio(zero + seconds(100));
        stream.on_audio(zero + seconds(159));
        range(pause(stream.on_failure(&transient, true)), 4.0);
        stream.on_open(zero);
        stream.on_audio(zero + seconds(100));
        stream.on_audio(zero + seconds(160));
        range(pause(stream.on_failure(&transient, true)), 1.0);
    }

    #[test]
    fn hopeless_sources_are_reopened_seldom_or_never() {
        let mut source = Supervisor::new(LONGEST, LOST_AFTER, true, Instant::now());
        let unlikely = SourceError::Unlikely("no audio".into());
        let NextAttempt::After(SourceHealth::Failed, pause) = source.on_failure(&unlikely, true) else {
            panic!("never again")
        };
        assert!((0.75 * 60.0..=60.0).contains(&pause.as_secs_f64()), "{pause:?}");
        assert_eq!(
            source.on_failure(&SourceError::Permanent("no such file".into()), true),
            NextAttempt::Never
        );
        assert_eq!(
            source.on_failure(&SourceError::Transient("no such device".into()), false),
            NextAttempt::Never
        );
    }
}
