use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::audio::{Level, PatchSpan};
use crate::study::offline::FileError;
use crate::study::{Dataset, EmbeddingRow, EmbeddingSet};

/// A file with its labels, track and group.
fn item(path: &str, labels: &[usize], track: &str, group: &str) -> Item {
    Item {
        path: path.into(),
        labels: labels.to_vec(),
        track: track.into(),
        group: group.into(),
        columns: BTreeMap::new(),
        source: 0,
        weight: 1.0,
        is_doubtful: false,
    }
}

fn dataset(items: Vec<Item>) -> Dataset {
    Dataset {
        path: "data".into(),
        names: vec!["data".into()],
        labels: vec!["jazz".into(), "rock".into()],
        items,
        ignored: Vec::new(),
        unlabelled: 0,
        ungrouped: 0,
    }
}

/// Patches of one value and loudness each.
fn heard(sound: &str, patches: &[(f32, f32)]) -> Result<EmbeddedAudio, FileError> {
    Ok(EmbeddedAudio {
        duration_s: 3.0,
        pcm_sha256: sound.into(),
        spans: vec![PatchSpan { start: 0.0, end: 3.0 }; patches.len()],
        levels: patches.iter().map(|(_, lufs_s)| Level::of_loudness(*lufs_s)).collect(),
        embeddings: patches.iter().map(|(value, _)| *value).collect(),
    })
}

fn gather(
    data: &Dataset,
    heard: &[Result<EmbeddedAudio, FileError>],
    multi: bool,
) -> Result<(Material, LeftOut), MaterialError> {
    Material::gather(&gathering(data, heard, &[], multi))
}

fn gathering<'a>(
    dataset: &'a Dataset,
    heard: &'a [Result<EmbeddedAudio, FileError>],
    sets: &'a [EmbeddingSet],
    multi: bool,
) -> Gathering<'a> {
    Gathering { dataset, heard, sets, dim: 1, silence_lufs: -60.0, multi, known: &[], kept: &[] }
}

fn ids(material: &Material) -> Vec<&str> {
    material.tracks.iter().map(|track| &*track.id).collect()
}

