//! `genred train`: from folders of audio to a usable bundle.

mod bundle;
mod errors;
mod material;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::audio::{convert, write_wav};
use crate::support::daemon::{Ended, run};
use crate::support::music::cut;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

const GENRES: [&str; 3] = ["classical", "electronic", "metal"];

/// Start positions of tracks in a song, in seconds. Each track is 6 s long; [`HELD_OUT`] is later.
const STARTS: [f64; 4] = [20.0, 34.0, 48.0, 62.0];
const HELD_OUT: f64 = 80.0;

/// One folder per genre with four tracks each: `music/metal/0.flac` and so on.
fn music(folder: &Path) -> PathBuf {
    let music = folder.join("music");
    for genre in GENRES {
        fs::create_dir_all(music.join(genre)).unwrap();
        for (index, start) in STARTS.into_iter().enumerate() {
            cut(genre, start, 6.0, &music.join(genre).join(format!("{index}.flac")), &[]);
        }
    }
    music
}

/// Runs `genred train --data music --out mine` with further arguments.
fn train(folder: &Path, more: &[&str]) -> Ended {
    run(folder, &[&["train", "--data", "music", "--out", "mine"], more].concat())
}

fn check_trained(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// Paths of all files under `folder`, relative to it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn toml(bytes: &[u8]) -> toml::Table {
    toml::from_str(std::str::from_utf8(bytes).unwrap()).unwrap()
}

