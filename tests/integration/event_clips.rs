//! Clips of the running daemon: the link in every output, and the audio that ffmpeg decodes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::audio::{convert, decode_with_ffmpeg, write_wav};
use crate::support::broker::{Mosquitto, Subscriber, free_port};
use crate::support::daemon::{Daemon, genred};
use crate::support::music::cut;

const RATE: u32 = 44_100;

/// Length of the music, of the silence after it, and of the music after that, in seconds.
const MUSIC: f64 = 20.0;
const SILENCE: f64 = 15.0;

const PRE_ROLL_S: f64 = 8.0;
const POST_ROLL_S: f64 = 5.0;

/// Writes 16-bit music, silence and music as `day.wav`.
fn broadcast(folder: &Path, music_s: f64, silence_s: f64) {
    let wave = folder.join("music.wav");
    cut("metal", 22.0, 2.0 * music_s, &wave, &["-ac", "2", "-ar", "44100"]);
    let mut sound = decode_with_ffmpeg(&wave);
    let at = |seconds: f64| 2 * (seconds * f64::from(RATE)) as usize;
    let silence = std::iter::repeat_n(0.0, at(silence_s));
    sound.splice(at(music_s)..at(music_s), silence).for_each(drop);
    write_wav(&folder.join("float.wav"), RATE, 2, &sound);
    convert(&folder.join("float.wav"), &folder.join("day.wav"), &["-c:a", "pcm_s16le"]);
}

fn start(folder: &Path) -> Daemon {
    Daemon::start(genred(folder).args(["run", "-c", "genred.toml", "--output", "jsonl"]))
}

/// Number in a comment of the file.
fn comment(path: &Path, key: &str) -> f64 {
    let bytes = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&bytes[..600]).into_owned();
    let at = text.find(&format!("{key}=")).unwrap() + key.len() + 1;
    text[at..at + 10].parse().unwrap()
}

