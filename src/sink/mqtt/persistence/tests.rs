use std::sync::Arc;

use rusqlite::Connection;

use super::*;
use crate::event::SourceEvent;
use crate::sink::samples;

fn push(outbox: &mut Outbox, persistence: &mut OutboxPersistence, seq: u64) {
    outbox.push(&Arc::from("a"), &samples::event(seq, SourceEvent::SourceLost { reason: None }));
    persistence.sync(outbox);
}

/// Handles events until `done`.
async fn until(
    persistence: &mut OutboxPersistence,
    outbox: &mut Outbox,
    what: &str,
    mut done: impl FnMut(&OutboxPersistence, &mut Outbox) -> bool,
) {
    let work = async {
        while !done(persistence, outbox) {
            let event = persistence.next_event().await;
            persistence.handle(event, outbox);
        }
    };
    timeout(Duration::from_secs(100), work).await.unwrap_or_else(|_| panic!("not within 100 s: {what}"));
}

#[tokio::test]
async fn without_a_folder_events_are_published_and_stored_once_it_exists() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state");
    let (store, recovered) = OutboxStore::open(&folder, 100);
    let mut outbox = Outbox::new(100);
    let mut persistence = OutboxPersistence::new(store, recovered, &mut outbox);
    push(&mut outbox, &mut persistence, 1);
    push(&mut outbox, &mut persistence, 2);
    assert!(outbox.take().is_some(), "no event waits for a missing store");
    assert!(!persistence.is_kept());
    std::fs::create_dir(&folder).unwrap();
    persistence.state = PersistenceState::Failed { retry_at: Instant::now() };
    until(&mut persistence, &mut outbox, "kept again", |persistence, _| persistence.is_kept()).await;
    push(&mut outbox, &mut persistence, 3);
    until(&mut persistence, &mut outbox, "stored", |persistence, _| !persistence.is_behind()).await;
    persistence.close(&mut outbox).await;
    let (_, recovered) = OutboxStore::open(&folder, 100);
    let recovered = recovered.unwrap();
    assert_eq!(recovered.events.iter().map(|event| event.event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(recovered.seqs, [("a".into(), 3)]);
}

#[tokio::test]
async fn a_file_that_is_unwritable_for_a_while_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, recovered) = OutboxStore::open(folder.path(), 100);
    let mut outbox = Outbox::new(100);
    let mut persistence = OutboxPersistence::new(store, recovered, &mut outbox);
    let other = Connection::open(folder.path().join("outbox.sqlite")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    push(&mut outbox, &mut persistence, 1);
    assert_eq!(outbox.take(), None, "stored first");
    until(&mut persistence, &mut outbox, "failed", |persistence, _| !persistence.is_kept()).await;
    let (id, source, _) = outbox.take().unwrap();
    push(&mut outbox, &mut persistence, 2);
    outbox.acknowledged(id, &source);
    other.execute_batch("ROLLBACK").unwrap();
    persistence.state = PersistenceState::Failed { retry_at: Instant::now() };
    until(&mut persistence, &mut outbox, "kept again", |persistence, _| persistence.is_kept()).await;
    push(&mut outbox, &mut persistence, 3);
    until(&mut persistence, &mut outbox, "stored", |persistence, _| !persistence.is_behind()).await;
    assert_eq!(outbox.take().map(|(id, ..)| id), Some(2));
    persistence.close(&mut outbox).await;
    let (_, recovered) = OutboxStore::open(folder.path(), 100);
    assert_eq!(recovered.unwrap().events.iter().map(|event| event.event.seq).collect::<Vec<_>>(), [2, 3]);
}

/// A file that cannot be opened at the start may hold events of an earlier run.
#[tokio::test]
async fn a_file_that_is_unreadable_at_the_start_is_read_later() {
    let folder = tempfile::tempdir().unwrap();
    let (store, recovered) = OutboxStore::open(folder.path(), 100);
    let mut outbox = Outbox::new(100);
    let mut persistence = OutboxPersistence::new(store, recovered, &mut outbox);
    push(&mut outbox, &mut persistence, 1);
    push(&mut outbox, &mut persistence, 2);
    until(&mut persistence, &mut outbox, "stored", |persistence, _| !persistence.is_behind()).await;
    persistence.close(&mut outbox).await;

    let file = folder.path().join("outbox.sqlite");
    // `close` waits only for a moment; the thread may not have closed the file yet.
    let begun = Instant::now();
    while folder.path().join("outbox.sqlite-wal").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the file is not closed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let aside = folder.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (store, recovered) = OutboxStore::open(folder.path(), 100);
    let mut outbox = Outbox::new(100);
    let mut persistence = OutboxPersistence::new(store, recovered, &mut outbox);
    push(&mut outbox, &mut persistence, 3);
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    persistence.state = PersistenceState::Failed { retry_at: Instant::now() };
    until(&mut persistence, &mut outbox, "kept again", |persistence, _| persistence.is_kept()).await;
    assert_eq!(outbox.len(), 3);
    persistence.close(&mut outbox).await;
    let (_, recovered) = OutboxStore::open(folder.path(), 100);
    let recovered = recovered.unwrap();
    assert_eq!(recovered.events.iter().map(|event| event.event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(recovered.seqs, [("a".into(), 3)]);
}

/// More events than the command queue holds.
#[tokio::test]
async fn a_smaller_capacity_is_applied_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (store, recovered) = OutboxStore::open(folder.path(), 100_000);
    let mut outbox = Outbox::new(100_000);
    let mut persistence = OutboxPersistence::new(store, recovered, &mut outbox);
    for seq in 1..=15_000 {
        push(&mut outbox, &mut persistence, seq);
    }
    until(&mut persistence, &mut outbox, "stored", |persistence, _| !persistence.is_behind()).await;
    persistence.close(&mut outbox).await;
    let (store, recovered) = OutboxStore::open(folder.path(), 10);
    let mut outbox = Outbox::new(10);
    let mut persistence = OutboxPersistence::new(store, recovered, &mut outbox);
    until(&mut persistence, &mut outbox, "rewritten", |persistence, _| {
        persistence.is_kept() && !persistence.is_behind()
    })
    .await;
    push(&mut outbox, &mut persistence, 15_001);
    until(&mut persistence, &mut outbox, "stored", |persistence, _| !persistence.is_behind()).await;
    assert!(persistence.is_kept());
    persistence.close(&mut outbox).await;
    let (_, recovered) = OutboxStore::open(folder.path(), 10);
    assert_eq!(recovered.unwrap().events.len(), 11, "ten events and a marker for the others");
}
