//! The whole daemon: real audio, a real broker, real subscribers.

mod broker;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::broker::{Mosquitto, Subscriber, until};
#[cfg(feature = "device")]
use crate::support::bundle::copy_with_reference;
use crate::support::daemon::{Daemon, genred};
use crate::support::music::cut;
use crate::support::pulse::{Server, isolated};
use rustix::process::Signal;
use serde_json::Value;

/// Maximum duration of a stop.
const STOPS_WITHIN: Duration = Duration::from_secs(4);

fn topic(rest: &str) -> String {
    format!("genred/studio1/{rest}")
}

/// Writes `genred.toml`: node `studio1`, the broker at `port`, the keys `mqtt` in its section, then
/// `rest`.
fn configure(folder: &Path, port: u16, mqtt: &str, rest: &str) {
    let text = format!("node = 'studio1'\n[mqtt]\nurl = 'mqtt://127.0.0.1:{port}'\n{mqtt}\n{rest}\n");
    fs::write(folder.join("genred.toml"), text).unwrap();
}

/// Three minutes of loud metal in real time, as the source `tape`.
fn configure_tape(folder: &Path, port: u16, mqtt: &str) {
    cut("metal", 22.0, 170.0, &folder.join("tape.flac"), &[]);
    configure(folder, port, mqtt, "[[source]]\nname = 'tape'\nuri = 'tape.flac'");
}

fn start(folder: &Path) -> Daemon {
    Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]))
}

fn json(payload: &str) -> Value {
    serde_json::from_str(payload).unwrap()
}

fn field(payload: &str, key: &str) -> String {
    json(payload)[key].as_str().unwrap_or_default().to_owned()
}

/// Waits until the newest message on a topic equals `expected`.
async fn wait_for_newest(subscriber: &Subscriber, topic: &str, expected: &str) {
    until(&format!("`{expected}` on {topic}"), || {
        subscriber.newest(topic).is_some_and(|message| message.payload == expected)
    })
    .await;
}

/// Statistics are published every thirty seconds.
fn wait_for_stats(daemon: &Daemon, subscriber: &Subscriber) -> Value {
    daemon.wait_until("statistics", || subscriber.newest(&topic("stats")).is_some());
    json(&subscriber.newest(&topic("stats")).unwrap().payload)
}

/// Sends `signal` and checks the duration of the stop.
fn stop(daemon: Daemon, signal: Signal) {
    daemon.signal(signal);
    let ended = daemon.end();
    println!("{signal:?}: ended after {:?}", ended.took);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took <= STOPS_WITHIN, "a stop took {:?}:\n{}", ended.took, ended.stderr);
}

/// Waits until the daemon is online, and returns its `info`, checked.
#[cfg(feature = "device")]
async fn checked_info(subscriber: &Subscriber) -> Value {
    wait_for_newest(subscriber, &topic("status"), "online").await;
    let info = json(&subscriber.wait_for(&topic("info"), |_| true).await.payload);
    assert_eq!((&info["model"], &info["execution_provider"]), (&"musicnn-msd".into(), &"cpu".into()));
    assert!(!info["execution_provider_reason"].as_str().unwrap().is_empty(), "{info}");
    assert_eq!(info["labels"].as_array().unwrap().len(), 15);
    assert_eq!(info["sources"][0]["name"], "line_in");
    info
}

