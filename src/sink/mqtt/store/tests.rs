use std::fs;
use std::io::{Seek, SeekFrom, Write};

use super::*;
use crate::sink::payload::{Event, EventKind};

fn row(id: u64, source: &str, seq: u64) -> Row {
    let kind = EventKind::SourceLost { reason: None };
    let event = Event { run: "r1".into(), seq, ts: "2026-11-03T14:03:07.25Z".parse().unwrap(), kind };
    Row { id, source: source.into(), letter: Letter::of(&event) }
}

fn open(folder: &Path) -> (Store, Left) {
    let (store, left) = Store::open(folder, 10_000);
    (store, left.unwrap())
}

fn everything(rows: Vec<Row>) -> Everything {
    Everything { rows, seqs: Vec::new() }
}

/// Waits until everything that was ordered is done, and says what that was.
async fn done(store: &mut Store) -> Done {
    let mut all = Done::default();
    while all.orders < store.given() {
        match report(store).await {
            Report::Done(done) => {
                all.deleted.extend(done.deleted);
                all = Done {
                    stored: all.stored.max(done.stored),
                    anew: all.anew | done.anew,
                    orders: done.orders,
                    ..all
                };
            }
            report => panic!("{report:?}"),
        }
    }
    all
}

/// The next report, which must come.
async fn report(store: &mut Store) -> Report {
    tokio::time::timeout(std::time::Duration::from_secs(30), store.report()).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_was_stored_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, left) = open(folder.path());
    assert!(left.rows.is_empty() && left.seqs.is_empty() && left.damage.is_none());
    let rows = [row(1, "a", 1), row(2, "b", 1), row(3, "a", 2)];
    store.follow(rows.iter().cloned().map(Change::Insert).collect()).unwrap();
    assert_eq!(done(&mut store).await, Done { orders: 3, stored: 3, ..Done::default() });
    let marker = Row { letter: Letter { dropped: 7, ..rows[2].letter.clone() }, ..rows[2].clone() };
    store.follow(vec![Change::Delete(1), Change::Replace(marker.clone())]).unwrap();
    assert_eq!(done(&mut store).await.deleted, [1]);
    store.close().await;
    let (mut store, left) = open(folder.path());
    assert_eq!(left.rows, [rows[1].clone(), marker]);
    let mut seqs = left.seqs;
    seqs.sort();
    assert_eq!(seqs, [("a".into(), 2), ("b".into(), 1)]);
    store.follow(vec![Change::Delete(2), Change::Delete(3)]).unwrap();
    store.close().await;
    let (_, left) = open(folder.path());
    assert!(left.rows.is_empty());
    assert_eq!(left.seqs.len(), 2, "the numbers outlive the events");
}

/// Nothing is lost that had been reported, although the file was never closed.
#[tokio::test]
async fn a_copy_taken_while_it_is_open_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    store.follow((1..=500).map(|id| Change::Insert(row(id, "a", id))).collect()).unwrap();
    assert_eq!(done(&mut store).await.stored, 500);
    let copy = tempfile::tempdir().unwrap();
    for name in ["outbox.sqlite", "outbox.sqlite-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let (_, left) = open(copy.path());
    assert_eq!(left.rows.len(), 500);
    assert_eq!(left.seqs, [("a".into(), 500)]);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_what_can_be_read_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.sqlite");
    let (mut store, _) = open(folder.path());
    store.follow((1..=2000).map(|id| Change::Insert(row(id, "a", id))).collect()).unwrap();
    store.close().await;

    // A page in the middle.
    let length = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(length / 2 / 4096 * 4096)).unwrap();
    file.write_all(&[0xa5; 4096]).unwrap();
    drop(file);
    let (store, left) = open(folder.path());
    assert!(left.damage.is_some());
    let rescued = left.rows.len();
    assert!((1..2000).contains(&rescued), "{rescued} rows");
    assert_eq!(left.rows[0], row(1, "a", 1));
    assert!(folder.path().join("outbox.sqlite.damaged").exists());
    store.close().await;
    let (store, left) = open(folder.path());
    assert!(left.damage.is_none() && left.rows.len() == rescued);
    store.close().await;

    // No database at all.
    fs::write(&path, "not a database, but long enough to be looked at as if it were one ".repeat(100))
        .unwrap();
    let (mut store, left) = open(folder.path());
    assert!(left.damage.is_some() && left.rows.is_empty());
    store.follow(vec![Change::Insert(row(1, "a", 1))]).unwrap();
    assert_eq!(done(&mut store).await.stored, 1);
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let (_, left) = Store::open(folder.path(), 10);
    let error = left.unwrap_err().to_string();
    assert!(error.contains("a newer genred (schema 9"), "{error}");
    assert!(!folder.path().join("outbox.sqlite.damaged").exists());
}

#[tokio::test]
async fn a_full_disk_is_reported_and_everything_can_be_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    // 1024 pages of 4 KiB.
    let (mut store, left) = Store::open(folder.path(), 1);
    left.unwrap();
    let large = |id| Row {
        letter: Letter { payload: vec![b'x'; 1024 * 1024].into(), ..row(id, "a", id).letter },
        ..row(id, "a", id)
    };
    let mut id = 0;
    let reason = loop {
        id += 1;
        assert!(id < 10, "four megabytes never fill");
        store.follow(vec![Change::Insert(large(id))]).unwrap();
        match report(&mut store).await {
            Report::Done(done) => assert_eq!(done.stored, id),
            Report::Failed(reason) => break reason,
            report => panic!("{report:?}"),
        }
    };
    assert!(reason.contains("full"), "{reason}");
    // Until it is given everything, it takes nothing.
    store.follow(vec![Change::Insert(row(11, "a", 11))]).unwrap();
    store.rewrite(everything(vec![row(11, "a", 11)])).unwrap();
    store.follow(vec![Change::Insert(row(12, "a", 12))]).unwrap();
    let done = done(&mut store).await;
    assert!(done.anew && done.stored == 12, "{done:?}");
    store.close().await;
    assert_eq!(open(folder.path()).1.rows, [row(11, "a", 11), row(12, "a", 12)]);
}

#[tokio::test]
async fn a_folder_that_is_none_fails_and_works_once_it_is_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state");
    let (mut store, left) = Store::open(&folder, 10);
    assert!(left.is_err());
    store.follow(vec![Change::Insert(row(1, "a", 1))]).unwrap();
    store.rewrite(everything(vec![row(1, "a", 1)])).unwrap();
    assert!(matches!(report(&mut store).await, Report::Failed(_)));
    fs::create_dir(&folder).unwrap();
    store.rewrite(everything(vec![row(1, "a", 1)])).unwrap();
    let done = done(&mut store).await;
    assert!(done.anew && done.stored == 1, "{done:?}");
}
