//! Node-name conflicts, and retained messages under a former name.

use std::process::Command;

use crate::support::broker::{Mosquitto, Subscriber, tool, until};
use crate::support::messages::{Running, attributes, availability, event, info, state, stats, topic};
use genred::event::{DaemonInfo, SourceIdentity};
use genred::sink::Message;
use genred::sink::mqtt::store::OutboxStore;
use std::sync::Arc;

const RUN_A: &str = "aaaaaaaa";
const RUN_B: &str = "bbbbbbbb";

fn toml(broker: &Mosquitto) -> String {
    format!("url = 'mqtt://127.0.0.1:{}'\nreconnect_max_s = 0.3", broker.port())
}

/// Returns the `info` of run `run`, started at `started`, with these sources.
fn info_of(run: &str, started: &str, sources: &[&str]) -> Message {
    let Message::Info(info) = info(3) else { panic!() };
    let source = |name: &&str| SourceIdentity {
        name: (*name).into(),
        display_name: (*name).into(),
        uri: "stdin:".into(),
    };
    let sources = sources.iter().map(source).collect();
    Message::Info(Arc::new(DaemonInfo {
        run: run.into(),
        started: started.parse().unwrap(),
        sources,
        ..DaemonInfo::clone(&info)
    }))
}

fn publish(broker: &Mosquitto) -> Command {
    let mut command = tool("mosquitto_pub", "mosquitto-clients");
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string(), "-q", "1"]);
    command
}

/// Returns whether the latest message on `topic` is `payload`.
fn says(subscriber: &Subscriber, topic: &str, payload: &str) -> bool {
    subscriber.newest(topic).is_some_and(|message| message.payload == payload)
}

