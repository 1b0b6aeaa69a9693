//! Streams behind TLS, proxies and logins, and invalid streams.

mod chained;
mod process;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::audio::convert;
use crate::support::broker::{Mosquitto, Subscriber};
use crate::support::daemon::{Daemon, Ended, genred};
use crate::support::faults::play;
use crate::support::files::below;
use crate::support::icecast::Icecast;
use crate::support::music::{cut, song};
use crate::support::site::{Asked, HttpProxy, Line, Site, certified};
use rustix::process::Signal;
use serde_json::Value;

/// The daemon with `config`, with `variables` and proxy variables in its environment.
fn daemon(folder: &Path, config: &str, variables: &[(&str, &str)]) -> Daemon {
    fs::write(folder.join("genred.toml"), config).unwrap();
    let mut command = genred(folder);
    command.env("no_proxy", "127.0.0.1").envs(variables.iter().copied());
    Daemon::start(command.args(["run", "-c", "genred.toml", "--output", "jsonl"]))
}

fn source(name: &str, uri: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\nuri = \"{uri}\"\n")
}

fn newest(daemon: &Daemon, kind: &str, source: &str) -> Option<Value> {
    daemon.json().into_iter().rfind(|line| line["kind"] == kind && line["source"] == source)
}

fn genre(daemon: &Daemon, source: &str) -> String {
    newest(daemon, "state", source)
        .and_then(|state| state["genre"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn end(daemon: Daemon) -> Ended {
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

const NO_MQTT: &str = "[mqtt]\nenabled = false\n";

/// Half a minute of metal as `file`. Returns its bytes and their number per second.
fn encoded(file: &Path, arguments: &[&str]) -> (Vec<u8>, usize) {
    cut("metal", 60.0, 30.0, file, arguments);
    let sound = fs::read(file).unwrap();
    let rate = sound.len() / 30;
    (sound, rate)
}

fn mp3(folder: &Path) -> (Vec<u8>, usize) {
    encoded(
        &folder.join("sound.mp3"),
        &["-b:a", "64k", "-ac", "1", "-write_xing", "0", "-id3v2_version", "0"],
    )
}

fn head(line: Line<'_>, content_type: &str) -> std::io::Result<()> {
    write!(line, "HTTP/1.0 200 OK\r\nContent-Type: {content_type}\r\n\r\n")
}

/// Sends the stream once, in real time, then nothing more.
fn play_once(line: Line<'_>, sound: &[u8], rate: usize) -> std::io::Result<()> {
    play(line, sound, rate, sound.len())?;
    thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// FLAC in Ogg and native, over TLS, each with and without a proxy.
#[test]
fn flac_tls_and_proxies() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let icecast = Icecast::start(at);
    let codec = ["-c:a", "flac", "-content_type", "application/ogg", "-f", "ogg"];
    let _feeder = icecast.feed(&song("metal"), 60.0, "/flac", "First of flac", &codec);
    let (flac, flac_rate) = encoded(&at.join("sound.flac"), &["-ar", "22050", "-ac", "1"]);
    let (mp3, mp3_rate) = mp3(at);
    let answer = move |asked: Asked<'_>, line: Line<'_>| match asked.path {
        "/live.flac" => {
            head(line, "audio/flac")?;
            play_once(line, &flac, flac_rate)
        }
        _ => {
            head(line, "audio/mpeg")?;
            play(line, &mp3, mp3_rate, usize::MAX)
        }
    };
    let (trusted, strange) = (certified(&at.join("ca.pem")), certified(&at.join("other-ca.pem")));
    let site = Site::start(answer.clone());
    let (secure, stranger) = (Site::secure(trusted, answer.clone()), Site::secure(strange, answer));
    let proxy = HttpProxy::start("pu:proxysecret");
    let config = [
        NO_MQTT,
        &source("ogg-flac", &format!("http://127.0.0.1:{}/flac", icecast.port)),
        &source("flac", &format!("http://127.0.0.1:{}/live.flac", site.port)),
        &source("tls", &format!("https://127.0.0.1:{}/live", secure.port)),
        &source("proxied", &format!("http://me:${{SECRET}}@localhost:{}/live", site.port)),
        &source("tunnelled", &format!("https://me:${{SECRET}}@localhost:{}/live", secure.port)),
        &source("stranger", &format!("https://127.0.0.1:{}/live", stranger.port)),
    ]
    .concat();
    let proxy_address = format!("http://pu:proxysecret@127.0.0.1:{}", proxy.port);
    let ca = at.join("ca.pem");
    let variables = [
        ("SSL_CERT_FILE", ca.to_str().unwrap()),
        ("http_proxy", &proxy_address),
        ("https_proxy", &proxy_address),
        ("SECRET", "streamsecret"),
    ];
    let daemon = daemon(at, &config, &variables);
    for name in ["ogg-flac", "flac", "tls", "proxied", "tunnelled"] {
        daemon.wait_until(name, || genre(&daemon, name) == "metal");
    }
    daemon.wait_for_log("title: First of flac");
    daemon.wait_for_log("UnknownIssuer; for a private certificate authority");
    let ended = end(daemon);
    assert!(ended.lines("availability", Some("stranger")).iter().all(|line| line["online"] == false));

    // Each secret was sent only to its own host.
    let (to_site, to_secure, to_proxy) = (site.heads().concat(), secure.heads().concat(), proxy.heads());
    let stream_secret = "\r\nAuthorization: Basic bWU6c3RyZWFtc2VjcmV0\r\n";
    assert!(to_site.contains(stream_secret) && to_secure.contains(stream_secret), "{to_site}{to_secure}");
    assert!(!to_secure.contains("Proxy-Authorization"), "{to_secure}");
    let (tunnels, passed): (Vec<_>, Vec<_>) = to_proxy.iter().partition(|head| head.starts_with("CONNECT "));
    assert!(!tunnels.is_empty() && !passed.is_empty(), "{to_proxy:?}");
    assert!(tunnels.iter().all(|head| !head.contains("\r\nAuthorization")), "{tunnels:?}");
    assert!(tunnels[0].starts_with(&format!("CONNECT localhost:{} ", secure.port)), "{tunnels:?}");
    assert!(passed[0].starts_with(&format!("GET http://localhost:{}/live ", site.port)), "{passed:?}");
    assert_eq!(to_proxy.iter().filter(|head| head.contains("127.0.0.1")).count(), 0, "{to_proxy:?}");
    for secret in ["streamsecret", "c3RyZWFtc2VjcmV0", "proxysecret"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{}", ended.stderr);
    }
}

/// Serves playlists that refer to each other, endless responses, and oversized titles.
fn endless_site(mp3: Vec<u8>, mp3_rate: usize, titled: Vec<u8>) -> Site {
    let titled_rate = titled.len() / 30;
    Site::start(move |asked, line| {
        let endless = |line: Line<'_>, text: &[u8]| -> std::io::Result<()> {
            let piece = text.repeat(16 * 1024 / text.len());
            loop {
                line.write_all(&piece)?;
            }
        };
        match asked.path {
            "/itself.m3u" => {
                head(line, "audio/x-mpegurl")?;
                write!(line, "itself.m3u\n/itself.m3u\n")
            }
            "/other.pls" => {
                head(line, "audio/x-scpls")?;
                write!(line, "[playlist]\nFile1=/another.pls\n")
            }
            "/another.pls" => {
                head(line, "audio/x-scpls")?;
                write!(line, "[playlist]\nFile1=/other.pls\n")
            }
            "/list" => {
                head(line, "audio/x-mpegurl")?;
                endless(line, b"# another line that says nothing\n")
            }
            "/page" => {
                head(line, "text/html")?;
                line.write_all(b"<!DOCTYPE html>")?;
                endless(line, b"<p>and more</p>")
            }
            "/junk" => {
                head(line, "audio/mpeg")?;
                endless(line, &[0x55, 0xaa, 0, 1])
            }
            // Audio that turns into invalid data; the second time for good.
            "/turns" => {
                head(line, "audio/mpeg")?;
                match asked.count {
                    1 => {
                        play(line, &mp3, mp3_rate, 5 * mp3_rate)?;
                        endless(line, &[0])
                    }
                    _ => play(line, &mp3, mp3_rate, usize::MAX),
                }
            }
            "/title" => {
                head(line, "application/ogg")?;
                line.write_all(&titled[..titled.len() / 2])?;
                play_once(line, &titled[titled.len() / 2..], titled_rate)
            }
            _ => {
                write!(line, "HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-metaint: 4096\r\n\r\n")?;
                let mut title = [&b"\xffStreamTitle='"[..], &[b'y'; 4080 - 15]].concat();
                title.extend_from_slice(b"';");
                let with_titles: Vec<u8> =
                    mp3.chunks_exact(4096).flat_map(|piece| [piece, &title].concat()).collect();
                play(line, &with_titles, 2 * mp3_rate, usize::MAX)
            }
        }
    })
}

/// Endless and oversized responses exhaust neither memory nor the daemon: they are rejected or
/// truncated, with a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let broker = Mosquitto::start();
    let heard = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let (mp3, mp3_rate) = mp3(at);
    let titled = long_title(at);
    let site = endless_site(mp3, mp3_rate, titled);
    let names = ["itself.m3u", "other.pls", "list", "page", "junk", "turns", "title", "icy"];
    let mut config = format!("node = \"n\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port());
    for name in names {
        config.push_str(&source(&name.replace('.', "-"), &format!("http://127.0.0.1:{}/{name}", site.port)));
    }
    let daemon = daemon(at, &config, &[]);
    for part in [
        "itself.m3u` is a playlist that leads back to itself",
        "other.pls` is a playlist that leads back to itself",
        "list` is a playlist of more than 64 KiB",
        "page` is a page, not a stream",
        "junk` is not in a known audio format",
    ] {
        daemon.wait_for_log(part);
    }
    for name in ["turns", "title", "icy"] {
        daemon.wait_until(name, || genre(&daemon, name) == "metal");
    }
    daemon.wait_until("the sound after the junk", || {
        let asked = site.heads().iter().filter(|head| head.starts_with("GET /turns ")).count();
        asked > 1 && newest(&daemon, "availability", "turns").is_some_and(|line| line["online"] == true)
    });
    for (name, letter) in [("title", "x"), ("icy", "y")] {
        let topic = format!("genred/n/{name}/attributes");
        let fits = |payload: &str| payload.contains(&format!("\"title\":\"{}\"", letter.repeat(300)));
        heard.wait_for(&topic, fits).await;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // Gigabytes were received in the meantime.
    assert!(peak < 400_000, "{peak} kB");
    end(daemon);
}

/// Ogg Vorbis of metal with a title of one million letters.
fn long_title(folder: &Path) -> Vec<u8> {
    let (wav, metadata, file) = (folder.join("long.wav"), folder.join("long.txt"), folder.join("long.ogg"));
    cut("metal", 60.0, 30.0, &wav, &["-ar", "22050", "-ac", "1"]);
    fs::write(&metadata, format!(";FFMETADATA1\ntitle={}\n", "x".repeat(1_000_000))).unwrap();
    let metadata = metadata.to_str().unwrap();
    let arguments = ["-i", metadata, "-map", "0:a", "-map_metadata", "1", "-c:a", "libvorbis"];
    convert(&wav, &file, &arguments);
    let sound = fs::read(file).unwrap();
    assert!(sound.len() > 1_100_000, "the title is not in it");
    sound
}

const SECRET: &str = "hunter2";

/// Serves audio, redirects, playlists and errors whose addresses hold [`SECRET`].
fn secret_site(mp3: Vec<u8>, rate: usize) -> Site {
    Site::start(move |asked, line| {
        let secret = format!("u:{SECRET}@127.0.0.1:{}", port_of(asked.head));
        match asked.path {
            "/moved" => {
                let to = format!("http://{secret}/gone?token={SECRET}");
                write!(line, "HTTP/1.0 302 Found\r\nLocation: {to}\r\n\r\n")
            }
            "/list.m3u" => {
                head(line, "audio/x-mpegurl")?;
                write!(
                    line,
                    "http://{secret}/page?key={SECRET}\nhttp://{secret}/gone\nhttp://{secret}/listed\n"
                )
            }
            "/page" => {
                head(line, "text/html")?;
                write!(line, "<html>{secret}</html>")
            }
            "/gone" => write!(line, "HTTP/1.0 410 Gone\r\n\r\n"),
            "/denied" => write!(line, "HTTP/1.0 401 Unauthorized\r\n\r\n"),
            "/junk" => {
                head(line, "audio/mpeg")?;
                line.write_all(&[0x55; 8192])
            }
            _ => {
                head(line, "audio/mpeg")?;
                // The response breaks off, so that there are outages to report.
                play(line, &mp3, rate, if asked.count == 1 { 20 * rate } else { usize::MAX })
            }
        }
    })
}

/// Logins and tokens in every kind of address are sent, but do not appear in output, logs, messages
/// or state files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let broker = Mosquitto::start();
    let heard = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let announced = Subscriber::start(broker.port(), "homeassistant/#", &[]).await;
    let (mp3, rate) = mp3(at);
    let site = secret_site(mp3, rate);
    let port = site.port;
    // The configuration holds no secret, so that all files can be searched.
    let user = "u:${SECRET}@127.0.0.1";
    let mut config = format!(
        "node = \"n\"\nstate_dir = \"state\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n[log]\nenabled = true\n",
        broker.port()
    );
    for name in ["live", "moved", "list.m3u", "denied", "junk"] {
        // Without a name, one is derived from the address.
        config.push_str(&format!(
            "[[source]]\nuri = \"http://{user}:{port}/{name}?access_token=${{SECRET}}&x=1\"\n"
        ));
    }
    config.push_str(&source("nobody", &format!("http://{user}:{}/", crate::support::broker::free_port())));
    config.push_str(&source("no-name", "https://u:${SECRET}@no-such-host.invalid/?sig=${SECRET}"));
    config.push_str(
        "[[source]]\nname = \"program\"\nuri = \"process:\"\n\
         command = [\"ffmpeg\", \"-i\", \"http://u:${SECRET}@127.0.0.1:9/?token=${SECRET}\", \"-f\", \"wav\", \"-\"]\n",
    );
    let daemon = daemon(at, &config, &[("SECRET", SECRET), ("GENRED_LOG", "genred=trace")]);
    for name in ["live", "list"] {
        daemon.wait_until(name, || genre(&daemon, name) == "metal");
    }
    for part in
        ["answers 410 Gone", "answers 401 Unauthorized", "audio format", "no-such-host.invalid", "`ffmpeg`"]
    {
        daemon.wait_for_log(part);
    }
    heard.wait_for("genred/n/live/event", |event| event.contains("source_recovered")).await;
    heard
        .wait_for("genred/n/info", |info| {
            info.contains(&format!("http://127.0.0.1:{port}/live?access_token=***"))
        })
        .await;
    // The secrets were sent.
    assert!(site.heads().iter().any(|head| head.contains(&format!("access_token={SECRET}"))));
    assert!(site.heads().iter().any(|head| head.contains("\r\nAuthorization: Basic dTpodW50ZXIy\r\n")));
    let before = below(at);
    let ended = end(daemon);
    let searched = [before, below(at)].concat();
    for part in ["asrun.sqlite", "outbox.sqlite"] {
        assert!(searched.iter().any(|(path, _)| path.ends_with(part)), "there is no `{part}`");
    }
    for secret in [SECRET, "dTpodW50ZXIy"] {
        let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!holds(ended.stdout.as_bytes()), "{}", ended.stdout);
        assert!(!holds(ended.stderr.as_bytes()), "{}", ended.stderr);
        let messages = [heard.received(), announced.received()];
        assert!(messages.iter().all(|messages| !messages.is_empty()));
        for message in messages.concat() {
            assert!(!holds(message.topic.as_bytes()) && !holds(message.payload.as_bytes()), "{message:?}");
        }
        for (path, bytes) in &searched {
            assert!(!holds(bytes), "{}", path.display());
        }
    }
}

/// Returns the port that a request was sent to.
fn port_of(head: &str) -> String {
    let host = head.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default();
    host.rsplit(':').next().unwrap_or_default().to_owned()
}
