//! Reader of the log, for `genred report`. The daemon may write meanwhile.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};

use super::store::VERSION;
use crate::asrun::{LogEvent, LogSegment, Lufs, Ms, Outage, OutageCause, QuarterLoudness, SourceLog};
use crate::event::EventType;

/// Age of the last write after which a daemon counts as stopped.
const SILENT: Ms = 30_000;

/// Error of reading the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// There is no such file.
    #[error("`{}` is not there; is `log.enabled` set, and has the daemon run? `--db` names another", .0.display())]
    Missing(PathBuf),
    /// A later version of this program made it.
    #[error("`{}` was written by a newer genred (schema {found}, known is {VERSION})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// The file is not a log.
    #[error("`{}` holds no as-run log", .0.display())]
    NoLog(PathBuf),
    /// Error of SQLite.
    #[error("`{}`: {error}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The error.
        error: rusqlite::Error,
    },
    /// The log does not contain a requested source.
    #[error("no source `{name}` in the log; there are `{known}`")]
    NoSource {
        /// The name, as it was typed.
        name: String,
        /// All sources in the log.
        known: String,
    },
}

/// Run of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogRun {
    /// Start of the run.
    pub(crate) started: Ms,
    /// Time of its last write.
    pub(crate) seen: Ms,
    /// True after a clean shutdown.
    pub(crate) ended: bool,
}

/// Open log. All reads see the same snapshot.
#[derive(Debug)]
pub(crate) struct LogReader {
    path: PathBuf,
    connection: Connection,
}