/// Captures music from a sound server through both host APIs and checks the published genre. After
/// the server has died and restarted, both sources recover.
#[cfg(feature = "device")]
#[tokio::test]
async fn a_subscriber_reads_what_a_sound_server_plays() {
    if !isolated("end_to_end::a_subscriber_reads_what_a_sound_server_plays") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 40.0, 120.0, &folder.join("song.wav"), &["-ar", "48000"]);
    let broker = Mosquitto::start();
    let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
    configure(
        folder,
        broker.port(),
        "publish_patches = true\nheartbeat_s = 2",
        "[[source]]\nname = 'line in'\nuri = 'device:alsa:ci'\nlost_after_s = 2\n
         [[source]]\nname = 'monitor'\nuri = 'device:pulseaudio:ci.monitor'\nlost_after_s = 2",
    );
    let sources = ["line_in", "monitor"];
    let server = Server::start();
    let player = server.play(&folder.join("song.wav"));
    // ALSA finds the server through the home folder of this process.
    let mut command = genred(folder);
    command.env("HOME", std::env::var_os("HOME").unwrap()).args(["run", "-c", "genred.toml"]);
    let daemon = Daemon::start(&mut command);

    let mut runs = Vec::new();
    for source in sources {
        let is_metal = |payload: &str| field(payload, "genre") == "metal";
        let state = subscriber.wait_for(&topic(&format!("{source}/state")), is_metal).await.payload;
        let state = json(&state);
        assert_eq!((&state["state"], &state["raw_genre"]), (&"music".into(), &"metal".into()), "{state}");
        assert!(state["confidence"].as_f64().unwrap() >= 0.5, "{state}");
        assert!((-40.0..0.0).contains(&state["lufs_s"].as_f64().unwrap()), "{state}");
        assert_eq!(state["dead_air"], "OFF");
        runs.push(state["run"].clone());
        let to_metal = |payload: &str| field(payload, "to") == "metal";
        let event = subscriber.wait_for(&topic(&format!("{source}/event")), to_metal).await.payload;
        assert_eq!(field(&event, "event_type"), "genre_changed");
        runs.push(json(&event)["run"].clone());
        wait_for_newest(&subscriber, &topic(&format!("{source}/availability")), "online").await;
        let window = subscriber.wait_for(&topic(&format!("{source}/window")), is_metal).await.payload;
        assert_eq!(json(&window)["scores"].as_object().unwrap().len(), 15);
    }
    let info = checked_info(&subscriber).await;
    assert!(runs.iter().all(|run| *run == info["run"]), "{runs:?}");

    server.kill();
    drop(player);
    for source in sources {
        let lost = |payload: &str| field(payload, "event_type") == "source_lost";
        subscriber.wait_for(&topic(&format!("{source}/event")), lost).await;
        let lost = |payload: &str| field(payload, "state") == "lost" && field(payload, "genre") == "lost";
        subscriber.wait_for(&topic(&format!("{source}/state")), lost).await;
        wait_for_newest(&subscriber, &topic(&format!("{source}/availability")), "offline").await;
    }
    let server = Server::start();
    let _player = server.play(&folder.join("song.wav"));
    for source in sources {
        let recovered = |payload: &str| field(payload, "event_type") == "source_recovered";
        subscriber.wait_for(&topic(&format!("{source}/event")), recovered).await;
        wait_for_newest(&subscriber, &topic(&format!("{source}/availability")), "online").await;
        until("metal again", || {
            let state = subscriber.newest(&topic(&format!("{source}/state"))).unwrap().payload;
            field(&state, "genre") == "metal"
        })
        .await;
        let events: Vec<u64> = subscriber
            .received()
            .iter()
            .filter(|message| message.topic == topic(&format!("{source}/event")))
            .map(|message| json(&message.payload)["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(events, (1..=events.len() as u64).collect::<Vec<_>>(), "a hole in `seq` of {source}");
    }
    let stats = wait_for_stats(&daemon, &subscriber);
    assert_eq!(stats["execution_provider"], "cpu");
    for source in sources {
        let stats = &stats["sources"][source];
        assert!(
            stats["scored"].as_u64().unwrap() > 5 && stats["reconnects"].as_u64().unwrap() > 0,
            "{stats}"
        );
    }
    stop(daemon, Signal::TERM);
    wait_for_newest(&subscriber, &topic("status"), "offline").await;
}

/// An overflow is counted and leaves a gap: produced = scored + dropped. Another source is not
/// affected.
#[tokio::test]
async fn what_comes_too_fast_is_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 18.0, &folder.join("tape.flac"), &[]);
    copy_with_reference(&folder.join("reference"));
    let broker = Mosquitto::start();
    let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
    configure(
        folder,
        broker.port(),
        "publish_patches = true\npatch_qos = 1",
        // Inference with the reference network is far slower than decoding.
        "[model]\nbundle = './reference'\ntrunk = 'windowed'\n\
         [[source]]\nname = 'tape'\nuri = 'tape.flac'\n[[source]]\nuri = '-'",
    );
    // The pipe stays open, so that the daemon outlives the tape until it publishes its counters.
    let mut command = genred(folder);
    command.args(["run", "-c", "genred.toml", "--hop", "0.25"]).stdin(Stdio::piped());
    let mut daemon = Daemon::start(&mut command);
    let _pipe = daemon.stdin();
    subscriber.wait_for(&topic("tape/window"), |_| true).await;
    // All audio that has become due in the meantime is processed at once.
    daemon.signal(Signal::STOP);
    tokio::time::sleep(Duration::from_secs(8)).await;
    daemon.signal(Signal::CONT);
    daemon.wait_for_log("ended source=\"tape\"");

    let stats = wait_for_stats(&daemon, &subscriber);
    let counter = |name: &str| stats["sources"]["tape"][name].as_u64().unwrap();
    let (produced, scored, dropped) = (counter("produced"), counter("scored"), counter("dropped"));
    assert_eq!(produced, scored + dropped, "{stats}");
    assert!(dropped > 0 && scored > 10, "{stats}");
    // 18 s: 1126 frames; a patch has 187 frames, one every 15.625 frames.
    assert_eq!(produced, 61);
    let numbers: Vec<u64> = subscriber
        .received()
        .iter()
        .filter(|message| message.topic == topic("tape/window"))
        .map(|message| json(&message.payload)["patch"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(numbers.len() as u64, scored, "{numbers:?}");
    stop(daemon, Signal::TERM);
}

/// SIGTERM and SIGINT: everything is published as offline, then a clean disconnect, exit code 0,
/// within two seconds.
#[tokio::test]
async fn a_signal_stops_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start();
        let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
        configure_tape(folder.path(), broker.port(), "");
        let daemon = start(folder.path());
        wait_for_newest(&subscriber, &topic("tape/availability"), "online").await;
        subscriber.wait_for(&topic("tape/state"), |payload| field(payload, "genre") == "metal").await;
        stop(daemon, signal);
        wait_for_newest(&subscriber, &topic("status"), "offline").await;
        let last: Vec<String> =
            subscriber.received().into_iter().rev().take(2).map(|message| message.topic).collect();
        assert_eq!(last, [topic("status"), topic("tape/availability")], "newest first");
        assert_eq!(subscriber.newest(&topic("tape/availability")).unwrap().payload, "offline");
        until("a clean disconnect in mosquitto's log", || {
            broker
                .log()
                .lines()
                .any(|line| line.contains("Client studio1-") && line.ends_with(" disconnected."))
        })
        .await;
        // Retained, so that late subscribers receive it.
        let late = Subscriber::start(broker.port(), &topic("status"), &[]).await;
        late.wait_for(&topic("status"), |payload| payload == "offline").await;
    }
}

