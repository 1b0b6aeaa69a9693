//! Reader of corrections, for `genred train` and `genred label`. The daemon may write meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::store::{self, MIGRATIONS};
use crate::sink::database::StoreError;

/// Longest wait for a lock of the daemon.
const PATIENCE: Duration = Duration::from_secs(2);

const COLUMNS: &str =
    "id, ts_ms, source, genre, published, confidence, model, head, embedding_id, start_ms, end_ms, patches";

/// Error of reading corrections.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CorrectionsError {
    /// There are no corrections.
    #[error("`{}` does not exist: no correction has been stored yet (`genred label SOURCE GENRE`)", .0.display())]
    Missing(PathBuf),
    /// A later version of this program made it.
    #[error("`{}` was written by a newer genred (schema {found}, known is {})", path.display(), MIGRATIONS.len())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// The file holds something else.
    #[error("`{}` is not a file of corrections", .0.display())]
    NoCorrections(PathBuf),
    /// Error of SQLite.
    #[error("`{}`: {error}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The error.
        error: StoreError,
    },
}

/// Stored correction without its embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Number.
    pub id: i64,
    /// Time of the request, in milliseconds since the Unix epoch.
    pub ts_ms: i64,
    /// Source name, as in topics.
    pub source: String,
    /// Right genre.
    pub genre: String,
    /// Genre or state that was published at the time of the request.
    pub published: String,
    /// Confidence of the published genre.
    pub confidence: Option<f64>,
    /// Bundle name.
    pub model: String,
    /// Name of the genre head.
    pub head: String,
    /// Identifier of the embedding.
    pub embedding_id: String,
    /// Start of the first patch.
    pub start_ms: i64,
    /// End of the last patch.
    pub end_ms: i64,
    /// Number of patches.
    pub patches: usize,
}

/// Stored correction.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Everything but the embeddings.
    pub summary: Summary,
    /// End of each patch, in milliseconds since the Unix epoch.
    pub ends_ms: Vec<i64>,
    /// Size of an embedding.
    pub dim: usize,
    /// `[patches, dim]`, row-major.
    pub embeddings: Vec<f32>,
}

/// Reads all corrections at `path`, oldest first, without embeddings.
///
/// # Errors
/// The file is missing or cannot be read.
pub(crate) fn list(path: &Path) -> Result<Vec<Summary>, CorrectionsError> {
    let connection = open(path)?;
    all(&connection, COLUMNS, summary).map_err(|error| sqlite(path, error))
}

/// Reads all corrections at `path`, oldest first. The second value is the number of rows with
/// blobs of a wrong size, which are left out.
///
/// # Errors
/// The file is missing or cannot be read.
pub(crate) fn read(path: &Path) -> Result<(Vec<Stored>, usize), CorrectionsError> {
    let connection = open(path)?;
    let columns = format!("{COLUMNS}, dim, patch_ends, embeddings");
    let rows = all(&connection, &columns, stored).map_err(|error| sqlite(path, error))?;
    let count = rows.len();
    let whole: Vec<Stored> = rows.into_iter().flatten().collect();
    let damaged = count - whole.len();
    Ok((whole, damaged))
}

/// Deletes and returns the newest correction; `None` if there is none.
///
/// # Errors
/// The file is missing or cannot be written.
pub(crate) fn undo(path: &Path) -> Result<Option<Summary>, CorrectionsError> {
    // Checks that the file is a database of corrections.
    drop(open(path)?);
    let connection =
        store::open(path).map_err(|error| CorrectionsError::Sqlite { path: path.into(), error })?;
    connection
        .query_row(
            &format!(
                "DELETE FROM correction WHERE id = (SELECT max(id) FROM correction) RETURNING {COLUMNS}"
            ),
            [],
            summary,
        )
        .optional()
        .map_err(|error| sqlite(path, error))
}

fn sqlite(path: &Path, error: rusqlite::Error) -> CorrectionsError {
    CorrectionsError::Sqlite { path: path.into(), error: error.into() }
}

fn open(path: &Path) -> Result<Connection, CorrectionsError> {
    if !path.exists() {
        return Err(CorrectionsError::Missing(path.into()));
    }
    let fail = |error| sqlite(path, error);
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY))
        .map_err(fail)?;
    connection.busy_timeout(PATIENCE).map_err(fail)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    if version > MIGRATIONS.len() as i64 {
        return Err(CorrectionsError::Newer { path: path.into(), found: version });
    }
    let has_table: bool = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'correction'", [], |row| row.get(0))
        .map_err(fail)?;
    if has_table { Ok(connection) } else { Err(CorrectionsError::NoCorrections(path.into())) }
}

fn all<T>(
    connection: &Connection,
    columns: &str,
    make: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare(&format!("SELECT {columns} FROM correction ORDER BY id"))?
        .query_map([], make)?
        .collect()
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        id: row.get(0)?,
        ts_ms: row.get(1)?,
        source: row.get(2)?,
        genre: row.get(3)?,
        published: row.get(4)?,
        confidence: row.get(5)?,
        model: row.get(6)?,
        head: row.get(7)?,
        embedding_id: row.get(8)?,
        start_ms: row.get(9)?,
        end_ms: row.get(10)?,
        patches: row.get(11)?,
    })
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Option<Stored>> {
    let summary = summary(row)?;
    let (dim, ends, halves): (usize, Vec<u8>, Vec<u8>) = (row.get(12)?, row.get(13)?, row.get(14)?);
    let values = summary.patches.checked_mul(dim);
    if summary.patches == 0
        || dim == 0
        || ends.len() != summary.patches * 8
        || values.is_none_or(|values| halves.len() != values * 2)
    {
        return Ok(None);
    }
    let ends_ms = ends.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    let half = |bytes: &[u8; 2]| super::from_half(u16::from_le_bytes(*bytes));
    let embeddings: Vec<f32> = halves.as_chunks::<2>().0.iter().map(half).collect();
    let finite = embeddings.iter().all(|value| value.is_finite() && value.abs() <= 65_504.0);
    Ok(finite.then_some(Stored { summary, ends_ms, dim, embeddings }))
}
