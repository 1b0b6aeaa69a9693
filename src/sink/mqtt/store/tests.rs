use std::fs;
use std::io::{Seek, SeekFrom, Write};

use super::*;
use crate::event::{NumberedEvent, SourceEvent};

fn event(id: u64, source: &str, seq: u64) -> StoredEvent {
    let event = SourceEvent::SourceLost { reason: None };
    let event = NumberedEvent {
        run: "r1".into(),
        seq,
        at: "2026-11-03T14:03:07.25Z".parse().unwrap(),
        event,
        clip: None,
    };
    StoredEvent { id, source: source.into(), event: EncodedEvent::of(&event, None) }
}

fn open(folder: &Path) -> (OutboxStore, RecoveredOutbox) {
    let (store, recovered) = OutboxStore::open(folder, 10_000);
    (store, recovered.unwrap())
}

fn snapshot(events: Vec<StoredEvent>) -> OutboxSnapshot {
    OutboxSnapshot { events, seqs: Vec::new() }
}

/// Waits until all commands are done and returns their progress.
async fn done(store: &mut OutboxStore) -> StoreProgress {
    let mut all = StoreProgress::default();
    while all.commands < store.sent() {
        match report(store).await {
            StoreReport::Committed(done) => {
                all.deleted.extend(done.deleted);
                all = StoreProgress {
                    stored: all.stored.max(done.stored),
                    rewritten: all.rewritten | done.rewritten,
                    commands: done.commands,
                    ..all
                };
            }
            report => panic!("{report:?}"),
        }
    }
    all
}

/// Next report; panics if none arrives.
async fn report(store: &mut OutboxStore) -> StoreReport {
    tokio::time::timeout(std::time::Duration::from_secs(30), store.report()).await.unwrap().unwrap()
}

#[tokio::test]
async fn stored_events_are_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, recovered) = open(folder.path());
    assert!(recovered.events.is_empty() && recovered.seqs.is_empty() && recovered.damage.is_none());
    let events = [event(1, "a", 1), event(2, "b", 1), event(3, "a", 2)];
    store.apply(events.iter().cloned().map(OutboxChange::Insert).collect()).unwrap();
    assert_eq!(done(&mut store).await, StoreProgress { commands: 3, stored: 3, ..StoreProgress::default() });
    let marker =
        StoredEvent { event: EncodedEvent { dropped: 7, ..events[2].event.clone() }, ..events[2].clone() };
    store.apply(vec![OutboxChange::Delete(1), OutboxChange::Replace(marker.clone())]).unwrap();
    assert_eq!(done(&mut store).await.deleted, [1]);
    store.close().await;
    let (mut store, recovered) = open(folder.path());
    assert_eq!(recovered.events, [events[1].clone(), marker]);
    let mut seqs = recovered.seqs;
    seqs.sort();
    assert_eq!(seqs, [("a".into(), 2), ("b".into(), 1)]);
    store.apply(vec![OutboxChange::Delete(2), OutboxChange::Delete(3)]).unwrap();
    store.close().await;
    let (_, recovered) = open(folder.path());
    assert!(recovered.events.is_empty());
    assert_eq!(recovered.seqs.len(), 2, "sequence numbers outlive the events");
}

/// No reported event is lost, although the file was never closed.
#[tokio::test]
async fn a_copy_of_an_open_file_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    store.apply((1..=500).map(|id| OutboxChange::Insert(event(id, "a", id))).collect()).unwrap();
    assert_eq!(done(&mut store).await.stored, 500);
    let copy = tempfile::tempdir().unwrap();
    for name in ["outbox.sqlite", "outbox.sqlite-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let (_, recovered) = open(copy.path());
    assert_eq!(recovered.events.len(), 500);
    assert_eq!(recovered.seqs, [("a".into(), 500)]);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_its_readable_events_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.sqlite");
    let (mut store, _) = open(folder.path());
    store.apply((1..=2000).map(|id| OutboxChange::Insert(event(id, "a", id))).collect()).unwrap();
    store.close().await;

    // A page in the middle.
    let length = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(length / 2 / 4096 * 4096)).unwrap();
    file.write_all(&[0xa5; 4096]).unwrap();
    drop(file);
    let (store, recovered) = open(folder.path());
    assert!(recovered.damage.is_some());
    let rescued = recovered.events.len();
    assert!((1..2000).contains(&rescued), "{rescued} events");
    assert_eq!(recovered.events[0], event(1, "a", 1));
    assert!(folder.path().join("outbox.sqlite.damaged").exists());
    store.close().await;
    let (store, recovered) = open(folder.path());
    assert!(recovered.damage.is_none() && recovered.events.len() == rescued);
    store.close().await;

    // No database at all.
    fs::write(&path, "not a database, but long enough to be looked at as if it were one ".repeat(100))
        .unwrap();
    let (mut store, recovered) = open(folder.path());
    assert!(recovered.damage.is_some() && recovered.events.is_empty());
    store.apply(vec![OutboxChange::Insert(event(1, "a", 1))]).unwrap();
    assert_eq!(done(&mut store).await.stored, 1);
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let (_, recovered) = OutboxStore::open(folder.path(), 10);
    let error = recovered.unwrap_err().to_string();
    assert!(error.contains("a newer genred (schema 9"), "{error}");
    assert!(!folder.path().join("outbox.sqlite.damaged").exists());
}

#[tokio::test]
async fn a_full_disk_is_reported_and_a_rewrite_recovers() {
    let folder = tempfile::tempdir().unwrap();
    // 1024 pages of 4 KiB.
    let (mut store, recovered) = OutboxStore::open(folder.path(), 1);
    recovered.unwrap();
    let large = |id| StoredEvent {
        event: EncodedEvent { payload: vec![b'x'; 1024 * 1024].into(), ..event(id, "a", id).event },
        ..event(id, "a", id)
    };
    let mut id = 0;
    let reason = loop {
        id += 1;
        assert!(id < 10, "four megabytes never fill");
        store.apply(vec![OutboxChange::Insert(large(id))]).unwrap();
        match report(&mut store).await {
            StoreReport::Committed(done) => assert_eq!(done.stored, id),
            StoreReport::Failed(reason) => break reason,
            report => panic!("{report:?}"),
        }
    };
    assert!(reason.contains("full"), "{reason}");
    // Changes are ignored until the rewrite.
    store.apply(vec![OutboxChange::Insert(event(11, "a", 11))]).unwrap();
    store.rewrite(snapshot(vec![event(11, "a", 11)])).unwrap();
    store.apply(vec![OutboxChange::Insert(event(12, "a", 12))]).unwrap();
    let done = done(&mut store).await;
    assert!(done.rewritten && done.stored == 12, "{done:?}");
    store.close().await;
    assert_eq!(open(folder.path()).1.events, [event(11, "a", 11), event(12, "a", 12)]);
}

#[tokio::test]
async fn a_missing_folder_fails_until_it_exists() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state");
    let (mut store, recovered) = OutboxStore::open(&folder, 10);
    assert!(recovered.is_err());
    store.apply(vec![OutboxChange::Insert(event(1, "a", 1))]).unwrap();
    store.rewrite(snapshot(vec![event(1, "a", 1)])).unwrap();
    assert!(matches!(report(&mut store).await, StoreReport::Failed(_)));
    fs::create_dir(&folder).unwrap();
    store.rewrite(snapshot(vec![event(1, "a", 1)])).unwrap();
    let done = done(&mut store).await;
    assert!(done.rewritten && done.stored == 1, "{done:?}");
}
