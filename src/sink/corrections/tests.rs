//! Database of corrections: writing, reading, limit, damage.

use std::fs;

use super::read::CorrectionsError;
use super::store::Added;
use super::*;
use crate::sink::samples;

const LIMIT: u64 = 1 << 20;

/// `count` patches a second apart, the first ending `from` seconds after three o'clock; values tell
/// them apart.
fn correction(source: &str, genre: &str, from: i64, count: i64) -> Correction {
    let three = samples::time("2026-11-03T15:00:00Z").as_millisecond();
    let patch = |second: i64| HeardPatch {
        start_ms: three + second * 1000 - 2992,
        end_ms: three + second * 1000,
        embedding: [second as f32, -0.5, 0.25, 1.0].map(to_half).into(),
    };
    Correction {
        at: samples::time("2026-11-03T15:05:00Z"),
        source: source.into(),
        genre: genre.into(),
        published: "rock".into(),
        confidence: Some(0.5),
        model: "musicnn-msd".into(),
        head: "genres".into(),
        embedding_id: "musicnn-msd-dense-pooled".into(),
        patches: (from..from + count).map(patch).collect(),
    }
}

#[test]
fn what_is_stored_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b").join(FILE);
    let error = list(&path).unwrap_err().to_string();
    assert!(error.contains("no correction has been stored yet"), "{error}");
    let first = add(&path, LIMIT, &correction("fm1", "jazz", 0, 3)).unwrap();
    assert_eq!(first, Added { id: 1, contradicts: 0, evicted: 0, damage: None });
    add(&path, LIMIT, &Correction { confidence: None, ..correction("fm1", "blues", 10, 2) }).unwrap();

    let (stored, damaged) = read(&path).unwrap();
    assert_eq!((stored.len(), damaged), (2, 0));
    let Stored { summary, ends_ms, dim, embeddings } = &stored[0];
    let three = samples::time("2026-11-03T15:00:00Z").as_millisecond();
    assert_eq!((summary.start_ms, summary.end_ms), (three - 2992, three + 2000));
    assert_eq!(*ends_ms, [three, three + 1000, three + 2000]);
    assert_eq!((*dim, &embeddings[4..8]), (4, &[1.0, -0.5, 0.25, 1.0][..]));
    assert_eq!((&*summary.published, summary.confidence), ("rock", Some(0.5)));
    assert_eq!(stored[1].summary.confidence, None);
    let summaries: Vec<Summary> = stored.into_iter().map(|stored| stored.summary).collect();
    assert_eq!(list(&path).unwrap(), summaries);
}

#[test]
fn the_last_one_is_taken_back_and_its_number_is_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    for genre in ["jazz", "blues"] {
        add(&path, LIMIT, &correction("fm1", genre, 0, 1)).unwrap();
    }
    assert_eq!(undo(&path).unwrap().unwrap().genre, "blues");
    assert_eq!(add(&path, LIMIT, &correction("fm1", "metal", 0, 1)).unwrap().id, 3);
    assert_eq!(undo(&path).unwrap().unwrap().id, 3);
    assert_eq!(undo(&path).unwrap().unwrap().id, 1);
    assert_eq!(undo(&path).unwrap(), None);
    assert_eq!(list(&path).unwrap(), []);
}

#[test]
fn overlaps_under_another_genre_are_contradictions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let contradicts =
        |source, genre, from| add(&path, LIMIT, &correction(source, genre, from, 5)).unwrap().contradicts;
    assert_eq!(contradicts("fm1", "jazz", 0), 0);
    assert_eq!(contradicts("fm1", "jazz", 2), 0);
    assert_eq!(contradicts("fm2", "rock", 2), 0);
    assert_eq!(contradicts("fm1", "rock", 2), 2);
    assert_eq!(contradicts("fm1", "rock", 60), 0);
}

/// A correction of four values and five patches takes 40 bytes.
#[test]
fn the_oldest_make_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let mut evicted = 0;
    for n in 0..7 {
        evicted += add(&path, 100, &correction("fm1", "jazz", n * 10, 5)).unwrap().evicted;
    }
    let ids: Vec<i64> = list(&path).unwrap().iter().map(|stored| stored.id).collect();
    assert_eq!((evicted, ids), (5, vec![6, 7]));
    // One that is larger than the limit alone is stored all the same.
    assert_eq!(add(&path, 10, &correction("fm1", "jazz", 90, 5)).unwrap().evicted, 2);
    assert_eq!(list(&path).unwrap().len(), 1);
}

#[test]
fn what_is_no_file_of_corrections_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    fs::write(&path, "precious").unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains(FILE) && error.contains("not a database"), "{error}");
    let added = add(&path, LIMIT, &correction("fm1", "jazz", 0, 1)).unwrap();
    let damage = added.damage.unwrap();
    assert!(damage.contains("set aside as") && damage.contains(".damaged`"), "{damage}");
    assert_eq!(fs::read(folder.path().join(format!("{FILE}.damaged"))).unwrap(), b"precious");
    assert_eq!(list(&path).unwrap().len(), 1);

    let other = folder.path().join("other.sqlite");
    rusqlite::Connection::open(&other).unwrap().execute("CREATE TABLE x (y)", []).unwrap();
    assert!(matches!(list(&other), Err(CorrectionsError::NoCorrections(_))));
    assert!(matches!(undo(&other), Err(CorrectionsError::NoCorrections(_))));
    rusqlite::Connection::open(&other).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert!(list(&other).unwrap_err().to_string().contains("newer genred (schema 7"));
    let error = add(&other, LIMIT, &correction("fm1", "jazz", 0, 1)).unwrap_err().to_string();
    assert!(error.contains("newer genred"), "{error}");
}

#[test]
fn rows_that_do_not_fit_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    for n in 0..4 {
        add(&path, LIMIT, &correction("fm1", "jazz", n * 10, 2)).unwrap();
    }
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE correction SET embeddings = x'00' WHERE id = 2", []).unwrap();
    // Infinity.
    connection
        .execute("UPDATE correction SET embeddings = x'007c0000000000000000000000000000' WHERE id = 3", [])
        .unwrap();
    drop(connection);
    let (stored, damaged) = read(&path).unwrap();
    assert_eq!(stored.iter().map(|stored| stored.summary.id).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(damaged, 2);
}

/// Fails where the folder cannot be made, and stores nothing.
#[test]
fn a_folder_that_cannot_be_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(add(&file.path().join("x").join(FILE), LIMIT, &correction("fm1", "jazz", 0, 1)).is_err());
}
