//! The address policy holds for every request of a stream. Two servers on the loopback interface
//! take part: one stands for a public server, the other must never be connected to.

use std::io::{Read as _, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::audio::Block;
use crate::source::address::Address;
use crate::source::address_policy::AddressPolicy;
use crate::source::decode::ANY_RATE;
use crate::source::resume_point::ResumePoint;
use crate::source::{Read, Source, SourceError};
use crate::thread::Stop;

const AUDIO: &[u8] = include_bytes!("../../../benches/loop.mp3");

/// Server that answers each path with a response; its thread ends with the process.
struct TestServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TestServer {
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let count = stream.read(&mut head).unwrap_or(0);
                let text = String::from_utf8_lossy(&head[..count]).into_owned();
                let _ = stream.write_all(&answer(text.split(' ').nth(1).unwrap_or_default()));
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn redirect(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// Result of the first read of `url` that is not idle.
fn first_read(url: &str, policy: AddressPolicy) -> Result<Read, SourceError> {
    let address = Address::parse(url).unwrap();
    let stop = Stop::new().unwrap();
    let mut source = super::open(&address, policy, None, &ResumePoint::default(), None, &stop).unwrap();
    let mut block = Block::with_capacity(ANY_RATE, 1, 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match source.read(&mut block) {
            Ok(Read::Idle) => assert!(Instant::now() < deadline, "{url}: neither audio nor an error"),
            other => return other,
        }
    }
}

/// Addresses on a server that lead to audio at `target`, each in another way.
fn ways_to(target: String) -> impl Fn(&str) -> Vec<u8> + Send + 'static {
    let media = move |head: &str, segment: &str| {
        let list = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:12\n#EXT-X-MEDIA-SEQUENCE:0\n{head}\
             #EXTINF:12,\n{segment}\n#EXT-X-ENDLIST\n"
        );
        ok("application/vnd.apple.mpegurl", list.as_bytes())
    };
    move |path| match path {
        "/audio.mp3" => ok("audio/mpeg", AUDIO),
        "/redirect" => redirect(&target),
        "/twice" => redirect("/redirect"),
        "/list.m3u" => ok("audio/x-mpegurl", format!("#EXTM3U\n{target}\n").as_bytes()),
        "/list.pls" => ok("audio/x-scpls", format!("[playlist]\nFile1={target}\n").as_bytes()),
        "/list-of-redirect.m3u" => ok("audio/x-mpegurl", b"/redirect\n"),
        "/master.m3u8" => {
            let list =
                format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=96000,CODECS=\"mp4a.40.34\"\n{target}\n");
            ok("application/vnd.apple.mpegurl", list.as_bytes())
        }
        "/segment.m3u8" => media("", &target),
        "/segment-of-redirect.m3u8" => media("", "/redirect"),
        "/init.m3u8" => media(&format!("#EXT-X-MAP:URI=\"{target}\"\n"), "/audio.mp3"),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    }
}

#[test]
fn every_request_of_a_stream_obeys_the_policy() {
    let private = TestServer::start(|_| ok("audio/mpeg", AUDIO));
    let port = private.address.port();
    let ways = [
        "redirect",
        "twice",
        "list.m3u",
        "list.pls",
        "list-of-redirect.m3u",
        "master.m3u8",
        "segment.m3u8",
        "segment-of-redirect.m3u8",
        "init.m3u8",
    ];
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let target = format!("http://{host}:{port}/audio.mp3");
        let public = TestServer::start(ways_to(target.clone()));
        let policy = AddressPolicy::PublicOr(public.address);
        let direct = first_read(&target, policy).unwrap_err();
        assert!(matches!(&direct, SourceError::Refused(_)), "{direct}");
        for way in ways {
            let url = format!("http://{}/{way}", public.address);
            let error = first_read(&url, policy).unwrap_err();
            assert!(matches!(&error, SourceError::Refused(_)), "{way} to {host}: {error}");
            assert!(error.to_string().contains("is not at a public address"), "{error}");
        }
    }
    assert_eq!(private.connections(), 0);
}

#[test]
fn allowed_servers_are_followed() {
    let private = TestServer::start(|_| ok("audio/mpeg", AUDIO));
    let target = format!("http://{}/audio.mp3", private.address);
    let public = TestServer::start(ways_to(target.clone()));
    let from = |way: &str| format!("http://{}/{way}", public.address);
    let policy = AddressPolicy::PublicOr(public.address);
    assert_eq!(first_read(&from("audio.mp3"), policy).unwrap(), Read::Audio);
    for url in [target, from("twice"), from("list.pls"), from("segment.m3u8")] {
        assert_eq!(first_read(&url, AddressPolicy::Any).unwrap(), Read::Audio, "{url}");
    }
    assert!(private.connections() >= 4);
}

#[test]
fn refusals_hold_no_secret_and_no_resolved_address() {
    let url = "http://ann:hunter2@localhost:9/live?token=hunter3";
    let error = first_read(url, AddressPolicy::Public).unwrap_err().to_string();
    assert_eq!(error, "`http://localhost:9/live?token=***` is refused: it is not at a public address");
}
