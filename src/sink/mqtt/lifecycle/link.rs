//! State of one connection.

use std::time::Instant;

use crate::sink::mqtt::audit::RetainedAudit;
use crate::sink::mqtt::subscriptions::Subscriptions;

/// State of one connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) subscriptions: Subscriptions,
    /// Time of the CONNACK.
    pub(super) connected_at: Option<Instant>,
    /// Time of the last signal of the client.
    pub(super) last_signal: Instant,
    /// The broker accepted the subscription to the own `info`.
    pub(super) is_echoed: bool,
    /// Audit in progress, and its deadline.
    pub(super) audit: Option<(RetainedAudit, Instant)>,
    /// Time of the next attempt with refused events.
    pub(super) retry_at: Option<Instant>,
    /// Deadline for the echo of the own `info`.
    pub(super) echo_by: Option<Instant>,
    /// Time of the answer to a start of Home Assistant.
    pub(super) birth_at: Option<Instant>,
}

impl Link {
    /// A connection that is about to be made.
    pub(super) fn new(subscriptions: Subscriptions, now: Instant) -> Self {
        Self {
            subscriptions,
            connected_at: None,
            last_signal: now,
            is_echoed: false,
            audit: None,
            retry_at: None,
            echo_by: None,
            birth_at: None,
        }
    }

    /// Earliest timer.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let audit = self.audit.as_ref().map(|(_, deadline)| *deadline);
        self.echo_by.into_iter().chain(self.birth_at).chain(self.retry_at).chain(audit).min()
    }
}
