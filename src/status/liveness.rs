//! Liveness: audio and inference advance. A restart is the cure for a daemon that is not alive.
//!
//! Sources without audio are no reason for a restart: such a daemon is alive and not ready.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DaemonStatus, SourceStatus};

/// Longest time that one turn of inference or of the director may take.
const MAX_TURN: Duration = Duration::from_secs(20);

/// Longest time that one read of a source may take, with a connection that times out.
const MAX_READ: Duration = Duration::from_secs(120);

/// Longest audio of a live source that may be analysed without a scored patch. Patches are at most
/// three seconds apart; under overload admission suspends sources, and suspended audio is not
/// analysed.
const MAX_UNSCORED: Duration = Duration::from_secs(30);

/// Result of [`DaemonStatus::liveness`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Liveness {
    /// Parts that do not advance.
    pub(crate) stalls: Vec<Stall>,
}

impl Liveness {
    pub(crate) fn is_alive(&self) -> bool {
        self.stalls.is_empty()
    }
}

/// Part of the daemon that does not advance. Its [`fmt::Display`] is the wording for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stall {
    /// Inference has worked on the same patches for this long.
    Inference(Duration),
    /// The director has worked on the same message for this long.
    Director(Duration),
    /// The reads of all sources hang, the newest one for this long.
    Reads(Duration),
    /// A live source delivers audio, and its patches are not scored.
    Scores {
        /// Name of the source.
        source: Arc<str>,
        /// Audio analysed since the last scored patch.
        unscored: Duration,
    },
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inference(time) => write!(f, "inference has not advanced for {} s", time.as_secs()),
            Self::Director(time) => write!(f, "decisions have not advanced for {} s", time.as_secs()),
            Self::Reads(time) => write!(f, "no source has been read for {} s", time.as_secs()),
            Self::Scores { source, unscored } => {
                write!(
                    f,
                    "`{source}` delivers audio, and no patch of its last {} s is scored",
                    unscored.as_secs()
                )
            }
        }
    }
}

impl DaemonStatus {
    /// Liveness at `now`.
    pub(crate) fn liveness(&self, now: Instant) -> Liveness {
        let hangs = |time: Option<Duration>, limit: Duration| time.filter(|time| *time > limit);
        let inference = hangs(self.inference.working.age(now), MAX_TURN).map(Stall::Inference);
        let director = hangs(self.deciding.age(now), MAX_TURN).map(Stall::Director);
        let reads = self.hanging_reads(now).map(Stall::Reads);
        let scores = self.sources.iter().filter_map(|source| unscored(source));
        Liveness { stalls: inference.into_iter().chain(director).chain(reads).chain(scores).collect() }
    }

    /// Duration of the newest read if those of all sources hang. A single source must not restart
    /// the daemon for the others.
    fn hanging_reads(&self, now: Instant) -> Option<Duration> {
        let open = self.sources.iter().filter(|source| !source.condition().ended);
        let reads: Option<Vec<Duration>> =
            open.map(|source| source.counters.reading.age(now).filter(|time| *time > MAX_READ)).collect();
        reads?.into_iter().min()
    }
}

/// Stall of a live source whose audio is analysed and not scored.
fn unscored(source: &SourceStatus) -> Option<Stall> {
    let unscored = Duration::from_millis(source.counters.unscored_ms.get());
    (source.is_live && unscored > MAX_UNSCORED)
        .then(|| Stall::Scores { source: source.name.clone(), unscored })
}

#[cfg(test)]
mod tests {
    use super::super::readiness::tests::daemon;
    use super::*;
    use crate::event::SourceHealth;

    const MINUTE: Duration = Duration::from_secs(60);

    fn words(liveness: &Liveness) -> Vec<String> {
        liveness.stalls.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_daemon_that_waits_for_audio_is_alive() {
        let status = daemon();
        for source in &status.sources {
            source.update(|condition| condition.health = SourceHealth::Recovering);
        }
        assert!(status.liveness(Instant::now() + 60 * MINUTE).is_alive());
    }

    #[test]
    fn inference_that_hangs_is_not_alive() {
        let (status, now) = (daemon(), Instant::now());
        status.inference.working.mark(now);
        assert!(status.liveness(now + MAX_TURN).is_alive());
        let hangs = status.liveness(now + MINUTE);
        assert_eq!(words(&hangs), ["inference has not advanced for 60 s"]);
        status.inference.working.clear();
        assert!(status.liveness(now + MINUTE).is_alive());
    }

    #[test]
    fn decisions_that_hang_are_not_alive() {
        let (status, now) = (daemon(), Instant::now());
        status.deciding.mark(now);
        assert_eq!(words(&status.liveness(now + MINUTE)), ["decisions have not advanced for 60 s"]);
    }

    #[test]
    fn audio_without_scores_is_not_alive() {
        let (status, now) = (daemon(), Instant::now());
        status.sources[1].counters.unscored_ms.add(30_000);
        assert!(status.liveness(now).is_alive());
        status.sources[1].counters.unscored_ms.add(1000);
        let message = "`kitchen` delivers audio, and no patch of its last 31 s is scored";
        assert_eq!(words(&status.liveness(now)), [message]);
    }

    #[test]
    fn a_file_may_be_analysed_ahead_of_its_scores() {
        let mut status = daemon();
        let file = SourceStatus::new("file".into(), true, false);
        file.counters.unscored_ms.add(600_000);
        status.sources.push(Arc::new(file));
        assert!(status.liveness(Instant::now()).is_alive());
    }

    #[test]
    fn a_read_that_hangs_counts_only_without_others() {
        let (status, now) = (daemon(), Instant::now());
        status.sources[0].counters.reading.mark(now);
        let later = now + 3 * MINUTE;
        assert!(status.liveness(later).is_alive(), "the other source waits to be reopened");
        status.sources[1].counters.reading.mark(later - Duration::from_secs(1));
        assert!(status.liveness(later).is_alive(), "the other source is read");
        status.sources[1].update(|condition| condition.ended = true);
        assert_eq!(words(&status.liveness(later)), ["no source has been read for 180 s"]);
        status.sources[0].update(|condition| condition.ended = true);
        assert!(status.liveness(later).is_alive(), "the daemon is about to end");
    }
}
