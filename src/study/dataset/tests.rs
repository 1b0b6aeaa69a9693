use std::fs;
use std::path::Path;

use super::*;

/// Makes empty files; data sets are read without opening them.
fn touch(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
}

fn open(path: &Path, wheres: &[&str]) -> Result<Dataset, DatasetError> {
    let filters = wheres.iter().map(|text| text.parse().unwrap()).collect();
    Dataset::open(path, &DatasetOptions { filters, ..DatasetOptions::default() })
}

fn index(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("index.csv");
    fs::write(&path, text).unwrap();
    path
}

/// `track: labels in group` of each item.
fn lines(dataset: &Dataset) -> Vec<String> {
    let line =
        |item: &Item| format!("{}: {} in {}", item.track, dataset.labels_of(item).join("+"), item.group);
    dataset.items.iter().map(line).collect()
}

#[test]
fn a_folder_is_a_label() {
    let root = tempfile::tempdir().unwrap();
    let files = [
        "rock/two.mp3",
        "rock/album/01.flac",
        "rock/album/cover.JPG",
        "rock/.hidden.mp3",
        ".git/config",
        "jazz/one.wav",
        "jazz/no extension",
        "readme.md",
    ];
    touch(root.path(), &files);
    let dataset = open(root.path(), &[]).unwrap();
    assert_eq!(
        lines(&dataset),
        [
            "jazz/no extension: jazz in jazz/no extension",
            "jazz/one: jazz in jazz/one",
            "rock/album/01: rock in rock/album/01",
            "rock/two: rock in rock/two"
        ]
    );
    assert_eq!(dataset.items[3].path, root.path().join("rock/two.mp3"));
    let ignored: Vec<_> = ["readme.md", "rock/album/cover.JPG"].map(|file| root.path().join(file)).into();
    assert_eq!(dataset.ignored, ignored);
    assert_eq!(dataset.tracks(), 4);
    dataset.require_several_labels().unwrap();
}

#[test]
fn an_index_says_labels_tracks_and_groups() {
    let root = tempfile::tempdir().unwrap();
    let text = "\u{feff}Path, genre,track,artist,split\n\
                a/one.flac, rock,t1,,test\n\
                /abs/two.ogg,jazz | blues;jazz,t2,Ann,train\n\
                ./three.x.mp3,jazz,,Ann,valid\n\
                four.mp3,,t4,,test\n";
    let path = index(root.path(), text);
    let dataset = open(&path, &[]).unwrap();
    assert_eq!(lines(&dataset), ["t1: rock in t1", "t2: blues+jazz in Ann", "three.x: jazz in Ann"]);
    assert_eq!(dataset.items[0].path, root.path().join("a/one.flac"));
    assert_eq!(dataset.items[1].path, Path::new("/abs/two.ogg"));
    assert_eq!(dataset.items[1].columns, BTreeMap::from([("split".into(), "train".into())]));
    assert_eq!(dataset.unlabelled, 1);
    assert_eq!(
        dataset.require_single().unwrap_err().to_string(),
        "`/abs/two.ogg` has 2 labels (blues, jazz), and one is wanted; correct it, or use a head of several labels \
         (`--multi-label` when training)"
    );
}

#[test]
fn filters_on_one_column_are_alternatives() {
    let root = tempfile::tempdir().unwrap();
    let path =
        index(root.path(), "path,label,split,year\na,x,test,1\nb,x,train,1\nc,y,valid,1\nd,y,valid,2\n");
    let tracks = |wheres: &[&str]| -> Vec<String> {
        open(&path, wheres).unwrap().items.iter().map(|item| item.track.to_string()).collect()
    };
    assert_eq!(tracks(&["split=test"]), ["a"]);
    assert_eq!(tracks(&["split=train", "split=valid"]), ["b", "c", "d"]);
    assert_eq!(tracks(&["split=train", "split=valid", "year=1"]), ["b", "c"]);
    let error = open(&path, &["split=tset"]).unwrap_err().to_string();
    assert!(error.contains("has no labelled row with `split=tset`"), "{error}");
    let error = open(&path, &["splt=test"]).unwrap_err().to_string();
    assert!(error.contains("there is no column `splt`; it has path, label, split, year"), "{error}");
    assert!("split".parse::<Filter>().is_err());
}

