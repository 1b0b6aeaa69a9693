//! The outbox on disk: SQLite in a thread of its own, so that a slow disk delays events and nothing else.
//!
//! Events are committed with `synchronous = FULL` on a write-ahead log: what is reported as stored survives the
//! process and a power cut. Deletions survive the process. Changes that have gathered meanwhile are committed together. After a failure the thread
//! takes nothing more until it is given everything anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::{Connection, Transaction, params};
use tokio::sync::mpsc;

use super::outbox::{Change, Letter, Row};
use crate::sink::database::{self, StoreError};

/// Name of the file in the node's state folder.
const FILE: &str = "outbox.sqlite";

/// Changes that may wait for a disk that hangs.
const WAITING: usize = 16_384;

/// Changes that are committed together, at most.
const TOGETHER: usize = 1024;

/// What each schema makes of the one before; its number is `user_version`.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE event (
        id INTEGER PRIMARY KEY, source TEXT NOT NULL, run TEXT NOT NULL, seq INTEGER NOT NULL, ts TEXT NOT NULL,
        dropped INTEGER NOT NULL, payload BLOB NOT NULL
    ) STRICT;
    CREATE TABLE seq (source TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"];

/// What an earlier run left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Events that were not acknowledged, in the order of their ids.
    pub rows: Vec<Row>,
    /// The last `seq` of each source.
    pub seqs: Vec<(Arc<str>, u64)>,
    /// Where the file was damaged: how. Then it was set aside, and the rest is what could be read of it.
    pub damage: Option<String>,
}

/// What the thread is told.
#[derive(Debug)]
enum Order {
    Follow(Change),
    /// Everything anew: what there was may be gone.
    Rewrite(Everything),
    /// What an earlier run left, where it could not be read at the start.
    Read,
}

/// All that the file is to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Everything {
    /// Events that wait, in the order of their ids.
    pub rows: Vec<Row>,
    /// The last `seq` of each source.
    pub seqs: Vec<(Arc<str>, u64)>,
}

/// What the thread tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// What was ordered is on disk.
    Done(Done),
    /// What was left by an earlier run has been read at last.
    Read(Left),
    /// Nothing more is stored, for this reason.
    Failed(String),
}

/// What is on disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Orders that have been seen to, of all that were ever given.
    pub orders: u64,
    /// The newest row among them, 0 where there is none: every older one is there, too.
    pub stored: u64,
    /// Rows that are gone.
    pub deleted: Vec<u64>,
    /// Whether everything was written anew.
    pub anew: bool,
}

/// The sending end: drop it to have everything written and the thread end, which closes the reports.
#[derive(Debug)]
pub struct Store {
    orders: Sender<Order>,
    reports: mpsc::UnboundedReceiver<Report>,
    given: u64,
}

impl Store {
    /// Opens, or makes, the file in `folder`, and starts the thread. The file holds `capacity` events at the most.
    ///
    /// # Errors
    /// When it cannot be read or written. The thread runs all the same: [`Self::read`] tries again.
    pub fn open(folder: &Path, capacity: usize) -> (Self, Result<Left, StoreError>) {
        let mut disk = Disk { path: folder.join(FILE), capacity, connection: None, orders: 0 };
        let left = disk.open().and_then(|damage| disk.read().map(|left| Left { damage, ..left }));
        if left.is_err() {
            disk.connection = None;
        }
        let (orders, todo) = bounded(WAITING);
        let (tell, reports) = mpsc::unbounded_channel();
        let spawned = crate::thread::spawn("outbox", move || disk.serve(&todo, &tell));
        let left = spawned.map_err(StoreError::from).and(left);
        (Self { orders, reports, given: 0 }, left)
    }

    /// Has the thread follow `changes`; an error where it is too far behind, and must be given everything anew.
    pub fn follow(&mut self, changes: Vec<Change>) -> Result<(), String> {
        changes.into_iter().try_for_each(|change| self.order(Order::Follow(change)))
    }

    /// Has the thread write `everything` in place of what the file holds.
    pub fn rewrite(&mut self, everything: Everything) -> Result<(), String> {
        self.order(Order::Rewrite(everything))
    }

    /// Has the thread read what an earlier run left.
    pub fn read(&mut self) -> Result<(), String> {
        self.order(Order::Read)
    }

    /// Orders that were ever given.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// The next report; `None` once the thread has ended.
    pub async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// Waits until everything is written and the thread has ended.
    pub async fn close(self) {
        let Self { orders, mut reports, .. } = self;
        drop(orders);
        while reports.recv().await.is_some() {}
    }

    fn order(&mut self, order: Order) -> Result<(), String> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => "the disk does not answer".to_owned(),
            TrySendError::Disconnected(_) => "its thread has ended".to_owned(),
        })?;
        self.given += 1;
        Ok(())
    }
}

/// Everything the thread owns.
struct Disk {
    path: PathBuf,
    capacity: usize,
    connection: Option<Connection>,
    /// Orders that were taken.
    orders: u64,
}