/// A stop takes at most two seconds, even if a component hangs.
#[tokio::test]
async fn a_stop_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 120.0, &folder.join("tape.flac"), &[]);
    let broker = Mosquitto::start();
    configure(folder, broker.port(), "", "[[source]]\nname = 'tape'\nuri = 'tape.flac'");
    let daemon = start(folder);
    daemon.wait_for_log("connected");
    broker.freeze();
    stop(daemon, Signal::TERM);
    broker.thaw();

    println!("no broker:");
    let mut gone = Mosquitto::start();
    gone.kill();
    configure(folder, gone.port(), "", "[[source]]\nname = 'tape'\nuri = 'tape.flac'");
    let daemon = start(folder);
    daemon.wait_for_log("no connection to the MQTT broker");
    stop(daemon, Signal::TERM);

    println!("a pipe that brings nothing:");
    let mut command = genred(folder);
    let mut daemon = Daemon::start(command.args(["run", "-", "--no-mqtt"]).stdin(Stdio::piped()));
    let pipe = daemon.stdin();
    daemon.wait_for_log("model loaded");
    stop(daemon, Signal::TERM);
    drop(pipe);

    println!("standard output that nobody reads:");
    let (unread, output) = std::io::pipe().unwrap();
    let mut command = genred(folder);
    command.args([
        "run",
        "tape.flac",
        "tape.flac",
        "--fast",
        "--hop",
        "0.25",
        "--no-mqtt",
        "--output",
        "jsonl",
    ]);
    let daemon = Daemon::start_with_output(&mut command, output);
    drop(command);
    daemon.wait_for_log("ended source=\"tape\"");
    stop(daemon, Signal::TERM);
    drop(unread);
}

/// A second signal ends the process at once. After SIGKILL the broker publishes `offline`.
#[tokio::test]
async fn a_second_signal_forces_and_a_kill_leaves_the_last_will() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
    configure_tape(folder.path(), broker.port(), "");
    let daemon = start(folder.path());
    wait_for_newest(&subscriber, &topic("status"), "online").await;
    // The orderly shutdown would take most of a second.
    broker.freeze();
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::INT);
    let ended = daemon.end();
    println!("forced: ended after {:?}", ended.took);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    broker.thaw();
    wait_for_newest(&subscriber, &topic("status"), "offline").await;

    let daemon = start(folder.path());
    wait_for_newest(&subscriber, &topic("status"), "online").await;
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.end().code, None);
    wait_for_newest(&subscriber, &topic("status"), "offline").await;
}

/// The daemon waits for an absent broker, at the start and later. After a restart of the broker,
/// all retained messages are published again.
#[tokio::test]
async fn a_broker_that_comes_back_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Mosquitto::start();
    broker.kill();
    configure_tape(folder.path(), broker.port(), "");
    let mut daemon = start(folder.path());
    daemon.wait_for_log("no connection to the MQTT broker");
    assert!(daemon.log().contains(&format!("127.0.0.1:{}", broker.port())), "{}", daemon.log());
    for outage in [0, 10] {
        tokio::time::sleep(Duration::from_secs(outage)).await;
        assert!(daemon.is_running());
        broker.restart();
        let subscriber = Subscriber::start(broker.port(), "genred/#", &[]).await;
        wait_for_newest(&subscriber, &topic("status"), "online").await;
        wait_for_newest(&subscriber, &topic("tape/availability"), "online").await;
        subscriber.wait_for(&topic("info"), |payload| field(payload, "head") == "genres").await;
        subscriber.wait_for(&topic("tape/state"), |payload| field(payload, "genre") == "metal").await;
        broker.kill();
    }
    stop(daemon, Signal::TERM);
}
