//! Events in the log: those of a source, and those that follow one that a client has seen.

use super::read::{LogError, LogReader};
use crate::asrun::Ms;

/// Event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedEvent {
    /// Random id of the process run that decided it.
    pub(crate) run: String,
    /// Name of the source, as in topics.
    pub(crate) source: String,
    /// Sequence number.
    pub(crate) seq: u64,
    /// JSON object, as on `…/event`.
    pub(crate) json: String,
}

impl LogReader {
    /// Events of a source between `from` and `to`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn events(&self, source: &str, from: Ms, to: Ms) -> Result<Vec<LoggedEvent>, LogError> {
        self.rows(
            "SELECT run.run, source, seq, json FROM event JOIN run ON run.id = event.run
             WHERE source = ?1 AND ts_ms >= ?2 AND ts_ms < ?3 ORDER BY event.id",
            (source, from, to),
            |row| {
                Ok(LoggedEvent { run: row.get(0)?, source: row.get(1)?, seq: row.get(2)?, json: row.get(3)? })
            },
        )
    }

    /// At most `limit` events of all sources after the one with this run, source and number, in the
    /// order in which they were decided; `None` if the log does not know the run.
    ///
    /// An event that a killed daemon sent but could not log is not there. Then the events after all
    /// of its run follow. The number 0 precedes all events of the run.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn events_after(
        &self,
        (run, source, seq): (&str, &str, u64),
        limit: usize,
    ) -> Result<Option<Vec<LoggedEvent>>, LogError> {
        let known: Vec<i64> = self.rows("SELECT id FROM run WHERE run = ?1", [run], |row| row.get(0))?;
        let Some(run_id) = known.first() else { return Ok(None) };
        let events = self.rows(
            "SELECT run.run, source, seq, json FROM event JOIN run ON run.id = event.run
             WHERE event.id > coalesce(
                 (SELECT max(id) FROM event WHERE run = ?1 AND source = ?2 AND seq = ?3),
                 (SELECT max(id) FROM event WHERE run < ?1 OR (run = ?1 AND ?3 > 0)), 0)
             ORDER BY event.id LIMIT ?4",
            (run_id, source, seq, limit as i64),
            |row| {
                Ok(LoggedEvent { run: row.get(0)?, source: row.get(1)?, seq: row.get(2)?, json: row.get(3)? })
            },
        )?;
        Ok(Some(events))
    }
}
