//! HLS over TLS, with a stopped encoder, and without segments: messages and recovery.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use crate::support::broker::{Mosquitto, Subscriber};
use crate::support::daemon::{Daemon, Ended, genred};
use crate::support::files::{Answer, Files, below};
use crate::support::music::song;
use crate::support::site::{Asked, Line, Site, certified};
use crate::support::tool;
use rustix::process::Signal;
use serde_json::Value;

const SECRET: &str = "hunter2";

fn daemon(folder: &Path, config: &str, variables: &[(&str, &str)]) -> Daemon {
    fs::write(folder.join("genred.toml"), config).unwrap();
    let mut command = genred(folder);
    command
        .env("no_proxy", "127.0.0.1")
        .env("GENRED_LOG", "warn,genred=trace")
        .envs(variables.iter().copied());
    Daemon::start(command.args(["run", "-c", "genred.toml", "--output", "jsonl"]))
}

const NO_MQTT: &str = "output_patches = true\n[mqtt]\nenabled = false\n";

fn source(name: &str, uri: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\nuri = \"{uri}\"\nreconnect_max_s = 2\n")
}

fn of(daemon: &Daemon, kind: &str, source: &str) -> Vec<Value> {
    daemon.json().into_iter().filter(|line| line["kind"] == kind && line["source"] == source).collect()
}

fn is_online(daemon: &Daemon, source: &str) -> bool {
    of(daemon, "availability", source).last().is_some_and(|line| line["online"] == true)
}

fn events(daemon: &Daemon, source: &str, event_type: &str) -> Vec<Value> {
    of(daemon, "event", source).into_iter().filter(|line| line["event_type"] == event_type).collect()
}

/// Waits until the source is lost, and returns the reason.
fn lost(daemon: &Daemon, source: &str) -> String {
    daemon.wait_until(&format!("the loss of {source}"), || !events(daemon, source, "source_lost").is_empty());
    events(daemon, source, "source_lost")[0]["reason"].as_str().unwrap().to_owned()
}

/// Waits for further patches.
fn hear(daemon: &Daemon, source: &str) {
    let before = of(daemon, "window", source).len();
    daemon.wait_until(&format!("sound of {source}"), || {
        is_online(daemon, source) && of(daemon, "window", source).len() > before + 5
    });
}

fn end(daemon: Daemon) -> Ended {
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// Metal in thirty segments of two seconds.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let status = tool("ffmpeg", "ffmpeg")
        .current_dir(folder)
        .args(["-v", "error", "-ss", "60", "-t", "60", "-i"])
        .arg(song("metal"))
        .args(["-vn", "-map_metadata", "-1", "-c:a", "aac", "-b:a", "96k", "-ar", "44100"])
        .args(["-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "metal.m3u8"])
        .status()
        .unwrap();
    assert!(status.success());
    (0..30).map(|index| folder.join(format!("metal{index}.ts"))).collect()
}

/// Number in the address of a segment, `…/NUMBER.ts`.
fn number(path: &str) -> usize {
    path.rsplit('/').next().unwrap().split('.').next().unwrap().parse().unwrap()
}

/// Live playlist of two-second segments that advances with the clock until it is halted.
struct Station {
    begun: Instant,
    halted: AtomicBool,
    first: AtomicU64,
}

impl Station {
    fn start() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), halted: AtomicBool::new(false), first: AtomicU64::new(0) })
    }

    /// Playlist of five segments. `address` returns the address of a segment number.
    fn playlist(&self, address: impl Fn(u64) -> String) -> String {
        if !self.halted.load(SeqCst) {
            self.first.fetch_max(self.begun.elapsed().as_secs() / 2, SeqCst);
        }
        let first = self.first.load(SeqCst);
        let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        head + &(first..first + 5)
            .map(|index| format!("#EXTINF:2,\n{}\n", address(index)))
            .collect::<String>()
    }
}

/// An encoder that stops while its server stays up: the source is lost with that reason, repeats no
/// audio, and continues with new segments.
#[test]
fn a_playlist_that_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let metal = segments(folder.path());
    let station = Station::start();
    let played = Arc::clone(&station);
    let server = Files::start(folder.path(), move |path| match path {
        "live.m3u8" => Answer::Text(played.playlist(|index| format!("segment/{index}.ts"))),
        _ => Answer::Other(metal[number(path) % metal.len()].clone()),
    });
    let config = format!("{NO_MQTT}{}", source("live", &server.url("live.m3u8")));
    let daemon = daemon(folder.path(), &config, &[]);
    hear(&daemon, "live");
    station.halted.store(true, SeqCst);
    let reason = lost(&daemon, "live");
    assert!(reason.contains("live.m3u8` has not changed for "), "{reason}");
    let fetched = server.requests("segment/").len();
    // The stream was reopened without new audio.
    let warned = |line: &&str| line.contains(" WARN ") && line.contains("has not changed for");
    daemon.wait_until("another look", || daemon.log().lines().filter(warned).count() > 1);
    assert_eq!(server.requests("segment/").len(), fetched, "what was heard is fetched again");
    assert_eq!(events(&daemon, "live", "source_recovered"), [Value::Null; 0]);
    station.halted.store(false, SeqCst);
    hear(&daemon, "live");
    assert!(!events(&daemon, "live", "source_recovered").is_empty());
    end(daemon);
}

