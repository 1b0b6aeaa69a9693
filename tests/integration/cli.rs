//! Command line: output, exit codes, and messages about invalid input.

mod check;
mod invalid_input;
mod tools;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::audio::{signal, write_wav};
use crate::support::daemon::{Daemon, Ended, genred, run};
use crate::support::music::cut;
use serde_json::Value;

/// Audio files of unusual kinds, and files that are not audio.
fn fixtures(folder: &Path) {
    let wav = |name: &str, rate: u32, channels: u16, seconds: f64| {
        write_wav(&folder.join(name), rate, channels, &signal(rate, channels, seconds));
    };
    wav("good.wav", 44_100, 2, 4.0);
    wav("tenth.wav", 16_000, 1, 0.1);
    wav("mono.wav", 44_100, 1, 4.0);
    wav("eight.wav", 48_000, 8, 4.0);
    wav("8k.wav", 8_000, 1, 4.0);
    wav("192k.wav", 192_000, 2, 4.0);
    let mut samples = signal(16_000, 1, 4.0);
    samples[5_000..6_000].fill(f32::NAN);
    samples[7_000] = f32::INFINITY;
    write_wav(&folder.join("nan.wav"), 16_000, 1, &samples);
    write_wav(&folder.join("silence.wav"), 44_100, 2, &vec![0.0; 2 * 6 * 44_100]);
    fs::write(folder.join("empty.wav"), "").unwrap();
    fs::write(folder.join("text.mp3"), "Not a sound.\n".repeat(1000)).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
}

/// Environment in which neither ALSA nor PulseAudio has a device.
fn without_sound(folder: &Path) -> Command {
    fs::write(folder.join("alsa.conf"), "").unwrap();
    let mut command = genred(folder);
    command
        .env("ALSA_CONFIG_PATH", folder.join("alsa.conf"))
        .env("PULSE_SERVER", format!("unix:{}", folder.join("nobody").display()));
    command
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Checks the posteriors of a single-label head: finite, 0 to 1, with the sum 1.
fn check_scores(value: &Value) {
    let scores: Vec<f64> =
        value["scores"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).collect();
    assert!(scores.len() > 1 && scores.iter().all(|p| (0.0..=1.0).contains(p)), "{value}");
    assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{value}");
}

/// Checks that state, label and confidence are consistent.
fn check_verdict(value: &Value) {
    check_scores(value);
    let scores = value["scores"].as_object().unwrap();
    if value["state"] == "music" {
        let (label, p) = scores
            .iter()
            .max_by(|(_, a), (_, b)| a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()))
            .unwrap();
        assert_eq!(value["genre"], Value::from(label.as_str()), "{value}");
        assert_eq!(&value["confidence"], p, "{value}");
    } else {
        assert_eq!((&value["genre"], &value["confidence"]), (&value["state"], &Value::Null), "{value}");
    }
}

/// One line per file, in the order of the arguments, with exactly the documented keys, also for
/// invalid files.
#[test]
fn classify_answers_every_file_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    // Expected number of windows, or part of the error.
    let cases: [(&str, Result<usize, &str>); 13] = [
        ("good.wav", Ok(2)),
        ("missing.wav", Err("`missing.wav` does not exist; check the path")),
        ("tenth.wav", Ok(1)),
        ("folder", Err("`folder` holds no audio file")),
        ("mono.wav", Ok(2)),
        ("empty.wav", Err("`empty.wav` is empty (0 bytes)")),
        ("eight.wav", Ok(2)),
        ("text.mp3", Err("`text.mp3` is not in a known audio format; known are wav, aiff, au")),
        ("8k.wav", Ok(2)),
        ("192k.wav", Ok(2)),
        ("nan.wav", Ok(2)),
        ("silence.wav", Ok(4)),
        ("good.wav", Ok(2)),
    ];
    let mut arguments = vec!["classify", "--json"];
    arguments.extend(cases.iter().map(|(file, _)| *file));
    let ended = run(folder, &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let lines = ended.json();
    assert_eq!(lines.len(), cases.len(), "{}", ended.stdout);
    for (line, (file, expected)) in lines.iter().zip(cases) {
        assert_eq!(line["file"], file);
        match expected {
            Ok(windows) => {
                let answer = ["state", "genre", "confidence", "scores"];
                assert_eq!(
                    keys(line),
                    [&["file", "duration_s", "model", "head"], &answer[..], &["windows"]].concat()
                );
                assert_eq!((&line["model"], &line["head"]), (&"musicnn-msd".into(), &"genres".into()));
                check_verdict(line);
                let found = line["windows"].as_array().unwrap();
                assert_eq!(found.len(), windows, "{file}");
                for window in found {
                    assert_eq!(keys(window), [&["start", "end"], &answer[..]].concat());
                    check_verdict(window);
                    let length = window["end"].as_f64().unwrap() - window["start"].as_f64().unwrap();
                    assert!((length - 2.992).abs() < 1e-9, "{window}");
                }
            }
            Err(part) => {
                assert_eq!(keys(line), ["file", "error"]);
                assert!(line["error"].as_str().unwrap().contains(part), "{line}");
            }
        }
    }
    let of = |file: &str| lines.iter().find(|line| line["file"] == file).unwrap();
    assert_eq!(of("silence.wav")["state"], "silence");
    assert_eq!(of("tenth.wav")["duration_s"], 0.1);
    assert_eq!(of("silence.wav")["duration_s"], 6.0);
    assert_eq!(lines[0], lines[12], "the same file twice gives two answers");
}