#[test]
fn cuts_of_a_track_are_joined_and_silence_is_dropped() {
    let data = dataset(vec![
        item("1", &[0], "a", "x"),
        item("2", &[1], "b", "y"),
        item("3", &[0], "a", "x"),
        item("4", &[0], "c", "z"),
        item("5", &[1], "d", "d"),
    ]);
    let sounds = [
        heard("s1", &[(1.0, -20.0), (2.0, -65.0)]),
        heard("s2", &[(3.0, -20.0)]),
        heard("s3", &[(4.0, -20.0)]),
        heard("s4", &[(5.0, -60.0)]),
        heard("s0", &[(6.0, -20.0)]),
    ];
    let (material, left_out) = gather(&data, &sounds, false).unwrap();
    assert_eq!(ids(&material), ["a", "b", "c", "d"]);
    assert_eq!(material.track_of, [0, 0, 1, 2, 3]);
    assert_eq!(material.embeddings.iter().copied().collect::<Vec<f32>>(), [1.0, 4.0, 3.0, 5.0, 6.0]);
    assert_eq!(material.pcm_sha256, ["s0", "s1", "s2", "s3", "s4"]);
    assert_eq!(material.targets.column(0).to_vec(), [1.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!((material.patches_of(0), material.groups_of(0), left_out.silent_patches), (3, 2, 1));
}

/// Heard again altered: more patches of the same tracks, which count as nothing else.
#[test]
fn altered_hearings_add_patches_to_their_tracks() {
    let data = dataset(vec![
        item("1", &[0], "a", "a"),
        item("2", &[1], "b", "b"),
        item("3", &[0], "c", "c"),
        item("4", &[1], "d", "d"),
    ]);
    let first = ["s1", "s2", "s3", "s4"].map(|sound| heard(sound, &[(1.0, -20.0), (2.0, -20.0)]));
    let again = ["s1", "s2", "s3", "s4"].map(|sound| heard(sound, &[(3.0, -20.0), (4.0, -65.0)]));
    let lost = FileError::Model(crate::model::ModelError::Run("lost".into()));
    let third = [heard("s1", &[(5.0, -20.0)]), Err(lost), heard("s3", &[]), heard("s4", &[])];
    let all: Vec<_> = first.into_iter().chain(again).chain(third).collect();
    let (material, left_out) = gather(&data, &all, false).unwrap();
    assert_eq!(material.track_of, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    let values: Vec<f32> = material.embeddings.iter().copied().collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 5.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    assert_eq!(material.learn_only[..5], [false, false, true, true, false]);
    assert_eq!((material.patches(), material.patches_of(0), left_out.silent_patches), (8, 4, 0));
    assert_eq!(material.pcm_sha256.len(), 4);
}

/// Two files of one sound: in one genre a copy; in two genres a contradiction, or both genres where
/// that may be.
#[test]
fn one_sound_counts_once() {
    let data = dataset(vec![
        item("jazz/1", &[0], "j1", "j1"),
        item("jazz/2", &[0], "j2", "j2"),
        item("jazz/3", &[0], "j3", "j3"),
        item("rock/1", &[1], "r1", "r1"),
        item("rock/2", &[1], "r2", "r2"),
        item("rock/3", &[1], "r3", "r3"),
    ]);
    let sounds = ["a", "b", "c", "c", "d", "e"].map(|sound| heard(sound, &[(0.0, -20.0)]));
    let (material, left_out) = gather(&data, &sounds, false).unwrap();
    assert_eq!(ids(&material), ["j1", "j2", "r2", "r3"]);
    assert_eq!(left_out.contradictions, [vec![Path::new("jazz/3"), Path::new("rock/1")]]);
    assert_eq!(left_out.to_string(), "files whose sound is under several genres: 2");
    let (material, left_out) = gather(&data, &sounds, true).unwrap();
    assert_eq!(ids(&material), ["j1", "j2", "j3", "r2", "r3"]);
    assert_eq!(material.tracks[2].labels, [0, 1]);
    assert_eq!(left_out.copies, [("rock/1".into(), "jazz/3".into())]);
}

#[test]
fn a_label_that_cannot_be_learned_is_an_error() {
    let rock = || [item("r1", &[1], "r1", "r1"), item("r2", &[1], "r2", "r2")];
    let check = |jazz: Vec<Item>, loudness: f32, multi: bool, expected: MaterialError| {
        let count = jazz.len();
        let data = dataset(jazz.into_iter().chain(rock()).collect());
        let sounds: Vec<_> = (0..count + 2)
            .map(|at| heard(&at.to_string(), &[(0.0, if at < count { loudness } else { -20.0 })]))
            .collect();
        assert_eq!(gather(&data, &sounds, multi).unwrap_err(), expected);
    };
    let jazz = || vec![item("j1", &[0], "j1", "one"), item("j2", &[0], "j2", "one")];
    let label: Arc<str> = "jazz".into();
    check(jazz(), -70.0, false, MaterialError::Nothing { label: label.clone(), files: 2 });
    check(jazz(), -20.0, false, MaterialError::TooFew { label, tracks: 2, groups: 1 });
    let both = vec![item("j1", &[0, 1], "j1", "j1"), item("j2", &[0, 1], "j2", "j2")];
    check(both, -20.0, true, MaterialError::Everywhere { label: "rock".into() });
}

fn row(value: f32, label: &str, track: &str, group: &str) -> EmbeddingRow {
    EmbeddingRow::labelled(vec![value], label, track, group)
}

fn set(name: &str, rows: Vec<EmbeddingRow>) -> EmbeddingSet {
    EmbeddingSet { name: name.into(), rows }
}

/// Rows of a set join the tracks that their data set has, or make tracks of their own.
#[test]
fn sets_of_embeddings_add_patches_tracks_and_labels() {
    let data = dataset(vec![item("1", &[0], "a", "x"), item("2", &[1], "b", "b"), item("3", &[1], "c", "c")]);
    let heard = ["s1", "s2", "s3"].map(|sound| heard(sound, &[(1.0, -20.0)]));
    let copy = EmbeddingRow { weight: 3.0, is_judged: false, ..row(2.0, "jazz", "a", "x") };
    let soft = EmbeddingRow {
        targets: vec![("jazz".into(), 0.75), ("soul".into(), 0.25)],
        weight: 0.5,
        ..row(3.0, "", "p", "x")
    };
    let sets = [
        set("data", vec![copy]),
        set("more", vec![soft, row(4.0, "soul", "q", "y"), row(5.0, "soul", "a", "a")]),
    ];
    let (material, _) =
        Material::gather(&Gathering { known: &["jazz".into()], ..gathering(&data, &heard, &sets, false) })
            .unwrap();
    assert_eq!(material.labels.join(" "), "jazz rock soul");
    assert_eq!(ids(&material), ["a", "b", "c", "p", "q", "a"]);
    let sources: Vec<usize> = material.tracks.iter().map(|track| track.source).collect();
    assert_eq!((material.sources.join(" "), sources), ("data more".into(), vec![0, 0, 0, 1, 1, 1]));
    // The copy lies behind the recording that it is of, and has three quarters of its track's
    // weight.
    assert_eq!(
        material.embeddings.iter().copied().collect::<Vec<f32>>(),
        [1.0, 2.0, 1.0, 1.0, 3.0, 4.0, 5.0]
    );
    assert_eq!(material.weights, [0.25, 0.75, 1.0, 1.0, 0.5, 1.0, 1.0]);
    assert_eq!(material.learn_only[..2], [false, true]);
    assert_eq!(material.targets.row(4).to_vec(), [0.75, 0.0, 0.25]);
    // A named group is the same wherever it is named; a track without one stands alone.
    let groups: Vec<&str> = material.tracks.iter().map(|track| &*material.groups[track.group]).collect();
    assert_eq!(groups, ["x", "b", "c", "x", "y", "a"]);
    assert_eq!(material.tracks[3].group, material.tracks[0].group);
    assert_eq!((material.tracks[3].labels.clone(), material.tracks[3].weight), (vec![0], 0.5));
}

#[test]
fn sets_that_do_not_fit_are_refused() {
    let data = Dataset::empty();
    let gather = |rows: Vec<EmbeddingRow>| {
        Material::gather(&gathering(&data, &[], &[set("s", rows)], false)).map(|_| ()).unwrap_err()
    };
    let half = EmbeddingRow { targets: vec![("jazz".into(), 0.5)], ..row(0.0, "", "t", "t") };
    let shares = MaterialError::Shares { set: "s".into(), track: "t".into(), sum: "0.50".into() };
    assert_eq!(gather(vec![half]), shares);
    let wide = EmbeddingRow::labelled(vec![0.0; 2], "jazz", "t", "t");
    assert_eq!(gather(vec![wide]), MaterialError::Size { set: "s".into(), size: 2, dim: 1 });
    let lone = vec![row(0.0, "jazz", "t", "t"), row(0.0, "jazz", "u", "u")];
    assert_eq!(gather(lone), MaterialError::OneLabel { label: "jazz".into() });
}

/// Labels that a prior knows may have one group, and labels that the head keeps may have none.
#[test]
fn a_prior_makes_little_enough() {
    let data = Dataset::empty();
    let sets =
        [set("s", vec![row(0.0, "jazz", "t", "t"), row(1.0, "rock", "u", "u"), row(1.0, "rock", "v", "v")])];
    let plain = gathering(&data, &[], &sets, false);
    let few = MaterialError::TooFew { label: "jazz".into(), tracks: 1, groups: 1 };
    assert_eq!(Material::gather(&plain).map(|_| ()).unwrap_err(), few);
    let (known, kept) = (["jazz".into()], ["folk".into()]);
    let with_prior = Gathering { known: &known, kept: &kept, ..gathering(&data, &[], &sets, false) };
    let (material, _) = Material::gather(&with_prior).unwrap();
    assert_eq!((material.labels.join(" "), material.groups_of(0)), ("folk jazz rock".into(), 0));
}

#[test]
fn doubtful_labels_teach_and_are_not_judged_and_a_dominating_artist_is_found() {
    let mut items = vec![
        item("1", &[0], "a", "x"),
        item("2", &[0], "b", "x"),
        item("3", &[0], "c", "x"),
        item("4", &[0], "d", "y"),
        item("5", &[1], "e", "z"),
        item("6", &[1], "f", "w"),
        item("7", &[1], "g", "v"),
    ];
    items[4].weight = 0.3;
    items[4].is_doubtful = true;
    let data = dataset(items);
    let heard: Vec<_> = (0..7).map(|at| heard(&at.to_string(), &[(0.0, -20.0)])).collect();
    let (material, _) = gather(&data, &heard, false).unwrap();
    assert_eq!((material.patches(), material.learn_only[4], material.weights[4]), (6, true, 0.3));
    let expected = Dominance { label: "jazz".into(), group: "x".into(), share: 0.75 };
    assert_eq!(material.dominated(), [expected]);
}
