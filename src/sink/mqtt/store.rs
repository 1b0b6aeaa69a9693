//! Store of the outbox: a SQLite file with its own writer thread, so that a slow disk delays only
//! events.
//!
//! Inserts are committed with `synchronous = FULL` on a write-ahead log: a reported event survives
//! a crash and a power cut. Deletions survive a crash. Pending changes are committed together.
//! After a failure the thread ignores changes until the next rewrite.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::{Connection, Transaction, params};
use tokio::sync::mpsc;

use super::stored_event::{EncodedEvent, OutboxChange, OutboxSnapshot, StoredEvent};
use crate::sink::database::{self, StoreError};

/// Name of the file in the state folder of the node.
const FILE_NAME: &str = "outbox.sqlite";

/// Capacity of the command queue.
const MAX_PENDING_COMMANDS: usize = 16_384;

/// Maximum number of commands per transaction.
const MAX_BATCH: usize = 1024;

/// Statements that lead from each schema version to the next.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE event (
        id INTEGER PRIMARY KEY, source TEXT NOT NULL, run TEXT NOT NULL, seq INTEGER NOT NULL, ts TEXT NOT NULL,
        dropped INTEGER NOT NULL, payload BLOB NOT NULL
    ) STRICT;
    CREATE TABLE seq (source TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"];

/// Content of the file at the start.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RecoveredOutbox {
    /// Unacknowledged events of earlier runs, in the order of their ids.
    pub events: Vec<StoredEvent>,
    /// Last `seq` of each source.
    pub seqs: Vec<(Arc<str>, u64)>,
    /// Damage of the file, if any. It was then set aside, and `events` is what could be read of it.
    pub damage: Option<String>,
}

/// Command for the store's thread.
#[derive(Debug)]
enum StoreCommand {
    Apply(OutboxChange),
    /// Replaces the whole content.
    Rewrite(OutboxSnapshot),
    /// Reads the file again, which could not be read at the start.
    Read,
}

/// Command that the store's thread does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreQueueError {
    #[error("the disk does not answer")]
    Full,
    #[error("its thread has ended")]
    Ended,
}

/// Report of the store's thread.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StoreReport {
    /// Commands were committed.
    Committed(StoreProgress),
    /// The file was read after all.
    Recovered(RecoveredOutbox),
    /// Nothing more is stored, for this reason.
    Failed(String),
}

/// Work that was committed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreProgress {
    /// Total number of commands handled so far.
    pub(crate) commands: u64,
    /// Highest id that was inserted, and with it all lower ones; 0 if there was none.
    pub(crate) stored: u64,
    /// Ids of deleted events.
    pub(crate) deleted: Vec<u64>,
    /// The whole content was replaced.
    pub(crate) rewritten: bool,
}

/// Handle of the store. Dropping it ends the thread once everything is written, which closes the
/// reports.
#[derive(Debug)]
pub struct OutboxStore {
    commands: Sender<StoreCommand>,
    reports: mpsc::UnboundedReceiver<StoreReport>,
    sent: u64,
}

impl OutboxStore {
    /// Opens or creates the file in `folder`, for at most `capacity` events, and starts the thread.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written. The thread runs all the same, and tries again
    /// later.
    pub fn open(folder: &Path, capacity: usize) -> (Self, Result<RecoveredOutbox, StoreError>) {
        let path = folder.join(FILE_NAME);
        let mut worker = StoreWorker { path, capacity, connection: None, commands: 0 };
        let recovered = worker.recover();
        let (commands, inbox) = bounded(MAX_PENDING_COMMANDS);
        let (outbox, reports) = mpsc::unbounded_channel();
        let spawned = crate::thread::spawn("outbox", move || worker.run(&inbox, &outbox));
        let recovered = spawned.map_err(StoreError::from).and(recovered);
        (Self { commands, reports, sent: 0 }, recovered)
    }

    /// Sends `changes` to the thread.
    ///
    /// # Errors
    /// Fails if the thread is too far behind; it then needs a [rewrite](Self::rewrite).
    pub(crate) fn apply(&mut self, changes: Vec<OutboxChange>) -> Result<(), StoreQueueError> {
        changes.into_iter().try_for_each(|change| self.send(StoreCommand::Apply(change)))
    }

