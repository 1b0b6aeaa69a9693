//! Tables of the log, and migrations from earlier versions.

/// Migrations from each schema to the next; their number is `user_version`.
pub(crate) const MIGRATIONS: [&str; 2] = [FIRST, ROWIDS];

/// First schema.
const FIRST: &str = "
    CREATE TABLE run (
        id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, version TEXT NOT NULL, model TEXT NOT NULL, head TEXT NOT NULL,
        hop_s REAL NOT NULL, started_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL, ended_ms INTEGER
    ) STRICT;
    CREATE TABLE source (
        run INTEGER NOT NULL, name TEXT NOT NULL, display_name TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (name, run)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE segment (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, source TEXT NOT NULL, start_ms INTEGER NOT NULL,
        end_ms INTEGER NOT NULL, state TEXT NOT NULL, label TEXT NOT NULL, confidence REAL, scored INTEGER NOT NULL,
        dropped INTEGER NOT NULL, title TEXT, lufs_mean REAL, lufs_min REAL, lufs_max REAL
    ) STRICT;
    CREATE INDEX segment_by_end ON segment (source, end_ms);
    CREATE TABLE outage (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, source TEXT NOT NULL, start_ms INTEGER NOT NULL,
        end_ms INTEGER NOT NULL, cause TEXT NOT NULL
    ) STRICT;
    CREATE INDEX outage_by_end ON outage (source, end_ms);
    CREATE TABLE event (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, ts_ms INTEGER NOT NULL,
        event_type TEXT NOT NULL, json TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_by_time ON event (source, ts_ms);
    CREATE TABLE level (
        source TEXT NOT NULL, start_ms INTEGER NOT NULL, run INTEGER NOT NULL, scored INTEGER NOT NULL,
        dropped INTEGER NOT NULL, energy REAL NOT NULL, lufs_min REAL NOT NULL, lufs_max REAL NOT NULL,
        PRIMARY KEY (source, start_ms, run)
    ) STRICT, WITHOUT ROWID;
";

/// Second schema: every table has rowids, which programs such as DuckDB need to read tables in
/// parts.
const ROWIDS: &str = "
    ALTER TABLE source RENAME TO source_1;
    CREATE TABLE source (
        run INTEGER NOT NULL, name TEXT NOT NULL, display_name TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (name, run)
    ) STRICT;
    INSERT INTO source (run, name, display_name, uri) SELECT run, name, display_name, uri FROM source_1;
    DROP TABLE source_1;
    ALTER TABLE level RENAME TO level_1;
    CREATE TABLE level (
        source TEXT NOT NULL, start_ms INTEGER NOT NULL, run INTEGER NOT NULL, scored INTEGER NOT NULL,
        dropped INTEGER NOT NULL, energy REAL NOT NULL, lufs_min REAL NOT NULL, lufs_max REAL NOT NULL,
        PRIMARY KEY (source, start_ms, run)
    ) STRICT;
    INSERT INTO level (source, start_ms, run, scored, dropped, energy, lufs_min, lufs_max)
        SELECT source, start_ms, run, scored, dropped, energy, lufs_min, lufs_max FROM level_1;
    DROP TABLE level_1;
";
