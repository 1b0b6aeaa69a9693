//! Corrections: from the audio of a daemon to a head trained on them.

use std::fs;
use std::path::Path;

use crate::support::daemon::{Daemon, Ended, genred, run};
use crate::support::music::cut;
use rustix::process::Signal;
use serde_json::Value;

/// Sources, each with its song and the start position in it.
const SOURCES: [(&str, &str, f64); 6] = [
    ("e1", "electronic", 20.0),
    ("e2", "electronic", 45.0),
    ("e3", "electronic", 70.0),
    ("m1", "metal", 20.0),
    ("m2", "metal", 45.0),
    ("m3", "metal", 70.0),
];

/// Minimum number of patches per source before the first correction.
const HEARD: usize = 8;

fn configure(folder: &Path, more: &str) {
    let mut text =
        format!("node = 'studio1'\noutput = 'jsonl'\noutput_patches = true\nstate_dir = 'state'\n{more}\n");
    for (name, song, from) in SOURCES {
        cut(song, from, 22.0, &folder.join(format!("{name}.flac")), &[]);
        text += &format!("[[source]]\nname = '{name}'\nuri = '{name}.flac'\nrepeat = true\n");
    }
    fs::write(folder.join("genred.toml"), text).unwrap();
}

fn daemon(folder: &Path) -> Daemon {
    let daemon = Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]));
    daemon.wait_until("patches of all sources", || {
        let lines = daemon.json();
        SOURCES.iter().all(|(name, ..)| {
            lines.iter().filter(|line| line["kind"] == "window" && line["source"] == *name).count() >= HEARD
        })
    });
    daemon
}

fn label(folder: &Path, arguments: &[&str]) -> Ended {
    run(folder, &[&["label", "-c", "genred.toml"], arguments].concat())
}