    /// Replaces the content of the file.
    pub(crate) fn rewrite(&mut self, snapshot: OutboxSnapshot) -> Result<(), StoreQueueError> {
        self.send(StoreCommand::Rewrite(snapshot))
    }

    /// Reads events of earlier runs, which could not be read at the start.
    pub(crate) fn read(&mut self) -> Result<(), StoreQueueError> {
        self.send(StoreCommand::Read)
    }

    /// Total number of commands sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Next report; `None` once the thread has ended.
    pub(crate) async fn report(&mut self) -> Option<StoreReport> {
        self.reports.recv().await
    }

    /// Waits until everything is written and the thread has ended.
    pub async fn close(self) {
        let Self { commands, mut reports, .. } = self;
        drop(commands);
        while reports.recv().await.is_some() {}
    }

    fn send(&mut self, command: StoreCommand) -> Result<(), StoreQueueError> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => StoreQueueError::Full,
            TrySendError::Disconnected(_) => StoreQueueError::Ended,
        })?;
        self.sent += 1;
        Ok(())
    }
}

/// State of the thread.
struct StoreWorker {
    path: PathBuf,
    capacity: usize,
    connection: Option<Connection>,
    /// Number of commands handled.
    commands: u64,
}

impl StoreWorker {
    fn run(mut self, inbox: &Receiver<StoreCommand>, reports: &mpsc::UnboundedSender<StoreReport>) {
        while let Ok(first) = inbox.recv() {
            let mut batch = vec![first];
            batch.extend(inbox.try_iter().take(MAX_BATCH));
            self.commands += batch.len() as u64;
            // A rewrite replaces all that came before it.
            let rewrite = batch.iter().rposition(|command| matches!(command, StoreCommand::Rewrite(_)));
            if batch.iter().any(|command| matches!(command, StoreCommand::Read)) {
                let report = match self.recover() {
                    Ok(recovered) => StoreReport::Recovered(recovered),
                    Err(error) => StoreReport::Failed(error.to_string()),
                };
                let _ = reports.send(report);
            }
            batch.drain(..rewrite.unwrap_or(0));
            let report = match self.commit(&batch, rewrite.is_some()) {
                Ok(None) => continue,
                Ok(Some(progress)) => {
                    StoreReport::Committed(StoreProgress { commands: self.commands, ..progress })
                }
                Err(error) => {
                    self.connection = None;
                    StoreReport::Failed(error.to_string())
                }
            };
            let _ = reports.send(report);
        }
    }

    /// Commits a batch of commands. Does nothing and returns `None` while there is no file.
    fn commit(&mut self, batch: &[StoreCommand], rewrite: bool) -> Result<Option<StoreProgress>, StoreError> {
        if rewrite && self.connection.is_none() {
            self.open()?;
        }
        let Some(connection) = &mut self.connection else { return Ok(None) };
        // A deletion must survive a crash. After a power cut, an event that was published before
        // may be sent again, which is cheaper than a sync for each deletion.
        let only_deletes =
            batch.iter().all(|command| matches!(command, StoreCommand::Apply(OutboxChange::Delete(_))));
        connection.pragma_update(None, "synchronous", if only_deletes { "NORMAL" } else { "FULL" })?;
        let transaction = connection.transaction()?;
        let mut progress = StoreProgress { rewritten: rewrite, ..StoreProgress::default() };
        for command in batch {
            execute(&transaction, command, &mut progress)?;
        }
        transaction.commit()?;
        Ok(Some(progress))
    }

    /// Opens the file and reads its content.
    fn recover(&mut self) -> Result<RecoveredOutbox, StoreError> {
        let recovered =
            self.open().and_then(|damage| self.read().map(|content| RecoveredOutbox { damage, ..content }));
        if recovered.is_err() {
            self.connection = None;
        }
        recovered
    }

