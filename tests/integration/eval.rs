//! `genred eval`: its figures against `classify` and arithmetic, its errors and exclusions.

mod training_material;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::audio::{convert, signal, write_wav};
use crate::support::clips::{digest, read_clip};
use crate::support::daemon::{Ended, run};
use crate::support::music::clip;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Clips by the label of their folder. Some labels are wrong, so that not all figures are 1.
const CLAIMS: [(&str, &[&str]); 3] = [
    ("metal", &["armygeddon", "degeneration", "genesis"]),
    ("classical", &["dink_1", "sorrow"]),
    ("electronic", &["plinkeplanke", "chaos_god"]),
];

/// `data/LABEL/CLIP.wav`.
fn dataset(folder: &Path) {
    for (label, clips) in CLAIMS {
        let class = folder.join("data").join(label);
        fs::create_dir_all(&class).unwrap();
        for name in clips {
            fs::copy(clip(name), class.join(name).with_extension("wav")).unwrap();
        }
    }
}

/// Copies the shipped bundle with another list of training material.
fn bundle(folder: &Path, training: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/musicnn-msd");
    let target = folder.join("bundle");
    for sub in ["", "golden", "heads"] {
        fs::create_dir_all(target.join(sub)).unwrap();
        for entry in fs::read_dir(source.join(sub)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), target.join(sub).join(entry.file_name())).unwrap();
            }
        }
    }
    let manifest = target.join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let file = target.join("training.toml");
    let (old, new) = (sha256(&fs::read(&file).unwrap()), sha256(training.as_bytes()));
    assert!(text.contains(&old));
    fs::write(&manifest, text.replace(&old, &new)).unwrap();
    fs::write(file, training).unwrap();
    "./bundle".into()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pcm_sha256(name: &str) -> String {
    digest(&read_clip(name)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs `genred eval --json ARGUMENTS` and returns its JSON object.
fn eval(folder: &Path, arguments: &[&str]) -> Value {
    let ended = run(folder, &[&["eval", "--json", "--resamples", "20"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut lines = ended.json();
    assert_eq!(lines.len(), 1, "{}", ended.stdout);
    lines.remove(0)
}

/// Checks for exit code 1, empty standard output, and `parts` on standard error.
fn refuses(folder: &Path, arguments: &[&str], parts: &[&str]) -> Ended {
    let ended = run(folder, &[&["eval"], arguments].concat());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{arguments:?}: {}", ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "{arguments:?}: no `{part}` in\n{}", ended.stderr);
    }
    ended
}

#[track_caller]
fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 2e-6, "{found} for {expected}");
}

fn scores(answer: &Value) -> BTreeMap<String, f64> {
    let scores = answer["scores"].as_object().unwrap();
    scores.iter().map(|(label, p)| (label.clone(), p.as_f64().unwrap())).collect()
}

fn top(scores: &BTreeMap<String, f64>) -> &str {
    scores.iter().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap().0
}

/// Reference: the output of `classify` on the same files, and arithmetic.
#[test]
fn figures_are_those_of_the_answers_that_classify_gives() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    let report = eval(folder, &["--data", "data", "--hop", "0.5"]);

    let (mut patches, mut tracks): (Vec<(&str, BTreeMap<String, f64>)>, Vec<_>) = (Vec::new(), Vec::new());
    for (label, clips) in CLAIMS {
        for name in clips {
            let file = format!("data/{label}/{name}.wav");
            let answer = run(folder, &["classify", "--json", "--hop", "0.5", &file]).json().remove(0);
            assert_eq!(answer["state"], "music");
            // Patches that the gate rejects are excluded.
            let windows = answer["windows"].as_array().unwrap().iter();
            patches.extend(
                windows.filter(|window| window["state"] == "music").map(|window| (label, scores(window))),
            );
            tracks.push((label, scores(&answer)));
        }
    }
    for (level, answers) in [("patch", &patches), ("track", &tracks)] {
        let found = &report[level];
        let n = answers.len() as f64;
        assert_eq!(found["n"], answers.len());
        let right = answers.iter().filter(|(label, scores)| top(scores) == *label).count() as f64;
        assert!(right > 0.0 && right < n, "the claims must be partly right: {right} of {n}");
        near(&found["accuracy"]["value"], right / n);
        let loss = answers
            .iter()
            .map(|(label, scores)| -scores[*label].max(f64::from(f32::EPSILON)).ln())
            .sum::<f64>();
        near(&found["log_loss"]["value"], loss / n);
        let mut f1 = Vec::new();
        for (at, row) in found["by_label"].as_array().unwrap().iter().enumerate() {
            let name = row["label"].as_str().unwrap();
            let count = |is_true: bool, is_answered: bool| {
                let fits = |(label, scores): &&(&str, BTreeMap<String, f64>)| {
                    (*label == name) == is_true && (top(scores) == name) == is_answered
                };
                answers.iter().filter(fits).count() as f64
            };
            let (hits, false_alarms, misses) = (count(true, true), count(false, true), count(true, false));
            near(&row["support"], hits + misses);
            near(&found["confusion"][at][at], hits);
            if hits + misses > 0.0 {
                near(&row["recall"], hits / (hits + misses));
                f1.push(2.0 * hits / (2.0 * hits + false_alarms + misses));
                near(&row["f1"], f1[f1.len() - 1]);
            } else {
                assert_eq!((&row["recall"], &row["f1"]), (&Value::Null, &Value::Null));
            }
            match hits + false_alarms > 0.0 {
                true => near(&row["precision"], hits / (hits + false_alarms)),
                false => assert_eq!(row["precision"], Value::Null),
            }
        }
        near(&found["macro_f1"]["value"], f1.iter().sum::<f64>() / 3.0);
        for figure in ["accuracy", "macro_f1", "jaccard", "log_loss", "brier", "calibration_error"] {
            let of = |key: &str| found[figure][key].as_f64().unwrap();
            assert!(of("low") <= of("high"), "{figure}: {found}");
        }
    }
    assert_eq!((&report["files"], &report["kind"]), (&7.into(), &"single".into()));
    assert_eq!(report["duration_s"], 35.0);
}

/// All keys of the report with the types of their values; part of the contract.
#[test]
fn the_keys_of_the_object_are_these() {
    fn walk(value: &Value, path: &str, lines: &mut Vec<String>) {
        match value {
            Value::Object(map) if map.is_empty() => lines.push(format!("{path} {{}}")),
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| walk(value, &format!("{path}.{key}"), lines))
            }
            Value::Array(values) => match values.first() {
                Some(first) => walk(first, &format!("{path}[]"), lines),
                None => lines.push(format!("{path} []")),
            },
            Value::String(_) => lines.push(format!("{path} text")),
            Value::Number(_) => lines.push(format!("{path} number")),
            Value::Bool(_) => lines.push(format!("{path} flag")),
            Value::Null => lines.push(format!("{path} null")),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    fs::write(folder.join("data/metal/broken.mp3"), "Not a sound.\n".repeat(1000)).unwrap();
    fs::copy(clip("sorrow"), folder.join("data/classical/copy.wav")).unwrap();
    fs::copy(clip("dink_5"), folder.join("data/classical/twin.wav")).unwrap();
    fs::copy(clip("dink_5"), folder.join("data/metal/twin.wav")).unwrap();
    let text = "path,genre,set,track\n\
        data/metal/armygeddon.wav,Metal,x,a\n\
        data/metal/broken.mp3,Metal,x,\n\
        data/classical/sorrow.wav,classical,x,\n\
        data/classical/copy.wav,classical,x,\n\
        data/classical/twin.wav,classical,x,\n\
        data/metal/twin.wav,Metal,x,\n\
        data/metal/genesis.wav,polka,x,\n\
        data/classical/dink_1.wav,classical,x,set:b\n\
        data/classical/dink_1.wav,classical,y,\n\
        data/electronic/chaos_god.wav,,x,\n";
    fs::write(folder.join("index.csv"), text).unwrap();
    let model = bundle(folder, "tracks = ['s:seen']\npcm_sha256 = []");
    let arguments = [
        "--data",
        "index.csv",
        "--where",
        "set=x",
        "--model",
        &model,
        "--ignore-unknown",
        "--merge",
        "punk=rock",
    ];
    let report =
        eval(folder, &[&arguments[..], &["--compare", "genres", "--exclude-training-material"]].concat());
    let mut lines = Vec::new();
    walk(&report, "", &mut lines);
    insta::assert_snapshot!(lines.join("\n"));
    // Excluded: one file of each kind, and both twins.
    let left_out = &report["left_out"];
    assert_eq!(left_out["unreadable"][0]["file"], "data/metal/broken.mp3");
    assert_eq!((&left_out["unknown_labels"][0], &left_out["unknown_files"]), (&"polka".into(), &1.into()));
    assert_eq!(left_out["copies"][0]["file"], "data/classical/copy.wav");
    assert_eq!(left_out["contradictions"][0][1], "data/metal/twin.wav");
    assert_eq!(left_out["unlabelled_rows"], 1);
    assert_eq!((&report["files"], &report["track"]["n"]), (&3.into(), &3.into()));
    assert_eq!(report["vocabulary"]["mapped"]["Metal"], "metal");
}

/// Differences equal those of the two reports; a head does not differ from itself.
#[test]
fn two_heads_are_compared_on_the_same_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    bundle(folder, "tracks = []");
    let there = "bundle/heads/genres.toml";
    let same = eval(folder, &["--data", "data", "--compare", there]);
    for figure in ["accuracy", "log_loss", "calibration_error"] {
        for key in ["value", "low", "high"] {
            assert_eq!(same["comparison"]["patch"][figure][key], 0.0, "{figure}");
        }
    }
    // A head with lower confidence.
    let toml = fs::read_to_string(folder.join(there)).unwrap();
    let line = toml.lines().find(|line| line.starts_with("temperature = ")).unwrap();
    fs::write(
        folder.join(there),
        toml.replace(line, "temperature = 4.0").replace("name = \"genres\"", "name = \"calm\""),
    )
    .unwrap();
    let report = eval(folder, &["--data", "data", "--compare", there]);
    let other = eval(folder, &["--data", "data", "--head", there]);
    assert_eq!(report["comparison"]["head"], "calm");
    for level in ["patch", "track"] {
        for figure in ["accuracy", "macro_f1", "log_loss", "calibration_error"] {
            let of = |report: &Value, key: &str| report[level][figure][key].as_f64().unwrap();
            let difference = of(&report["comparison"], "value");
            assert!((difference - (of(&report, "value") - of(&other, "value"))).abs() < 3e-6, "{figure}");
            assert!(of(&report["comparison"], "low") <= of(&report["comparison"], "high"), "{figure}");
        }
    }
    assert_ne!(report["comparison"]["track"]["log_loss"]["value"], 0.0);
    let told = run(folder, &["eval", "--data", "data", "--resamples", "20", "--compare", there]);
    assert!(told.stdout.contains("`genres` minus `calm`, on the same recordings"), "{}", told.stdout);
}

