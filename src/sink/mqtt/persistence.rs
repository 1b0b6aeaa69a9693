//! Synchronises the outbox with its store, also through failures of the store.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::Outbox;
use super::store::{OutboxStore, RecoveredOutbox, StoreProgress, StoreQueueError, StoreReport};
use crate::sink::database::StoreError;

/// Delay before a failed store is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// Time without progress after which the store counts as failed.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for the last writes at a stop.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(120);

/// Store of the outbox, or its absence.
#[derive(Debug)]
pub(crate) struct OutboxPersistence {
    store: Option<OutboxStore>,
    state: PersistenceState,
    /// Number of commands that the store has handled.
    handled: u64,
    /// Highest id that the store holds.
    stored: u64,
    /// The events of earlier runs have been read.
    recovered: bool,
    /// Time of the last progress, or of the first command after the store was idle.
    last_progress: Instant,
    /// Last failure that was logged.
    logged: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PersistenceState {
    InSync,
    /// The events of earlier runs are being read.
    Reading,
    Rewriting,
    Failed {
        retry_at: Instant,
    },
}

/// Event that [`OutboxPersistence::handle`] handles.
#[derive(Debug)]
pub(crate) enum PersistenceEvent {
    Report(StoreReport),
    /// It is time to try a failed store again.
    Retry,
    /// The store has made no progress for too long.
    Stalled,
}

impl OutboxPersistence {
    /// Keeps events in memory only.
    pub(crate) fn none() -> Self {
        Self {
            store: None,
            state: PersistenceState::InSync,
            handled: 0,
            stored: 0,
            recovered: true,
            last_progress: Instant::now(),
            logged: None,
        }
    }

    /// Attaches `store` and moves the `recovered` events to `outbox`.
    pub(crate) fn new(
        store: OutboxStore,
        recovered: Result<RecoveredOutbox, StoreError>,
        outbox: &mut Outbox,
    ) -> Self {
        let mut persistence = Self { store: Some(store), ..Self::none() };
        match recovered {
            Ok(RecoveredOutbox { events, .. }) => {
                if !events.is_empty() {
                    tracing::info!(events = events.len(), "publishing events of an earlier run");
                }
                let dropped = outbox.restore(events);
                persistence.stored = outbox.newest();
                if dropped {
                    outbox.storage_failed();
                    persistence.state = PersistenceState::Failed { retry_at: Instant::now() };
                }
            }
            Err(error) => {
                persistence.recovered = false;
                // Ids above all that earlier runs can have used: below a million events per second.
                outbox.reserve_ids(jiff::Timestamp::now().as_microsecond().unsigned_abs());
                persistence.fail(&error.to_string(), outbox);
            }
        }
        persistence
    }

    /// Sends the changes of the outbox to the store.
    pub(crate) fn sync(&mut self, outbox: &mut Outbox) {
        let changes = outbox.changes();
        if changes.is_empty() {
            return;
        }
        let Some(store) = &mut self.store else { return };
        if store.sent() == self.handled {
            self.last_progress = Instant::now();
        }
        if let Err(error) = store.apply(changes) {
            self.fail(&error.to_string(), outbox);
        }
    }

    fn is_behind(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.sent() > self.handled)
    }

    /// Waits for the next event; forever without a store. Cancel safe.
    pub(crate) async fn next_event(&mut self) -> PersistenceEvent {
        let deadline = match self.state {
            PersistenceState::Failed { retry_at } => Some((retry_at, PersistenceEvent::Retry)),
            PersistenceState::InSync if self.is_behind() => {
                Some((self.last_progress + STALL_TIMEOUT, PersistenceEvent::Stalled))
            }
            PersistenceState::InSync | PersistenceState::Reading | PersistenceState::Rewriting => None,
        };
        let Some(store) = &mut self.store else { return std::future::pending().await };
        let report = async {
            match store.report().await {
                Some(report) => report,
                None => std::future::pending().await,
            }
        };
        match deadline {
            None => PersistenceEvent::Report(report.await),
            Some((deadline, event)) => tokio::select! {
                report = report => PersistenceEvent::Report(report),
                () = sleep_until(deadline) => event,
            },
        }
    }

