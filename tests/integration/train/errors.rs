//! Existing bundles and unusable data.

use super::*;

/// Existing files are not lost, and partial output is not left behind.
#[test]
fn bundles_are_replaced_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    music(folder);
    let check = |arguments: &[&str], part: &str| {
        let ended = run(folder, &[&["train", "--data", "music"], arguments].concat());
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        assert!(ended.stderr.contains(part), "no `{part}` in\n{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    };
    fs::create_dir(folder.join("letters")).unwrap();
    fs::write(folder.join("letters/dear.txt"), "Dear").unwrap();
    check(&["--out", "letters"], "`letters` exists; name another place, or replace it with --force");
    check(&["--out", "letters", "--force"], "`letters` is no model bundle, and is not replaced");
    check(&["--out", "letters/dear.txt/mine"], "cannot be written");
    check(&["--out", "mine", "--head-name", "tags"], "a head cannot be called `tags`");
    check(&["--out", "mine", "--head-name", "../x"], "a head cannot be called `../x`");
    check(&["--out", "mine", "--model", "nonesuch"], "no model `nonesuch`");
    assert_eq!(fs::read_to_string(folder.join("letters/dear.txt")).unwrap(), "Dear");

    check_trained(&train(folder, &[]));
    check(&["--out", "mine"], "`mine` exists");
    check(&["--out", "mine", "--force", "--model", "./mine"], "`mine` is the base bundle itself");
    // A trained bundle can be the base.
    check_trained(&run(folder, &["train", "--data", "music", "--out", "deep/next", "--model", "./mine"]));
    assert!(folder.join("deep/next/CARD-mine.md").exists());
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".cache", "deep", "letters", "mine", "music"]);
}

/// Unusable data cause an error that names the data and a remedy.
#[test]
fn data_that_teaches_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let music = music(folder);
    let check = |parts: &[&str]| {
        let ended = train(folder, &[]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
        for part in parts {
            assert!(ended.stderr.contains(part), "no `{part}` in\n{}", ended.stderr);
        }
        assert!(!folder.join("mine").exists());
    };
    fs::create_dir(music.join("polka")).unwrap();
    check(&["polka", "holds no sound file"]);
    write_wav(&music.join("polka/one.wav"), 16_000, 1, &vec![0.0; 5 * 16_000]);
    fs::write(music.join("polka/two.mp3"), "Not a sound.").unwrap();
    check(&["nothing of `polka` can be used: its 2 files", "unreadable, silent"]);
    cut("metal", HELD_OUT, 6.0, &music.join("polka/three.flac"), &[]);
    check(&["`polka` has too little to hold some out (usable tracks: 1, groups: 1); at least 2"]);
    fs::rename(music.join("polka"), music.join("Speech")).unwrap();
    check(&[
        "the label `Speech`",
        "is the name of a state",
        "rename its folder, for example to `speech-music`",
    ]);
    fs::rename(music.join("Speech"), music.join("polka")).unwrap();
    for genre in ["polka", "metal", "classical"] {
        fs::remove_dir_all(music.join(genre)).unwrap();
    }
    check(&["only the label `electronic`", "at least two"]);
    fs::remove_dir_all(&music).unwrap();
    check(&["`music` cannot be read"]);
}
