//! The daemon and the offline commands give the same scores, and sources do not affect each other.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::audio::write_wav;
use crate::support::bundle::copy_with_reference;
use crate::support::daemon::{Daemon, Ended, genred, run};
use crate::support::music::{cut, song};
use crate::support::tool;
use serde_json::Value;

/// Compared parts of a window: its span and all scores.
#[derive(Debug, PartialEq)]
struct Window {
    start: f64,
    end: f64,
    state: String,
    genre: String,
    scores: Vec<(String, f32)>,
}

/// Batches of different sizes may sum products in a different order.
const SAME: f32 = 1e-6;

fn window(value: &Value) -> Window {
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    let scores = value["scores"].as_object().unwrap();
    Window {
        start: value["start"].as_f64().unwrap(),
        end: value["end"].as_f64().unwrap(),
        state: text("state"),
        genre: text("genre"),
        scores: scores.iter().map(|(label, p)| (label.clone(), p.as_f64().unwrap() as f32)).collect(),
    }
}

/// Windows of `source`, in order and complete.
fn daemon_windows(ended: &Ended, source: &str) -> Vec<Window> {
    let lines = ended.lines("window", Some(source));
    let numbers: Vec<u64> = lines.iter().map(|line| line["patch"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..lines.len() as u64).collect::<Vec<_>>(), "windows of `{source}` are missing");
    lines.iter().map(window).collect()
}

