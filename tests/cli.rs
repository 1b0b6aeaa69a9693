//! The command line: what it prints and where, its exit codes, and what it says of bad input.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ndarray::Array2;
use serde_json::Value;
use support::audio::{signal, write_wav};
use support::clips::{digest, read_clip};
use support::daemon::{Daemon, Ended, genred, run};
use support::music::{clip, cut};

/// Sound of every odd kind, beside files that are none.
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

/// Where neither ALSA nor PulseAudio has anything to offer, whatever the machine has.
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

/// Posteriors of a single-label head: finite, 0–1, together 1.
fn check_scores(value: &Value) {
    let scores: Vec<f64> =
        value["scores"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).collect();
    assert!(scores.len() > 1 && scores.iter().all(|p| (0.0..=1.0).contains(p)), "{value}");
    assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{value}");
}

/// The state, the label and the confidence belong together.
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

/// A line a file, in the order they were given, whatever is wrong with some; the contract's keys and no others.
#[test]
fn classify_answers_every_file_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    // Windows that are expected, or a part of the error.
    let cases: [(&str, Result<usize, &str>); 13] = [
        ("good.wav", Ok(2)),
        ("missing.wav", Err("`missing.wav` does not exist; check the path")),
        ("tenth.wav", Ok(1)),
        ("folder", Err("`folder` holds no audio file")),
        ("mono.wav", Ok(2)),
        ("empty.wav", Err("`empty.wav` is empty (0 bytes)")),
        ("eight.wav", Ok(2)),
        ("text.mp3", Err("`text.mp3` is not in a sound format that is known here; known are wav, aiff, au")),
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

/// Folders are searched to their leaves, in order; what is no audio is counted, and what is broken is
/// reported. Playlists stand for the files that they name.
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
    // A broken recording is one, and so is whatever is named itself.
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

/// Without `--json`: a line for people on standard output, what is wrong on standard error.
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

/// What cannot work is refused with the thing's name and a way out, on standard error alone.
#[test]
fn bad_input_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    for (name, text) in [
        ("key.toml", "hops = 1.0"),
        ("mqtt-key.toml", "[mqtt]\nusernme = 'ann'"),
        ("source-key.toml", "[[source]]\nuri = 'good.wav'\npacng = 'fast'"),
        ("type.toml", "hop = 'often'"),
        ("hop.toml", "hop = 0.1"),
        ("syntax.toml", "hop = "),
        ("twins.toml", "[[source]]\nname = 'a'\nuri = 'x.wav'\n[[source]]\nname = 'a'\nuri = 'y.wav'"),
        ("variable.toml", "[mqtt]\nurl = 'mqtt://h'\nusername = 'ann'\npassword = '${GENRED_TEST_UNSET}'"),
        ("gone.toml", "[mqtt]\nenabled = false\n[[source]]\nname = 'tape'\nuri = 'file:gone.wav'"),
        ("head.toml", "[model]\nhead = 'species'"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    let check = |arguments: &str, code: i32, parts: &[&str]| {
        let ended = run(folder, &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, Some(code), "`genred {arguments}`: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "`genred {arguments}`");
        for part in parts {
            assert!(ended.stderr.contains(part), "`genred {arguments}`: no `{part}` in\n{}", ended.stderr);
        }
    };
    check("run -c missing.toml", 1, &["missing.toml: No such file", "leave it out for the defaults"]);
    check("run -c folder", 1, &["folder: Is a directory"]);
    check("run -c key.toml", 1, &["key.toml: ", "line 1: unknown key `hops`", "did you mean `hop`?"]);
    check(
        "check -c mqtt-key.toml",
        1,
        &["mqtt-key.toml: line 2: unknown key `usernme`", "did you mean `username`?"],
    );
    check("run -c source-key.toml", 1, &["line 3: unknown key `pacng`", "did you mean `pacing`?"]);
    check("run -c type.toml", 1, &["type.toml: line 1: `hop` must be a number, not a string"]);
    check("run -c hop.toml", 1, &["hop.toml: line 1: `hop` is 0.1, not 0.25 to 3 seconds"]);
    check("run -c syntax.toml", 1, &["syntax.toml: ", "line 1"]);
    check("run -c twins.toml", 1, &["twins.toml: line 5: two sources are called `a`; the first (line 2)"]);
    check(
        "run -c variable.toml",
        1,
        &["variable.toml: line 4: `mqtt.password`", "`GENRED_TEST_UNSET` is not set"],
    );
    check(
        "run -c head.toml",
        1,
        &["heads/species.toml", "no such head; the bundle has gate, genres, gtzan10, tags"],
    );
    check("run -c gone.toml", 1, &["genred: source `tape` failed: `gone.wav` does not exist"]);
    check(
        "run --no-mqtt missing.wav",
        1,
        &["source `missing` failed: `missing.wav` does not exist; check the path"],
    );
    check("run --no-mqtt folder", 1, &["`folder` is a directory"]);
    check("run --no-mqtt text.mp3", 1, &["`text.mp3` is not in a sound format"]);
    check("run --no-mqtt empty.wav", 1, &["`empty.wav` is empty (0 bytes)"]);
    check("run gopher:song", 1, &["unknown scheme `gopher:`", "`file:`, `device:`, `stdin:`, `http:`"]);
    check("run http://", 1, &["the address is wrong: empty host", "write `http://HOST"]);
    check("run process:", 1, &["needs `command`, as in `command = [\"ffmpeg\""]);
    check("run stdin:?format=s16le&rate=16000", 1, &["raw PCM needs all of format, rate and channels"]);
    check("run stdin:?format=u8&rate=16000&channels=1", 1, &["`u8` is unknown"]);
    check("run - -", 1, &["2 sources read standard input; one can"]);
    check("run --hop 0.1", 2, &["0.1", "not 0.25 to 3 seconds"]);
    check("run --hop often", 2, &["often", "not a number"]);
    check("classify --hop 9 good.wav", 2, &["not 0.25 to 3 seconds"]);
    check("classify", 2, &["<FILE>..."]);
    check("classify missing.wav", 1, &["`missing.wav` does not exist"]);
    check("classify --model nonesuch good.wav", 1, &["no model `nonesuch`", "GENRED_MODELS"]);
    check(
        "classify --head nonesuch good.wav",
        1,
        &["nonesuch.toml", "the bundle has gate, genres, gtzan10, tags"],
    );
    check("features missing.wav --out x.npy", 1, &["`missing.wav` does not exist"]);
    check("features good.wav --out no/where.npy", 1, &["`no/where.npy` cannot be written"]);
    check("embed --list missing.txt --out x", 1, &["`missing.txt` cannot be read"]);
    check("embed good.wav folder/../good.wav --out x", 1, &["good.wav"]);
    check("sing good.wav", 2, &["unrecognized subcommand 'sing'"]);
}

/// Alone, a device that is not there ends the program; beside another source it is waited for. Both are said, with
/// what there is and what else works.
#[cfg(feature = "device")]
#[test]
fn without_a_device_the_other_ways_in_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, parts) in [
        (&["run", "--no-mqtt"][..], &["capture device", "a sound file", "`-`", "genred run song.mp3"][..]),
        (&["run", "--no-mqtt", "device:alsa:hw:77,0"], &["capture device", "hw:77,0", "genred devices"]),
    ] {
        let ended = Daemon::start(without_sound(folder.path()).args(arguments)).end();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "no `{part}` in\n{}", ended.stderr);
        }
    }
    let beside = ["run", "--no-mqtt", "device:alsa:hw:77,0", "device:alsa:hw:78,0"];
    let mut daemon = Daemon::start(without_sound(folder.path()).args(beside));
    daemon.wait_for_log("retry_s");
    assert!(daemon.is_running());
    daemon.signal(rustix::process::Signal::TERM);
    let ended = daemon.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    let ended = Daemon::start(without_sound(folder.path()).args(["devices", "--json"])).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for device in ended.json() {
        assert_eq!(keys(&device), ["host", "id", "name", "default", "rate", "channels"]);
    }
}

