use super::*;

fn item(path: &str, label: usize) -> Item {
    Item {
        path: path.into(),
        labels: vec![label],
        track: path.split('.').next().unwrap().into(),
        group: "g".into(),
        columns: BTreeMap::new(),
        source: 0,
        weight: 1.0,
        is_doubtful: false,
    }
}

fn answered<'a>(item: &'a Item, sound: &str) -> Answered<'a> {
    Answered {
        item,
        pcm_sha256: sound.into(),
        duration_s: 1.0,
        truths: vec![item.labels.clone()],
        answers: vec![vec![]],
    }
}

#[test]
fn copies_are_judged_once_and_contradictions_never() {
    let items = [
        item("a.wav", 0),
        item("b.wav", 0),
        item("a.flac", 0),
        item("c.wav", 1),
        item("d.wav", 0),
        item("e.wav", 2),
    ];
    let sounds = ["x", "y", "x", "y", "z", "y"];
    let heard = || items.iter().zip(sounds).map(|(item, sound)| answered(item, sound)).collect();
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let of = |kept: &[Answered<'_>]| kept.iter().map(|file| file.item.path.clone()).collect::<Vec<_>>();

    let (kept, copies, contradictions) = without_copies(heard(), true);
    assert_eq!(of(&kept), paths(&["a.wav", "d.wav"]));
    assert_eq!(copies, [("a.flac".into(), "a.wav".into())]);
    assert_eq!(contradictions, [paths(&["b.wav", "c.wav", "e.wav"])]);

    // For a head of several labels they are one recording with all these labels.
    let (kept, copies, contradictions) = without_copies(heard(), false);
    assert_eq!(of(&kept), paths(&["a.wav", "b.wav", "d.wav"]));
    assert_eq!(kept[1].truths, [[0, 1, 2]]);
    assert_eq!((copies.len(), contradictions.len()), (3, 0));
}

#[test]
fn files_of_one_track_are_one_track() {
    let items = [item("a.wav", 0), item("b.wav", 1), item("a.flac", 0)];
    let heard: Vec<_> =
        items.iter().zip(["x", "y", "z"]).map(|(item, sound)| answered(item, sound)).collect();
    let tracks = by_track(&heard, 0);
    assert_eq!(tracks.len(), 2);
    assert_eq!((&*tracks[0].id, tracks[0].truth.as_slice()), ("a", &[0][..]));
}

#[test]
fn messages_list_a_few() {
    assert_eq!(examples((0..3).map(|at| at.to_string())), "0, 1, 2");
    assert_eq!(examples((0..7).map(|at| at.to_string())), "0, 1, 2, 3, 4 and 2 more");
    let seen = Seen {
        by_id: BTreeMap::from([("a".into(), "set:a".into()), ("x/b".into(), "set:b".into())]),
        by_sound: BTreeSet::from(["c".into()]),
    };
    assert_eq!(seen.to_string(), "2 by their id: `a`, `x/b` (listed as `set:b`); 1 by their sound: `c`");
}
