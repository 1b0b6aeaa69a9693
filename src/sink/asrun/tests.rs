use rusqlite::Connection;

use super::pending_rows::FinishedRow;
use super::read::LogError;
use super::schema::MIGRATIONS;
use super::store::VERSION;
use super::*;
use crate::asrun::OutageCause;
use crate::event::{DaemonInfo, DeadAirCause, NamedSegment, SourceEvent};
use crate::sink::database::StoreError;
use crate::sink::samples;

const START: Ms = 1_793_714_400_000; // 2026-11-03T14:00:00Z, as in the samples

fn info(run: &str, started: Ms) -> Message {
    let started = Timestamp::from_millisecond(started).unwrap();
    Message::Info(Arc::new(DaemonInfo { run: run.into(), started, ..samples::info(1) }))
}

fn patch(number: u64, end: Ms) -> Message {
    samples::window_message(|window| {
        (window.patch, window.at) = (number, Timestamp::from_millisecond(end).unwrap());
        let seconds = (end - START) as f64 / 1000.0;
        (window.span.start, window.span.end) = (seconds - 3.0, seconds);
    })
}

/// Run with ten patches, one per second.
fn ten(store: &mut LogStore, run: &str, start: Ms) -> PendingRows {
    let mut pending = PendingRows::default();
    pending.add(&info(run, start), start);
    for number in 0..10 {
        pending.add(&patch(number, start + 3000 + number as Ms * 1000), start);
    }
    store.write(&mut pending, start + 12_000, false).unwrap();
    pending
}

#[test]
fn what_is_written_is_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deeper/log.sqlite");
    let mut store = LogStore::new(path.clone());
    let mut pending = ten(&mut store, "a", START);
    let reader = LogReader::open(&path).unwrap();
    assert_eq!(reader.sources(&[]).unwrap(), [("fm1".to_owned(), "FM 1".to_owned())]);
    let now = START + 13_000;
    let record = reader.record(("fm1", "FM 1"), START, START + 60_000, now).unwrap();
    assert_eq!((record.segments.len(), record.outages.len()), (1, 0));
    assert_eq!(
        (record.segments[0].start, record.segments[0].end, record.segments[0].scored),
        (START, START + 12_000, 10)
    );
    // The row grows, and levels are added up.
    pending.add(&patch(10, START + 13_000), START);
    pending
        .add(&samples::event_message(7, SourceEvent::DeadAirStarted { cause: DeadAirCause::Silence }), START);
    store.write(&mut pending, START + 13_000, false).unwrap();
    let reader = LogReader::open(&path).unwrap();
    let record = reader.record(("fm1", "FM 1"), START, START + 600_000, now).unwrap();
    assert_eq!((record.segments.len(), record.segments[0].end), (1, START + 13_000));
    assert_eq!(record.levels.iter().map(|level| level.scored).sum::<u64>(), 11);
    assert_eq!(record.events.len(), 1);
    // Without a write for longer, the daemon does not run.
    let record = reader.record(("fm1", "FM 1"), START, START + 600_000, START + 100_000).unwrap();
    assert_eq!((record.outages[0].start, record.outages[0].cause), (START + 13_000, OutageCause::Down));
    assert!(matches!(reader.sources(&["fm2".into()]), Err(LogError::NoSource { .. })));
}

#[test]
fn pendingfollow_what_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let mut store = LogStore::new(path.clone());
    let mut pending = ten(&mut store, "a", START);
    let rows = || {
        let found = LogReader::open(&path).unwrap().segments("fm1", START, START + 600_000).unwrap();
        found.into_iter().map(|of| (of.start - START, of.end - START, of.label)).collect::<Vec<_>>()
    };
    let settled = |from: Ms, to: Ms, genre: &str| {
        let [start, end] = [from, to].map(|ms| ms as f64 / 1000.0);
        let segment = NamedSegment { start, end, verdict: samples::music(genre, 0.5) };
        Message::FinalSegment { source: "fm1".into(), segment: Arc::new(segment) }
    };
    assert_eq!(rows(), [(0, 12_000, "uncertain".to_owned())]);
    pending.add(&settled(0, 6000, "rock"), START);
    store.write(&mut pending, START + 13_000, false).unwrap();
    assert_eq!(rows(), [(0, 6000, "rock".to_owned()), (6000, 12_000, "uncertain".to_owned())]);
    pending.add(&settled(6000, 12_000, "rock"), START);
    store.write(&mut pending, START + 14_000, false).unwrap();
    assert_eq!(rows(), [(0, 12_000, "rock".to_owned())], "the row that is not needed is gone");
    // A segment that continues is not written at once, and a failing disk in between loses nothing.
    assert!(!pending.add(&patch(10, START + 13_000), START), "it goes on");
    pending.add(&settled(12_000, 13_000, "jazz"), START);
    let mut refused = LogStore::new(folder.path().join("log.sqlite/not-a-folder.sqlite"));
    assert!(refused.write(&mut pending, START + 15_000, false).is_err());
    pending.add(&patch(11, START + 14_000), START);
    pending.add(&settled(13_000, 14_000, "jazz"), START);
    store.write(&mut pending, START + 16_000, false).unwrap();
    assert_eq!(rows(), [(0, 12_000, "rock".to_owned()), (12_000, 14_000, "jazz".to_owned())]);
    // Nothing has changed: nothing is written.
    assert!(pending.open(START).0.is_empty() && pending.finished.is_empty() && pending.deleted.is_empty());
}