fn npy(path: &Path) -> Array2<f32> {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY") && String::from_utf8_lossy(&bytes[..100]).contains("'<f4'"));
    ndarray_npy::read_npy(path).unwrap()
}

/// `[frames, 96]` with one frame every 256 samples and one more, as librosa's centred frames.
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

/// A newcomer finds the ways in, and every command explains itself.
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

/// `check` says what would run, and what of it cannot.
#[test]
fn check_says_what_would_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    let config = "node = 'n1'\n[mqtt]\nurl = 'mqtt://ann:hunter2@broker.lan'\n[[source]]\nname = 'tape'\nuri = 'good.wav'\n";
    fs::write(folder.join("good.toml"), config).unwrap();
    let ended = run(folder, &["check", "-c", "good.toml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for part in [
        "config    good.toml\n",
        "n1",
        "musicnn-msd",
        "head genres (15 labels)",
        "cpu",
        "broker.lan:1883",
        "tape · file:good.wav",
    ] {
        assert!(ended.stdout.contains(part), "no `{part}` in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("hunter2"));
    fs::write(folder.join("bad.toml"), config.replace("good.wav", "gone.wav")).unwrap();
    let ended = run(folder, &["check", "-c", "bad.toml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("gone.wav (no such file)"), "{}", ended.stdout);
    // Everything that is wrong is said, not only the first.
    let text = "node = 'my.node'\n[mqtt]\nprefix = 'home.lan'\n[model]\nhead = 'species'\n\
        [[source]]\nname = 'K\u{fc}che S\u{fc}d'\nuri = 'god.wav'\n\
        [[source]]\nname = 'rtsp'\nuri = 'process:'\ncommand = ['no-such-program-here', '-i', 'x']\n\
        [[source]]\nname = 'typed'\nuri = 'process:'\ncommand = ['sh -c true']\n";
    fs::write(folder.join("many.toml"), text).unwrap();
    let ended = run(folder, &["check", "-c", "many.toml"]);
    assert_eq!(ended.code, Some(1));
    for part in [
        "kuche_sud \"K\u{fc}che S\u{fc}d\" · file:god.wav (no such file; did you mean `good.wav`?) · line 8",
        "rtsp · process: (no program `no-such-program-here` in PATH; install it, or give its path) · line 12",
        "write each argument as a string of its own: `command = [\"sh\", \"-c\", \"true\", …]`",
    ] {
        assert!(ended.stdout.contains(part), "no `{part}` in\n{}", ended.stdout);
    }
    for part in [
        "many.toml: line 5: head ",
        "heads/species.toml: there is no such head",
        "warning: `node` is `my.node`; topics hold `my_node`",
        "warning: `mqtt.prefix` is `home.lan`, which holds a dot",
    ] {
        assert_eq!(ended.stderr.matches(part).count(), 1, "`{part}` in\n{}", ended.stderr);
    }
}

/// The example is a configuration as it is shipped, also on a machine without sound.
#[test]
fn check_accepts_the_example() {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("genred.example.toml");
    let mut command = without_sound(folder.path());
    let ended = Daemon::start(command.args(["check", "-c"]).arg(&example)).end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.starts_with(&format!("config    {}\n", example.display())), "{}", ended.stdout);
    // Without any file the places that were looked at are named.
    let ended = Daemon::start(without_sound(folder.path()).arg("check").env("HOME", folder.path())).end();
    assert!(
        ended.stdout.contains("the defaults (no file at ")
            && ended.stdout.contains("/etc/genred/genred.toml"),
        "{}",
        ended.stdout
    );
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
        // On a machine with a microphone the last would go on.
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

/// Whoever stops reading, as `head` does, has seen enough; that is no failure and no panic.
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

/// Its figures are there and hang together; what they are is this machine's business.
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

/// Both codecs, from a file to the broker's acknowledgement: every patch is counted, and each was timed.
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
        // The first patch of each comes after 3.65 s, and then one a second.
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
