//! As-run log of the daemon, and `genred report` on it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::daemon::{Daemon, Ended, genred, run};
use crate::support::music::cut;
use crate::support::tool;

const FILE: &str = "state/studio/asrun.sqlite";

/// Writes `c.toml`: an as-run log and one source with the address `uri` and `settings`.
fn configure(folder: &Path, log: &str, uri: &str, settings: &str) {
    let text = format!(
        "node = 'studio'\nstate_dir = 'state'\n[mqtt]\nenabled = false\n[log]\nenabled = true\n{log}\n\
         [[source]]\nname = 'FM 1'\nuri = '{uri}'\n{settings}\n"
    );
    fs::write(folder.join("c.toml"), text).unwrap();
}

fn start(folder: &Path) -> Daemon {
    Daemon::start(genred(folder).args(["run", "-c", "c.toml"]))
}

fn report(folder: &Path, arguments: &[&str]) -> Ended {
    let ended = run(folder, &[&["report", "-c", "c.toml", "--utc"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn report_json(folder: &Path, arguments: &[&str]) -> Value {
    let ended = report(folder, &[&["--format", "json"], arguments].concat());
    serde_json::from_str(&ended.stdout).unwrap()
}

fn segments(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    report(folder, &[&["--segments", "--format", "json"], arguments].concat()).json()
}

/// Rows of a report whose shares sum to the period.
fn sum(row: &Value) -> f64 {
    let shares = row["shares"].as_object().unwrap().values();
    shares.chain(["outage", "down", "unheard"].map(|key| &row[key])).map(|part| part.as_f64().unwrap()).sum()
}

#[test]
fn the_shares_are_those_that_the_recording_was_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Classical, metal, a minute of dead air, electronic: the truth, in seconds.
    let truth = [("classical", 150.0), ("metal", 170.0), ("silence", 60.0), ("electronic", 150.0)];
    let arguments = ["-ar", "44100", "-ac", "2"];
    cut("classical", 20.0, 150.0, &folder.join("0.wav"), &arguments);
    cut("metal", 22.0, 170.0, &folder.join("1.wav"), &arguments);
    cut("electronic", 60.0, 150.0, &folder.join("3.wav"), &arguments);
    let silence = tool("ffmpeg", "ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "anullsrc=r=44100:cl=stereo", "-t", "60"])
        .arg(folder.join("2.wav"))
        .status()
        .unwrap();
    assert!(silence.success());
    fs::write(folder.join("list"), "file 0.wav\nfile 1.wav\nfile 2.wav\nfile 3.wav\n").unwrap();
    let joined = tool("ffmpeg", "ffmpeg")
        .current_dir(folder)
        .args(["-v", "error", "-f", "concat", "-i", "list", "-c", "copy", "day.wav"])
        .status()
        .unwrap();
    assert!(joined.success());
    configure(folder, "", "file:day.wav", "pacing = 'fast'\nstart = '2026-11-03T20:00:00Z'");
    let ended = start(folder).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let whole = ["--from", "2026-11-03T20:00:00Z", "--to", "2026-11-03T20:08:50Z"];
    let value = report_json(folder, &[&whole[..], &["--by", "all", "--source", "FM 1"]].concat());
    let row = &value["sources"][0]["periods"][0];
    assert!(row["coverage"].as_f64().unwrap() > 0.999, "{row:#}");
    assert!((sum(row) - 1.0).abs() < 1e-5, "{row:#}");
    for (label, seconds) in truth {
        let share = row["shares"][label].as_f64().unwrap_or_default();
        assert!(
            (share - seconds / 530.0).abs() < 0.01,
            "{label}: {share} of {:.3}\n{row:#}",
            seconds / 530.0
        );
    }
    // Exactly one dead-air event.
    assert_eq!(
        (&row["events"]["dead_air_started"], &row["events"]["dead_air_ended"]),
        (&1.into(), &1.into())
    );
    assert_eq!(row["scored"], 528, "a patch a second, the first after three");
    assert_eq!(row["lufs"]["min"], -70.0);

    // Times are relative to the recording.
    let found = segments(folder, &whole);
    assert_eq!(found[0]["start"], "2026-11-03T20:00:00.000Z");
    let quiet = found.iter().find(|segment| segment["label"] == "silence").unwrap();
    let since: jiff::Timestamp = quiet["start"].as_str().unwrap().parse().unwrap();
    let began: jiff::Timestamp = "2026-11-03T20:05:20Z".parse().unwrap();
    assert!((since.as_millisecond() - began.as_millisecond()).abs() <= 1000, "{quiet}");

    // The hour before has no audio.
    let before = report_json(folder, &["--from", "2026-11-03T19:00:00Z", "--to", "2026-11-03T20:00:00Z"]);
    assert_eq!(before["sources"][0]["total"]["unheard"], 1.0);

    let page = report(folder, &[&whole[..], &["--format", "html"]].concat()).stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("metal") && !page.contains("http"));
    let table = report(folder, &whole).stdout;
    assert!(
        table.contains("FM 1 (FM_1)") && table.lines().all(|line| line.chars().count() <= 100),
        "{table}"
    );
    let csv = report(folder, &[&whole[..], &["--format", "csv"]].concat()).stdout;
    assert_eq!(csv.lines().count(), 2, "{csv}");
}

#[test]
fn a_killed_daemon_leaves_what_it_heard_and_the_outage_shows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 22.0, 120.0, &folder.join("tape.flac"), &[]);
    configure(folder, "", "file:tape.flac", "repeat = true");
    let whole = ["--from", "1h", "--by", "all"];
    let heard = || {
        // The file exists shortly before its tables.
        let is_log = Connection::open_with_flags(folder.join(FILE), OpenFlags::SQLITE_OPEN_READ_ONLY)
            .and_then(|log| log.query_row("SELECT count(*) FROM level", [], |row| row.get::<_, i64>(0)));
        let found = if is_log.is_ok() { segments(folder, &whole) } else { Vec::new() };
        let time = |of: &Value| of.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let spans: Vec<(i64, i64)> =
            found.iter().map(|segment| (time(&segment["start"]), time(&segment["end"]))).collect();
        spans
    };
    let length = |spans: Vec<(i64, i64)>| spans.iter().map(|(start, end)| end - start).sum::<i64>();

    let first = start(folder);
    first.wait_for_log("the as-run log is");
    // Long enough for the open rows to be extended.
    first.wait_until("twelve seconds in the log", || folder.join(FILE).exists() && length(heard()) > 12_000);
    let other = run(folder, &["run", "-c", "c.toml"]);
    assert!(
        other.code != Some(0) && other.stderr.contains("another genred runs as node"),
        "{}",
        other.stderr
    );
    first.signal(Signal::KILL);
    let _ = first.end();
    let killed = heard();
    let last = killed.iter().map(|(_, end)| *end).max().unwrap();
    let gone = Instant::now();
    while gone.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(50));
    }

    let second = start(folder);
    second.wait_until("a segment of the second run", || heard().iter().any(|(start, _)| *start > last));
    second.signal(Signal::TERM);
    assert_eq!(second.end().code, Some(0));
    let connection = Connection::open(folder.join(FILE)).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT count(*) FROM run"), 2);
    assert_eq!(number("SELECT count(*) FROM run WHERE ended_ms IS NULL"), 1);
    let down = number("SELECT end_ms - start_ms FROM outage WHERE cause = 'down'");
    assert!(down >= 3000, "{down} ms");
    // Everything that was read after the kill is still in the log.
    assert!(killed.iter().all(|span| heard().contains(span)));

    let row = report_json(folder, &whole)["sources"][0]["periods"][0].clone();
    assert!((sum(&row) - 1.0).abs() < 1e-5, "{row:#}");
    let shown = row["down"].as_f64().unwrap() * row["seconds"].as_f64().unwrap();
    assert!(shown >= 3.0 && row["coverage"].as_f64().unwrap() > 0.003, "{row:#}");
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 20.0, &folder.join("tape.flac"), &[]);
    fs::write(folder.join("taken"), "").unwrap();
    configure(folder, "path = 'taken/log.sqlite'", "file:tape.flac", "pacing = 'fast'");
    let ended = start(folder).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("cannot be written").count(), 1, "{}", ended.stderr);

    fs::write(folder.join("log.sqlite"), vec![b'x'; 8192]).unwrap();
    configure(folder, "path = 'log.sqlite'", "file:tape.flac", "pacing = 'fast'");
    let ended = start(folder).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("log.sqlite.damaged"), "{}", ended.stderr);
    assert!(!segments(folder, &["--from", "1h"]).is_empty());
}

#[test]
fn what_cannot_be_reported_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let refused = |arguments: &[&str]| {
        let ended = run(folder, &[&["report"], arguments].concat());
        assert_eq!(ended.code, Some(1), "{}", ended.stdout);
        ended.stderr
    };
    configure(folder, "", "file:x.flac", "");
    assert!(refused(&["-c", "c.toml"]).contains("asrun.sqlite` is not there"));
    assert!(refused(&["--db", "c.toml"]).contains("holds no as-run log"));
    assert!(refused(&["--db", "x", "--from", "whenever"]).contains("`whenever` is not a time"));
    assert!(
        refused(&["--db", "x", "--from", "1h", "--to", "2h"]).contains("`--from` must lie before `--to`")
    );
    assert!(refused(&["--db", "x", "--segments", "--format", "html"]).contains("`--segments`"));
    configure(folder, "retention = 7", "file:x.flac", "");
    assert!(run(folder, &["check", "-c", "c.toml"]).stderr.contains("did you mean `retention_days`?"));
}