    /// Opens the file. A damaged file is set aside, and its readable events are copied; returns the
    /// damage.
    fn open(&mut self) -> Result<Option<String>, StoreError> {
        let damage = match self.try_open() {
            Ok(()) => return Ok(None),
            Err(error) if error.is_damage() => error.to_string(),
            Err(error) => return Err(error),
        };
        let salvaged = salvage(&self.path);
        database::set_aside(&self.path, 1)?;
        self.try_open()?;
        if let Some(connection) = &mut self.connection {
            let transaction = connection.transaction()?;
            for event in &salvaged {
                write_event(&transaction, event)?;
            }
            transaction.commit()?;
        }
        Ok(Some(damage))
    }

    fn try_open(&mut self) -> Result<(), StoreError> {
        let connection = database::open(&self.path, &MIGRATIONS, u64::MAX)?;
        // One kilobyte per event, in pages of four.
        connection
            .query_row(&format!("PRAGMA max_page_count = {}", 1024 + self.capacity / 4), [], |_| Ok(()))?;
        self.connection = Some(connection);
        Ok(())
    }

    fn read(&self) -> Result<RecoveredOutbox, StoreError> {
        let Some(connection) = &self.connection else { return Ok(RecoveredOutbox::default()) };
        let events =
            connection.prepare(SELECT_EVENTS)?.query_map([], read_event)?.collect::<Result<_, _>>()?;
        let seqs = connection
            .prepare("SELECT source, last FROM seq")?
            .query_map([], |row| Ok((Arc::from(row.get::<_, String>(0)?), row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(RecoveredOutbox { events, seqs, damage: None })
    }
}

/// Executes one command in `transaction` and adds its result to `progress`.
fn execute(
    transaction: &Transaction<'_>,
    command: &StoreCommand,
    progress: &mut StoreProgress,
) -> rusqlite::Result<()> {
    match command {
        StoreCommand::Apply(OutboxChange::Insert(event)) => {
            write_event(transaction, event)?;
            write_seq(transaction, &event.source, event.event.seq)?;
            progress.stored = progress.stored.max(event.id);
        }
        StoreCommand::Apply(OutboxChange::Replace(event)) => write_event(transaction, event)?,
        StoreCommand::Apply(OutboxChange::Delete(id)) => {
            transaction.prepare_cached("DELETE FROM event WHERE id = ?1")?.execute([id])?;
            progress.deleted.push(*id);
        }
        StoreCommand::Rewrite(OutboxSnapshot { events, seqs }) => {
            transaction.execute("DELETE FROM event", [])?;
            for event in events {
                write_event(transaction, event)?;
            }
            for (source, last) in seqs {
                write_seq(transaction, source, *last)?;
            }
            progress.stored = events.last().map_or(0, |event| event.id);
        }
        StoreCommand::Read => {}
    }
    Ok(())
}

const SELECT_EVENTS: &str = "SELECT id, source, run, seq, ts, dropped, payload FROM event ORDER BY id";

fn read_event(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredEvent> {
    let text = |index| row.get::<_, String>(index);
    let ts = text(4)?.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let event = EncodedEvent {
        run: text(2)?.into(),
        seq: row.get(3)?,
        ts,
        dropped: row.get(5)?,
        payload: row.get::<_, Vec<u8>>(6)?.into(),
    };
    Ok(StoredEvent { id: row.get(0)?, source: text(1)?.into(), event })
}

fn write_event(transaction: &Transaction<'_>, event: &StoredEvent) -> rusqlite::Result<()> {
    let StoredEvent { id, source, event: EncodedEvent { run, seq, ts, dropped, payload } } = event;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![id, &**source, &**run, seq, ts.to_string(), dropped, &**payload])?;
    Ok(())
}

/// Writes the last `seq` of a source.
fn write_seq(transaction: &Transaction<'_>, source: &str, last: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO seq VALUES (?1, ?2)")?
        .execute(params![source, last])?;
    Ok(())
}

/// Reads as many events as possible from a damaged file.
fn salvage(path: &Path) -> Vec<StoredEvent> {
    let Ok(connection) = Connection::open(path) else { return Vec::new() };
    let Ok(mut statement) = connection.prepare(SELECT_EVENTS) else { return Vec::new() };
    let events = statement.query_map([], read_event);
    events.map(|events| events.map_while(Result::ok).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
