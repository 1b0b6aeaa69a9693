//! Page and API of a real daemon.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::audio::write_wav;
use crate::support::broker::free_port;
use crate::support::daemon::{Daemon, genred, run};
use crate::support::http::{EventStream, connect, page_of, request, request_with, send};
use crate::support::music::cut;

/// Maximum duration of a stop.
const STOPS_WITHIN: Duration = Duration::from_secs(4);

/// Writes `genred.toml` without MQTT; `web` are keys of its section, `rest` follows.
fn configure(folder: &Path, web: &str, rest: &str) {
    let text = format!("node = 'studio1'\n[mqtt]\nenabled = false\n[web]\n{web}\n{rest}\n");
    fs::write(folder.join("genred.toml"), text).unwrap();
}

fn start(folder: &Path) -> Daemon {
    Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]))
}

fn stop(daemon: Daemon) {
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took <= STOPS_WITHIN, "a stop took {:?}:\n{}", ended.took, ended.stderr);
}

/// Five seconds of noise and five of silence, in turn, for a minute: short-term loudness covers
/// three seconds.
fn write_bursts(path: &Path) {
    let mut noise = fastrand::Rng::with_seed(7);
    let sample = |index: usize| match index / 80_000 % 2 {
        0 => noise.f32() * 0.5 - 0.25,
        _ => 0.0,
    };
    let samples: Vec<f32> = (0..16_000 * 60).map(sample).collect();
    write_wav(path, 16_000, 1, &samples);
}

#[test]
fn the_api_shows_what_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 22.0, 120.0, &folder.join("tape.flac"), &[]);
    configure(folder, "", "[[source]]\nname = 'tape'\nuri = 'tape.flac'\nrepeat = true");
    let daemon = start(folder);
    let page = page_of(&daemon);
    let source = || request(page, "GET", "/api/v1/sources/tape", b"").json();
    daemon.wait_until("metal", || source()["state"]["genre"] == "metal");
    let shown = source();
    assert_eq!((&shown["online"], &shown["health"]), (&true.into(), &"healthy".into()), "{shown}");
    assert!(shown["behind_s"].as_f64().unwrap() < 30.0, "{shown}");
    assert_eq!(shown["ribbon"].as_array().unwrap().last().unwrap()[2], "metal");
    let explained = request(page, "GET", "/api/v1/sources/tape/explain", b"").json();
    assert!(explained["words"].as_str().unwrap().starts_with("says metal because"), "{explained}");
    assert_eq!(explained["posteriors"].as_array().unwrap().len(), 15);
    let settings = request(page, "PATCH", "/api/v1/sources/tape", br#"{"hop":0.5}"#).json();
    assert_eq!(settings["hop"], 0.5, "{settings}");
    assert_eq!(source()["settings"]["hop"], 0.5);
    let refused = request(page, "PATCH", "/api/v1/sources/tape", br#"{"hops":0.5}"#);
    assert_eq!((refused.status, &refused.json()["key"]), (422, &"hops".into()));
    let history = request(page, "GET", "/api/v1/sources/tape/history?from=1h&by=all", b"").json();
    assert_eq!(history["events"][0]["to"], "metal", "{history}");
    stop(daemon);
}

/// Ids of events by source, as a client received them or as the log has them.
type Sequence = BTreeMap<String, Vec<(String, u64)>>;

fn add(sequence: &mut Sequence, event: &Value) {
    let text = |key: &str| event[key].as_str().unwrap().to_owned();
    sequence.entry(text("source")).or_default().push((text("run"), event["seq"].as_u64().unwrap()));
}

/// Receives events until `enough` have arrived, and returns the last id.
fn receive(stream: &mut EventStream, sequence: &mut Sequence, enough: usize) -> String {
    let mut last = None;
    for _ in 0..enough {
        let event = stream.of("event");
        add(sequence, &event.data);
        last = event.id;
    }
    last.unwrap()
}

/// Events of the log.
fn logged_events(page: SocketAddr) -> Sequence {
    let mut logged = Sequence::new();
    for name in ["a", "b", "c"] {
        let path = format!("/api/v1/sources/{name}/history?from=1h&by=all");
        let history = request(page, "GET", &path, b"").json();
        history["events"].as_array().unwrap().iter().for_each(|event| add(&mut logged, event));
    }
    logged
}

#[test]
fn events_resume_over_a_kill_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_bursts(&folder.join("bursts.wav"));
    let source = |name: &str| {
        format!(
            "[[source]]\nname = '{name}'\nuri = 'bursts.wav'\nrepeat = true\nsilence = {{ after_s = 0.5 }}\n"
        )
    };
    let bind = format!("bind = '127.0.0.1:{}'", free_port());
    configure(folder, &bind, &["a", "b", "c"].map(source).concat());
    let mut received = Sequence::new();
    let daemon = start(folder);
    let page = page_of(&daemon);
    let mut stream = EventStream::connect(page, "?topics=event", None);
    assert_eq!(stream.of("hello").data["resumed"], false);
    let last = receive(&mut stream, &mut received, 6);
    drop(stream);
    // Events that nobody receives, then a kill.
    let known = || {
        let history = request(page, "GET", "/api/v1/sources/a/history?from=1h&by=all", b"").json();
        history["events"].as_array().map_or(0, Vec::len)
    };
    let before = known();
    daemon.wait_until("two more events", || known() >= before + 2);
    daemon.signal(Signal::KILL);
    daemon.end();

    let daemon = start(folder);
    page_of(&daemon);
    let mut stream = EventStream::connect(page, "?topics=event", Some(&last));
    let hello = stream.of("hello").data;
    assert_eq!((&hello["resumed"], &hello["gap"]), (&true.into(), &false.into()), "{hello}");
    let last = receive(&mut stream, &mut received, 12);
    drop(stream);
    stop(daemon);

    let daemon = start(folder);
    page_of(&daemon);
    let mut stream = EventStream::connect(page, "?topics=event", Some(&last));
    assert_eq!(stream.of("hello").data["gap"], false);
    receive(&mut stream, &mut received, 12);
    // The log is written on a thread of its own, a moment after the page has the event.
    let mut logged = Sequence::new();
    daemon.wait_until("the log", || {
        logged = logged_events(page);
        received
            .iter()
            .all(|(source, ids)| logged.get(source).is_some_and(|all| all.contains(&ids[ids.len() - 1])))
    });
    stop(daemon);
    for (source, received) in &received {
        let logged = &logged[source];
        let from = logged.iter().position(|id| id == &received[0]).expect("the first event is logged");
        let same = logged[from..].iter().zip(received).take_while(|(one, other)| one == other).count();
        assert_eq!(same, received.len(), "{source}: received {received:?}, logged {logged:?}");
        let runs: std::collections::BTreeSet<_> = received.iter().map(|(run, _)| run).collect();
        assert_eq!(runs.len(), 3, "{source}: {received:?}");
    }
}