/// A multi-label head has other figures and accepts several labels per recording.
#[test]
fn a_head_of_several_labels_is_judged_by_each() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    let text = "path,label\ndata/metal/armygeddon.wav,metal|rock\ndata/classical/sorrow.wav,instrumental\n";
    fs::write(folder.join("index.csv"), text).unwrap();
    let report = eval(folder, &["--data", "index.csv", "--head", "tags"]);
    assert_eq!(report["kind"], "multi");
    for figure in [
        "accuracy",
        "micro_f1",
        "macro_f1",
        "jaccard",
        "average_precision",
        "log_loss",
        "brier",
        "calibration_error",
    ] {
        assert!(report["track"][figure]["value"].is_f64(), "{figure}");
    }
    assert_eq!(report["track"].get("confusion"), None);
    let supports: Vec<(&str, u64)> = report["track"]["by_label"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["label"].as_str().unwrap(), row["support"].as_u64().unwrap()))
        .filter(|(_, support)| *support > 0)
        .collect();
    assert_eq!(supports, [("rock", 1), ("metal", 1), ("instrumental", 1)]);
    refuses(
        folder,
        &["--data", "index.csv"],
        &["armygeddon.wav` has 2 labels (metal, rock), and one is wanted"],
    );
}

#[test]
fn data_that_cannot_be_used_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    fs::create_dir_all(folder.join("empty/metal")).unwrap();
    fs::create_dir_all(folder.join("empty/jazz")).unwrap();
    fs::copy(clip("genesis"), folder.join("empty/metal/one.wav")).unwrap();
    fs::create_dir_all(folder.join("broken/metal")).unwrap();
    fs::write(folder.join("broken/metal/one.wav"), "").unwrap();
    fs::create_dir_all(folder.join("polka/polka")).unwrap();
    fs::copy(clip("genesis"), folder.join("polka/polka/one.wav")).unwrap();
    let twice =
        "path,genre,track\ndata/metal/genesis.wav,metal,t\ndata/electronic/chaos_god.wav,electronic,t\n";
    fs::write(folder.join("twice.csv"), twice).unwrap();
    let check = |data: &str, more: &[&str], parts: &[&str]| {
        refuses(folder, &[&["--data", data], more].concat(), parts);
    };
    check("missing", &[], &["`missing` cannot be read"]);
    check("empty", &[], &["the class folder `empty/jazz` holds no sound file"]);
    check("empty/metal", &[], &["`empty/metal` holds no class folder", "one folder a genre"]);
    check("twice.csv", &[], &["track `t` is `metal` in `data/metal/genesis.wav` and `electronic` in"]);
    check(
        "broken",
        &[],
        &["nothing is left to judge of 1 files", "`broken/metal/one.wav` is empty (0 bytes)"],
    );
    check("polka", &[], &["does not know: polka", "it knows ambient, blues", "--map", "--ignore-unknown"]);
    check("polka", &["--ignore-unknown"], &["nothing is left"]);
    check("polka", &["--map", "polka=folklore"], &["no label `folklore`"]);
    check("data", &["--where", "split=test"], &["`--where split=test` chooses rows of an index"]);
    check("twice.csv", &["--where", "genre=jazz"], &["no labelled row with `genre=jazz`"]);
    check("data", &["--head", "nonesuch"], &["no such head"]);
    check("data", &["--compare", "tags"], &["does not know"]);
    check("data", &["--plots", "data/metal/genesis.wav"], &["cannot create the folder"]);
    let usage = |arguments: &[&str], part: &str| {
        let ended = run(folder, &[&["eval", "--data", "data"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    };
    usage(&["--where", "split"], "not COLUMN=VALUE");
    usage(&["--map", "polka"], "not FROM=TO");
    usage(&["--include-training-material", "--exclude-training-material"], "cannot be used with");
}

/// Invalid files are listed and counted; the others are evaluated.
#[test]
fn what_cannot_be_read_is_listed_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    let data = folder.join("data");
    fs::write(data.join("metal/text.mp3"), "Not a sound.\n".repeat(1000)).unwrap();
    fs::write(data.join("metal/empty.wav"), "").unwrap();
    fs::write(data.join("metal/cover.jpg"), "a picture").unwrap();
    // No music, so no track is lost.
    write_wav(&data.join("classical/silence.wav"), 16_000, 1, &vec![0.0; 5 * 16_000]);
    write_wav(&data.join("electronic/sweep.wav"), 44_100, 2, &signal(44_100, 2, 4.0));
    // The same audio under two labels is excluded from both.
    fs::copy(clip("dink_5"), data.join("metal/twin.wav")).unwrap();
    fs::copy(clip("dink_5"), data.join("classical/twin.wav")).unwrap();
    let ended = run(folder, &["eval", "--data", "data", "--resamples", "20", "--plots", "plots"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for part in [
        "left out: `data/metal/empty.wav` is empty (0 bytes)",
        "left out: `data/metal/text.mp3` is not in a known audio format",
    ] {
        assert!(ended.stderr.contains(part), "no `{part}` in\n{}", ended.stderr);
    }
    for part in [
        "on `data`: 9 files",
        "left out: 2 files that cannot be read: `data/metal/empty.wav`, `data/metal/text.mp3`",
        "left out: 2 files that sound exactly alike under different labels: `data/classical/twin.wav`, `data/metal/twin.wav`",
        // The silent file, and the sweep if the gate classifies it as noise.
        "tracks have no patch of music, and are judged by the others",
        "9 tracks",
        "confusion of tracks",
    ] {
        assert!(ended.stdout.contains(part), "no `{part}` in\n{}", ended.stdout);
    }
    for name in ["confusion.svg", "reliability.svg"] {
        let svg = fs::read_to_string(folder.join("plots").join(name)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{name}");
    }
    assert_eq!(files(&folder.join("plots")).len(), 2);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
