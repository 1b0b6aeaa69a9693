//! From decided changes to the events that are published.

use crate::decision::Change;
use crate::sink::payload;

/// The published form of a change.
pub(super) fn event_kind(change: Change) -> payload::EventKind {
    match change {
        Change::Genre { from, to, confidence } => payload::EventKind::GenreChanged { from, to, confidence },
        Change::DeadAirStarted(by) => payload::EventKind::DeadAirStarted { reason: by.as_str() },
        Change::DeadAirEnded => payload::EventKind::DeadAirEnded,
        Change::Lost(reason) => payload::EventKind::SourceLost { reason },
        Change::Recovered => payload::EventKind::SourceRecovered,
        Change::OffFormatStarted => payload::EventKind::OffFormatStarted,
        Change::OffFormatEnded => payload::EventKind::OffFormatEnded,
        Change::TalkLimitStarted => payload::EventKind::TalkLimitStarted,
        Change::TalkLimitEnded => payload::EventKind::TalkLimitEnded,
        Change::ImbalanceStarted { quiet, balance_db } => {
            payload::EventKind::ImbalanceStarted { quiet: quiet.as_str(), balance_db }
        }
        Change::ImbalanceEnded => payload::EventKind::ImbalanceEnded,
        Change::SlowStarted { rate } => payload::EventKind::StreamSlowStarted { rate },
        Change::SlowEnded => payload::EventKind::StreamSlowEnded,
    }
}