/// Reply to a correction that must be stored.
fn stored(folder: &Path, arguments: &[&str]) -> Value {
    let ended = label(folder, &[arguments, &["--json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.json().remove(0)
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let ended = label(folder, arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    ended.stderr
}

fn stop(daemon: Daemon) -> Ended {
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn milliseconds(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// `genred label`: storing, rejecting, listing and undoing corrections.
#[test]
fn what_was_heard_is_stored_listed_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "[mqtt]\nenabled = false\n");
    assert!(refused(folder, &["e1", "jazz"]).contains("no daemon `studio1` answers"));
    assert!(refused(folder, &["--list"]).contains("no correction has been stored yet"));
    let daemon = daemon(folder);
    let file = folder.join("state/studio1/corrections.sqlite");
    assert!(!file.exists(), "without a correction there is no file");

    let first = stored(folder, &["e1", "Synthwave", "--last", "6s"]);
    assert_eq!(
        (&first["kind"], &first["source"], &first["id"]),
        (&"labelled".into(), &"e1".into(), &1.into())
    );
    assert_eq!((&first["genre"], &first["known"]), (&"Synthwave".into(), &false.into()), "{first}");
    // Of six seconds, the patches that begin in the first three: four, minus those that a busy
    // machine dropped.
    assert!((1..=4).contains(&first["patches"].as_u64().unwrap()) && first["quiet"] == 0, "{first}");
    let length = milliseconds(&first["end"]) - milliseconds(&first["start"]);
    assert!((2900..6010).contains(&length), "{length} ms of {first}");
    let said = daemon.json();
    let ends: Vec<&Value> = said
        .iter()
        .filter(|line| line["kind"] == "window" && line["source"] == "e1")
        .map(|line| &line["ts"])
        .collect();
    assert!(ends.contains(&&first["end"]), "{first} ends with a patch: {ends:?}");

    let second = stored(folder, &["e1", "METAL", "--last", "20s"]);
    assert_eq!((&second["genre"], &second["known"]), (&"metal".into(), &true.into()));
    assert_eq!(second["contradicts"], 1, "{second}");
    assert!(second["patches"].as_u64() > first["patches"].as_u64(), "{second}");
    let words = label(folder, &["m1", "meta", "--last", "3s"]);
    assert!(
        words.stdout.starts_with("3: 1 patches of m1, ") && words.stdout.contains(" are meta ("),
        "{words:?}"
    );
    assert!(
        words.stderr.contains("has no genre `meta` yet") && words.stderr.contains("did you mean `metal`?")
    );

    for (arguments, expected) in [
        (&["nosuch", "jazz"][..], "has no source `nosuch`"),
        (&["nosuch", "jazz"], "`e1`, `e2`"),
        (&["e1", "speech"], "name of a state"),
        (&["e1", ""], "empty; give the name"),
        (&["e1", &"x".repeat(65)], "longer than 64 characters"),
    ] {
        let error = refused(folder, arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    let usage = label(folder, &["e1", "jazz", "--last", "2m"]);
    assert!(usage.code == Some(2) && usage.stderr.contains("not 3 to 60 seconds"), "{}", usage.stderr);
    assert_eq!(label(folder, &["e1"]).code, Some(2));

    // Undone while the daemon runs; the next correction gets another number.
    let undone = label(folder, &["--undo"]);
    assert_eq!(undone.stdout, "3: deleted (1 patches of m1, meta)\n", "{}", undone.stderr);
    assert_eq!(stored(folder, &["m1", "metal"])["id"], 4);
    let list = label(folder, &["--list", "--json"]).json();
    let rows: Vec<_> =
        list.iter().map(|row| (row["id"].as_i64().unwrap(), row["genre"].as_str().unwrap())).collect();
    assert_eq!(rows, [(1, "Synthwave"), (2, "metal"), (4, "metal")]);
    assert_eq!(list[0]["embedding_id"], "musicnn-msd-dense-pooled");
    assert_eq!(label(folder, &["--list"]).stdout.lines().count(), 3);

    // The file may be deleted at any time.
    fs::remove_file(&file).unwrap();
    assert_eq!(stored(folder, &["m1", "metal"])["id"], 1);
    let ended = stop(daemon);
    assert!(ended.stderr.contains("correction stored: metal"), "{}", ended.stderr);
    // Listing does not require a daemon.
    assert_eq!(label(folder, &["--list"]).stdout.lines().count(), 1);
}

#[test]
fn where_corrections_are_off_or_cannot_be_written_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "[mqtt]\nenabled = false\n[corrections]\nenabled = false\n");
    let off = daemon(folder);
    assert!(refused(folder, &["e1", "jazz"]).contains("not enabled (`corrections.enabled`)"));
    stop(off);
    fs::write(folder.join("blocked"), "").unwrap();
    let text = fs::read_to_string(folder.join("genred.toml")).unwrap();
    let text = text.replace("[corrections]\nenabled = false", "[corrections]\npath = 'blocked/c.sqlite'");
    fs::write(folder.join("genred.toml"), text).unwrap();
    let blocked = daemon(folder);
    let error = refused(folder, &["e1", "jazz"]);
    assert!(error.contains("`blocked/c.sqlite` cannot be written"), "{error}");
    // The file is opened again for each correction.
    fs::remove_file(folder.join("blocked")).unwrap();
    assert_eq!(stored(folder, &["e1", "jazz"])["id"], 1);
    stop(blocked);
}

/// Over MQTT, with the embedded broker: commands are validated as strictly as settings, and `train`
/// learns from the corrections of both interfaces.
#[cfg(feature = "mqtt")]
#[tokio::test]
async fn what_subscribers_and_users_correct_is_learned() {
    use crate::support::broker::{Subscriber, tool, until};

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "[mqtt]\nembedded_port = 0\ncontrol = true\n");
    let daemon = daemon(folder);
    let log = daemon.log();
    let port: u16 =
        log.split("mosquitto_sub -p ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let heard = Subscriber::start(port, "genred/#", &[]).await;
    let topic = |leaf: &str| format!("genred/studio1/{leaf}");
    let send = |leaf: &str, payload: &str| {
        let status = tool("mosquitto_pub", "mosquitto-clients")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", &topic(leaf), "-m", payload])
            .status()
            .unwrap();
        assert!(status.success(), "mosquitto_pub: {status}");
    };
    let count = |leaf: &str| heard.received().iter().filter(|of| of.topic == topic(leaf)).count();
    let newest =
        |leaf: &str| -> Value { serde_json::from_str(&heard.newest(&topic(leaf)).unwrap().payload).unwrap() };

    for (source, payload, key, expected) in [
        ("e1", r#"{"genre":"jazz""#, Value::Null, "not JSON"),
        ("e1", r#"{"genre":"jazz","last":30}"#, "last".into(), "did you mean `last_s`?"),
        ("e1", r#"{"genre":"jazz","last_s":3600}"#, "last_s".into(), "3600 is not 3 to 60 seconds"),
        ("e1", &"x".repeat(65), "genre".into(), "longer than 64 characters"),
        ("e1", "silence", "genre".into(), "name of a state"),
        ("nosuch", "jazz", Value::Null, "no such source; there are `e1`, `e2`"),
    ] {
        let leaf = format!("{source}/error");
        let before = count(&leaf);
        send(&format!("{source}/label/set"), payload);
        until("a refusal", || count(&leaf) > before).await;
        let answer = newest(&leaf);
        assert_eq!(answer["key"], key, "{payload}");
        assert!(answer["message"].as_str().unwrap().contains(expected), "{payload}: {answer}");
    }
    assert!(!folder.join("state/studio1/corrections.sqlite").exists());

    // A wrong correction that a later one replaces.
    send("e1/label/set", "blues");
    until("the answer", || count("e1/label") == 1).await;
    assert_eq!((&newest("e1/label")["id"], &newest("e1/label")["known"]), (&1.into(), &true.into()));
    send("e1/label/set", r#"{"genre":"synthwave","last_s":60}"#);
    until("the answer", || count("e1/label") == 2).await;
    let answer = newest("e1/label");
    assert_eq!((&answer["known"], &answer["contradicts"]), (&false.into(), &1.into()), "{answer}");
    // One piece is too little for a hold-out set.
    let train = ["train", "--corrections", "state/studio1/corrections.sqlite", "--out", "mine"];
    let early = run(folder, &train);
    assert_eq!(early.code, Some(1), "{}", early.stdout);
    for part in [
        "contradictions: 1 (",
        "the later correction counts: 2 over 1)",
        "left out: `synthwave` is new and has corrections of one piece only",
        "holds nothing to learn from for `musicnn-msd`",
    ] {
        assert!(early.stderr.contains(part), "`{part}` is not in\n{}", early.stderr);
    }

    send("m1/label/set", "metal");
    until("the answer", || count("m1/label") == 1).await;
    // Commands on the socket are answered only there.
    for (source, genre) in [("e2", "synthwave"), ("e3", "synthwave"), ("m2", "metal"), ("m3", "metal")] {
        assert_eq!(stored(folder, &[source, genre, "--last", "60s"])["genre"], genre);
    }
    assert_eq!(count("e2/label"), 0);
    stop(daemon);

    // Additional recordings, none of which has the new label.
    for (genre, from) in [("classical", 20.0), ("classical", 40.0), ("metal", 80.0), ("metal", 95.0)] {
        let place = folder.join("files").join(genre);
        fs::create_dir_all(&place).unwrap();
        cut(genre, from, 6.0, &place.join(format!("{from}.flac")), &[]);
    }
    let trained = run(folder, &[&train[..], &["--data", "files"]].concat());
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    for part in ["synthwave  ", "metal  ", "corrections of 6 pieces are too few to judge the head by"] {
        assert!(trained.stderr.contains(part), "`{part}` is not in\n{}", trained.stderr);
    }
    for part in ["data set `corrections`", "data set `files`", "started from"] {
        assert!(trained.stdout.contains(part), "`{part}` is not in\n{}", trained.stdout);
    }
    check_both_heads(folder);
}

/// Classifies a part of the song that no source has played with both heads: the new label is
/// learned, the others are kept.
#[cfg(feature = "mqtt")]
fn check_both_heads(folder: &Path) {
    cut("electronic", 100.0, 12.0, &folder.join("later.flac"), &[]);
    cut("metal", 110.0, 12.0, &folder.join("loud.flac"), &[]);
    for (model, labels) in [("musicnn-msd", 15), ("./mine", 16)] {
        let answers = run(folder, &["classify", "--json", "--model", model, "later.flac", "loud.flac"]);
        assert_eq!(answers.code, Some(0), "{}", answers.stderr);
        let lines = answers.json();
        assert_eq!(lines[1]["genre"], "metal", "{model}: {}", lines[1]);
        assert_eq!(lines[0]["genre"] == "synthwave", model == "./mine", "{model}: {}", lines[0]);
        assert_eq!(lines[0]["scores"].as_object().unwrap().len(), labels, "{model}");
    }
}