impl LogReader {
    /// Opens the log at `path` read-only.
    ///
    /// # Errors
    /// The file is missing, not a log, or newer than this program.
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        if !path.exists() {
            return Err(LogError::Missing(path.into()));
        }
        let fail = |error| LogError::Sqlite { path: path.into(), error };
        let (connection, version) = match connect(path, false) {
            // Without a writer the shared-memory file is absent, and a reader without write
            // permission cannot create it.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !has_wal(path) => {
                connect(path, true)
            }
            result => result,
        }
        .map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => LogError::NoLog(path.into()),
            _ => fail(error),
        })?;
        if version > VERSION {
            return Err(LogError::Newer { path: path.into(), found: version });
        }
        let tables: i64 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name IN ('run', 'segment', 'level')",
                [],
                |row| row.get(0),
            )
            .map_err(fail)?;
        if tables < 3 {
            return Err(LogError::NoLog(path.into()));
        }
        // The transaction fixes the snapshot.
        connection.execute_batch("BEGIN").map_err(fail)?;
        Ok(Self { path: path.into(), connection })
    }

    /// Names of the sources, in topics and as configured, in order. If `wanted` is not empty, only
    /// those, by either name.
    ///
    /// # Errors
    /// A wanted source is missing, or the file cannot be read.
    pub(crate) fn sources(&self, wanted: &[String]) -> Result<Vec<(String, String)>, LogError> {
        let sql = "SELECT name, display_name, max(run) FROM source GROUP BY name ORDER BY name";
        let all: Vec<(String, String)> = self.rows(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let fits = |wanted: &str, (name, display): &(String, String)| wanted == name || wanted == display;
        if let Some(name) = wanted.iter().find(|wanted| !all.iter().any(|source| fits(wanted, source))) {
            let known: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
            return Err(LogError::NoSource { name: name.clone(), known: known.join("`, `") });
        }
        let is_wanted =
            |source: &(String, String)| wanted.is_empty() || wanted.iter().any(|wanted| fits(wanted, source));
        Ok(all.into_iter().filter(is_wanted).collect())
    }

    /// Newest run, if any.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn last_run(&self) -> Result<Option<LogRun>, LogError> {
        let sql = "SELECT started_ms, seen_ms, ended_ms IS NOT NULL FROM run ORDER BY id DESC LIMIT 1";
        let runs = self.rows(sql, [], |row| {
            Ok(LogRun { started: row.get(0)?, seen: row.get(1)?, ended: row.get(2)? })
        })?;
        Ok(runs.into_iter().next())
    }

    /// Time up to which the log is complete: a running daemon still holds later rows. `now` if none
    /// runs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn written_to(&self, now: Ms) -> Result<Ms, LogError> {
        let run = self.last_run()?.filter(|run| !run.ended && now - run.seen <= SILENT);
        Ok(run.map_or(now, |run| run.seen.min(now)))
    }

    /// Rows of a source between `from` and `to`; `now` decides whether the daemon still runs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn record(
        &self,
        (source, name): (&str, &str),
        from: Ms,
        to: Ms,
        now: Ms,
    ) -> Result<SourceLog, LogError> {
        let bounds = params![source, from, to];
        let outage = |row: &Row<'_>| {
            let cause =
                if row.get_ref(2)?.as_str()? == "lost" { OutageCause::Lost } else { OutageCause::Down };
            Ok(Outage { start: row.get(0)?, end: row.get(1)?, cause })
        };
        let mut outages = self.rows(
            "SELECT start_ms, end_ms, cause FROM outage WHERE source = ?1 AND end_ms > ?2 AND start_ms < ?3",
            bounds,
            outage,
        )?;
        outages.extend(self.stopped(source, now)?);
        let events = self.rows(
            "SELECT ts_ms, event_type FROM event WHERE source = ?1 AND ts_ms >= ?2 AND ts_ms < ?3 ORDER BY id",
            bounds,
            |row| Ok(LogEvent { ts: row.get(0)?, kind: row.get(1)? }),
        )?;
        let levels = self.rows(
            "SELECT start_ms, scored, dropped, energy, lufs_min, lufs_max FROM level
             WHERE source = ?1 AND start_ms > ?2 - 900000 AND start_ms < ?3",
            bounds,
            |row| {
                Ok(QuarterLoudness {
                    start: row.get(0)?,
                    scored: row.get(1)?,
                    dropped: row.get(2)?,
                    energy: row.get(3)?,
                    min: row.get(4)?,
                    max: row.get(5)?,
                })
            },
        )?;
        Ok(SourceLog {
            source: source.into(),
            name: name.into(),
            segments: self.segments(source, from, to)?,
            outages,
            events,
            levels,
            off_format: self.off_format(source, from, to)?,
        })
    }

    /// Segments of a source that overlap the time between `from` and `to`, by their start.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn segments(&self, source: &str, from: Ms, to: Ms) -> Result<Vec<LogSegment>, LogError> {
        self.rows(
            "SELECT start_ms, end_ms, state, label, confidence, scored, dropped, title, lufs_mean, lufs_min, lufs_max
             FROM segment WHERE source = ?1 AND end_ms > ?2 AND start_ms < ?3 ORDER BY id",
            params![source, from, to],
            |row| {
                let lufs: (Option<f64>, Option<f64>, Option<f64>) = (row.get(8)?, row.get(9)?, row.get(10)?);
                Ok(LogSegment {
                    start: row.get(0)?,
                    end: row.get(1)?,
                    state: row.get(2)?,
                    label: row.get(3)?,
                    confidence: row.get(4)?,
                    scored: row.get(5)?,
                    dropped: row.get(6)?,
                    title: row.get(7)?,
                    lufs: match lufs {
                        (Some(mean), Some(min), Some(max)) => Some(Lufs { mean, min, max }),
                        _ => None,
                    },
                })
            },
        )
    }

    /// Outage since the last write of the newest run, if that run had this source and has ended.
    fn stopped(&self, source: &str, now: Ms) -> Result<Option<Outage>, LogError> {
        let sql = "SELECT run.seen_ms, run.ended_ms IS NOT NULL FROM run JOIN source ON source.run = run.id
                   WHERE source.name = ?1 AND run.id = (SELECT max(id) FROM run)";
        let last: Vec<(Ms, bool)> = self.rows(sql, [source], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let gone = last.into_iter().find(|(seen, ended)| *ended || now - seen > SILENT);
        Ok(gone.map(|(start, _)| Outage { start, end: now, cause: OutageCause::Down }))
    }

    /// Times off format: from each `off_format_started` to the event that ended it, or to the end
    /// of the run.
    fn off_format(&self, source: &str, from: Ms, to: Ms) -> Result<Vec<(Ms, Ms)>, LogError> {
        let sql = "SELECT event.run, ts_ms, event_type, run.seen_ms FROM event JOIN run ON run.id = event.run
                   WHERE source = ?1 AND event_type IN (?2, ?3) ORDER BY event.id";
        let (started, ended) = (EventType::OffFormatStarted.as_str(), EventType::OffFormatEnded.as_str());
        let rows: Vec<(i64, Ms, String, Ms)> = self.rows(sql, [source, started, ended], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        let mut began: HashMap<i64, (Ms, Ms)> = HashMap::new();
        let mut spans = Vec::new();
        for (run, ts, kind, seen) in rows {
            if kind == started {
                began.entry(run).or_insert((ts, seen));
            } else if let Some((start, _)) = began.remove(&run) {
                spans.push((start, ts));
            }
        }
        spans.extend(began.into_values().filter(|(start, seen)| start < seen));
        spans.retain(|(start, end)| *end > from && *start < to);
        Ok(spans)
    }

    /// Rows of a query.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LogError> {
        let query = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare(sql)?.query_map(params, read)?.collect()
        };
        query().map_err(|error| LogError::Sqlite { path: self.path.clone(), error })
    }
}

/// Read-only connection, and the version of the schema. `still`: no process writes the file.
fn connect(path: &Path, still: bool) -> rusqlite::Result<(Connection, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if still {
        let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        Connection::open_with_flags(
            format!("file:{escaped}?immutable=1"),
            flags | OpenFlags::SQLITE_OPEN_URI,
        )?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    connection.busy_timeout(Duration::from_secs(2))?;
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((connection, version))
}

fn has_wal(path: &Path) -> bool {
    std::fs::metadata(format!("{}-wal", path.display())).is_ok_and(|of| of.len() > 0)
}
