//! `genred eval --stream`: recordings joined to one stream, decided as in the daemon.

use std::fs;
use std::path::Path;

use crate::support::audio::{decode_with_ffmpeg, write_wav};
use crate::support::daemon::run;
use crate::support::music::cut;
use jiff::Timestamp;
use serde_json::Value;

/// Runs `eval --stream list.csv --json`. Returns the report and standard error.
fn play(folder: &Path, list: &str, more: &[&str]) -> (Value, String) {
    fs::write(folder.join("list.csv"), list).unwrap();
    let ended = run(folder, &[&["eval", "--stream", "list.csv", "--json"], more].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines = ended.json();
    assert_eq!(lines.len(), 1, "{}", ended.stdout);
    (lines[0].clone(), ended.stderr)
}

/// Joined files cause the same events as one file with the same samples in the daemon.
#[test]
fn a_joined_stream_is_decided_as_one_recording() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 40.0, &folder.join("one.wav"), &[]);
    cut("classical", 50.0, 41.5, &folder.join("two.wav"), &[]);
    cut("metal", 120.0, 20.0, &folder.join("three.wav"), &[]);
    let mut parts = ["one.wav", "two.wav", "three.wav"].map(|name| decode_with_ffmpeg(&folder.join(name)));
    parts[2].truncate(44_100 * 148 / 10 * 2);
    let seconds = |parts: &[Vec<f32>]| parts.iter().map(Vec::len).sum::<usize>() as f64 / 88_200.0;
    let joins = [1, 2, 3].map(|count| (seconds(&parts[..count]) * 1e3).round() / 1e3);
    let samples = parts.concat();
    write_wav(&folder.join("joined.wav"), 44_100, 2, &samples);

    let list = "path,label,start,end\none.wav,metal,,\ntwo.wav,classical,,\nthree.wav,metal,0,14.8\n";
    let (line, stderr) = play(folder, list, &[]);
    assert_eq!((&line["pieces"], &line["format_changes"]), (&3.into(), &0.into()), "{stderr}");
    let pieces = line["piece_list"].as_array().unwrap();
    let ends: Vec<f64> = pieces.iter().map(|piece| piece["end"].as_f64().unwrap()).collect();
    assert_eq!(ends, joins);
    assert!(pieces.iter().all(|piece| piece["settled"] == piece["label"]), "{pieces:?}");

    let ended = run(folder, &["run", "joined.wav", "--fast", "--no-mqtt", "--output", "jsonl"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let events: Vec<Value> = ended
        .lines("event", None)
        .into_iter()
        .filter(|event| event["event_type"] == "genre_changed")
        .collect();
    let changes = line["changes"].as_array().unwrap();
    assert_eq!(events.len(), changes.len(), "{events:?} {changes:?}");
    let seconds = |event: &Value| {
        event["ts"].as_str().unwrap().parse::<Timestamp>().unwrap().as_millisecond() as f64 / 1e3
    };
    for (event, change) in events.iter().zip(changes) {
        assert_eq!(event["to"], change["genre"]);
        let since = |value: f64, first: f64| value - first;
        let found = since(change["at"].as_f64().unwrap(), changes[0]["at"].as_f64().unwrap());
        assert!((found - since(seconds(event), seconds(&events[0]))).abs() < 2e-3, "{event} {change}");
    }
    // The figures match these changes: both joins are real changes, each detected within its piece.
    let settled = &line["settled"];
    assert_eq!((&settled["real_changes"], &settled["missed_changes"]), (&2.into(), &0.into()), "{settled}");
    assert_eq!(settled, &line["labelled"]);
    let delay = settled["delay_s_median"].as_f64().unwrap();
    let at = |genre: &str, join: f64| {
        let hit =
            changes.iter().find(|change| change["genre"] == genre && change["at"].as_f64().unwrap() > join);
        hit.unwrap()["at"].as_f64().unwrap() - join
    };
    assert!((delay - at("classical", joins[0]).min(at("metal", joins[1]))).abs() < 2e-3);
    assert_eq!(line["patches"], 94, "patches of 2.992 s, one a second");
}

/// Formats may change at a join; time continues.
#[test]
fn formats_may_differ() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 10.0, &folder.join("one.wav"), &["-ar", "16000", "-ac", "1"]);
    cut("classical", 50.0, 30.0, &folder.join("two.flac"), &[]);
    let (line, stderr) = play(
        folder,
        "path,start,seconds\none.wav,,\ntwo.flac,10,15\n",
        &["--save-posteriors", "p.safetensors"],
    );
    assert_eq!(line["format_changes"], 1);
    // The first piece has eight patches; those of the second lie within it, up to its end.
    let file = fs::read(folder.join("p.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let values = tensors.tensor("spans").unwrap().data().as_chunks::<8>().0.to_vec();
    let spans: Vec<[f64; 2]> =
        values.as_chunks::<2>().0.iter().map(|span| span.map(f64::from_le_bytes)).collect();
    assert!(spans.is_sorted(), "{spans:?}");
    let (first, second): (Vec<[f64; 2]>, Vec<[f64; 2]>) =
        spans.iter().copied().partition(|span| span[0] < 10.0);
    assert!(first.iter().all(|span| span[1] <= 10.01) && first.len() == 8, "{first:?}");
    assert!(second[0][0] < 10.01 && second.iter().all(|span| span[1] <= 25.01), "{second:?}");
    assert!(second[second.len() - 1][1] > 24.0, "{second:?}");
    assert!(stderr.contains("changes at 1 joins"), "{stderr}");
    assert_eq!(line["piece_list"][1]["end"], 25.0);
    assert!(line["labelled"].is_null());
    let table = run(folder, &["eval", "--stream", "--data", "list.csv"]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    for row in ["2 pieces", "false changes per hour", "delay, median", "uncertain"] {
        assert!(table.stdout.contains(row), "no `{row}` in {}", table.stdout);
    }
}

/// Stored posteriors give the same figures without inference; a sweep has one row per value.
#[test]
fn posteriors_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 20.0, &folder.join("one.wav"), &[]);
    cut("classical", 50.0, 20.0, &folder.join("two.wav"), &[]);
    let list = "path,label\none.wav,metal\ntwo.wav,classical\n";
    let (heard, _) = play(folder, list, &["--save-posteriors", "p.safetensors"]);
    let replay = |more: &[&str]| run(folder, &[&["eval", "--posteriors", "p.safetensors"], more].concat());
    let replayed = replay(&["--json"]).json();
    for key in ["settled", "labelled", "changes", "piece_list", "patches", "head", "labels"] {
        assert_eq!(replayed[0][key], heard[key], "{key}");
    }
    let sweep = ["--sweep", "switch_margin=0.25,0.9", "--sweep", "hold_s=60,120"];
    let lines = replay(&[&["--json"], &sweep[..]].concat()).json();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1]["decision"]["hold_s"], 120.0);
    assert_eq!(lines[1]["labelled"], heard["labelled"], "the defaults");
    // No margin is that large.
    assert_eq!(lines[3]["labelled"]["uncertain"], 1.0, "{}", lines[3]);
    let table = replay(&sweep).stdout;
    assert!(table.lines().count() == 5 && table.contains("switch_margin 0.9, hold_s 60"), "{table}");
    // Alone, each piece begins as uncertain, and its first label is not a false change.
    let alone = &replay(&["--json", "--alone"]).json()[0]["labelled"];
    assert_eq!((&alone["false_changes"], &alone["real_changes"]), (&0.into(), &0.into()), "{alone}");
    assert!(alone["uncertain"].as_f64() > heard["labelled"]["uncertain"].as_f64(), "{alone}");
    for (more, part) in [
        (&["--sweep", "margin=1"][..], "expected one of `expected_piece_s`"),
        (&["--head", "gtzan10"], "cannot be used with"),
        (&["--stream", "list.csv"], "cannot be used with"),
    ] {
        let ended = replay(more);
        assert_eq!(ended.code, Some(2), "{more:?}");
        assert!(ended.stderr.contains(part), "{more:?}: {}", ended.stderr);
    }
}

#[test]
fn what_cannot_be_played_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 4.0, &folder.join("one.wav"), &[]);
    for (list, part) in [
        ("path\nabsent.wav\n", "absent.wav"),
        ("path,start\none.wav,9\n", "one.wav` holds no audio from 9 s on"),
        ("path,start\none.wav,x\n", "line 2: `start` is no time"),
        ("label\nrock\n", "no column `path`"),
    ] {
        fs::write(folder.join("list.csv"), list).unwrap();
        let ended = run(folder, &["eval", "--stream", "list.csv"]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(part), "no `{part}` in {}", ended.stderr);
    }
    let ended = run(folder, &["eval"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let ended = run(folder, &["eval", "--stream", "list.csv", "--compare", "gtzan10"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}
