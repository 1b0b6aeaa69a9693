//! Settings that a subscriber can change at run time.

use std::fs;
use std::time::Duration;

use crate::support::broker::{Mosquitto, Subscriber, tool, until};
use crate::support::daemon::{Daemon, genred};
use crate::support::music::cut;
use rustix::process::Signal;
use serde_json::{Value, json};

fn topic(rest: &str) -> String {
    format!("genred/studio1/{rest}")
}

struct Desk {
    broker: Mosquitto,
    heard: Subscriber,
    daemon: Daemon,
    _folder: tempfile::TempDir,
}

impl Desk {
    /// Starts the daemon with loud metal as the source `tape` and waits until it is classified.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        cut("metal", 22.0, 170.0, &folder.path().join("tape.flac"), &[]);
        let broker = Mosquitto::start();
        let heard = Subscriber::start(broker.port(), "genred/#", &[]).await;
        let text = format!(
            "node = 'studio1'\n[mqtt]\nurl = 'mqtt://127.0.0.1:{}'\ncontrol = true\npublish_patches = true\n[[source]]\nname = 'tape'\nuri = 'tape.flac'\nrepeat = true\n",
            broker.port()
        );
        fs::write(folder.path().join("genred.toml"), text).unwrap();
        let daemon = Daemon::start(genred(folder.path()).args(["run", "-c", "genred.toml"]));
        let desk = Self { broker, heard, daemon, _folder: folder };
        desk.until_genre("metal").await;
        desk
    }

    fn send(&self, leaf: &str, payload: &str, more: &[&str]) {
        let status = tool("mosquitto_pub", "mosquitto-clients")
            .args(["-h", "127.0.0.1", "-p", &self.broker.port().to_string(), "-q", "1"])
            .args(["-t", &topic(leaf), "-m", payload])
            .args(more)
            .status()
            .unwrap();
        assert!(status.success(), "mosquitto_pub: {status}");
    }

    fn newest(&self, leaf: &str) -> Value {
        let message = self.heard.newest(&topic(leaf));
        message.map_or(Value::Null, |message| {
            serde_json::from_str(&message.payload).unwrap_or_else(|_| message.payload.into())
        })
    }

    async fn until_genre(&self, genre: &str) {
        until(genre, || self.newest("tape/state")["genre"] == genre).await;
    }

    /// Number of messages received on a topic.
    fn count(&self, leaf: &str) -> usize {
        self.heard.received().iter().filter(|message| message.topic == topic(leaf)).count()
    }

    /// Sends invalid settings and returns key and message of the reply.
    async fn refused(&self, source: &str, payload: &str, more: &[&str]) -> (Value, String) {
        let error = format!("{source}/error");
        let before = self.count(&error);
        self.send(&format!("{source}/set"), payload, more);
        until("the refusal", || self.count(&error) > before).await;
        let answer = self.newest(&error);
        assert!(answer["run"].is_string() && answer["ts"].is_string(), "{answer}");
        (answer["key"].clone(), answer["message"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_source_is_paused_retuned_and_asked() {
    let desk = Desk::start().await;
    let settings = desk.newest("tape/settings");
    assert_eq!((&settings["paused"], &settings["hop"]), (&json!(false), &json!(1.0)), "{settings}");
    assert_eq!(settings["thresholds"]["silence"], json!({ "threshold_lufs": -60.0, "after": 2.0 }));

    // A paused source is neither processed nor published as known.
    desk.send("tape/set", r#"{"paused":true}"#, &[]);
    until("it is paused", || desk.newest("tape/settings")["paused"] == true).await;
    desk.until_genre("uncertain").await;
    until("it is offline", || desk.newest("tape/availability") == "offline").await;
    let event = desk.newest("tape/event");
    assert_eq!((&event["from"], &event["to"]), (&json!("metal"), &json!("uncertain")));
    let state = desk.newest("tape/state");
    assert_eq!((&state["raw_genre"], &state["lufs_s"]), (&Value::Null, &Value::Null));
    let windows = desk.count("tape/window");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(desk.count("tape/window"), windows);

    // The source continues at four times the rate.
    desk.send("tape/set", r#"{"paused":false,"hop":0.25}"#, &[]);
    until("it is online", || desk.newest("tape/availability") == "online").await;
    desk.until_genre("metal").await;
    until("some patches", || desk.count("tape/window") > windows + 12).await;
    let starts: Vec<(u64, f64)> = desk
        .heard
        .received()
        .iter()
        .filter(|message| message.topic == topic("tape/window"))
        .map(|message| serde_json::from_str(&message.payload).unwrap())
        .map(|window: Value| (window["patch"].as_u64().unwrap(), window["start"].as_f64().unwrap()))
        .collect();
    assert!(starts.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{starts:?}");
    for pair in starts[windows + 1..].windows(2).filter(|pair| pair[1].0 == pair[0].0 + 1) {
        assert!((0.2..0.3).contains(&(pair[1].1 - pair[0].1)), "{pair:?}");
    }
    let gap = starts[windows].1 - starts[windows - 1].1;
    assert!(gap > 3.0, "what was played meanwhile was left out: {gap}");

    // Thresholds apply from the next patch.
    desk.send("tape/set", r#"{"thresholds":{"silence":{"threshold_lufs":-1,"after":0}}}"#, &[]);
    desk.until_genre("silence").await;
    assert_eq!(desk.newest("tape/state")["dead_air"], "ON");
    desk.send("tape/set", r#"{"thresholds":{"silence":{"threshold_lufs":-60}}}"#, &[]);
    desk.until_genre("metal").await;

    // A query is answered.
    let states = desk.count("tape/state");
    desk.send("tape/get", "", &[]);
    until("an answer", || desk.count("tape/state") > states).await;
    let silence = &desk.newest("tape/settings")["thresholds"]["silence"];
    assert_eq!(*silence, json!({ "threshold_lufs": -60.0, "after": 0.0 }));

    desk.daemon.signal(Signal::TERM);
    until("it says good-bye", || desk.newest("status") == "offline").await;
    let counted = &desk.newest("stats")["sources"]["tape"];
    let of = |key: &str| counted[key].as_u64().unwrap();
    assert_eq!(of("produced"), of("scored") + of("dropped"), "{counted}");
    assert_eq!(desk.daemon.end().code, Some(0));
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let desk = Desk::start().await;
    let settings = desk.newest("tape/settings");
    for (payload, key, message) in [
        ("not json", Value::Null, "not JSON"),
        (r#"{"hop":17}"#, json!("hop"), "not 0.25 to 3 seconds"),
        (r#"{"paused":true,"hops":1}"#, json!("hops"), "did you mean `hop`?"),
        (
            r#"{"thresholds":{"decision":{"hold_s":0}}}"#,
            json!("thresholds.decision"),
            "`decision.hold_s` is 0",
        ),
    ] {
        let (found_key, found) = desk.refused("tape", payload, &[]).await;
        assert_eq!(found_key, key, "{payload}");
        assert!(found.contains(message), "{payload}: {found}");
    }
    let (_, message) = desk.refused("tap", "{}", &[]).await;
    assert!(message.contains("no such source") && message.contains("`tape`"), "{message}");
    // The broker sets the retain flag only for new subscriptions; here it is not set.
    desk.send("tape/get", "", &[]);
    let thresholds = desk.newest("tape/settings")["thresholds"].clone();
    assert_eq!(thresholds, settings["thresholds"]);
    assert_eq!(desk.newest("tape/settings")["paused"], false);
}
