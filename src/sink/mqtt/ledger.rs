//! Keeps the outbox and its storage in step, whatever becomes of the storage.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::{Outbox, Row};
use super::store::{Done, Report, Store};
use crate::sink::database::StoreError;

/// After a failure, storage is tried again this much later.
const RETRY: Duration = Duration::from_secs(30);

/// A disk that has not stored an event for this long is done without.
const SLOW: Duration = Duration::from_secs(5);

/// What is left of a stop for writing.
const LAST: Duration = Duration::from_millis(120);

/// Storage of the outbox, or its absence.
#[derive(Debug)]
pub struct Ledger {
    store: Option<Store>,
    state: State,
    /// Orders that storage has seen to.
    done: u64,
    /// The newest row that it has.
    stored: u64,
    /// Whether what an earlier run left has been read.
    read: bool,
    /// When it was last given something after having done everything, or last did something.
    since: Instant,
    said: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It follows.
    Good,
    /// What an earlier run left is read.
    Reading,
    /// It is written anew.
    Rewriting,
    /// It has failed, and is tried again then.
    Failed(Instant),
}

/// What is to be seen to.
#[derive(Debug)]
pub enum Due {
    /// Storage has reported.
    Report(Report),
    /// It is time to try storage again.
    Retry,
    /// It takes too long.
    Slow,
}

impl Ledger {
    /// No storage: events are kept in memory.
    pub fn none() -> Self {
        Self {
            store: None,
            state: State::Good,
            done: 0,
            stored: 0,
            read: true,
            since: Instant::now(),
            said: None,
        }
    }

    /// Storage that holds `rows`; an error where it cannot be used so far. The outbox gets the rows.
    pub fn new(store: Store, rows: Result<Vec<Row>, StoreError>, outbox: &mut Outbox) -> Self {
        let mut ledger = Self { store: Some(store), ..Self::none() };
        match rows {
            Ok(rows) => {
                if !rows.is_empty() {
                    tracing::info!(events = rows.len(), "an earlier run left events to publish");
                }
                let dropped = outbox.restore(rows);
                ledger.stored = outbox.newest();
                if dropped {
                    outbox.forsaken();
                    ledger.state = State::Failed(Instant::now());
                }
            }
            Err(error) => {
                ledger.read = false;
                // Above all ids that there can be: a million events a second were too few to catch up.
                outbox.begin_after(jiff::Timestamp::now().as_microsecond().unsigned_abs());
                ledger.fail(&error.to_string(), outbox);
            }
        }
        ledger
    }

    /// Hands storage what changed.
    pub fn settle(&mut self, outbox: &mut Outbox) {
        let changes = outbox.changes();
        if changes.is_empty() {
            return;
        }
        let Some(store) = &mut self.store else { return };
        if store.given() == self.done {
            self.since = Instant::now();
        }
        if let Err(reason) = store.follow(changes) {
            self.fail(&reason, outbox);
        }
    }

    /// Whether storage has something to do.
    fn is_behind(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.given() > self.done)
    }

    /// The next thing to [see to](Self::see_to); never, where there is no storage. May be dropped at any time.
    pub async fn due(&mut self) -> Due {
        let deadline = match self.state {
            State::Failed(until) => Some((until, Due::Retry)),
            State::Good if self.is_behind() => Some((self.since + SLOW, Due::Slow)),
            State::Good | State::Reading | State::Rewriting => None,
        };
        let Some(store) = &mut self.store else { return std::future::pending().await };
        let report = async {
            match store.report().await {
                Some(report) => report,
                None => std::future::pending().await,
            }
        };
        match deadline {
            None => Due::Report(report.await),
            Some((until, due)) => tokio::select! {
                report = report => Due::Report(report),
                () = sleep_until(until) => due,
            },
        }
    }

    /// Sees to it.
    pub fn see_to(&mut self, due: Due, outbox: &mut Outbox) {
        match due {
            Due::Report(Report::Done(done)) => self.did(&done, outbox),
            Due::Report(Report::Failed(reason)) => self.fail(&reason, outbox),
            Due::Slow => self.fail("the disk does not answer", outbox),
            Due::Retry => {
                if self.read {
                    return self.rewrite(outbox);
                }
                let Some(store) = &mut self.store else { return };
                self.state = State::Reading;
                if let Err(reason) = store.read() {
                    self.fail(&reason, outbox);
                }
            }
            Due::Report(Report::Read(left)) => {
                if let Some(damage) = &left.damage {
                    tracing::warn!(
                        damage,
                        rescued = left.rows.len(),
                        "the file of waiting events was damaged; it is set aside"
                    );
                }
                self.read = true;
                outbox.adopt(left.rows);
                self.rewrite(outbox);
            }
        }
    }

    fn rewrite(&mut self, outbox: &mut Outbox) {
        let Some(store) = &mut self.store else { return };
        self.state = State::Rewriting;
        if let Err(reason) = store.rewrite(outbox.everything()) {
            self.fail(&reason, outbox);
        }
    }

    fn did(&mut self, done: &Done, outbox: &mut Outbox) {
        (self.done, self.since) = (done.orders, Instant::now());
        match self.state {
            State::Good => {}
            State::Rewriting if done.anew => {
                self.state = State::Good;
                self.said = None;
                tracing::info!("events are kept on disk again");
            }
            // Of before a failure.
            State::Reading | State::Rewriting | State::Failed(_) => return,
        }
        self.stored = if done.anew { done.stored } else { self.stored.max(done.stored) };
        outbox.stored(self.stored);
        outbox.deleted(&done.deleted);
    }

    /// Whether what waits is there at the next start.
    pub fn is_kept(&self) -> bool {
        self.store.is_some() && self.state == State::Good
    }

    /// Has the last changes written.
    pub async fn close(mut self, outbox: &mut Outbox) {
        self.settle(outbox);
        // Perhaps it works again.
        if matches!(self.state, State::Failed(_)) && self.read {
            self.rewrite(outbox);
        }
        if let Some(store) = self.store
            && timeout(LAST, store.close()).await.is_err()
        {
            tracing::warn!(
                "the disk does not answer: some events may be lost, or published twice after the next start"
            );
        }
    }

    fn fail(&mut self, reason: &str, outbox: &mut Outbox) {
        outbox.forsaken();
        self.state = State::Failed(Instant::now() + RETRY);
        if self.said.as_deref() != Some(reason) {
            self.said = Some(reason.to_owned());
            tracing::warn!(
                reason,
                "events cannot be kept on disk: until they can, those that wait for the broker are lost with the process; check the disk and `state_dir`"
            );
        }
    }
}

#[cfg(test)]
mod tests;