fn strings(value: &toml::Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

fn base(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/musicnn-msd").join(file)).unwrap()
}

fn floats(file: &[u8], name: &str) -> Vec<f64> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let data = tensors.tensor(name).unwrap().data().to_vec();
    data.chunks_exact(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect()
}

/// The trained head is right about unseen music, in `classify` and in `run`.
#[test]
fn a_bundle_of_ones_own_answers_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    music(folder);
    let ended = train(folder, &[]);
    check_trained(&ended);
    // Three very different songs, so that other parts of each are classified by it.
    for part in ["cross-validated on `music` in 4 parts", "48 patches", "12 tracks", "confusion of tracks"] {
        assert!(ended.stdout.contains(part), "no `{part}` in\n{}", ended.stdout);
    }
    for genre in GENRES {
        cut(genre, HELD_OUT, 9.0, &folder.join(format!("{genre}.mp3")), &[]);
    }
    let answers = run(
        folder,
        &["classify", "--json", "--model", "./mine", "classical.mp3", "electronic.mp3", "metal.mp3"],
    );
    assert_eq!(answers.code, Some(0), "{}", answers.stderr);
    for (line, genre) in answers.json().iter().zip(GENRES) {
        assert_eq!((&line["model"], &line["head"]), (&"mine".into(), &"genres".into()));
        assert_eq!(line["genre"], genre, "{line}");
        let labels: Vec<&String> = line["scores"].as_object().unwrap().keys().collect();
        assert_eq!(labels, GENRES);
    }
    let ran =
        run(folder, &["run", "--no-mqtt", "--fast", "--output", "jsonl", "--model", "./mine", "metal.mp3"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let windows = ran.lines("window", None);
    assert!(!windows.is_empty() && windows.iter().all(|line| line["genre"] == "metal"), "{}", ran.stdout);
}

/// The same command gives the same bytes, also from the cache; with the cache no recording is read.
#[test]
fn the_same_music_gives_the_same_bytes_and_is_heard_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let music = music(folder);
    let again = |more: &[&str]| {
        let ended = train(folder, &[&["--force", "--cache", "kept"], more].concat());
        check_trained(&ended);
        (ended, files(&folder.join("mine")))
    };
    let (ended, first) = again(&[]);
    assert!(ended.stderr.contains("heard 12 files;"), "{}", ended.stderr);
    assert_eq!(fs::read_dir(folder.join("kept")).unwrap().count(), 12);

    // A file of the same size and time that is no longer audio.
    let mut originals = Vec::new();
    for path in files(&music).keys().map(|name| music.join(name)) {
        let (bytes, changed) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
        overwrite(&path, &vec![0; bytes.len()], changed);
        originals.push((path, bytes, changed));
    }
    let (ended, second) = again(&[]);
    assert!(ended.stderr.contains("heard 12 files (12 from the cache)"), "{}", ended.stderr);
    assert!(first == second, "the bytes differ");

    // Damaged entries are computed again.
    for (path, bytes, changed) in &originals {
        overwrite(path, bytes, *changed);
    }
    for entry in fs::read_dir(folder.join("kept")).unwrap().take(2) {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let (ended, third) = again(&[]);
    assert!(ended.stderr.contains("(10 from the cache)"), "{}", ended.stderr);
    assert!(first == third, "the bytes differ");

    // Augmented versions are trained on; the evaluation keeps the same 48 patches.
    let (ended, altered) = again(&["--augment", "1", "--json"]);
    let told =
        "heard 12 files and 1 alterations of each (12 from the cache); training on 12 tracks, 48 patches";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(ended.json()[0]["patch"]["n"], 48);
    assert!(altered["heads/genres.safetensors"] != first["heads/genres.safetensors"]);
    assert!(String::from_utf8_lossy(&altered["CARD.md"]).contains("each file heard 1 times more, altered"));

    // Another hop gives other patches; the number of threads has no effect.
    let (ended, _) = again(&["--hop", "2"]);
    assert!(ended.stderr.contains("heard 12 files;"), "{}", ended.stderr);
    let other =
        run(folder, &["train", "--data", "music", "--out", "mine", "--no-cache", "--force", "--jobs", "1"]);
    check_trained(&other);
    let alone = files(&folder.join("mine"));
    for part in ["heads/genres.safetensors", "heads/genres.toml", "golden/golden.safetensors"] {
        assert!(alone[part] == first[part], "{part}");
    }
    assert!(other.stderr.contains("heard 12 files;"), "{}", other.stderr);
}

fn overwrite(path: &Path, bytes: &[u8], changed: SystemTime) {
    fs::write(path, bytes).unwrap();
    fs::File::options().append(true).open(path).unwrap().set_modified(changed).unwrap();
}

/// Unusable files are listed and counted, and the others are trained on.
#[test]
fn what_is_left_out_is_named_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let music = music(folder);
    fs::write(music.join("metal/broken.mp3"), "Not a sound.\n".repeat(1000)).unwrap();
    fs::write(music.join("metal/empty.wav"), "").unwrap();
    write_wav(&music.join("metal/silent.wav"), 16_000, 1, &vec![0.0; 5 * 16_000]);
    // A song followed by 8 s of silence: some patches are silent.
    convert(
        &music.join("metal/3.flac"),
        &music.join("metal/fades.wav"),
        &["-af", "apad=pad_dur=8", "-c:a", "pcm_s16le"],
    );
    // The same audio in another container, in the same genre and in another one.
    convert(&music.join("metal/0.flac"), &music.join("metal/copy.wav"), &["-c:a", "pcm_s24le"]);
    fs::copy(music.join("metal/1.flac"), music.join("classical/stray.flac")).unwrap();

    let ended = train(folder, &["--json"]);
    check_trained(&ended);
    let report = ended.json().remove(0);
    assert_eq!((&report["cross_validated"]["folds"], &report["track"]["n"]), (&4.into(), &12.into()));
    let left_out = &report["left_out"];
    assert_eq!(left_out["silent"], serde_json::json!(["music/metal/silent.wav"]));
    assert_eq!(left_out["unreadable"][1]["file"], "music/metal/empty.wav");
    assert_eq!(left_out["contradictions"][0][1], "music/metal/1.flac");
    assert_eq!(left_out["copies"][0]["of"], "music/metal/0.flac");
    assert_eq!(report["track"]["accuracy"]["value"], 1.0, "{report}");
    for part in [
        "left out: `music/metal/broken.mp3` is not in a known audio format",
        "left out: `music/metal/empty.wav` is empty (0 bytes)",
        "left out: `music/metal/silent.wav` is silent",
        "left out: `music/metal/copy.wav` has the same sound as `music/metal/0.flac`",
        "left out: `music/classical/stray.flac` and `music/metal/1.flac` have the same sound and different genres",
        "left out in all: unreadable files: 2, silent files: 1, copies: 1, files whose sound is under several genres: 2, \
         silent patches in other files: ",
    ] {
        assert!(ended.stderr.contains(part), "no `{part}` in\n{}", ended.stderr);
    }
    let training = toml(&files(&folder.join("mine"))["training.toml"]);
    let tracks = strings(&training["tracks"]);
    let metal: Vec<&&str> = tracks.iter().filter(|track| track.contains("metal")).collect();
    assert_eq!(metal, [&"music:metal/0", &"music:metal/2", &"music:metal/3", &"music:metal/fades"]);
    assert_eq!(tracks.len(), 12);
    let card = fs::read_to_string(folder.join("mine/CARD.md")).unwrap();
    assert!(card.contains("Left out: unreadable files: 2"), "{card}");
}

/// A head of another name is added to those of the base, whose default head is kept.
#[test]
fn a_head_of_another_name_keeps_the_genres() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    music(folder);
    check_trained(&train(folder, &["--head-name", "formats", "--balance", "1"]));
    cut("metal", HELD_OUT, 6.0, &folder.join("metal.wav"), &[]);
    let ask = |more: &[&str]| {
        run(folder, &[&["classify", "--json", "--model", "./mine", "metal.wav"], more].concat())
            .json()
            .remove(0)
    };
    let labels = toml(&base("heads/genres.toml"))["labels"].clone();
    let own = ask(&[]);
    assert_eq!(own["scores"].as_object().unwrap().keys().collect::<Vec<_>>(), strings(&labels));
    let answer = ask(&["--head", "formats"]);
    assert_eq!((answer["scores"].as_object().unwrap().len(), answer["genre"].as_str()), (3, Some("metal")));
    let bundle = files(&folder.join("mine"));
    assert!(bundle["heads/genres.toml"] == base("heads/genres.toml"));
    // The training material of the genres also counts as that of this bundle.
    let tracks = toml(&bundle["training.toml"])["tracks"].clone();
    let tracks = strings(&tracks);
    assert!(tracks.contains(&"music:metal/0") && tracks.contains(&"gtzan:blues.00029"));
}