/// Names in the folder of the clips of `fm1`.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("state/studio/clips/fm1")) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_air_leaves_a_clip_that_every_output_names() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    broadcast(folder, MUSIC, SILENCE);
    let mut config = format!(
        "node = 'studio'\nstate_dir = 'state'\n[mqtt]\nurl = 'mqtt://127.0.0.1:{}'\ndiscovery = 'off'\n\
         [log]\nenabled = true\n[web]\nbind = '127.0.0.1:{}'\npublic_url = 'https://radio.example/g'\n",
        broker.port(),
        free_port()
    );
    for format in ["flac", "opus"] {
        config += &format!(
            "[[source]]\nname = '{format}'\nuri = 'file:day.wav'\npacing = 'fast'\n\
             start = '2026-11-01T20:00:00Z'\n[source.clip]\nenabled = true\nformat = '{format}'\n\
             pre_roll_s = {PRE_ROLL_S}\npost_roll_s = {POST_ROLL_S}\n\
             events = ['dead_air_started', 'dead_air_ended']\n"
        );
    }
    fs::write(folder.join("genred.toml"), config).unwrap();
    let ended = start(folder).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let recording: jiff::Timestamp = "2026-11-01T20:00:00Z".parse().unwrap();
    let original = decode_with_ffmpeg(&folder.join("day.wav"));
    let log = Connection::open_with_flags(
        folder.join("state/studio/asrun.sqlite"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .unwrap();
    for format in ["flac", "opus"] {
        for event_type in ["dead_air_started", "dead_air_ended"] {
            let lines = ended.lines("event", Some(format));
            let event = lines.iter().find(|line| line["event_type"] == event_type).unwrap();
            let link = event["clip"].as_str().unwrap();
            assert!(link.starts_with(&format!("clips/{format}/2026")) && link.contains(event_type), "{link}");

            // The same link everywhere; absolute on MQTT.
            let topic = format!("genred/studio/{format}/event");
            let message = subscriber.wait_for(&topic, |payload| payload.contains(event_type)).await;
            let message: Value = serde_json::from_str(&message.payload).unwrap();
            assert_eq!(message["clip"], format!("https://radio.example/g/{link}"));
            let json: String = log
                .query_row(
                    "SELECT json FROM event WHERE json LIKE ?1 AND json LIKE ?2",
                    [format!("%\"event_type\":\"{event_type}\"%"), format!("%{format}%")],
                    |row| row.get(0),
                )
                .unwrap();
            let logged: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(logged["clip"], link);

            let path = folder.join("state/studio").join(link);
            let at: jiff::Timestamp = event["ts"].as_str().unwrap().parse().unwrap();
            let event_s = at.duration_since(recording).as_secs_f64();
            let offset_s = comment(&path, "EVENT_OFFSET_S");
            assert!((PRE_ROLL_S..PRE_ROLL_S + 0.05).contains(&offset_s), "{offset_s}");
            assert_eq!(comment(&path, "OMITTED_S"), 0.0);
            let clip = decode_with_ffmpeg(&path);
            match format {
                "flac" => check_samples(&clip, &original, event_s - offset_s),
                _ => check_change(&clip, event_s - offset_s, event_type),
            }
        }
        let other = ended.lines("event", Some(format));
        assert!(other.iter().any(|line| line["event_type"] == "genre_changed" && line.get("clip").is_none()));
    }
}

/// Checks that a FLAC clip holds exactly the samples of the source from `start_s` on.
fn check_samples(clip: &[f32], original: &[f32], start_s: f64) {
    let seconds = clip.len() as f64 / 2.0 / f64::from(RATE);
    assert!((PRE_ROLL_S + POST_ROLL_S..PRE_ROLL_S + POST_ROLL_S + 0.1).contains(&seconds), "{seconds}");
    // Times in messages are rounded to a millisecond.
    let first = 2 * (start_s * f64::from(RATE)).round() as usize;
    let start = (first - 200..=first + 200).step_by(2).find(|start| original[*start..].starts_with(clip));
    assert!(start.is_some(), "the samples around {start_s} s");
}

/// Checks that the change between music and silence is at the right time of an Opus clip.
fn check_change(clip: &[f32], start_s: f64, event_type: &str) {
    let seconds = clip.len() as f64 / 2.0 / 48_000.0;
    assert!((PRE_ROLL_S + POST_ROLL_S..PRE_ROLL_S + POST_ROLL_S + 0.05).contains(&seconds), "{seconds}");
    let is_loud = |sample: &f32| sample.abs() > 0.02;
    let (found, expected) = match event_type {
        "dead_air_started" => (clip.iter().rposition(is_loud), MUSIC),
        _ => (clip.iter().position(is_loud), MUSIC + SILENCE),
    };
    let found_s = start_s + found.unwrap() as f64 / 2.0 / 48_000.0;
    assert!((found_s - expected).abs() < 0.05, "{event_type}: {found_s}, not {expected}");
}

#[test]
fn a_clip_survives_the_end_of_the_daemon_and_none_is_left_broken() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    broadcast(folder, 4.0, 60.0);
    let config = "node = 'studio'\nstate_dir = 'state'\n[mqtt]\nenabled = false\n[log]\nenabled = false\n\
                  [web]\nenabled = false\n[[source]]\nname = 'fm1'\nuri = 'file:day.wav'\n\
                  [source.clip]\nenabled = true\nformat = 'flac'\npre_roll_s = 5\npost_roll_s = 60\n";
    fs::write(folder.join("genred.toml"), config).unwrap();
    let is_started = |daemon: &Daemon| {
        daemon.json().iter().any(|line| line["event_type"] == "dead_air_started" && line["clip"].is_string())
    };

    let mut daemon = start(folder);
    daemon.wait_until("dead air", || is_started(&daemon) && !names(folder).is_empty());
    assert!(names(folder)[0].ends_with(".flac.part"), "{:?}", names(folder));
    daemon.signal(Signal::KILL);
    while daemon.is_running() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(names(folder)[0].ends_with(".flac.part") && names(folder).len() == 1);

    let daemon = start(folder);
    daemon.wait_for_log("incomplete clips of an earlier run deleted");
    daemon.wait_until("dead air", || is_started(&daemon));
    std::thread::sleep(Duration::from_secs(1));
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
    let names = names(folder);
    assert!(names.len() == 1 && names[0].ends_with(".flac"), "{names:?}");
    let clip = decode_with_ffmpeg(&folder.join("state/studio/clips/fm1").join(&names[0]));
    let seconds = clip.len() as f64 / 2.0 / f64::from(RATE);
    assert!((5.9..9.0).contains(&seconds), "{seconds}");
}
