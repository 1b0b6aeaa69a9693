//! Timers: deadlines of the states, delayed publications, the audit.

use std::time::Instant;

use super::inbound::ECHO_TIMEOUT;
use super::shutdown::{FLUSH_TIMEOUT, SHUTDOWN_TIMEOUT};
use super::{Lifecycle, LifecycleAction, LifecycleState};
use crate::sink::mqtt::audit::RetainedAudit;
use crate::sink::mqtt::failure::ConnectionFailure;
use crate::sink::mqtt::notice::ConnectionNotice;
use crate::sink::mqtt::protocol::KEEP_ALIVE;

/// Number of keep-alive intervals without any signal, pings included, after which the client hangs
/// in a write.
const STALL_INTERVALS: u32 = 3;

impl Lifecycle {
    /// Time of the next [`LifecycleEvent::Timer`](super::LifecycleEvent::Timer).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let state = self.state_deadline();
        let timers = self.has_connection().then(|| self.link.next_timer()).flatten();
        state.into_iter().chain(timers).chain(self.give_up_deadline()).min()
    }

    /// Deadline of the state itself.
    fn state_deadline(&self) -> Option<Instant> {
        match self.state {
            LifecycleState::Connecting | LifecycleState::Online => {
                let interval = self.session.limits().keep_alive.max(KEEP_ALIVE);
                Some(self.link.last_signal + interval * STALL_INTERVALS)
            }
            LifecycleState::Flushing { until } => Some(until - (SHUTDOWN_TIMEOUT - FLUSH_TIMEOUT)),
            LifecycleState::Leaving { until } | LifecycleState::BackingOff { until } => Some(until),
            LifecycleState::Claiming | LifecycleState::Yielded | LifecycleState::Ended => None,
        }
    }

    /// End of connection attempts, while there is no connection.
    fn give_up_deadline(&self) -> Option<Instant> {
        self.give_up_at.filter(|_| {
            matches!(
                self.state,
                LifecycleState::Claiming | LifecycleState::Connecting | LifecycleState::BackingOff { .. }
            )
        })
    }

    fn has_connection(&self) -> bool {
        matches!(
            self.state,
            LifecycleState::Online | LifecycleState::Flushing { .. } | LifecycleState::Leaving { .. }
        )
    }

    pub(super) fn on_timer(&mut self, now: Instant) {
        if self.give_up_deadline().is_some_and(|deadline| deadline <= now) {
            return self.abandon();
        }
        if self.state_deadline().is_some_and(|deadline| deadline <= now) {
            match self.state {
                LifecycleState::Connecting | LifecycleState::Online => {
                    return self.on_failure(ConnectionFailure::stalled(), now);
                }
                LifecycleState::Flushing { until } => {
                    let waiting_events = self.session.waiting_events();
                    self.report(ConnectionNotice::FlushTimeout { waiting_events });
                    self.leave(until);
                }
                LifecycleState::Leaving { .. } => {
                    // The broker publishes the last will, which has the same content.
                    self.report(ConnectionNotice::LeaveTimeout);
                    return self.end();
                }
                LifecycleState::BackingOff { .. } => return self.attempt(now),
                LifecycleState::Claiming | LifecycleState::Yielded | LifecycleState::Ended => {}
            }
        }
        if self.has_connection() {
            self.run_link_timers(now);
        }
    }

    fn run_link_timers(&mut self, now: Instant) {
        if self.link.birth_at.take_if(|at| *at <= now).is_some() {
            self.session.announce_again();
        }
        if self.link.echo_by.take_if(|at| *at <= now).is_some() {
            self.report_missing_echo();
        }
        if self.link.retry_at.take_if(|at| *at <= now).is_some() {
            self.session.retry_refused();
        }
        self.continue_audit(now);
    }

    fn report_missing_echo(&mut self) {
        let topic = self.session.topics().of_node("info");
        self.report(ConnectionNotice::NotEchoed { topic });
    }

    /// Starts the audit once everything has been published for the first time, and ends it.
    pub(super) fn continue_audit(&mut self, now: Instant) {
        match &self.link.audit {
            None => {
                if self.audited || !self.link.is_echoed || self.state != LifecycleState::Online {
                    return;
                }
                if self.session.is_complete() {
                    self.start_audit(now);
                }
            }
            Some((audit, deadline)) if audit.is_complete() || *deadline <= now => {
                if let Some((audit, _)) = self.link.audit.take() {
                    self.finish_audit(&audit);
                }
            }
            Some(_) => {}
        }
    }

    fn start_audit(&mut self, now: Instant) {
        // Once, whatever the result: the broker may close the connection on so long a subscription.
        self.audited = true;
        let audit = RetainedAudit::new(self.session.expected_retained());
        self.push(LifecycleAction::Subscribe(audit.topics().cloned().collect()));
        self.link.audit = Some((audit, now + ECHO_TIMEOUT));
    }

    fn finish_audit(&mut self, audit: &RetainedAudit) {
        let own = self.link.subscriptions.filters();
        for topic in audit.topics().filter(|topic| !own.contains(topic)) {
            self.push(LifecycleAction::Unsubscribe(topic.clone()));
        }
        let (received, missing) = audit.verdict();
        if missing.is_empty() {
            return;
        }
        if received.is_empty() {
            return self.report_missing_echo();
        }
        let suppressed = self.session.on_audit(&received, &missing);
        self.report(ConnectionNotice::Missing { messages: missing, suppressed });
    }
}