    /// Handles an event from [`Self::next_event`].
    pub(crate) fn handle(&mut self, event: PersistenceEvent, outbox: &mut Outbox) {
        match event {
            PersistenceEvent::Report(StoreReport::Committed(progress)) => self.on_progress(&progress, outbox),
            PersistenceEvent::Report(StoreReport::Failed(reason)) => self.fail(&reason, outbox),
            PersistenceEvent::Report(StoreReport::Recovered(recovered)) => {
                self.on_recovered(recovered, outbox);
            }
            PersistenceEvent::Stalled => self.fail(&StoreQueueError::Full.to_string(), outbox),
            PersistenceEvent::Retry if self.recovered => self.rewrite(outbox),
            PersistenceEvent::Retry => {
                let Some(store) = &mut self.store else { return };
                self.state = PersistenceState::Reading;
                if let Err(error) = store.read() {
                    self.fail(&error.to_string(), outbox);
                }
            }
        }
    }

    fn on_recovered(&mut self, recovered: RecoveredOutbox, outbox: &mut Outbox) {
        if let Some(damage) = &recovered.damage {
            tracing::warn!(
                damage,
                rescued = recovered.events.len(),
                "the file of waiting events was damaged; it is set aside"
            );
        }
        self.recovered = true;
        outbox.merge_recovered(recovered.events);
        self.rewrite(outbox);
    }

    fn rewrite(&mut self, outbox: &mut Outbox) {
        let Some(store) = &mut self.store else { return };
        self.state = PersistenceState::Rewriting;
        if let Err(error) = store.rewrite(outbox.snapshot()) {
            self.fail(&error.to_string(), outbox);
        }
    }

    fn on_progress(&mut self, progress: &StoreProgress, outbox: &mut Outbox) {
        (self.handled, self.last_progress) = (progress.commands, Instant::now());
        match self.state {
            PersistenceState::InSync => {}
            PersistenceState::Rewriting if progress.rewritten => {
                self.state = PersistenceState::InSync;
                self.logged = None;
                tracing::info!("events are kept on disk again");
            }
            // The progress was made before a failure.
            PersistenceState::Reading | PersistenceState::Rewriting | PersistenceState::Failed { .. } => {
                return;
            }
        }
        self.stored = if progress.rewritten { progress.stored } else { self.stored.max(progress.stored) };
        outbox.stored(self.stored);
        outbox.deleted(&progress.deleted);
    }

    /// Returns true if unacknowledged events survive a restart.
    pub(crate) fn is_kept(&self) -> bool {
        self.store.is_some() && self.state == PersistenceState::InSync
    }

    /// Writes the last changes.
    pub(crate) async fn close(mut self, outbox: &mut Outbox) {
        self.sync(outbox);
        // A failed store gets a last attempt.
        if matches!(self.state, PersistenceState::Failed { .. }) && self.recovered {
            self.rewrite(outbox);
        }
        if let Some(store) = self.store
            && timeout(CLOSE_TIMEOUT, store.close()).await.is_err()
        {
            tracing::warn!(
                "the disk does not answer: some events may be lost, or published twice after the next start"
            );
        }
    }

    fn fail(&mut self, reason: &str, outbox: &mut Outbox) {
        outbox.storage_failed();
        self.state = PersistenceState::Failed { retry_at: Instant::now() + RETRY_DELAY };
        if self.logged.as_deref() != Some(reason) {
            self.logged = Some(reason.to_owned());
            tracing::warn!(
                reason,
                "events cannot be kept on disk: until they can, unacknowledged events are lost when the daemon ends; check the disk and `state_dir`"
            );
        }
    }
}

#[cfg(test)]
mod tests;