#[test]
fn groups_come_from_a_file_a_column_or_numbers() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["b/b.009.mp3", "b/b.010.mp3", "b/b.19.mp3", "b/song.mp3", "c/c.010 (live).mp3"]);
    let groups = root.path().join("groups.csv");
    fs::write(&groups, "track,path,artist\nb/b.009,,Ann\n,c/c.010 (live).mp3,Ann\nelsewhere,,Bob\n").unwrap();
    let dataset = Dataset::open(
        root.path(),
        &DatasetOptions { groups: Some(groups.clone()), group_blocks: Some(10), ..DatasetOptions::default() },
    )
    .unwrap();
    assert_eq!(
        lines(&dataset),
        [
            "b/b.009: b in Ann",
            "b/b.010: b in b/b.10+10",
            "b/b.19: b in b/b.10+10",
            "b/song: b in b/song",
            "c/c.010 (live): c in Ann"
        ]
    );
    assert_eq!(dataset.ungrouped, 3);

    let error = |text: &str| {
        fs::write(&groups, text).unwrap();
        let options = DatasetOptions { groups: Some(groups.clone()), ..DatasetOptions::default() };
        Dataset::open(root.path(), &options).unwrap_err().to_string()
    };
    assert!(
        error("track,band\nx,y\n").contains("there is no column `group` or `artist`; it has track, band")
    );
    assert!(error("name,group\nx,y\n").contains("there is no column `track` or `path`"));
    assert!(error("track,group\nx,y\n").contains("none of the tracks; they are called as in `b/b.009`"));
    assert!(error("track,group\nx,y\nx,z\n").contains("line 3 puts into `z` what is in `y` already"));
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let check = |text: &str, parts: &[&str]| {
        let error = open(&index(root.path(), text), &[]).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "no `{part}` in {error}");
        }
    };
    check(
        "path,genre,track\na.wav,rock,t\nb.wav,jazz,t\n",
        &["track `t` is `rock` in", "a.wav", "`jazz` in", "b.wav", "the same genre"],
    );
    check("path,genre,track,group\na,rock,t,g\nb,rock,t,h\n", &["in group `g`", "in group `h`"]);
    check("path,genre\na,rock\na,jazz\n", &["lines 2 and 3 are both `a`"]);
    check("path,genre\n,rock\n", &["line 2 has an empty `path`"]);
    check("file,genre\na,rock\n", &["there is no column `path`; it has file, genre"]);
    check("path,style\na,rock\n", &["there is no column `genre` or `label`"]);
    check("path,genre\na,rock,x\n", &["line: 2"]);
    check("path,genre\na,\n", &["no labelled row"]);
    check("", &["there is no column `path`"]);
    let one = open(&index(root.path(), "path,genre\na,rock\n"), &[]).unwrap();
    let error = one.require_several_labels().unwrap_err().to_string();
    assert!(error.contains("has only the label `rock`"), "{error}");
}

#[test]
fn folders_that_are_no_data_sets_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let check = |folder: &str, part: &str| {
        let error = open(&root.path().join(folder), &[]).unwrap_err().to_string();
        assert!(error.contains(folder) && error.contains(part), "{error}");
    };
    touch(root.path(), &["flat/one.mp3", "empty/rock/one.mp3", "pictures/rock/a.png", "pictures/jazz/b.mp3"]);
    fs::create_dir_all(root.path().join("empty/jazz/live")).unwrap();
    fs::create_dir_all(root.path().join("nothing")).unwrap();
    check("missing", "cannot be read");
    check("flat", "it needs one folder a genre");
    check("nothing", "it needs one folder a genre");
    check("empty", "the class folder `");
    check("empty", "empty/jazz` holds no sound file");
    check("pictures", "pictures/rock` holds no sound file");
    let error = open(&root.path().join("empty"), &["a=b"]).unwrap_err().to_string();
    assert!(error.contains("this is a folder"), "{error}");
}

#[test]
fn labels_named_like_states_are_refused_with_a_cure() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["rock/one.mp3", "Silence/two.mp3"]);
    let error = open(root.path(), &[]).unwrap().require_genres().unwrap_err().to_string();
    let folder = root.path().join("Silence/two.mp3");
    assert!(
        error.contains(&format!("the label `Silence` (of `{}`) is the name of a state", folder.display())),
        "{error}"
    );
    assert!(error.contains("rename its folder, for example to `silence-music`"), "{error}");
    for state in ["music", "speech", "noise", "silence", "uncertain", "lost", "LOST", "Noise"] {
        let path = index(root.path(), &format!("path,genre\na.mp3,rock\nb.mp3,{state}"));
        let error = open(&path, &[]).unwrap().require_genres().unwrap_err().to_string();
        assert!(error.contains(&format!("`{state}`")) && error.contains("rename it, "), "{error}");
    }
    let path = index(root.path(), "path,genre\na.mp3,noise-music\nb.mp3,speech pop");
    open(&path, &[]).unwrap().require_genres().unwrap();
}