#[test]
fn bad_requests_get_an_answer_and_leave_the_daemon_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 22.0, 10.0, &folder.join("tape.flac"), &[]);
    let source = "[[source]]\nname = 'tape'\nuri = 'tape.flac'\nrepeat = true\n
                  [[source]]\nname = 'secret'\nuri = 'http://ann:hunter2@127.0.0.1:9/a?token=hunter3'";
    configure(folder, "", source);
    let daemon = start(folder);
    let page = page_of(&daemon);
    let status = |answer: crate::support::http::HttpAnswer| answer.status;
    let endless = format!("GET / HTTP/1.1\r\nhost: {page}\r\nx: {}\r\n\r\n", "y".repeat(200 << 10));
    assert_eq!(status(send(page, &[endless.as_bytes()])), 431);
    assert_eq!(status(send(page, &[b"nonsense\r\n\r\n"])), 400);
    assert_eq!(status(request(page, "GET", "/assets/..%2f..%2fconfig.rs", b"")), 404);
    assert_eq!(status(request(page, "GET", "/assets/../../../../etc/passwd", b"")), 404);
    let foreign =
        request_with(page, "PATCH", "/api/v1/sources/tape", &[("origin", "http://x.example")], b"{}");
    assert_eq!((foreign.status, &foreign.json()["code"]), (403, &"foreign_origin".into()));
    let rebound = "GET /api/v1/sources HTTP/1.1\r\nhost: x.example\r\nconnection: close\r\n\r\n";
    assert_eq!(status(send(page, &[rebound.as_bytes()])), 403);
    // A head that never ends is cut off.
    let mut slow = connect(page);
    let began = Instant::now();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n").unwrap();
    let _ = slow.read_to_end(&mut Vec::new());
    assert!(began.elapsed() < Duration::from_secs(60));
    for path in ["/api/v1/sources", "/api/v1/sources/secret", "/api/v1/daemon", "/api/v1/openapi.json"] {
        let answer = request(page, "GET", path, b"");
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains("hunter"), "{path}: {}", answer.body);
    }
    daemon.wait_until("sound", || request(page, "GET", "/api/v1/sources/tape", b"").json()["online"] == true);
    stop(daemon);
}

#[test]
fn clients_do_not_delay_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 22.0, 10.0, &folder.join("tape.flac"), &[]);
    configure(folder, "", "[[source]]\nname = 'tape'\nuri = 'tape.flac'\nrepeat = true");
    let daemon = start(folder);
    let page = page_of(&daemon);
    let topics = "?sources=tape&topics=state,event,level,mel,explain";
    let mut streams: Vec<_> = (0..20).map(|_| EventStream::connect(page, topics, None)).collect();
    streams.iter_mut().for_each(|stream| drop(stream.of("level")));
    let _idle: Vec<_> = (0..20).map(|_| connect(page)).collect();
    // One in the middle of an upload.
    let mut upload = connect(page);
    write!(upload, "POST /api/v1/classify HTTP/1.1\r\nhost: {page}\r\ncontent-length: 1000\r\n\r\nabc")
        .unwrap();
    stop(daemon);
}

#[test]
fn other_machines_need_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "bind = '0.0.0.0:0'", "[[source]]\nname = 'tape'\nuri = 'tape.flac'");
    let ended = run(folder, &["run", "-c", "genred.toml"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("web.bind") && ended.stderr.contains("line 5"), "{}", ended.stderr);
}

#[test]
fn a_second_daemon_takes_another_port() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let daemons = folders.each_ref().map(|folder| {
        cut("metal", 22.0, 10.0, &folder.path().join("tape.flac"), &[]);
        configure(folder.path(), "", "[[source]]\nname = 'tape'\nuri = 'tape.flac'\nrepeat = true");
        start(folder.path())
    });
    let pages = daemons.each_ref().map(page_of);
    assert_ne!(pages[0], pages[1]);
    for page in pages {
        assert_eq!(request(page, "GET", "/api/v1/daemon", b"").status, 200);
    }
    daemons.into_iter().for_each(stop);
}
