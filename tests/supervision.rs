//! How each source is, and why, as subscribers are told.
#![cfg(all(feature = "net", feature = "mqtt"))]

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use support::audio::{signal, write_wav};
use support::broker::{Mosquitto, Subscriber, free_port};
use support::daemon::{Daemon, genred};

/// One that plays, one that falls quiet, one whose server is away, one that cannot help being wrong: each has its own fate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_says_how_it_is_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let heard = Subscriber::start(broker.port(), "genred/#", &[]).await;
    write_wav(&folder.path().join("song.wav"), 16_000, 1, &signal(16_000, 1, 30.0));
    let nobody = free_port();
    let config = format!(
        "node = \"studio1\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n\
         [[source]]\nname = \"well\"\nuri = \"song.wav\"\nrepeat = true\n\
         [[source]]\nname = \"quiet\"\nuri = \"stdin:?format=s16le&rate=16000&channels=1\"\nlost_after = 1.0\n\
         [[source]]\nname = \"away\"\nuri = \"http://me:hunter2@127.0.0.1:{nobody}/live\"\n\
         [[source]]\nname = \"wrong\"\nuri = \"process:\"\ncommand = [\"no-such-program\"]\n",
        broker.port()
    );
    fs::write(folder.path().join("genred.toml"), config).unwrap();
    let mut command = genred(folder.path());
    let command =
        command.env("no_proxy", "127.0.0.1").args(["run", "-c", "genred.toml"]).stdin(Stdio::piped());
    let mut daemon = Daemon::start(command);
    let mut pipe = daemon.stdin();
    pipe.write_all(&[1; 32_000 * 5]).unwrap();
    pipe.flush().unwrap();

    let lost = async |source: &str| -> String {
        let topic = format!("genred/studio1/{source}/event");
        let event = heard.wait_for(&topic, |text| text.contains("\"source_lost\"")).await;
        let event: Value = serde_json::from_str(&event.payload).unwrap();
        event["reason"].as_str().unwrap().to_owned()
    };
    let (quiet, away, wrong) = (lost("quiet").await, lost("away").await, lost("wrong").await);
    let seconds = quiet.strip_prefix("no sound for ").and_then(|rest| rest.strip_suffix(" s")).unwrap();
    assert!(seconds.parse::<f64>().unwrap() >= 1.0, "{quiet}");
    assert!(away.contains(&format!("127.0.0.1:{nobody}/live` cannot be reached")), "{away}");
    assert!(wrong.contains("no program `no-such-program`"), "{wrong}");
    heard.wait_for("genred/studio1/well/availability", |text| text == "online").await;

    daemon.signal(Signal::TERM);
    // The last one, of the stop; earlier ones may be of the start.
    let told = |text: &str| {
        ["healthy", "stalled", "recovering", "failed"].iter().all(|health| text.contains(health))
    };
    let last = heard.wait_for("genred/studio1/stats", told).await;
    let stats: Value = serde_json::from_str(&last.payload).unwrap();
    for (source, health, reason) in [
        ("well", "healthy", None),
        ("quiet", "stalled", Some(&quiet)),
        ("away", "recovering", Some(&away)),
        ("wrong", "failed", Some(&wrong)),
    ] {
        let stats = &stats["sources"][source];
        assert_eq!(stats["health"], health, "{source}: {stats}");
        assert_eq!(stats["health_reason"].as_str(), reason.map(String::as_str), "{source}: {stats}");
    }
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told: String = heard.received().iter().map(|message| message.payload.clone()).collect();
    for text in [&told, &ended.stdout, &ended.stderr] {
        assert!(!text.contains("hunter2"), "a password is shown: {text}");
    }
}
