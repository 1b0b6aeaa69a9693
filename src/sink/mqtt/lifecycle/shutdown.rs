//! End of the lifecycle: flushing and leaving.

use std::time::{Duration, Instant};

use super::{Lifecycle, LifecycleAction, LifecycleState};
use crate::sink::mqtt::notice::ConnectionNotice;

/// Time in which pending events are still sent at shutdown.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_millis(450);

/// Longest duration of a shutdown.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(800);

/// Longest duration of a shutdown after the end of all sources, connection attempts
/// included.
pub(super) const OUTBOX_DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

impl Lifecycle {
    pub(super) fn on_inbox_closed(&mut self, now: Instant) {
        self.inbox_closed = true;
        match self.state {
            LifecycleState::Online => self.state = self.flushing(now),
            LifecycleState::Claiming | LifecycleState::Connecting | LifecycleState::BackingOff { .. } => {
                match self.drains {
                    true => self.give_up_at = Some(now + OUTBOX_DRAIN_TIMEOUT),
                    false => self.abandon(),
                }
            }
            LifecycleState::Yielded => self.end(),
            LifecycleState::Flushing { .. } | LifecycleState::Leaving { .. } | LifecycleState::Ended => {}
        }
    }

    pub(super) fn flushing(&self, now: Instant) -> LifecycleState {
        let timeout = if self.drains { OUTBOX_DRAIN_TIMEOUT } else { SHUTDOWN_TIMEOUT };
        LifecycleState::Flushing { until: now + timeout }
    }

    pub(super) fn leave(&mut self, until: Instant) {
        self.session.close();
        self.state = LifecycleState::Leaving { until };
    }

    /// Ends without a connection.
    pub(super) fn abandon(&mut self) {
        let waiting_events = self.session.waiting_events();
        self.report(ConnectionNotice::Abandoned { waiting_events });
        self.end();
    }

    pub(super) fn end(&mut self) {
        self.session.disconnected();
        self.state = LifecycleState::Ended;
        self.push(LifecycleAction::Drop);
    }

    /// Returns true if time is left to connect again for the waiting events.
    pub(super) fn may_reconnect(&self, until: Instant, now: Instant) -> bool {
        self.drains && until > now + SHUTDOWN_TIMEOUT
    }
}