#[test]
fn the_time_between_two_runs_is_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    ten(&mut LogStore::new(path.clone()), "a", START);
    ten(&mut LogStore::new(path.clone()), "b", START + 60_000);
    let reader = LogReader::open(&path).unwrap();
    let record = reader.record(("fm1", "FM 1"), START, START + 72_000, START + 73_000).unwrap();
    let outages: Vec<_> = record.outages.iter().map(|of| (of.start - START, of.end - START)).collect();
    assert_eq!(outages, [(12_000, 60_000)]);
    let run = reader.last_run().unwrap().unwrap();
    assert_eq!((run.started, run.seen, run.ended), (START + 60_000, START + 72_000, false));
}

#[test]
fn a_damaged_file_is_set_aside_and_a_newer_one_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    for aside in ["log.sqlite.damaged", "log.sqlite.damaged-2"] {
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let mut pending = PendingRows::default();
        pending.add(&info("a", START), START);
        let damage = LogStore::new(path.clone()).write(&mut pending, START, false).unwrap();
        assert!(damage.unwrap().contains(aside) && folder.path().join(aside).exists());
    }
    // The file is damaged while it is open: open segments are written to the new file.
    let mut store = LogStore::new(path.clone());
    let mut pending = ten(&mut store, "a", START);
    drop(store);
    Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let damage = LogStore::new(path.clone()).write(&mut pending, START + 13_000, false).unwrap();
    assert!(damage.unwrap().contains("damaged-3"));
    let reader = LogReader::open(&path).unwrap();
    assert_eq!(reader.segments("fm1", START, START + 60_000).unwrap().len(), 1);

    Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
    let error = LogStore::new(path.clone()).write(&mut pending, START, false).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }));
    assert!(matches!(LogReader::open(&path), Err(LogError::Newer { .. })));
}

#[test]
fn after_a_failure_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken/log.sqlite");
    // A file in place of the folder fails like a broken disk, also for root.
    std::fs::write(folder.path().join("taken"), "").unwrap();
    let mut store = LogStore::new(path.clone());
    let mut pending = PendingRows::default();
    pending.add(&info("a", START), START);
    pending.add(&patch(0, START + 3000), START);
    pending
        .add(&samples::event_message(7, SourceEvent::DeadAirStarted { cause: DeadAirCause::Silence }), START);
    assert!(store.write(&mut pending, START, false).is_err());
    assert!(matches!(pending.finished.front(), Some(FinishedRow::Event(_))));
    std::fs::remove_file(folder.path().join("taken")).unwrap();
    store.write(&mut pending, START, false).unwrap();
    let record =
        LogReader::open(&path).unwrap().record(("fm1", "FM 1"), START, START + 600_000, START).unwrap();
    assert_eq!((record.segments.len(), record.events.len()), (1, 1));
    assert!(pending.finished.is_empty());
}

#[test]
fn a_full_file_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let mut store = LogStore::new(path.clone());
    let mut pending = ten(&mut store, "a", START);
    store.limit(1);
    let big =
        SourceEvent::GenreChanged { from: "x".repeat(100_000).into(), to: "y".into(), confidence: None };
    pending.add(&samples::event_message(8, big), START);
    let error = store.write(&mut pending, START, false).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(LogReader::open(&path).unwrap().segments("fm1", START, START + 60_000).unwrap().len(), 1);
    store.write(&mut pending, START, false).unwrap();
    let record =
        LogReader::open(&path).unwrap().record(("fm1", "FM 1"), START, START + 600_000, START).unwrap();
    assert_eq!(record.events.len(), 1);
}

