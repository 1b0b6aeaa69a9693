//! Database of the log: SQLite with a write-ahead log and `synchronous = FULL`, so that committed
//! rows survive a power cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, named_params, params};

use super::open_segments::SegmentRow;
use super::pending_rows::{EventRow, FinishedRow, OutageRow, PendingRows};
use super::schema::MIGRATIONS;
use crate::asrun::{Ms, OutageCause, QuarterLoudness};
use crate::event::DaemonInfo;
use crate::sink::database::{self, StoreError};

/// Rows of one table and source that one transaction deletes.
const DELETE_BATCH: usize = 2000;
/// Size in bytes up to which a file is checked completely when it is opened. The check of a larger
/// one would delay messages.
const MAX_CHECKED_BYTES: u64 = 32 * 1024 * 1024;
/// Damaged files that are kept beside the new one.
const MAX_DAMAGED_FILES: usize = 99;

/// Version of the schema.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The database, and the run that writes to it.
#[derive(Debug)]
pub(super) struct LogStore {
    path: PathBuf,
    connection: Option<Connection>,
    /// Key of the run, once its row is written.
    run: Option<i64>,
}

impl LogStore {
    /// Store at `path`. The file is opened at the first write.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connection: None, run: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all pending rows in one transaction; `ended` at the end of the run. A damaged file is
    /// set aside and described. After an error all rows are still pending.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub(super) fn write(
        &mut self,
        rows: &mut PendingRows,
        now: Ms,
        ended: bool,
    ) -> Result<Option<String>, StoreError> {
        match self.try_write(rows, now, ended) {
            Ok(()) => Ok(None),
            Err(error) if error.is_damage() => {
                self.close();
                let aside = database::set_aside(&self.path, MAX_DAMAGED_FILES)?;
                rows.forget_ids();
                self.try_write(rows, now, ended).inspect_err(|_| self.close())?;
                Ok(Some(format!("{error}; it is set aside as `{}`", aside.display())))
            }
            Err(error) => {
                self.close();
                Err(error)
            }
        }
    }

    /// Deletes rows that are older than `cutoff`, as is the run that logged them, at most
    /// [`DELETE_BATCH`] per table and source. Returns true if there may be more.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn delete_old(&mut self, cutoff: Ms) -> Result<bool, StoreError> {
        let (Some(connection), Some(run)) = (&mut self.connection, self.run) else { return Ok(false) };
        let transaction = connection.transaction()?;
        let sources: Vec<String> = transaction
            .prepare_cached("SELECT DISTINCT name FROM source")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut most = 0;
        for (table, time) in [("segment", "end_ms"), ("outage", "end_ms"), ("event", "ts_ms")] {
            let sql = format!(
                "DELETE FROM {table} WHERE id IN (SELECT of.id FROM {table} AS of JOIN run ON run.id = of.run
                 WHERE of.source = ?1 AND of.{time} < ?2 AND run.started_ms < ?2 LIMIT {DELETE_BATCH})"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            for source in &sources {
                most = most.max(statement.execute(params![source, cutoff])?);
            }
        }
        let mut levels = transaction.prepare_cached(&format!(
            "DELETE FROM level WHERE (source, start_ms, run) IN (SELECT of.source, of.start_ms, of.run FROM level AS of
             JOIN run ON run.id = of.run WHERE of.source = ?1 AND of.start_ms < ?2 - {} AND run.started_ms < ?2 LIMIT {DELETE_BATCH})",
            QuarterLoudness::LENGTH
        ))?;
        for source in &sources {
            most = most.max(levels.execute(params![source, cutoff])?);
        }
        drop(levels);
        let more = most == DELETE_BATCH;
        if !more {
            transaction.execute("DELETE FROM run WHERE seen_ms < ?1 AND id <> ?2", params![cutoff, run])?;
            transaction.execute("DELETE FROM source WHERE run NOT IN (SELECT id FROM run)", [])?;
        }
        transaction.commit()?;
        Ok(more)
    }

    /// Limits the growth of the open file to `pages`, as if the disk were full.
    #[cfg(test)]
    pub(super) fn limit(&mut self, pages: i64) {
        let Some(connection) = &self.connection else { return };
        let _ = connection.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).and_then(|count| {
            connection.query_row(&format!("PRAGMA max_page_count = {}", count + pages), [], |_| Ok(()))
        });
    }

    fn close(&mut self) {
        (self.connection, self.run) = (None, None);
    }

    fn try_write(&mut self, rows: &mut PendingRows, now: Ms, ended: bool) -> Result<(), StoreError> {
        let Some(info) = rows.info.clone() else { return Ok(()) };
        if self.connection.is_none() {
            self.connection = Some(open(&self.path)?);
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let run = begin(&transaction, &info, now, ended)?;
        for row in &rows.finished {
            match row {
                FinishedRow::Segment(segment) => drop(write_segment(&transaction, run, segment)?),
                FinishedRow::Outage(outage) => drop(write_outage(&transaction, run, outage)?),
                FinishedRow::Event(event) => write_event(&transaction, run, event)?,
            }
        }
        for id in &rows.deleted {
            transaction.prepare_cached("DELETE FROM segment WHERE id = ?1")?.execute([id])?;
        }
        for ((source, _), quarter) in &rows.loudness {
            write_quarter(&transaction, run, source, quarter)?;
        }
        // Keys are valid only after the commit.
        let (mut segments, mut outages) = rows.open(now);
        let segment_ids: Vec<i64> =
            segments.iter().map(|of| write_segment(&transaction, run, of)).collect::<Result<_, _>>()?;
        let outage_ids: Vec<i64> =
            outages.iter().map(|of| write_outage(&transaction, run, of)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        segments.iter_mut().zip(segment_ids).for_each(|(segment, id)| {
            (segment.id, segment.changed) = (Some(id), false);
        });
        outages.iter_mut().zip(outage_ids).for_each(|(outage, id)| outage.id = Some(id));
        rows.finished.clear();
        rows.deleted.clear();
        rows.loudness.clear();
        self.run = Some(run);
        Ok(())
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    database::open(path, &MIGRATIONS, MAX_CHECKED_BYTES)
}

/// Updates the row of the run, which was alive at `now`, and returns its key. When the row is
/// created, the time since the previous run becomes an outage.
fn begin(transaction: &Transaction<'_>, info: &DaemonInfo, now: Ms, ended: bool) -> rusqlite::Result<i64> {
    let ended = ended.then_some(now);
    let known: Option<i64> = transaction
        .prepare_cached("UPDATE run SET seen_ms = ?2, ended_ms = ?3 WHERE run = ?1 RETURNING id")?
        .query_row(params![&*info.run, now, ended], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let started = info.started.as_millisecond();
    let before: Option<(i64, Ms)> = transaction
        .query_row("SELECT id, seen_ms FROM run ORDER BY id DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    transaction.execute(
        "INSERT INTO run (run, version, model, head, hop_s, started_ms, seen_ms, ended_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![&*info.run, info.version, &*info.model, &*info.head, info.hop_s, started, now, ended],
    )?;
    let run = transaction.last_insert_rowid();
    for source in &info.sources {
        transaction.execute(
            "INSERT OR REPLACE INTO source (run, name, display_name, uri) VALUES (?1, ?2, ?3, ?4)",
            params![run, &*source.name, &*source.display_name, &*source.uri],
        )?;
        let Some((before, seen)) = before.filter(|(_, seen)| *seen < started) else { continue };
        transaction.execute(
            "INSERT INTO outage (run, source, start_ms, end_ms, cause) SELECT ?1, name, ?3, ?4, ?5 FROM source
             WHERE run = ?6 AND name = ?2",
            params![run, &*source.name, seen, started, OutageCause::Down.as_str(), before],
        )?;
    }
    Ok(run)
}

fn write_segment(transaction: &Transaction<'_>, run: i64, of: &SegmentRow) -> rusqlite::Result<i64> {
    let lufs = of.lufs();
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO segment (id, run, source, start_ms, end_ms, state, label, confidence, scored, dropped,
             title, lufs_mean, lufs_min, lufs_max)
             VALUES (:id, :run, :source, :start, :end, :state, :label, :confidence, :scored, :dropped, :title, :mean, :min,
             :max)",
        )?
        .execute(named_params! {
            ":id": of.id,
            ":run": run,
            ":source": &*of.source,
            ":start": of.start,
            ":end": of.end,
            ":state": of.key.state.as_str(),
            ":label": &*of.key.label,
            ":confidence": of.confidence(),
            ":scored": of.scored(),
            ":dropped": of.dropped,
            ":title": of.key.title.as_deref(),
            ":mean": lufs.map(|lufs| lufs.mean),
            ":min": lufs.map(|lufs| lufs.min),
            ":max": lufs.map(|lufs| lufs.max),
        })?;
    Ok(of.id.unwrap_or_else(|| transaction.last_insert_rowid()))
}

fn write_outage(transaction: &Transaction<'_>, run: i64, of: &OutageRow) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO outage (id, run, source, start_ms, end_ms, cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![of.id, run, &*of.source, of.start, of.end, of.cause.as_str()])?;
    Ok(of.id.unwrap_or_else(|| transaction.last_insert_rowid()))
}

fn write_event(transaction: &Transaction<'_>, run: i64, of: &EventRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO event (run, source, seq, ts_ms, event_type, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![run, &*of.source, of.seq, of.ts, of.event_type.as_str(), of.json])?;
    Ok(())
}

/// Adds to the row of a quarter of an hour.
fn write_quarter(
    transaction: &Transaction<'_>,
    run: i64,
    source: &Arc<str>,
    of: &QuarterLoudness,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO level (source, start_ms, run, scored, dropped, energy, lufs_min, lufs_max)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET scored = scored + excluded.scored,
             dropped = dropped + excluded.dropped, energy = energy + excluded.energy,
             lufs_min = min(lufs_min, excluded.lufs_min), lufs_max = max(lufs_max, excluded.lufs_max)",
        )?
        .execute(params![&**source, of.start, run, of.scored, of.dropped, of.energy, of.min, of.max])?;
    Ok(())
}
