//! Errors about invalid input: they name the file, key, source or argument, and a remedy, on
//! standard error only.

use std::fs;
use std::path::Path;

use super::{fixtures, keys, without_sound};
use crate::support::daemon::{Daemon, run};

/// Runs `genred ARGUMENTS` and checks exit code, empty standard output, and `parts` of standard
/// error.
fn check(folder: &Path, arguments: &str, code: i32, parts: &[&str]) {
    let ended = run(folder, &arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(code), "`genred {arguments}`: {}", ended.stderr);
    assert_eq!(ended.stdout, "", "`genred {arguments}`");
    for part in parts {
        assert!(ended.stderr.contains(part), "`genred {arguments}`: no `{part}` in\n{}", ended.stderr);
    }
}

#[test]
fn configurations() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    for (name, text) in [
        ("key.toml", "hops = 1.0"),
        ("mqtt-key.toml", "[mqtt]\nusernme = 'ann'"),
        ("source-key.toml", "[[source]]\nuri = 'good.wav'\npacng = 'fast'"),
        ("type.toml", "hop_s = 'often'"),
        ("hop.toml", "hop_s = 0.1"),
        ("syntax.toml", "hop = "),
        ("twins.toml", "[[source]]\nname = 'a'\nuri = 'x.wav'\n[[source]]\nname = 'a'\nuri = 'y.wav'"),
        ("variable.toml", "[mqtt]\nurl = 'mqtt://h'\nusername = 'ann'\npassword = '${GENRED_TEST_UNSET}'"),
        ("gone.toml", "[mqtt]\nenabled = false\n[[source]]\nname = 'tape'\nuri = 'file:gone.wav'"),
        ("head.toml", "[model]\nhead = 'species'"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    check(folder, "run -c missing.toml", 1, &["missing.toml: No such file", "leave it out for the defaults"]);
    check(folder, "run -c folder", 1, &["folder: Is a directory"]);
    check(
        folder,
        "run -c key.toml",
        1,
        &["key.toml: ", "line 1: unknown key `hops`", "did you mean `hop_s`?"],
    );
    check(
        folder,
        "check -c mqtt-key.toml",
        1,
        &["mqtt-key.toml: line 2: unknown key `usernme`", "did you mean `username`?"],
    );
    check(folder, "run -c source-key.toml", 1, &["line 3: unknown key `pacng`", "did you mean `pacing`?"]);
    check(folder, "run -c type.toml", 1, &["type.toml: line 1: `hop_s` must be a number, not a string"]);
    check(folder, "run -c hop.toml", 1, &["hop.toml: line 1: `hop_s` is 0.1; expected 0.25 to 3 seconds"]);
    check(folder, "run -c syntax.toml", 1, &["syntax.toml: ", "line 1"]);
    check(
        folder,
        "run -c twins.toml",
        1,
        &["twins.toml: line 5: two sources are called `a`; the first (line 2)"],
    );
    check(
        folder,
        "run -c variable.toml",
        1,
        &["variable.toml: line 4: `mqtt.password`", "`GENRED_TEST_UNSET` is not set"],
    );
    check(
        folder,
        "run -c head.toml",
        1,
        &["heads/species.toml", "no such head; the bundle has gate, genres, gtzan10, tags"],
    );
    check(folder, "run -c gone.toml", 1, &["genred: source `tape` failed: `gone.wav` does not exist"]);
}

#[test]
fn sources() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    check(
        folder,
        "run --no-mqtt missing.wav",
        1,
        &["source `missing` failed: `missing.wav` does not exist; check the path"],
    );
    check(folder, "run --no-mqtt folder", 1, &["`folder` is a directory"]);
    check(folder, "run --no-mqtt text.mp3", 1, &["`text.mp3` is not in a known audio format"]);
    check(folder, "run --no-mqtt empty.wav", 1, &["`empty.wav` is empty (0 bytes)"]);
    check(
        folder,
        "run gopher:song",
        1,
        &["unknown scheme `gopher:`", "`file:`, `device:`, `stdin:`, `http:`"],
    );
    check(folder, "run http://", 1, &["the address is wrong: empty host", "write `http://HOST"]);
    check(folder, "run process:", 1, &["needs `command`, as in `command = [\"ffmpeg\""]);
    check(
        folder,
        "run stdin:?format=s16le&rate=16000",
        1,
        &["raw PCM needs all of format, rate and channels"],
    );
    check(folder, "run stdin:?format=u8&rate=16000&channels=1", 1, &["`u8` is unknown"]);
    check(folder, "run - -", 1, &["2 sources read standard input; one can"]);
}

#[test]
fn arguments() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    check(folder, "run --hop 0.1", 2, &["0.1", "not 0.25 to 3 seconds"]);
    check(folder, "run --hop often", 2, &["often", "not a number"]);
    check(folder, "classify --hop 9 good.wav", 2, &["not 0.25 to 3 seconds"]);
    check(folder, "classify", 2, &["<FILE>..."]);
    check(folder, "classify missing.wav", 1, &["`missing.wav` does not exist"]);
    check(folder, "classify --model nonesuch good.wav", 1, &["no model `nonesuch`", "GENRED_MODELS"]);
    check(
        folder,
        "classify --head nonesuch good.wav",
        1,
        &["nonesuch.toml", "the bundle has gate, genres, gtzan10, tags"],
    );
    check(folder, "features missing.wav --out x.npy", 1, &["`missing.wav` does not exist"]);
    check(folder, "features good.wav --out no/where.npy", 1, &["`no/where.npy` cannot be written"]);
    check(folder, "embed --list missing.txt --out x", 1, &["`missing.txt` cannot be read"]);
    check(folder, "embed good.wav folder/../good.wav --out x", 1, &["good.wav"]);
    check(folder, "sing good.wav", 2, &["unrecognized subcommand 'sing'"]);
}

/// A missing device ends the program if it is the only source; otherwise it is retried. Both log
/// the available devices and alternatives.
#[cfg(feature = "device")]
#[test]
fn without_a_device_the_other_ways_in_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, parts) in [
        (&["run", "--no-mqtt"][..], &["capture device", "an audio file", "`-`", "genred run song.mp3"][..]),
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
