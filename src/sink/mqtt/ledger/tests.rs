use std::sync::Arc;

use rusqlite::Connection;

use super::super::store::Left;
use super::*;
use crate::sink::payload::EventKind;
use crate::sink::samples;

fn push(outbox: &mut Outbox, ledger: &mut Ledger, seq: u64) {
    outbox.push(&Arc::from("a"), &samples::event(seq, EventKind::SourceLost { reason: None }));
    ledger.settle(outbox);
}

/// Sees to what is due until `done`, however long it seems to take.
async fn until(
    ledger: &mut Ledger,
    outbox: &mut Outbox,
    what: &str,
    mut done: impl FnMut(&Ledger, &mut Outbox) -> bool,
) {
    let work = async {
        while !done(ledger, outbox) {
            let due = ledger.due().await;
            ledger.see_to(due, outbox);
        }
    };
    timeout(Duration::from_secs(100), work).await.unwrap_or_else(|_| panic!("not within 100 s: {what}"));
}

fn rows(left: Result<Left, StoreError>) -> Result<Vec<Row>, StoreError> {
    left.map(|left| left.rows)
}

#[tokio::test]
async fn without_a_folder_events_go_out_and_are_kept_once_there_is_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state");
    let (store, left) = Store::open(&folder, 100);
    let mut outbox = Outbox::new(100);
    let mut ledger = Ledger::new(store, rows(left), &mut outbox);
    push(&mut outbox, &mut ledger, 1);
    push(&mut outbox, &mut ledger, 2);
    assert!(outbox.take().is_some(), "nothing waits for storage that is not there");
    assert!(!ledger.is_kept());
    std::fs::create_dir(&folder).unwrap();
    ledger.state = State::Failed(Instant::now());
    until(&mut ledger, &mut outbox, "kept again", |ledger, _| ledger.is_kept()).await;
    push(&mut outbox, &mut ledger, 3);
    until(&mut ledger, &mut outbox, "stored", |ledger, _| !ledger.is_behind()).await;
    ledger.close(&mut outbox).await;
    let (_, left) = Store::open(&folder, 100);
    let left = left.unwrap();
    assert_eq!(left.rows.iter().map(|row| row.letter.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(left.seqs, [("a".into(), 3)]);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_for_a_while_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, left) = Store::open(folder.path(), 100);
    let mut outbox = Outbox::new(100);
    let mut ledger = Ledger::new(store, rows(left), &mut outbox);
    let other = Connection::open(folder.path().join("outbox.sqlite")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    push(&mut outbox, &mut ledger, 1);
    assert_eq!(outbox.take(), None, "stored first");
    until(&mut ledger, &mut outbox, "given up", |ledger, _| !ledger.is_kept()).await;
    let (id, source, _) = outbox.take().unwrap();
    push(&mut outbox, &mut ledger, 2);
    outbox.acknowledged(id, &source);
    other.execute_batch("ROLLBACK").unwrap();
    ledger.state = State::Failed(Instant::now());
    until(&mut ledger, &mut outbox, "kept again", |ledger, _| ledger.is_kept()).await;
    push(&mut outbox, &mut ledger, 3);
    until(&mut ledger, &mut outbox, "stored", |ledger, _| !ledger.is_behind()).await;
    assert_eq!(outbox.take().map(|(id, ..)| id), Some(2));
    ledger.close(&mut outbox).await;
    let (_, left) = Store::open(folder.path(), 100);
    assert_eq!(rows(left).unwrap().iter().map(|row| row.letter.seq).collect::<Vec<_>>(), [2, 3]);
}

/// A file that cannot be opened at the start may hold what an earlier run left.
#[tokio::test]
async fn what_could_not_be_read_at_the_start_is_read_later() {
    let folder = tempfile::tempdir().unwrap();
    let (store, left) = Store::open(folder.path(), 100);
    let mut outbox = Outbox::new(100);
    let mut ledger = Ledger::new(store, rows(left), &mut outbox);
    push(&mut outbox, &mut ledger, 1);
    push(&mut outbox, &mut ledger, 2);
    until(&mut ledger, &mut outbox, "stored", |ledger, _| !ledger.is_behind()).await;
    ledger.close(&mut outbox).await;

    let file = folder.path().join("outbox.sqlite");
    // It is waited for a moment only, and the thread may not have closed the file yet.
    let begun = Instant::now();
    while folder.path().join("outbox.sqlite-wal").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the file is not closed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let aside = folder.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (store, left) = Store::open(folder.path(), 100);
    let mut outbox = Outbox::new(100);
    let mut ledger = Ledger::new(store, rows(left), &mut outbox);
    push(&mut outbox, &mut ledger, 3);
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    ledger.state = State::Failed(Instant::now());
    until(&mut ledger, &mut outbox, "kept again", |ledger, _| ledger.is_kept()).await;
    assert_eq!(outbox.len(), 3);
    ledger.close(&mut outbox).await;
    let (_, left) = Store::open(folder.path(), 100);
    let left = left.unwrap();
    assert_eq!(left.rows.iter().map(|row| row.letter.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(left.seqs, [("a".into(), 3)]);
}

/// More than the file's thread can be told at once.
#[tokio::test]
async fn a_smaller_bound_than_before_is_kept_on_disk_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, left) = Store::open(folder.path(), 100_000);
    let mut outbox = Outbox::new(100_000);
    let mut ledger = Ledger::new(store, rows(left), &mut outbox);
    for seq in 1..=15_000 {
        push(&mut outbox, &mut ledger, seq);
    }
    until(&mut ledger, &mut outbox, "stored", |ledger, _| !ledger.is_behind()).await;
    ledger.close(&mut outbox).await;
    let (store, left) = Store::open(folder.path(), 10);
    let mut outbox = Outbox::new(10);
    let mut ledger = Ledger::new(store, rows(left), &mut outbox);
    until(&mut ledger, &mut outbox, "written anew", |ledger, _| ledger.is_kept() && !ledger.is_behind())
        .await;
    push(&mut outbox, &mut ledger, 15_001);
    until(&mut ledger, &mut outbox, "stored", |ledger, _| !ledger.is_behind()).await;
    assert!(ledger.is_kept());
    ledger.close(&mut outbox).await;
    let (_, left) = Store::open(folder.path(), 10);
    assert_eq!(rows(left).unwrap().len(), 11, "ten events and what tells of the others");
}
