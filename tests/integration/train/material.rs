//! Training material other than one label per recording.

use super::*;

/// Labels with probabilities: from an index, and from audio in two folders.
#[test]
fn a_track_may_have_several_genres() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    music(folder);
    let mut index = "path,genre,artist\n".to_owned();
    for genre in GENRES {
        for track in 0..4 {
            let labels = if genre == "classical" { "classical" } else { &format!("{genre}|loud") };
            index += &format!("music/{genre}/{track}.flac,{labels},{genre} {}\n", track / 2);
        }
    }
    fs::write(folder.join("index.csv"), index).unwrap();
    let arguments = ["train", "--data", "index.csv", "--out", "mine"];
    let refused = run(folder, &arguments);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("`--multi-label` when training"), "{}", refused.stderr);

    let ended = run(folder, &[&arguments[..], &["--multi-label"]].concat());
    check_trained(&ended);
    // Two artists per genre.
    assert!(
        ended.stderr.contains("cross-validated in 2 parts, not 5: `classical` has 4 tracks of 2 groups"),
        "{}",
        ended.stderr
    );
    let head = toml(&files(&folder.join("mine"))["heads/genres.toml"]);
    assert_eq!(head["kind"].as_str(), Some("multi"));
    cut("metal", HELD_OUT, 9.0, &folder.join("metal.wav"), &[]);
    cut("classical", HELD_OUT, 9.0, &folder.join("classical.wav"), &[]);
    let lines =
        run(folder, &["classify", "--json", "--model", "./mine", "metal.wav", "classical.wav"]).json();
    let score = |line: usize, label: &str| lines[line]["scores"][label].as_f64().unwrap();
    for (line, label, high) in [
        (0, "metal", true),
        (0, "loud", true),
        (0, "classical", false),
        (1, "classical", true),
        (1, "loud", false),
    ] {
        assert_eq!(score(line, label) > 0.5, high, "{label} in {}", lines[line]["scores"]);
    }

    fs::copy(folder.join("music/metal/0.flac"), folder.join("music/electronic/both.flac")).unwrap();
    let ended = train(folder, &["--multi-label", "--force"]);
    check_trained(&ended);
    let card = fs::read_to_string(folder.join("mine/CARD.md")).unwrap();
    assert!(card.contains("| electronic | 5 | 5 |") && card.contains("| metal | 4 | 4 |"), "{card}");
}

/// Training from an existing head keeps labels without data, and adds new ones.
#[test]
fn a_known_head_is_corrected_and_keeps_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let music = music(folder);
    for genre in GENRES {
        cut(genre, HELD_OUT, 9.0, &folder.join(format!("{genre}.wav")), &[]);
    }
    let genres = || -> Vec<String> {
        let files =
            ["classify", "--json", "--model", "./mine", "classical.wav", "electronic.wav", "metal.wav"];
        let lines = run(folder, &files).json();
        lines.iter().map(|line| line["genre"].as_str().unwrap().to_owned()).collect()
    };
    let labels = || toml(&files(&folder.join("mine"))["heads/genres.toml"])["labels"].clone();
    let known = toml(&base("heads/genres.toml"))["labels"].clone();

    fs::rename(music.join("classical"), folder.join("aside")).unwrap();
    let ended = train(folder, &["--from", "genres", "--json"]);
    check_trained(&ended);
    let report = ended.json().remove(0);
    assert_eq!((&report["prior"]["head"], &report["prior"]["mean"]), (&"genres".into(), &1.0.into()));
    assert!(report["data_sets"][0]["before"]["report"]["track"]["n"] == 8, "{report}");
    assert_eq!(labels(), known);
    // There were no data for classical music.
    assert_eq!(genres(), ["classical", "electronic", "metal"]);

    fs::rename(folder.join("aside"), music.join("classical")).unwrap();
    fs::rename(music.join("electronic"), music.join("chiptune")).unwrap();
    check_trained(&train(folder, &["--from", "genres", "--force"]));
    let mut expected = strings(&known);
    expected.push("chiptune");
    expected.sort_unstable();
    assert_eq!(strings(&labels()), expected);
    assert_eq!(genres(), ["classical", "chiptune", "metal"]);
}

