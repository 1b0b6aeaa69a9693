//! `genred features`, `embed` and `bench`.

use std::fs;
use std::path::Path;

use super::fixtures;
use crate::support::audio::{signal, write_wav};
use crate::support::clips::{digest, read_clip};
use crate::support::daemon::run;
use crate::support::music::clip;
use ndarray::Array2;

fn npy(path: &Path) -> Array2<f32> {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY") && String::from_utf8_lossy(&bytes[..100]).contains("'<f4'"));
    ndarray_npy::read_npy(path).unwrap()
}

/// `[frames, 96]`, with one frame per 256 samples plus one, as in librosa with centred frames.
#[test]
fn features_are_frames_by_bands() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_wav(&folder.join("tenth.wav"), 16_000, 1, &signal(16_000, 1, 0.1));
    fs::copy(clip("sorrow"), folder.join("clip.wav")).unwrap();
    for (file, samples) in [("tenth.wav", 1_600), ("clip.wav", 80_000)] {
        let ended = run(folder, &["features", file, "--out", "mel.npy"]);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
        let frames = npy(&folder.join("mel.npy"));
        assert_eq!(frames.dim(), (1 + samples / 256, 96), "{file}");
        assert!(frames.iter().all(|value| value.is_finite() && *value >= 0.0));
    }
}

#[test]
fn embeddings_are_patches_by_dimensions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    fs::copy(clip("sorrow"), folder.join("clip.wav")).unwrap();

    let ended = run(folder, &["embed", "clip.wav", "--out", "one.npy", "--hop", "0.5"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(npy(&folder.join("one.npy")).dim(), (5, 624));

    fs::write(folder.join("list.txt"), "clip.wav\nempty.wav\ntenth.wav\n").unwrap();
    let ended = run(folder, &["embed", "--list", "list.txt", "--out", "many"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let lines = ended.json();
    assert_eq!(lines.len(), 3);
    let pcm_sha256: String = digest(&read_clip("sorrow")).iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = serde_json::json!({
        "file": "clip.wav", "out": "many/clip.wav.npy", "patches": 3, "pcm_sha256": pcm_sha256
    });
    assert_eq!(lines[0], expected);
    assert_eq!(lines[1]["error"], "`empty.wav` is empty (0 bytes)");
    assert_eq!(npy(&folder.join("many/clip.wav.npy")).dim(), (3, 624));
    assert_eq!(npy(&folder.join("many/tenth.wav.npy")).dim(), (1, 624));
}

/// All figures are present and consistent. Their values depend on the machine.
#[test]
fn bench_prints_figures_that_hang_together() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["bench", "--hop", "0.5", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = &ended.json()[0];
    let figure = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("no `{key}` in {line}"));
    for key in ["resample_ms", "loudness_ms", "score_ms_per_patch", "streams_per_core"] {
        assert!(figure(key) > 0.0, "{key}");
    }
    assert_eq!((line["model"].as_str(), figure("threads"), figure("hop_s")), (Some("musicnn-msd"), 1.0, 0.5));
    assert_eq!(figure("lookahead_ms"), 656.0, "41 frames of 16 ms");
    let second = 1e3 / figure("front_end_x_realtime") + 2.0 * figure("score_ms_per_patch");
    assert!((figure("stream_second_ms") - second).abs() < 0.01, "two patches a second");
    assert!((figure("streams_per_core") * figure("stream_second_ms") / 1e3 - 1.0).abs() < 0.01);

    let ended =
        run(folder.path(), &["bench", "--trunk", "windowed", "--batch", "2", "--provider", "cpu", "--json"]);
    let line = &ended.json()[0];
    assert_eq!(
        (&line["lookahead_ms"], &line["batch"], &line["execution_provider"]),
        (&0.0.into(), &2.into(), &"cpu".into())
    );

    let ended = run(folder.path(), &["bench", "--model", "nowhere"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let ended = run(folder.path(), &["bench", "front-end", "--seconds", "2", "--json"]);
    assert!(ended.json()[0]["front_end_x_realtime"].as_f64().unwrap() > 1.0);
}

/// Both codecs, from a file to the broker's acknowledgement: every patch is counted and timed.
#[test]
fn bench_streams_counts_every_patch_to_its_acknowledgement() {
    let folder = tempfile::tempdir().unwrap();
    for codec in ["mp3", "wav"] {
        let ended = run(
            folder.path(),
            &["bench", "streams", "--sources", "3", "--codec", codec, "--seconds", "7", "--json", "--log"],
        );
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let line = &ended.json()[0];
        let count = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {line}"));
        assert_eq!((count("sources"), line["broker"].as_str()), (3, Some("embedded")), "{line}");
        // The first patch of each source ends after 3.65 s, the others follow once per second.
        assert!(count("produced") >= 6, "{line}");
        assert_eq!(count("produced"), count("scored") + count("dropped"), "{line}");
        assert!(count("scored_least") >= 1, "{line}");
        assert_eq!(count("logged"), count("scored"), "{line}");
        assert!(line["latency_ms_p50"].as_f64() > Some(0.0), "{line}");
        assert!(line["latency_ms_p99"].as_f64() >= line["latency_ms_p50"].as_f64(), "{line}");
    }
    let ended = run(folder.path(), &["bench", "streams", "--input", "gone.mp3"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("gone.mp3"), "{}", ended.stderr);
}