/// A playlist without available segments: the message names the segment server, without secrets.
#[test]
fn segments_that_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let metal = segments(folder.path());
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let store =
        Files::start(folder.path(), move |path| match gone.load(SeqCst) && path.starts_with("missing/") {
            true => Answer::Missing,
            false => Answer::Other(metal[number(path) % metal.len()].clone()),
        });
    let (station, gone, port) = (Station::start(), Arc::clone(&is_gone), store.port);
    let server = Files::start(folder.path(), move |path| {
        let name = path.split('.').next().unwrap();
        // No process listens there.
        let port = if name == "refused" && gone.load(SeqCst) { 9 } else { port };
        let at = format!("http://me:{SECRET}@127.0.0.1:{port}/{name}");
        Answer::Text(station.playlist(|index| format!("{at}/{index}.ts?token={SECRET}")))
    });
    let names = ["refused", "missing"];
    let sources = names.map(|name| source(name, &server.url(&format!("{name}.m3u8")))).concat();
    let daemon = daemon(folder.path(), &format!("{NO_MQTT}{sources}"), &[]);
    for name in names {
        hear(&daemon, name);
    }
    is_gone.store(true, SeqCst);
    let reason = lost(&daemon, "refused");
    assert!(reason.contains("`http://127.0.0.1:9/refused/"), "{reason}");
    assert!(reason.contains("cannot be reached: Connection refused"), "{reason}");
    let reason = lost(&daemon, "missing");
    assert!(reason.contains(&format!("`http://127.0.0.1:{}/missing/", store.port)), "{reason}");
    assert!(reason.contains("answers 404 Not Found"), "{reason}");
    is_gone.store(false, SeqCst);
    for name in names {
        hear(&daemon, name);
    }
    let ended = end(daemon);
    assert!(!ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET), "{}", ended.stderr);
}

/// Returns the configuration of the sources `names` at the port `site`, with a login and a token.
fn tls_config(broker: u16, site: u16, names: &[&str]) -> String {
    let mut config = format!(
        "node = \"n\"\nstate_dir = \"state\"\noutput_patches = true\n[mqtt]\nurl = \"mqtt://127.0.0.1:{broker}\"\n[log]\nenabled = true\n"
    );
    for name in names {
        let url = format!("https://u:${{SECRET}}@127.0.0.1:{site}/{name}.m3u8?token=${{SECRET}}");
        config.push_str(&source(name, &url));
    }
    config
}

/// Playlist and segments over TLS, also on different hosts. Secrets are sent only to their host,
/// and never shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_tls() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let broker = Mosquitto::start();
    let heard = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let metal: Arc<Vec<_>> = Arc::new(segments(at).into_iter().map(|path| fs::read(path).unwrap()).collect());
    let (station, is_gone) = (Station::start(), Arc::new(AtomicBool::new(false)));
    let answer = |elsewhere: Option<u16>| {
        let (metal, station, is_gone) = (Arc::clone(&metal), Arc::clone(&station), Arc::clone(&is_gone));
        move |asked: Asked<'_>, line: Line<'_>| {
            if is_gone.load(SeqCst) {
                return write!(line, "HTTP/1.1 410 Gone\r\n\r\n");
            }
            let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\n\r\n";
            match (asked.path, elsewhere) {
                ("/moved.m3u8", Some(port)) => {
                    let to = format!("https://localhost:{port}/there.m3u8?token={SECRET}");
                    write!(line, "HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n")
                }
                (list, _) if list.ends_with(".m3u8") => {
                    let text = station.playlist(|index| format!("segment/{index}.ts?token={SECRET}"));
                    write!(line, "{ok}{text}")
                }
                (path, _) => {
                    let bytes = &metal[number(path) % metal.len()];
                    write!(line, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
                    line.write_all(bytes)
                }
            }
        }
    };
    let ca = at.join("ca.pem");
    let tls = certified(&ca);
    let other = Site::secure(Arc::clone(&tls), answer(None));
    let site = Site::secure(tls, answer(Some(other.port)));
    let names = ["live", "moved"];
    let config = tls_config(broker.port(), site.port, &names);
    let variables = [("SSL_CERT_FILE", ca.to_str().unwrap()), ("SECRET", SECRET)];
    let daemon = daemon(at, &config, &variables);
    for name in names {
        hear(&daemon, name);
    }
    is_gone.store(true, SeqCst);
    for name in names {
        let reason = lost(&daemon, name);
        assert!(reason.contains("?token=***") && reason.contains("410 Gone"), "{reason}");
    }
    is_gone.store(false, SeqCst);
    for name in names {
        hear(&daemon, name);
        heard.wait_for(&format!("genred/n/{name}/event"), |event| event.contains("source_recovered")).await;
    }
    let (here, there) = (site.heads(), other.heads());
    let authorized = |head: &&String| head.contains("\r\nAuthorization: Basic dTpodW50ZXIy\r\n");
    assert!(here.iter().all(|head| authorized(&head)), "{here:?}");
    assert_eq!(there.iter().find(authorized), None, "a password for one server went to another");
    for (heads, part) in
        [(&here, "GET /segment/"), (&there, "GET /segment/"), (&there, "GET /there.m3u8?token=hunter2 ")]
    {
        assert!(heads.iter().any(|head| head.starts_with(part)), "{part}");
    }
    let before = below(at);
    let ended = end(daemon);
    let searched = [before, below(at)].concat();
    assert!(searched.iter().any(|(path, _)| path.ends_with("asrun.sqlite")));
    for secret in [SECRET, "dTpodW50ZXIy"] {
        let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!holds(ended.stdout.as_bytes()) && !holds(ended.stderr.as_bytes()), "{}", ended.stderr);
        for message in heard.received() {
            assert!(!holds(message.topic.as_bytes()) && !holds(message.payload.as_bytes()), "{message:?}");
        }
        for (path, bytes) in &searched {
            assert!(!holds(bytes), "{}", path.display());
        }
    }
}