impl Disk {
    fn serve(mut self, todo: &Receiver<Order>, tell: &mpsc::UnboundedSender<Report>) {
        while let Ok(first) = todo.recv() {
            let mut orders = vec![first];
            orders.extend(todo.try_iter().take(TOGETHER));
            self.orders += orders.len() as u64;
            // What comes before a rewrite is part of it.
            let begin = orders.iter().rposition(|order| matches!(order, Order::Rewrite(_)));
            if orders.iter().any(|order| matches!(order, Order::Read)) {
                let left = self.open().and_then(|damage| self.read().map(|left| Left { damage, ..left }));
                let _ = tell.send(match left {
                    Ok(left) => Report::Read(left),
                    Err(error) => {
                        self.connection = None;
                        Report::Failed(error.to_string())
                    }
                });
            }
            orders.drain(..begin.unwrap_or(0));
            let report = match self.carry_out(&orders, begin.is_some()) {
                Ok(None) => continue,
                Ok(Some(done)) => Report::Done(Done { orders: self.orders, ..done }),
                Err(error) => {
                    self.connection = None;
                    Report::Failed(error.to_string())
                }
            };
            let _ = tell.send(report);
        }
    }

    /// What was done; nothing is, and `None` told, while there is no file.
    fn carry_out(&mut self, orders: &[Order], anew: bool) -> Result<Option<Done>, StoreError> {
        if anew && self.connection.is_none() {
            self.open()?;
        }
        let Some(connection) = &mut self.connection else { return Ok(None) };
        // A deletion must outlive the process. After a power cut an event that was published before may come again,
        // and that is not worth waiting for the disk.
        let deletes = orders.iter().all(|order| matches!(order, Order::Follow(Change::Delete(_))));
        connection.pragma_update(None, "synchronous", if deletes { "NORMAL" } else { "FULL" })?;
        let transaction = connection.transaction()?;
        let mut done = Done { anew, ..Done::default() };
        for order in orders {
            match order {
                Order::Follow(Change::Insert(row)) => {
                    write(&transaction, row)?;
                    note(&transaction, &row.source, row.letter.seq)?;
                    done.stored = done.stored.max(row.id);
                }
                Order::Follow(Change::Replace(row)) => write(&transaction, row)?,
                Order::Follow(Change::Delete(id)) => {
                    transaction.prepare_cached("DELETE FROM event WHERE id = ?1")?.execute([id])?;
                    done.deleted.push(*id);
                }
                Order::Rewrite(Everything { rows, seqs }) => {
                    transaction.execute("DELETE FROM event", [])?;
                    for row in rows {
                        write(&transaction, row)?;
                    }
                    for (source, last) in seqs {
                        note(&transaction, source, *last)?;
                    }
                    done.stored = rows.last().map_or(0, |row| row.id);
                }
                Order::Read => {}
            }
        }
        transaction.commit()?;
        Ok(Some(done))
    }

    /// Opens the file; what is damaged is set aside, what is readable of it kept, and the damage told.
    fn open(&mut self) -> Result<Option<String>, StoreError> {
        let damage = match self.try_open() {
            Ok(()) => return Ok(None),
            Err(error) if error.is_damage() => error.to_string(),
            Err(error) => return Err(error),
        };
        let rest = salvage(&self.path);
        database::set_aside(&self.path, 1)?;
        self.try_open()?;
        if let Some(connection) = &mut self.connection {
            let transaction = connection.transaction()?;
            for row in &rest {
                write(&transaction, row)?;
            }
            transaction.commit()?;
        }
        Ok(Some(damage))
    }

    fn try_open(&mut self) -> Result<(), StoreError> {
        let connection = database::open(&self.path, &MIGRATIONS, u64::MAX)?;
        // A kilobyte an event, in pages of four.
        connection
            .query_row(&format!("PRAGMA max_page_count = {}", 1024 + self.capacity / 4), [], |_| Ok(()))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// What an earlier run left.
    fn read(&self) -> Result<Left, StoreError> {
        let Some(connection) = &self.connection else { return Ok(Left::default()) };
        let rows = connection.prepare(READ)?.query_map([], row)?.collect::<Result<_, _>>()?;
        let seqs = connection
            .prepare("SELECT source, last FROM seq")?
            .query_map([], |row| Ok((Arc::from(row.get::<_, String>(0)?), row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(Left { rows, seqs, damage: None })
    }
}

const READ: &str = "SELECT id, source, run, seq, ts, dropped, payload FROM event ORDER BY id";

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let text = |index| row.get::<_, String>(index);
    let ts = text(4)?.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let letter = Letter {
        run: text(2)?.into(),
        seq: row.get(3)?,
        ts,
        dropped: row.get(5)?,
        payload: row.get::<_, Vec<u8>>(6)?.into(),
    };
    Ok(Row { id: row.get(0)?, source: text(1)?.into(), letter })
}

fn write(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    let Row { id, source, letter: Letter { run, seq, ts, dropped, payload } } = row;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![id, &**source, &**run, seq, ts.to_string(), dropped, &**payload])?;
    Ok(())
}

/// The last `seq` of a source: that of the event that was decided last, whatever stood there.
fn note(transaction: &Transaction<'_>, source: &str, last: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO seq VALUES (?1, ?2)")?
        .execute(params![source, last])?;
    Ok(())
}

/// The rows of a damaged file that can still be read.
fn salvage(path: &Path) -> Vec<Row> {
    let Ok(connection) = Connection::open(path) else { return Vec::new() };
    let Ok(mut statement) = connection.prepare(READ) else { return Vec::new() };
    statement.query_map([], row).map(|rows| rows.map_while(Result::ok).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
