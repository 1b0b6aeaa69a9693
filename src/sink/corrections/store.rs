//! Database of corrections: SQLite with a write-ahead log and `synchronous = FULL`, so that
//! acknowledged corrections survive a power cut.
//!
//! Corrections are rare: the file is opened and closed for each, so that it may be moved, copied or
//! removed at any time.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::correction::Correction;
use crate::sink::database::{self, StoreError};

/// Migrations from each schema to the next; their number is `user_version`.
pub(super) const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE correction (
        id INTEGER PRIMARY KEY AUTOINCREMENT, ts_ms INTEGER NOT NULL, source TEXT NOT NULL, genre TEXT NOT NULL,
        published TEXT NOT NULL, confidence REAL, model TEXT NOT NULL, head TEXT NOT NULL, embedding_id TEXT NOT NULL,
        start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, patches INTEGER NOT NULL, dim INTEGER NOT NULL,
        patch_ends BLOB NOT NULL, embeddings BLOB NOT NULL
    ) STRICT;
    CREATE INDEX correction_by_end ON correction (source, end_ms);
"];

/// Size in bytes up to which a file is checked completely when it is opened.
const CHECKED: u64 = 32 * 1024 * 1024;
/// Damaged files that are kept beside the new one.
const MOST_DAMAGED: usize = 99;

/// Result of storing a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    /// Number of the correction, never used twice.
    pub(crate) id: i64,
    /// Earlier corrections of the same source that overlap it and name another genre.
    pub(crate) contradicts: u64,
    /// Old corrections that were deleted to keep the limit.
    pub(crate) evicted: u64,
    /// Description of the damage, if the file was damaged and has been set aside.
    pub(crate) damage: Option<String>,
}

/// Commits a correction to the file at `path`, which is created if necessary, and deletes the
/// oldest ones beyond `limit` bytes of embeddings. A damaged file is set aside and replaced.
///
/// # Errors
/// The file cannot be opened or written; nothing is stored.
pub(crate) fn add(path: &Path, limit: u64, correction: &Correction) -> Result<Added, StoreError> {
    match try_add(path, limit, correction) {
        Err(error) if error.is_damage() => {
            let aside = database::set_aside(path, MOST_DAMAGED)?;
            let damage = Some(format!("{error}; it is set aside as `{}`", aside.display()));
            Ok(Added { damage, ..try_add(path, limit, correction)? })
        }
        result => result,
    }
}

/// Opens the file for writing, or creates it.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    database::open(path, &MIGRATIONS, CHECKED)
}

fn try_add(path: &Path, limit: u64, correction: &Correction) -> Result<Added, StoreError> {
    let mut connection = open(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let contradicts = contradicted(&transaction, correction)?;
    let id = insert(&transaction, correction)?;
    let evicted = evict(&transaction, limit, id)?;
    transaction.commit()?;
    Ok(Added { id, contradicts, evicted, damage: None })
}

fn contradicted(transaction: &Transaction<'_>, of: &Correction) -> rusqlite::Result<u64> {
    let (start, end) = of.span_ms().unwrap_or_default();
    transaction.query_row(
        "SELECT count(*) FROM correction WHERE source = ?1 AND genre <> ?2 AND end_ms > ?3 AND start_ms < ?4",
        params![&*of.source, &*of.genre, start, end],
        |row| row.get(0),
    )
}

fn insert(transaction: &Transaction<'_>, of: &Correction) -> rusqlite::Result<i64> {
    let (start, end) = of.span_ms().unwrap_or_default();
    let ends: Vec<u8> = of.patches.iter().flat_map(|patch| patch.end_ms.to_le_bytes()).collect();
    let embeddings: Vec<u8> = of
        .patches
        .iter()
        .flat_map(|patch| patch.embedding.iter())
        .flat_map(|half| half.to_le_bytes())
        .collect();
    transaction.execute(
        "INSERT INTO correction (ts_ms, source, genre, published, confidence, model, head, embedding_id, start_ms, end_ms,
         patches, dim, patch_ends, embeddings) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            of.at.as_millisecond(),
            &*of.source,
            &*of.genre,
            &*of.published,
            of.confidence,
            &*of.model,
            &*of.head,
            &*of.embedding_id,
            start,
            end,
            of.patches.len(),
            of.patches.first().map_or(0, |patch| patch.embedding.len()),
            ends,
            embeddings
        ],
    )?;
    Ok(transaction.last_insert_rowid())
}

/// Deletes the oldest corrections until the embeddings fit into `limit` bytes; `newest` stays.
fn evict(transaction: &Transaction<'_>, limit: u64, newest: i64) -> rusqlite::Result<u64> {
    let mut bytes: u64 =
        transaction
            .query_row("SELECT coalesce(sum(length(embeddings)), 0) FROM correction", [], |row| row.get(0))?;
    let mut evicted = 0;
    let mut oldest =
        transaction.prepare("SELECT id, length(embeddings) FROM correction WHERE id < ?1 ORDER BY id")?;
    let mut rows = oldest.query([newest])?;
    let mut gone = Vec::new();
    while bytes > limit
        && let Some(row) = rows.next()?
    {
        gone.push(row.get::<_, i64>(0)?);
        bytes -= row.get::<_, u64>(1)?;
        evicted += 1;
    }
    for id in gone {
        transaction.execute("DELETE FROM correction WHERE id = ?1", [id])?;
    }
    Ok(evicted)
}
