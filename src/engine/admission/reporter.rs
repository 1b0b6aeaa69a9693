//! Reports of an overload.

use std::time::Duration;

use super::controller::Overload;

/// Time for which an overload lasts before it is reported: its size is known by then.
const TELL_AFTER: Duration = Duration::from_secs(10);

/// Interval between reports of a lasting overload.
const TELL_EVERY: Duration = Duration::from_secs(600);

/// Rate limit of overload reports: one once it has lasted, rare repeats, and one at its end.
#[derive(Debug, Default)]
pub(super) struct OverloadReporter {
    /// Start of the present overload.
    since: Option<Duration>,
    /// Time of the last report of the present overload.
    told: Option<Duration>,
}

impl OverloadReporter {
    /// Message about the state at `now`, if one is due.
    pub(super) fn message(&mut self, overload: Option<Overload>, now: Duration) -> Option<String> {
        let Some(Overload { sources, fit }) = overload else {
            self.since = None;
            return self
                .told
                .take()
                .map(|_| "all live sources are analysed without a pause again".to_owned());
        };
        let since = *self.since.get_or_insert(now);
        let due = match self.told {
            None => now.saturating_sub(since) >= TELL_AFTER,
            Some(told) => now.saturating_sub(told) >= TELL_EVERY,
        };
        due.then(|| {
            self.told = Some(now);
            format!(
                "beyond capacity: of {sources} live sources about {fit} fit; they take turns, and loudness and dead \
                 air are measured only in their turns; use fewer sources, a longer `hop` or another machine"
            )
        })
    }
}