fn classify_windows(folder: &Path, file: &str, hop: &str) -> Vec<Window> {
    let ended = run(folder, &["classify", "--json", "--hop", hop, file]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let [line] = &ended.json()[..] else { panic!("one line a file, not {}", ended.stdout) };
    line["windows"].as_array().unwrap().iter().map(window).collect()
}

fn assert_same(what: &str, daemon: &[Window], offline: &[Window]) {
    assert_eq!(daemon.len(), offline.len(), "{what}: windows");
    for (one, other) in daemon.iter().zip(offline) {
        assert_eq!((one.start, one.end), (other.start, other.end), "{what}");
        assert_eq!((&one.state, &one.genre), (&other.state, &other.genre), "{what} at {} s", one.start);
        assert_eq!(one.scores.len(), other.scores.len());
        for ((label, p), (other_label, q)) in one.scores.iter().zip(&other.scores) {
            assert_eq!(label, other_label);
            assert!((p - q).abs() <= SAME, "{what} at {} s: {label} is {p} and {q}", one.start);
        }
    }
}

/// First frames of the patches of a file with `frames` frames, as documented.
fn promised_starts(frames: u64, hop: f64) -> Vec<u64> {
    let whole = (0..).map(|k: u64| (k as f64 * hop * 62.5).floor() as u64);
    let mut starts: Vec<u64> = whole.take_while(|start| start + 187 <= frames).collect();
    let heard = starts.last().unwrap() + 187;
    if (frames - heard) as f64 >= hop * 62.5 / 2.0 {
        starts.push(frames - 187);
    }
    starts
}

/// `genred run --fast` and `genred classify` produce the documented patches with the same scores.
#[test]
fn the_daemon_and_classify_agree() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(song("metal"), folder.join("long.ogg")).unwrap();
    cut("metal", 30.0, 2.0, &folder.join("2s.flac"), &[]);
    cut("classical", 50.0, 3.4, &folder.join("3s.wav"), &[]);
    cut("electronic", 20.0, 10.7, &folder.join("10s.mp3"), &["-b:a", "192k"]);
    cut("electronic", 20.0, 10.7, &folder.join("10s.wav"), &["-ar", "16000", "-ac", "1"]);

    let check = |file: &str, hop: &str, patches: usize| {
        let ended = run(folder, &["run", file, "--fast", "--no-mqtt", "--output", "jsonl", "--hop", hop]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let daemon = daemon_windows(&ended, file.split('.').next().unwrap());
        assert_eq!(daemon.len(), patches, "{file}, hop {hop}");
        assert_same(&format!("{file}, hop {hop}"), &daemon, &classify_windows(folder, file, hop));
        daemon
    };
    check("long.ogg", "1.0", 196);
    check("long.ogg", "0.25", 780);
    check("2s.flac", "1.0", 1);
    check("2s.flac", "0.25", 1);
    check("3s.wav", "1.0", 1);
    check("3s.wav", "0.25", 3);
    check("10s.mp3", "1.0", 9);
    check("10s.mp3", "0.25", 32);
    for hop in [1.0, 0.25] {
        let starts = promised_starts(1 + 171_200 / 256, hop);
        let windows = check("10s.wav", &hop.to_string(), starts.len());
        for (window, start) in windows.iter().zip(starts) {
            let seconds = |frame: u64| (frame * 256) as f64 / 16_000.0;
            assert_eq!((window.start, window.end), (seconds(start), seconds(start + 187)));
        }
    }
}

/// Pacing changes the time of patches, not their content.
#[test]
fn a_file_as_it_plays_gives_the_same_windows() {
    let folder = tempfile::tempdir().unwrap();
    cut("metal", 60.0, 4.2, &folder.path().join("song.wav"), &[]);
    let ended = run(folder.path(), &["run", "song.wav", "--no-mqtt", "--output", "jsonl"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took.as_secs_f64() > 4.0, "4.2 s of sound took {:?}", ended.took);
    let offline = classify_windows(folder.path(), "song.wav", "1.0");
    assert_same("as it plays", &daemon_windows(&ended, "song"), &offline);
}

/// The reference network: the windowed trunk is the same function, the streamed one also uses the
/// context of a patch.
#[test]
fn the_reference_network_agrees_with_the_trunks() {
    let folder = tempfile::tempdir().unwrap();
    cut("classical", 50.0, 10.0, &folder.path().join("song.wav"), &[]);
    let scores = |more: &[&str]| {
        let ended = run(folder.path(), &[&["classify", "--json", "song.wav"], more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        window(&ended.json()[0]["windows"][3]).scores
    };
    copy_with_reference(&folder.path().join("reference"));
    let reference = scores(&["--model", "./reference", "--trunk", "windowed"]);
    for (more, tolerance) in [(&["--trunk", "windowed"][..], 1e-4), (&[], 0.1)] {
        for ((label, p), (_, q)) in scores(more).into_iter().zip(&reference) {
            assert!((p - q).abs() < tolerance, "{more:?}, {label}: {p} and {q}");
        }
    }
}

/// Two sources that share the model get the same scores as alone.
#[test]
fn two_sources_at_once_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 20.0, &folder.join("one.flac"), &[]);
    cut("classical", 60.0, 31.0, &folder.join("two.wav"), &[]);
    let ended = run(
        folder,
        &[
            "run",
            "one.flac",
            "two.wav",
            "one.flac",
            "--fast",
            "--no-mqtt",
            "--output",
            "jsonl",
            "--hop",
            "0.5",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (source, file) in [("one", "one.flac"), ("two", "two.wav"), ("one-2", "one.flac")] {
        assert_same(source, &daemon_windows(&ended, source), &classify_windows(folder, file, "0.5"));
        let availability = ended.lines("availability", Some(source));
        let online: Vec<bool> = availability.iter().map(|line| line["online"].as_bool().unwrap()).collect();
        assert_eq!(online, [false, true, false], "{source}");
    }
}

/// Invariant: a broken source does not stop another one.
#[test]
fn broken_sources_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 20.0, &folder.join("good.flac"), &[]);
    let ogg = fs::read(song("metal")).unwrap();
    fs::write(folder.join("text.mp3"), "This is no sound at all.\n".repeat(400)).unwrap();
    fs::write(folder.join("empty.wav"), "").unwrap();
    // Valid headers, followed by noise instead of audio.
    let noise: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(folder.join("corrupt.ogg"), [&ogg[..5000], &noise].concat()).unwrap();
    write_wav(&folder.join("no-samples.wav"), 44_100, 2, &[]);

    let bad = ["missing.flac", "text.mp3", "empty.wav", "no-samples.wav"];
    let mut arguments = vec!["run", "--fast", "--no-mqtt", "--output", "jsonl"];
    arguments.extend(bad);
    arguments.extend(["corrupt.ogg", "good.flac"]);
    let ended = run(folder, &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for file in bad {
        let name = file.split('.').next().unwrap();
        let last = format!("genred: source `{name}` failed: `{file}` ");
        assert!(ended.stderr.contains(&last), "no `{last}` in\n{}", ended.stderr);
        assert!(ended.lines("window", Some(name)).is_empty(), "{file}");
        let events = ended.lines("event", Some(name));
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["event_type"], "source_lost");
        let states = ended.lines("state", Some(name));
        assert_eq!(states.last().unwrap()["state"], "lost", "{file}");
    }
    assert!(!ended.stderr.contains("source `good`"), "{}", ended.stderr);
    let good = daemon_windows(&ended, "good");
    assert_same("good", &good, &classify_windows(folder, "good.flac", "1.0"));
    assert_eq!(good.len(), 18);
}

/// A pipe that ends is the end of the source; an empty one is an error.
#[test]
fn standard_input_ends() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("electronic", 30.0, 7.0, &folder.join("song.wav"), &[]);
    let offline = classify_windows(folder, "song.wav", "1.0");
    let mut daemon = Daemon::start(
        genred(folder).args(["run", "-", "--no-mqtt", "--output", "jsonl"]).stdin(Stdio::piped()),
    );
    std::io::copy(&mut fs::File::open(folder.join("song.wav")).unwrap(), &mut daemon.stdin()).unwrap();
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_same("standard input", &daemon_windows(&ended, "stdin"), &offline);

    let ended = run(folder, &["run", "-", "--no-mqtt", "--output", "jsonl"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("source `stdin` failed: no data arrived on `standard input`"),
        "{}",
        ended.stderr
    );
}

/// Output of ffmpeg through a pipe: WAV without a length, or raw PCM.
#[test]
fn what_ffmpeg_pipes_in_gives_the_same_windows_as_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 12.0, &folder.join("song.flac"), &["-sample_fmt", "s16"]);
    let offline = classify_windows(folder, "song.flac", "0.5");
    for (format, uri) in [("wav", "-"), ("s16le", "stdin:?format=s16le&rate=44100&channels=2")] {
        let mut ffmpeg = tool("ffmpeg", "ffmpeg")
            .args(["-v", "error", "-i", "song.flac", "-f", format, "-"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = ffmpeg.stdout.take().unwrap();
        let mut command = genred(folder);
        command.args(["run", uri, "--no-mqtt", "--output", "jsonl", "--hop", "0.5"]).stdin(pipe);
        let daemon = Daemon::start(&mut command);
        // The parent holds an end of the pipe.
        drop(command);
        let ended = daemon.end();
        assert!(ffmpeg.wait().unwrap().success());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_same(uri, &daemon_windows(&ended, "stdin"), &offline);
    }
}