#[tokio::test]
async fn a_name_that_is_taken_is_numbered_where_it_was_not_chosen() {
    let broker = Mosquitto::start();
    let all = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let first = Running::named(&toml(&broker), RUN_A, |sink| sink);
    first.send(info_of(RUN_A, "2026-11-03T14:00:00Z", &["fm1"])).await;
    all.wait_for("genred/studio1/info", |payload| payload.contains(RUN_A)).await;
    let second = Running::named(&toml(&broker), RUN_B, |sink| sink.allow_rename());
    second.send(info_of(RUN_B, "2026-11-03T14:00:01Z", &["fm1"])).await;
    all.wait_for("genred/studio1-2/info", |payload| payload.contains(RUN_B)).await;
    assert!(says(&all, "genred/studio1/status", "online"));
    second.stop().await;
    until("the second is offline", || says(&all, "genred/studio1-2/status", "offline")).await;
    assert!(says(&all, "genred/studio1/status", "online"), "the first is left in peace");
    assert!(all.received().iter().all(|m| m.topic != "genred/studio1/info" || m.payload.contains(RUN_A)));
    first.stop().await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_where_it_was_chosen() {
    let broker = Mosquitto::start();
    let first = Running::named(&toml(&broker), RUN_A, |sink| sink);
    first.send(info_of(RUN_A, "2026-11-03T14:00:00Z", &["fm1"])).await;
    let info = Subscriber::start(broker.port(), &topic("info"), &[]).await;
    info.wait_for(&topic("info"), |_| true).await;
    let stop = genred::thread::Stop::new().unwrap();
    let refusing = genred::sink::FatalHandle::new(stop.clone());
    let handle = refusing.clone();
    let began = std::time::Instant::now();
    let second = Running::named(&toml(&broker), RUN_B, |sink| sink.with_fatal_handle(handle));
    // Until then it might be a run whose end the broker has not noticed yet.
    while !stop.is_set() {
        assert!(began.elapsed().as_secs() < 90, "not refused");
        first.send(stats()).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(refusing.reason().unwrap().contains("another genred publishes as node `studio1`"));
    second.stop().await;
    first.stop().await;
}

/// A broker may keep a run as online that has ended, after a power failure or if the broker was
/// killed.
#[tokio::test]
async fn ones_own_ghost_is_no_other() {
    let broker = Mosquitto::start();
    haunt(&broker, r#"{"run":"aaaaaaaa","instance":"0123456789abcdef","sources":[]}"#);
    // A default name in use gets a number at once.
    let stranger =
        Running::named(&toml(&broker), RUN_A, |sink| sink.with_instance_id("other".into()).allow_rename());
    stranger.send(info_of(RUN_A, "2026-11-03T14:00:00Z", &["fm1"])).await;
    let all = Subscriber::start(broker.port(), "genred/#", &[]).await;
    all.wait_for("genred/studio1-2/info", |_| true).await;
    stranger.stop().await;
    let sink = Running::named(&toml(&broker), RUN_B, |sink| {
        sink.with_instance_id("0123456789abcdef".into()).allow_rename()
    });
    sink.send(info_of(RUN_B, "2026-11-03T14:00:00Z", &["fm1"])).await;
    all.wait_for(&topic("info"), |payload| payload.contains(RUN_B)).await;
    sink.stop().await;
}

/// A configured name is not given up unless the other daemon shows a sign of life.
#[tokio::test]
async fn a_strangers_ghost_is_outwaited() {
    let broker = Mosquitto::start();
    haunt(&broker, r#"{"run":"aaaaaaaa","sources":[]}"#);
    let all = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let sink = Running::named(&toml(&broker), RUN_B, |sink| sink);
    sink.send(info_of(RUN_B, "2026-11-03T14:00:00Z", &["fm1"])).await;
    let began = std::time::Instant::now();
    while !all.newest(&topic("info")).is_some_and(|message| message.payload.contains(RUN_B)) {
        assert!(began.elapsed().as_secs() < 120, "still waiting");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    sink.stop().await;
}

/// Makes the broker announce a daemon as online.
fn haunt(broker: &Mosquitto, info: &str) {
    for (leaf, payload) in [("status", "online"), ("info", info)] {
        assert!(publish(broker).args(["-r", "-t", &topic(leaf), "-m", payload]).status().unwrap().success());
    }
}

#[tokio::test]
async fn who_came_later_gives_way_when_two_took_a_name_at_once() {
    let broker = Mosquitto::start();
    let all = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let sink = Running::named(&toml(&broker), RUN_B, |sink| sink.allow_rename());
    sink.send(info_of(RUN_B, "2026-11-03T14:00:05Z", &["fm1"])).await;
    all.wait_for("genred/studio1/info", |payload| payload.contains(RUN_B)).await;
    let say = |run: &str, started: &str| {
        let payload = format!(r#"{{"run":"{run}","started":"{started}","sources":[{{"name":"theirs"}}]}}"#);
        assert!(
            publish(&broker)
                .args(["-r", "-t", "genred/studio1/info", "-m", &payload])
                .status()
                .unwrap()
                .success()
        );
    };
    // The other daemon started later: it will yield, and its overwritten messages are restored.
    let before = all.received().len();
    say("cccccccc", "2026-11-03T14:00:06.000Z");
    until("our own is back", || {
        let after: Vec<_> = all.received().split_off(before);
        after.iter().filter(|m| m.topic == "genred/studio1/info").any(|m| m.payload.contains(RUN_B))
    })
    .await;
    until("its source is gone", || says(&all, "genred/studio1/theirs/state", "")).await;
    // The other daemon started first. A single message may be an echo; a second one is a sign of
    // life.
    let infos = || {
        all.received()
            .iter()
            .filter(|m| m.topic == "genred/studio1/info" && m.payload.contains(RUN_B))
            .count()
    };
    let before = infos();
    say(RUN_A, "2026-11-03T14:00:04.000Z");
    until("our own is back", || infos() > before).await;
    say(RUN_A, "2026-11-03T14:00:04.000Z");
    all.wait_for("genred/studio1-2/info", |payload| payload.contains(RUN_B)).await;
    assert!(says(&all, "genred/studio1/status", "online"), "the name is the other's, and so is its status");
    sink.stop().await;
}

/// After a power failure, the broker closes the former connection only after the keep-alive
/// time-out.
#[tokio::test]
async fn a_last_will_that_comes_late_is_taken_back() {
    let broker = Mosquitto::start();
    let sink = Running::named(&toml(&broker), RUN_A, |sink| sink);
    let status = Subscriber::start(broker.port(), &topic("status"), &[]).await;
    until("it is online", || says(&status, &topic("status"), "online")).await;
    let before = status.received().len();
    assert!(
        publish(&broker).args(["-r", "-t", &topic("status"), "-m", "offline"]).status().unwrap().success()
    );
    until("it is online again", || {
        let after = status.received().split_off(before);
        after.iter().any(|message| message.payload == "offline") && says(&status, &topic("status"), "online")
    })
    .await;
    sink.stop().await;
    until("the stop is believed", || says(&status, &topic("status"), "offline")).await;
}

#[tokio::test]
async fn what_a_source_left_goes_with_it() {
    let broker = Mosquitto::start();
    let sink = Running::named(&toml(&broker), RUN_A, |sink| sink);
    sink.send(info_of(RUN_A, "2026-11-03T14:00:00Z", &["fm1", "attic"])).await;
    for source in ["fm1", "attic"] {
        for message in [availability(source, true), state(source, "jazz", 1), attributes(source)] {
            sink.send(message).await;
        }
    }
    let retained = Subscriber::start(broker.port(), "genred/#", &["-t", "homeassistant/#"]).await;
    retained.wait_for(&topic("attic/attributes"), |_| true).await;
    sink.stop().await;
    let sink = Running::named(&toml(&broker), RUN_B, |sink| sink);
    sink.send(info_of(RUN_B, "2026-11-03T14:00:00Z", &["fm1"])).await;
    sink.send(state("fm1", "jazz", 1)).await;
    retained.wait_for(&topic("info"), |payload| payload.contains(RUN_B)).await;
    for leaf in ["attic/state", "attic/attributes", "attic/availability"] {
        until(leaf, || says(&retained, &topic(leaf), "")).await;
    }
    let late = Subscriber::start(broker.port(), "genred/#", &[]).await;
    late.wait_for(&topic("fm1/state"), |_| true).await;
    assert!(late.received().iter().all(|message| !message.topic.contains("attic")));
    let late = Subscriber::start(broker.port(), "homeassistant/#", &[]).await;
    late.wait_for("homeassistant/device/genred_studio1__fm1/config", |_| true).await;
    assert!(late.received().iter().all(|message| !message.topic.contains("attic")));
    sink.stop().await;
}

/// After a kill with events in the outbox, the next run publishes them before its own.
#[tokio::test]
async fn events_outlive_the_process() {
    let mut broker = Mosquitto::persistent();
    let events = Subscriber::start(broker.port(), &topic("fm1/event"), &["-c", "-i", "observer"]).await;
    let folder = tempfile::tempdir().unwrap();
    let open = || OutboxStore::open(folder.path(), 100);
    let (store, left) = open();
    let sink = Running::named(&toml(&broker), RUN_A, |sink| sink.with_outbox(store, left));
    sink.send(event("fm1", 1)).await;
    events.wait_for(&topic("fm1/event"), |payload| payload.contains(r#""seq":1,"#)).await;
    until("the first is acknowledged", || waiting_on_disk(folder.path()) == 0).await;
    broker.stop();
    for seq in 2..=4 {
        sink.send(event("fm1", seq)).await;
    }
    until("three wait on disk", || waiting_on_disk(folder.path()) == 3).await;
    sink.vanish().await;
    // The storage thread has closed the file, since nothing is left to write.
    let (store, left) = open();
    let left = left.unwrap();
    assert_eq!(left.events.len(), 3);
    assert_eq!(left.seqs, [("fm1".into(), 4)]);
    let sink = Running::named(&toml(&broker), RUN_B, |sink| sink.with_outbox(store, Ok(left)));
    sink.send(event("fm1", 5)).await;
    broker.restart();
    let seqs = || -> Vec<u64> {
        let mut seqs: Vec<u64> = events
            .received()
            .iter()
            .map(|m| serde_json::from_str::<serde_json::Value>(&m.payload).unwrap()["seq"].as_u64().unwrap())
            .collect();
        seqs.dedup();
        seqs
    };
    until("all have arrived", || seqs().len() >= 5).await;
    assert_eq!(seqs(), [1, 2, 3, 4, 5]);
    sink.stop().await;
    until("nothing is left on disk", || waiting_on_disk(folder.path()) == 0).await;
}

/// Number of events in the file, read by another program.
fn waiting_on_disk(folder: &std::path::Path) -> i64 {
    let file = rusqlite::Connection::open(folder.join("outbox.sqlite")).unwrap();
    file.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap()
}
