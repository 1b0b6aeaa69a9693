//! State folders of earlier builds: nothing in them is lost.
//!
//! `fixtures/state-before-0.1.0` was written by the build of commit f38f82b, without a broker: 25 s
//! of metal and 10 s of silence, read fast, with the as-run log enabled.

use std::fs;
use std::path::Path;

use crate::support::broker::{Mosquitto, Subscriber, until};
use crate::support::daemon::{Daemon, genred, run};
use crate::support::music::cut;
use rustix::process::Signal;
use serde_json::Value;

const EVENTS: &str = "genred/studio1/recording/event";

fn copy_state(folder: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/fixtures/state-before-0.1.0");
    let state = folder.join("state/studio1");
    fs::create_dir_all(&state).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, state.join(path.file_name().unwrap())).unwrap();
    }
}

#[tokio::test]
async fn events_and_log_of_an_earlier_build_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    copy_state(folder.path());
    cut("metal", 60.0, 8.0, &folder.path().join("new.wav"), &[]);
    let broker = Mosquitto::persistent();
    let observer = Subscriber::start(broker.port(), EVENTS, &["-c", "-i", "observer"]).await;
    let text = format!(
        "node = 'studio1'\nstate_dir = 'state'\n[mqtt]\nurl = 'mqtt://127.0.0.1:{}'\n\
         [log]\nenabled = true\nretention_days = 36500\n\
         [[source]]\nname = 'recording'\nuri = 'new.wav'\nrepeat = true\n",
        broker.port()
    );
    fs::write(folder.path().join("genred.toml"), text).unwrap();
    let daemon = Daemon::start(genred(folder.path()).args(["run", "-c", "genred.toml"]));
    until("the stored events and one of this run", || observer.received().len() >= 4).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));

    let events: Vec<Value> =
        observer.received().iter().map(|message| serde_json::from_str(&message.payload).unwrap()).collect();
    let described: Vec<_> = events[..3]
        .iter()
        .map(|event| (event["run"].as_str().unwrap(), event["event_type"].as_str().unwrap()))
        .collect();
    let before = "2342f58d0b9eb83c";
    assert_eq!(
        described,
        [(before, "genre_changed"), (before, "dead_air_started"), (before, "genre_changed")]
    );
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "`seq` continues");
    assert_ne!(events[3]["run"], before);

    let report = ["report", "-c", "genred.toml", "--from", "2026-11-01", "--to", "2026-11-02"];
    let segments = run(folder.path(), &[&report[..], &["--segments", "--format", "json"]].concat());
    let labels: Vec<String> =
        segments.json().iter().map(|segment| segment["label"].as_str().unwrap().to_owned()).collect();
    assert_eq!(labels, ["metal", "silence"], "{}", segments.stderr);
}
