//! Streams of a server on the loopback interface.

use std::io::{Read as _, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::*;
use crate::model::ModelConfig;

/// Starts a server of an MP3 of twelve seconds; returns its port and the number of connections.
fn serve() -> (u16, Arc<AtomicUsize>) {
    let audio = include_bytes!("../../../benches/loop.mp3");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n");
            let _ = stream.write_all(audio);
        }
    });
    (port, connections)
}

fn service() -> ClassifyService {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = ModelConfig {
        bundle: root.join("models/musicnn-msd").display().to_string(),
        onnxruntime: Some(root.join(".cache/onnxruntime/libonnxruntime.so")),
        ..ModelConfig::default()
    };
    let (stop, limits) = (Stop::new().unwrap(), ClassifyLimits::default());
    ClassifyService::with(&config, &SilenceConfig::default(), stop, limits, open::open_upload)
}

fn start(
    service: &ClassifyService,
    url: &str,
    seconds: f64,
    any_address: bool,
) -> Result<mpsc::Receiver<String>, ClassifyRefusal> {
    service.start(ClassifyInput::Stream { url: url.into(), seconds, any_address }, 1.0)
}

fn lines(mut receiver: mpsc::Receiver<String>) -> Vec<Value> {
    let mut lines = Vec::new();
    while let Some(line) = receiver.blocking_recv() {
        lines.push(serde_json::from_str(&line).unwrap());
    }
    lines
}

#[test]
fn loopback_is_refused_by_default_and_works_when_allowed() {
    let (port, connections) = serve();
    let service = service();
    let url = format!("http://ann:hunter2@127.0.0.1:{port}/live.mp3");
    let refused = lines(start(&service, &url, 6.0, false).unwrap());
    let last = refused.last().unwrap();
    assert_eq!((&last["kind"], &last["code"]), (&"error".into(), &"refused_address".into()), "{last}");
    assert!(!last.to_string().contains("hunter2"), "{last}");
    assert_eq!(connections.load(Ordering::SeqCst), 0);

    let played = lines(start(&service, &url, 6.0, true).unwrap());
    let verdict = played.last().unwrap();
    assert_eq!(verdict["kind"], "verdict", "{played:?}");
    assert_eq!(verdict["file"], format!("http://127.0.0.1:{port}/live.mp3"));
    assert!((6.0..6.5).contains(&verdict["duration_s"].as_f64().unwrap()), "{verdict}");
    let windows = played.iter().filter(|line| line["kind"] == "window").count();
    assert_eq!(windows, verdict["windows"].as_array().unwrap().len());
    assert!(windows >= 4 && played.iter().any(|line| line["kind"] == "progress"), "{played:?}");
}

#[test]
fn a_stream_that_ends_is_classified_as_far_as_it_went() {
    let (port, _) = serve();
    let service = service();
    let played = lines(start(&service, &format!("http://127.0.0.1:{port}/"), 60.0, true).unwrap());
    let verdict = played.last().unwrap();
    assert_eq!(verdict["kind"], "verdict", "{played:?}");
    assert!((11.0..13.0).contains(&verdict["duration_s"].as_f64().unwrap()), "{verdict}");
}

#[test]
fn few_streams_play_at_once_and_a_cancelled_one_makes_room() {
    // A server that accepts and never answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let service = service();
    let mut playing: Vec<_> = (0..4).map(|_| start(&service, &url, 6.0, true).unwrap()).collect();
    assert_eq!(start(&service, &url, 6.0, true).unwrap_err(), ClassifyRefusal::Busy);
    playing.pop();
    let deadline = Instant::now() + Duration::from_secs(30);
    while start(&service, &url, 6.0, true).is_err() {
        assert!(Instant::now() < deadline, "a cancelled stream keeps its place");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn other_schemes_and_lost_servers_give_an_error() {
    let service = service();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    for (url, code) in [
        ("file:///etc/passwd", "invalid_address"),
        ("process:", "invalid_address"),
        (&format!("http://127.0.0.1:{closed}/"), "stream_failed"),
    ] {
        let answer = lines(start(&service, url, 6.0, true).unwrap());
        assert_eq!(answer.last().unwrap()["code"], code, "{answer:?}");
    }
}
