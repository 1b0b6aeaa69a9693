//! Delivery of events when the daemon, the broker or the disk fails.

use std::fs;
use std::path::Path;

use crate::support::broker::{Mosquitto, Subscriber, until};
use crate::support::daemon::{Daemon, genred};
use crate::support::music::cut;
use rustix::process::Signal;
use serde_json::Value;

const EVENTS: &str = "genred/studio1/tape/event";

/// A piece that alternates between loud metal and silence, repeated.
fn configure(folder: &Path, port: u16, top: &str) {
    cut("metal", 22.0, 14.0, &folder.join("tape.wav"), &["-af", "volume=0:enable='gt(t,29)'"]);
    let text = format!(
        "node = 'studio1'\n{top}\n[mqtt]\nurl = 'mqtt://127.0.0.1:{port}'\nreconnect_max_s = 0.3\n[[source]]\nname = 'tape'\nuri = 'tape.wav'\nrepeat = true\n[source.silence]\nafter_s = 0.5\n"
    );
    fs::write(folder.join("genred.toml"), text).unwrap();
}

fn start(folder: &Path) -> Daemon {
    Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]))
}

/// `(run, seq, event_type)` of every event, without duplicates.
fn events(subscriber: &Subscriber) -> Vec<(String, u64, String)> {
    let mut seen = Vec::new();
    for message in subscriber.received().iter().filter(|message| message.topic == EVENTS) {
        let event: Value = serde_json::from_str(&message.payload).unwrap();
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        let event = (text("run"), event["seq"].as_u64().unwrap(), text("event_type"));
        if !seen.contains(&event) {
            seen.push(event);
        }
    }
    seen
}

/// Number of events on disk.
fn waiting(folder: &Path) -> i64 {
    let path = folder.join(".local/state/genred/studio1/outbox.sqlite");
    let count =
        |file: rusqlite::Connection| file.query_row("SELECT count(*) FROM event", [], |row| row.get(0));
    rusqlite::Connection::open(path).and_then(count).unwrap_or(-1)
}

#[tokio::test]
async fn a_kill_while_the_broker_is_away_loses_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Mosquitto::persistent();
    let observer = Subscriber::start(broker.port(), EVENTS, &["-c", "-i", "observer"]).await;
    configure(folder.path(), broker.port(), "");
    let daemon = start(folder.path());
    until("the first event", || !events(&observer).is_empty()).await;
    broker.stop();
    daemon.wait_until("events on disk", || waiting(folder.path()) >= 3);
    daemon.signal(Signal::KILL);
    drop(daemon);
    let left = waiting(folder.path());
    assert!(left >= 3, "{left}");
    let daemon = start(folder.path());
    daemon.wait_until("events of its own", || waiting(folder.path()) > left);
    broker.restart();
    until("everything has arrived", || {
        waiting(folder.path()) == 0 && events(&observer).len() as i64 > left + 1
    })
    .await;
    let events = events(&observer);
    let seqs: Vec<u64> = events.iter().map(|event| event.1).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "over the restart, too");
    let mut runs: Vec<&str> = events.iter().map(|event| &*event.0).collect();
    runs.dedup();
    assert_eq!(runs.len(), 2, "{events:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
}

#[tokio::test]
async fn without_a_place_for_state_events_go_out_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let observer = Subscriber::start(broker.port(), EVENTS, &[]).await;
    fs::write(folder.path().join("file"), "").unwrap();
    configure(folder.path(), broker.port(), "state_dir = 'file'");
    let daemon = start(folder.path());
    until("events", || events(&observer).len() >= 2).await;
    let log = daemon.log();
    assert!(log.contains("`file/studio1` cannot be used") && log.contains("`state_dir`"), "{log}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
}

#[tokio::test]
async fn damaged_storage_is_said_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let observer = Subscriber::start(broker.port(), EVENTS, &[]).await;
    configure(folder.path(), broker.port(), "state_dir = 'kept'");
    let kept = folder.path().join("kept/studio1");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("outbox.sqlite"), "garbage ".repeat(2000)).unwrap();
    let daemon = start(folder.path());
    let first = observer.wait_for(EVENTS, |_| true).await.payload;
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["event_type"], &first["count"]), (&"events_dropped".into(), &Value::Null));
    until("events as ever", || events(&observer).len() >= 3).await;
    assert!(daemon.log().contains("was damaged"), "{}", daemon.log());
    assert!(kept.join("outbox.sqlite.damaged").exists());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
}

/// Without `node`, daemons use different names, whether they detect each other locally or at the
/// broker.
#[tokio::test]
async fn two_daemons_with_default_names_do_not_disturb_each_other() {
    let broker = Mosquitto::start();
    let all = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut daemons = Vec::new();
    // Two with the same home folder, which the second one detects; one with another, which only the
    // broker reveals.
    for folder in [&folders[0], &folders[0], &folders[1]] {
        configure(folder.path(), broker.port(), "");
        let config = folder.path().join("genred.toml");
        let text = fs::read_to_string(&config).unwrap().replace("node = 'studio1'\n", "");
        fs::write(&config, text).unwrap();
        daemons.push(start(folder.path()));
        daemons[daemons.len() - 1].wait_until("all are online", || online(&all).len() == daemons.len());
    }
    let nodes = online(&all);
    assert!(nodes[1].ends_with("-2") && nodes[2].ends_with("-3"), "{nodes:?}");
    for node in &nodes {
        all.wait_for(&format!("genred/{node}/tape/state"), |payload| payload.contains("metal")).await;
    }
    let last = daemons.pop().unwrap();
    last.signal(Signal::TERM);
    assert_eq!(last.end().code, Some(0));
    until("one is offline", || online(&all) == nodes[..2]).await;
}

/// Nodes whose status is `online`, sorted.
fn online(subscriber: &Subscriber) -> Vec<String> {
    let mut nodes: Vec<String> = subscriber
        .received()
        .iter()
        .filter_map(|message| {
            Some(message.topic.strip_prefix("genred/")?.strip_suffix("/status")?.to_owned())
        })
        .collect();
    nodes.sort();
    nodes.dedup();
    nodes.retain(|node| {
        subscriber.newest(&format!("genred/{node}/status")).is_some_and(|message| message.payload == "online")
    });
    nodes
}
