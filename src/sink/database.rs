//! SQLite databases of sinks: write-ahead log, migrations, and an integrity check at opening.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, ffi};

/// Longest wait for another program that locks the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Error of a database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Error of SQLite.
    #[error("{0}")]
    Sqlite(#[from] Error),
    /// A later version of this program made it.
    #[error("it was written by a newer genred (schema {found}, known is {known})")]
    Newer { found: i64, known: usize },
    /// The folder cannot be created, or the file cannot be moved.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl StoreError {
    /// Returns true if the file is damaged or not a database.
    pub(crate) fn is_damage(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

/// Opens a file, or makes it, and brings it to the newest schema: each of `migrations` makes its
/// schema of the one before, and their number is its `user_version`. Files of up to `checked` bytes
/// are read whole to see whether they are damaged.
///
/// # Errors
/// The database is damaged, newer than this program, or cannot be read or written.
pub(crate) fn open(path: &Path, migrations: &[&str], checked: u64) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > migrations.len() as i64 {
        return Err(StoreError::Newer { found: version, known: migrations.len() });
    }
    let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 1024 * 1024)?;
    for (number, migration) in migrations.iter().enumerate().skip(version.max(0) as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number as i64 + 1)?;
        transaction.commit()?;
    }
    if std::fs::metadata(path)?.len() <= checked {
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)).into());
        }
    }
    Ok(connection)
}

/// Moves a file and what belongs to it to a name that is free, `….damaged` or `….damaged-N` up to
/// `most`; the last is used again.
///
/// # Errors
/// The system refuses to move the file.
pub(crate) fn set_aside(path: &Path, most: usize) -> io::Result<PathBuf> {
    let name = |number: usize| {
        let number = if number < 2 { String::new() } else { format!("-{number}") };
        PathBuf::from(format!("{}.damaged{number}", path.display()))
    };
    let aside = (1..most).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(most));
    for ending in ["", "-wal", "-shm"] {
        let with_ending = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
        match std::fs::rename(with_ending(path), with_ending(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