#[test]
fn old_pendinggo_and_old_recordings_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let day = 86_400_000;
    ten(&mut LogStore::new(path.clone()), "a", START - 20 * day);
    let mut store = LogStore::new(path.clone());
    // A recording of long ago, read today.
    let mut pending = ten(&mut store, "b", START);
    pending.add(&patch(100, START - 100 * day), START);
    store.write(&mut pending, START, false).unwrap();
    let count = |from, to| LogReader::open(&path).unwrap().segments("fm1", from, to).unwrap().len();
    assert_eq!(count(START - 200 * day, START + day), 3);
    assert!(!store.delete_old(START - 10 * day).unwrap());
    assert_eq!((count(START - 50 * day, START - day), count(START - 200 * day, START + day)), (0, 2));
    let runs: i64 =
        Connection::open(&path).unwrap().query_row("SELECT count(*) FROM run", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 1);
}

#[test]
fn no_log_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    assert!(matches!(LogReader::open(&path), Err(LogError::Missing(_))));
    std::fs::write(&path, "no database, but long enough that it is seen to be none").unwrap();
    assert!(matches!(LogReader::open(&path), Err(LogError::NoLog(_))));
    let empty = folder.path().join("empty.sqlite");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(LogReader::open(&empty), Err(LogError::NoLog(_))));
}

/// Tables of a file, and what a program sees that counts rows by their rowids, as DuckDB's SQLite
/// scanner does.
fn pendingby_rowid(path: &std::path::Path) -> Vec<(String, i64)> {
    let file = Connection::open(path).unwrap();
    let mut names =
        file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM {name} WHERE ROWID BETWEEN 0 AND 9223372036854775807");
        let rows = file.query_row(&sql, [], |row| row.get(0)).unwrap();
        (name, rows)
    };
    names.into_iter().map(count).collect()
}

/// A file whose tables `source` and `level` are WITHOUT ROWID.
#[test]
fn files_of_the_first_schema_are_read_and_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(MIGRATIONS[0]).unwrap();
    old.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA user_version = 1;
         INSERT INTO run VALUES (1, 'z', '0.1.0', 'm', 'h', 1.0, {START}, {START} + 60000, {START} + 60000);
         INSERT INTO source VALUES (1, 'fm1', 'FM 1', 'stdin:'), (1, 'fm2', 'FM 2', 'file:x');
         INSERT INTO segment VALUES (7, 1, 'fm1', {START}, {START} + 30000, 'music', 'jazz', 0.8, 28, 2, 'T', -14, -20, -9);
         INSERT INTO outage VALUES (3, 1, 'fm1', {START} + 30000, {START} + 40000, 'lost');
         INSERT INTO event VALUES (5, 1, 'fm1', 9, {START} + 1000, 'genre_changed', '{{}}');
         INSERT INTO level VALUES ('fm1', {START}, 1, 28, 2, 1.5, -20, -9), ('fm2', {START}, 1, 30, 0, 2.5, -30, -3);"
    ))
    .unwrap();
    drop(old);
    let now = START + 60_000;
    let record = || {
        let reader = LogReader::open(&path).unwrap();
        let sources = reader.sources(&[]).unwrap();
        (sources, reader.record(("fm1", "FM 1"), START, now, now).unwrap())
    };
    let before = record();
    assert_eq!((before.1.segments.len(), before.1.levels.len(), before.1.events.len()), (1, 1, 1));
    let mut pending = PendingRows::default();
    pending.add(&info("new", START + 90_000), START + 90_000);
    LogStore::new(path.clone()).write(&mut pending, START + 90_000, false).unwrap();
    let after = record();
    assert_eq!(before.0, after.0);
    assert_eq!(before.1.segments, after.1.segments);
    assert_eq!(before.1.levels, after.1.levels);
    assert_eq!(before.1.events, after.1.events);
    // One run and one source more: that of this daemon.
    let expected = [("event", 1), ("level", 2), ("outage", 2), ("run", 2), ("segment", 1), ("source", 3)];
    assert_eq!(pendingby_rowid(&path), expected.map(|(name, rows)| (name.to_owned(), rows)));
}
