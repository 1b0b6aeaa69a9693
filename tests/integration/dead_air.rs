//! Monitoring without a model: tones, loops, a missing channel and loudness, between real music.

use std::fs;
use std::path::Path;

use crate::support::audio::{convert, decode_with_ffmpeg, sine, write_wav};
use crate::support::daemon::{Ended, run};
use crate::support::music::cut;
use crate::support::tool;
use serde_json::Value;

const RATE: u32 = 44_100;

/// Start of each part of [`broadcast`], in seconds, and the end.
const TONE: f64 = 20.0;
const AFTER_TONE: f64 = 45.0;
const LOOP: f64 = 65.0;
const AFTER_LOOP: f64 = 105.0;
const ONE_LEG: f64 = 125.0;
const BOTH_LEGS: f64 = 170.0;
const END: f64 = 190.0;

/// Music with a test tone, a stuck player and a loose cable.
fn broadcast(folder: &Path) -> Vec<f32> {
    let music = folder.join("music.wav");
    cut("metal", 22.0, END, &music, &["-ac", "2", "-ar", "44100"]);
    let mut sound = decode_with_ffmpeg(&music);
    let at = |seconds: f64| 2 * (seconds * f64::from(RATE)) as usize;
    for (pair, x) in sound[at(TONE)..at(AFTER_TONE)].chunks_exact_mut(2).zip(sine(RATE, 1000.0, 25.0)) {
        pair.fill(0.2 * x);
    }
    let stuck = sound[at(LOOP)..at(LOOP + 2.5)].to_vec();
    for turn in sound[at(LOOP)..at(AFTER_LOOP)].chunks_mut(stuck.len()) {
        turn.copy_from_slice(&stuck[..turn.len()]);
    }
    sound[at(ONE_LEG)..at(BOTH_LEGS)].chunks_exact_mut(2).for_each(|pair| pair[1] *= 0.01);
    sound
}