/// A file of embeddings gives the same head as the recordings.
#[test]
fn embeddings_teach_as_recordings_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let music = music(folder);
    check_trained(&train(folder, &["--no-prior"]));
    let (mut rows, mut label, mut track) = (Vec::new(), Vec::new(), Vec::new());
    for (number, genre) in GENRES.iter().enumerate() {
        let from = music.join(genre);
        let paths: Vec<String> =
            (0..4).map(|at| from.join(format!("{at}.flac")).display().to_string()).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let ended = run(folder, &[&["embed", "--out", genre], &paths[..]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for at in 0..4_i64 {
            let file = fs::read(folder.join(genre).join(format!("{at}.flac.npy"))).unwrap();
            // The header of NumPy states its own length.
            let begin = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
            let patches = (file.len() - begin) / (624 * 4);
            rows.extend_from_slice(&file[begin..]);
            label.extend(std::iter::repeat_n(number as i64, patches));
            track.extend(std::iter::repeat_n(number as i64 * 4 + at, patches));
        }
    }
    let bytes = |values: &[i64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (label, track) = (bytes(&label), bytes(&track));
    let count = rows.len() / (624 * 4);
    let view = |dtype, shape, data| safetensors::tensor::TensorView::new(dtype, shape, data).unwrap();
    let tensors = [
        ("embedding", view(safetensors::Dtype::F32, vec![count, 624], &rows)),
        ("label", view(safetensors::Dtype::I64, vec![count], &label)),
        ("track", view(safetensors::Dtype::I64, vec![count], &track)),
    ];
    let metadata = [("labels".to_owned(), format!("{GENRES:?}"))].into();
    fs::write(folder.join("set.safetensors"), safetensors::serialize(tensors, Some(metadata)).unwrap())
        .unwrap();
    let arguments = ["train", "--embeddings", "set.safetensors", "--out", "other", "--no-prior", "--json"];
    let ended = run(folder, &arguments);
    check_trained(&ended);
    let report = ended.json().remove(0);
    assert_eq!((&report["data_sets"][0]["name"], &report["track"]["n"]), (&"set".into(), &12.into()));
    let head = |bundle: &str| files(&folder.join(bundle))["heads/genres.safetensors"].clone();
    let (mine, other) = (head("mine"), head("other"));
    for name in ["weight", "bias"] {
        let pairs = floats(&mine, name).into_iter().zip(floats(&other, name));
        // Tracks are assigned to folds by name: another initial value, the same minimum.
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-3), "{name}");
    }
}

/// Weights by label source, a dominant artist, and a label source without rows.
#[test]
fn an_index_weighs_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    music(folder);
    let mut index = "path,genre,artist,label_source\n".to_owned();
    for genre in GENRES {
        for track in 0..4 {
            let artist = if genre == "metal" { track / 3 } else { track };
            let source = if track == 3 { "weak" } else { "dataset" };
            index += &format!("music/{genre}/{track}.flac,{genre},{genre} {artist},{source}\n");
        }
    }
    fs::write(folder.join("index.csv"), index).unwrap();
    let arguments = ["train", "--data", "index.csv", "--out", "mine", "--json", "--force", "--trust"];
    let trained = |trust: &str| run(folder, &[&arguments[..], &[trust]].concat());
    let ended = trained("dataset=1,weak=0.3");
    check_trained(&ended);
    let report = ended.json().remove(0);
    // Rows of low weight are trained on, but not evaluated.
    assert_eq!(report["track"]["n"], 9);
    assert_eq!(report["dominated"][0]["artist"], "metal 0");
    assert!(ended.stderr.contains("`metal` is dominated by one artist: 91 %"), "{}", ended.stderr);
    let ended = trained("rumour=1");
    assert!(ended.stderr.contains("no row has the `label_source` rumour"), "{}", ended.stderr);
}