/// Folders are searched recursively, in order. Files that are not audio are counted, broken ones
/// are reported. Playlists are replaced by their entries.
#[test]
fn classify_takes_folders_and_playlists() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let album = folder.join("album");
    fs::create_dir_all(album.join("cd 2")).unwrap();
    let sound = signal(16_000, 1, 3.0);
    for name in ["02.wav", "01.wav", "cd 2/03.wav", "noname"] {
        write_wav(&album.join(name), 16_000, 1, &sound);
    }
    for name in ["Cover.JPG", "album.cue", "info.nfo", ".DS_Store", "._01.wav", "unknown", "list.m3u"] {
        fs::write(album.join(name), "no audio").unwrap();
    }
    std::os::unix::fs::symlink(&album, album.join("cd 2/loop")).unwrap();
    let files = |arguments: &[&str]| {
        let ended = run(folder, &[&["classify", "--json"], arguments].concat());
        let lines: Vec<String> = ended
            .json()
            .iter()
            .map(|line| {
                let error = line["error"].as_str().map_or("", |_| "!");
                format!("{}{error}", line["file"].as_str().unwrap())
            })
            .collect();
        (ended.code, lines, ended.stderr)
    };
    let (code, lines, stderr) = files(&["album"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(lines, ["album/01.wav", "album/02.wav", "album/cd 2/03.wav", "album/noname"]);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("genred: skipped 7 files that are not audio ("), "{stderr}");
    // A broken recording is an audio file; so is any file given by path.
    fs::write(album.join("broken.flac"), "fLaC").unwrap();
    let (code, lines, _) = files(&["album", "album/Cover.JPG"]);
    assert_eq!(code, Some(1));
    assert_eq!(lines[2..4], ["album/broken.flac!", "album/cd 2/03.wav"]);
    assert_eq!(lines.last().unwrap(), "album/Cover.JPG!");
    fs::write(
        folder.join("list.m3u8"),
        "\u{feff}#EXTM3U\r\n#EXTINF:3,A\r\nalbum\\cd 2\\03.wav\r\nhttp://h/x.mp3\r\ngone.wav\r\n",
    )
    .unwrap();
    let xspf =
        "<playlist><trackList><track><location>album/cd%202/03.wav</location></track></trackList></playlist>";
    fs::write(folder.join("list.xspf"), xspf).unwrap();
    let (code, lines, stderr) = files(&["list.m3u8", "list.xspf"]);
    assert_eq!(code, Some(1));
    assert_eq!(lines, ["album/cd 2/03.wav", "gone.wav!", "album/cd 2/03.wav"]);
    assert!(stderr.contains("skipped 1 address in playlists"), "{stderr}");
    let ended = run(folder, &["run", "--no-mqtt", "list.m3u8"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("`list.m3u8` is a playlist, and a source is one file"), "{}", ended.stderr);
}

/// Without `--json`: one text line per file on standard output, errors on standard error.
#[test]
fn classify_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 8.0, &folder.join("song.flac"), &[]);
    let ended = run(folder, &["classify", "song.flac", "missing.wav"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    assert!(
        ended.stdout.starts_with("metal ") && ended.stdout.contains("8.0 s  song.flac"),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.stderr, "genred: `missing.wav` does not exist; check the path\n");
    let ended = run(folder, &["classify", "song.flac"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// The help lists examples, and every command has a help text.
#[test]
fn help_names_the_ways_in() {
    let folder = tempfile::tempdir().unwrap();
    let help = |arguments: &[&str]| -> Ended {
        let ended = run(folder.path(), arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        ended
    };
    let general = help(&["--help"]).stdout;
    for part in [
        "genred run song.mp3",
        "genred run -c",
        "genred run -\n",
        "ffmpeg",
        "genred classify",
        "input device",
        "mosquitto_sub",
    ] {
        let part = part.trim_end_matches('\n');
        assert!(general.contains(part), "no `{part}` in\n{general}");
    }
    for command in ["run", "classify", "devices", "check", "features", "embed", "eval"] {
        assert!(general.contains(&format!("\n  {command} ")), "no `{command}` in\n{general}");
        assert!(help(&[command, "--help"]).stdout.contains("Usage: genred"), "{command}");
    }
    let uris = help(&["run", "--help"]).stdout;
    for part in ["`-`", "device:NAME", "stdin:?format=", "--fast", "--no-mqtt"] {
        assert!(uris.contains(part), "no `{part}` in\n{uris}");
    }
    assert!(help(&["--version"]).stdout.starts_with(concat!("genred ", env!("CARGO_PKG_VERSION"))));
}

/// Messages of libasound and libjack about absent devices stay off standard error. The
/// system's own ALSA configuration lists plugins for PulseAudio, JACK and OSS (Debian:
/// libasound2-plugins), none of which has a server here.
#[cfg(feature = "device")]
#[test]
fn sound_libraries_print_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[source]]\nname = 'typo'\nuri = 'device:alsa:hw:CARD=Nonesuch'\n[[source]]\nname = 'mic'\nuri = 'device:default'";
    fs::write(folder.path().join("device.toml"), config).unwrap();
    for arguments in [
        &["devices"][..],
        &["devices", "--json"],
        &["check", "-c", "device.toml"],
        &["run", "--no-mqtt", "device:alsa:hw:CARD=Nonesuch"],
        &["run", "--no-mqtt", "device:alsa:plughw:77"],
        &["run", "--no-mqtt", "device:default"],
    ] {
        let mut command = genred(folder.path());
        command
            .args(arguments)
            .env("HOME", folder.path())
            .env("PULSE_SERVER", format!("unix:{}", folder.path().join("nobody").display()));
        let mut daemon = Daemon::start(&mut command);
        // On a machine with a microphone, the last command would not end.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while daemon.is_running() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        if daemon.is_running() {
            daemon.signal(rustix::process::Signal::TERM);
        }
        let ended = daemon.end();
        for noise in ["ALSA lib", "ack server", "Jack", "Cannot connect to server", "PulseAudio:"] {
            assert!(!ended.stderr.contains(noise), "`genred {}`:\n{}", arguments.join(" "), ended.stderr);
        }
        if arguments[0] == "check" {
            assert_eq!(ended.code, Some(1));
            assert!(
                ended.stdout.contains("typo · device:alsa:hw:CARD=Nonesuch (no such capture device"),
                "{}",
                ended.stdout
            );
        }
    }
}

/// A closed standard output, as by `head`, is neither a failure nor a panic.
#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let check = |arguments: &str, code: i32, standard_error: bool| {
        let mut command = without_sound(folder);
        command.args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::piped());
        if standard_error {
            command.stderr(closed())
        } else {
            command.stdout(closed())
        };
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "`genred {arguments}`: {log}");
        assert!(!log.contains("panicked") && !log.contains("roken pipe"), "`genred {arguments}`: {log}");
    };
    check("--help", 0, false);
    check("devices", 0, false);
    check("check", 0, false);
    check("classify good.wav good.wav", 0, false);
    check("classify --json good.wav good.wav", 0, false);
    check("embed good.wav mono.wav --out vectors", 0, false);
    check("run good.wav --fast --no-mqtt --output jsonl", 0, false);
    check("run good.wav --fast --no-mqtt --output jsonl", 0, true);
    check("run gone.wav good.wav --fast --no-mqtt --output jsonl", 1, true);
    check("classify gone.wav good.wav", 1, true);
}