fn heard(folder: &Path, file: &str, more: &str) -> Ended {
    let config = format!(
        "[[source]]\nname = 'fm1'\nuri = '{file}'\npacing = 'fast'\nstart = '2026-11-01T20:00:00Z'\n{more}"
    );
    fs::write(folder.join("genred.toml"), config).unwrap();
    let ended = run(folder, &["run", "-c", "genred.toml", "--no-mqtt", "--output", "jsonl"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// All events, with the time since the start of the recording, in seconds.
fn timed(ended: &Ended) -> Vec<(f64, Value)> {
    let start: jiff::Timestamp = "2026-11-01T20:00:00Z".parse().unwrap();
    let lines = ended.lines("event", Some("fm1"));
    let timed = lines.into_iter().map(|line| {
        let at: jiff::Timestamp = line["ts"].as_str().unwrap().parse().unwrap();
        (at.duration_since(start).as_secs_f64(), line)
    });
    timed.collect()
}

/// Events about anything other than the genre.
fn events(ended: &Ended) -> Vec<(f64, Value)> {
    timed(ended).into_iter().filter(|(_, line)| line["event_type"] != "genre_changed").collect()
}

/// Checks kind, key and time of every event. An event may be up to three seconds late.
fn check(found: &[(f64, Value)], expected: &[(f64, &str, &str, &str)]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((at, event), (earliest, kind, key, value)) in found.iter().zip(expected) {
        assert_eq!(event["event_type"], *kind, "{event}");
        assert!(key.is_empty() || event[*key] == *value, "{event}: `{key}` is not `{value}`");
        assert!((*earliest..earliest + 3.0).contains(at), "{event}: at {at}, not from {earliest} on");
    }
}

#[test]
fn a_tone_a_loop_and_a_missing_channel_are_told_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_wav(&at.join("day.wav"), RATE, 2, &broadcast(at));
    let tone = [(TONE + 10.0, "dead_air_started", "reason", "tone"), (AFTER_TONE, "dead_air_ended", "", "")];
    let looped =
        [(LOOP + 22.5, "dead_air_started", "reason", "loop"), (AFTER_LOOP, "dead_air_ended", "", "")];
    // A tenth of a second of differing channels prevents three seconds from counting as mono.
    let leg =
        [(ONE_LEG + 32.9, "imbalance_started", "quiet", "right"), (BOTH_LEGS, "imbalance_ended", "", "")];

    let ended = heard(at, "day.wav", "");
    check(&events(&ended), &[tone, looped, leg].concat());
    let genre_at = |seconds: f64| {
        let before = timed(&ended).into_iter().take_while(|(at, _)| *at < seconds);
        before.filter(|(_, line)| line["event_type"] == "genre_changed").last().unwrap().1["to"].clone()
    };
    for (seconds, genre) in
        [(TONE, "metal"), (AFTER_TONE, "noise"), (LOOP, "metal"), (AFTER_LOOP, "noise"), (150.0, "metal")]
    {
        assert_eq!(genre_at(seconds), genre, "at {seconds}");
    }

    // After lossy coding, a loop no longer repeats bit by bit; tone and channel are detected as
    // before.
    convert(&at.join("day.wav"), &at.join("day.mp3"), &["-b:a", "128k", "-joint_stereo", "0"]);
    check(&events(&heard(at, "day.mp3", "")), &[tone, leg].concat());

    // All detectors can be disabled.
    let off = "dead_air = { loop_after_s = 0, tone_after_s = 0 }\nimbalance = { threshold_db = 0 }\n";
    check(&events(&heard(at, "day.wav", off)), &[]);
}

/// Reference: the loudness meter of ffmpeg.
#[test]
fn loudness_and_true_peak_are_those_of_another_meter() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    cut("classical", 30.0, 30.0, &at.join("music.wav"), &["-ac", "2", "-ar", "48000"]);
    let meter = tool("ffmpeg", "ffmpeg")
        .args(["-hide_banner", "-nostats", "-i"])
        .arg(at.join("music.wav"))
        .args(["-af", "ebur128=peak=true:framelog=info", "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(meter.stderr).unwrap();
    // "t: 0.1 … M: -30.1 S:-120.7 … FTPK: -20.1 -19.8 dBFS …", one line per 0.1 s.
    let number = |line: &str, key: &str| -> Option<f64> {
        line.split_once(key)?.1.split_whitespace().next()?.parse().ok()
    };
    let tenths: Vec<(f64, f64, f64)> = text
        .lines()
        .filter_map(|line| {
            let peaks = line.split_once(" FTPK:")?.1.split_whitespace().take(2);
            let peak = peaks.filter_map(|peak| peak.parse::<f64>().ok()).fold(-120.0, f64::max);
            Some((number(line, " M:")?, number(line, " S:")?, peak))
        })
        .collect();
    assert!((295..=300).contains(&tenths.len()), "{text}");

    let windows = heard(at, "music.wav", "true_peak = true\n").lines("window", Some("fm1"));
    assert!(windows.len() >= 27);
    for window in windows {
        // The level is that of the last complete 0.1 s before the end of the patch; line 0 is the
        // first one.
        let last = (window["end"].as_f64().unwrap() * 10.0 + 1e-6) as usize - 1;
        let Some((momentary, short_term, _)) = tenths.get(last) else { continue };
        let near = |key: &str, expected: f64, tolerance: f64| {
            let found = window[key].as_f64().unwrap();
            assert!((found - expected).abs() < tolerance, "{key} is {found}, not {expected}: {window}");
        };
        near("lufs_m", *momentary, 0.1);
        // In the first three seconds, ffmpeg counts the missing audio as silence.
        if last >= 30 {
            near("lufs_s", *short_term, 0.1);
        }
        let peak =
            tenths[last.saturating_sub(29)..=last].iter().map(|(.., peak)| *peak).fold(-120.0, f64::max);
        near("true_peak_db", peak, 0.3);
    }
}
