//! HLS streams from a live ffmpeg, behind a server that fails.

mod segments;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, Ended, genred};
use crate::support::files::{Answer, Files};
use crate::support::music::song;
use crate::support::tool;
use rustix::process::Signal;
use serde_json::Value;

fn daemon(folder: &Path, sources: &[(&str, String)]) -> Daemon {
    // Sources must not be lost because this machine is busy.
    let mut config = String::from("output_patches = true\n[mqtt]\nenabled = false\n");
    for (name, url) in sources {
        config.push_str(&format!("[[source]]\nname = \"{name}\"\nuri = \"{url}\"\nlost_after_s = 15\n"));
    }
    fs::write(folder.join("genred.toml"), config).unwrap();
    let arguments = ["run", "-c", "genred.toml", "--output", "jsonl"];
    Daemon::start(
        genred(folder).env("no_proxy", "127.0.0.1").env("GENRED_LOG", "warn,genred=debug").args(arguments),
    )
}

fn of<'a>(lines: &'a [Value], kind: &'a str, source: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind && line["source"] == source)
}

fn genre(lines: &[Value], source: &str) -> Option<String> {
    of(lines, "state", source).last()?["genre"].as_str().map(str::to_owned)
}

/// Scored patches of a source.
fn scored(lines: &[Value], source: &str) -> usize {
    of(lines, "window", source).count()
}

fn end(daemon: Daemon) -> Ended {
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn lost(ended: &Ended, source: &str) -> usize {
    ended.lines("event", Some(source)).iter().filter(|line| line["event_type"] == "source_lost").count()
}

/// A running ffmpeg, stopped on drop.
struct Packager(Child);

impl Drop for Packager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs ffmpeg to package `song` from its 60th second, in a loop and in real time, with `pictures`
/// as a second input.
fn package(folder: &Path, song: &Path, pictures: &[&str], arguments: &[&str]) -> Packager {
    fs::create_dir_all(folder).unwrap();
    let child = tool("ffmpeg", "ffmpeg")
        .current_dir(folder)
        .args(["-v", "error", "-re", "-stream_loop", "-1", "-ss", "60", "-i"])
        .arg(song)
        .args(pictures)
        .args(["-map", "0:a", "-map_metadata", "-1"])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Packager(child)
}

const AAC: [&str; 6] = ["-c:a", "aac", "-b:a", "96k", "-ar", "44100"];
const LIVE: [&str; 8] =
    ["-f", "hls", "-hls_time", "2", "-hls_list_size", "5", "-hls_flags", "delete_segments+temp_file"];

/// Cuts a song into segments of two seconds with one run of ffmpeg. Returns their files.
fn cut(folder: &Path, name: &str, seconds: u32) -> Vec<PathBuf> {
    let status = tool("ffmpeg", "ffmpeg")
        .current_dir(folder)
        .args(["-v", "error", "-ss", "60", "-t", &seconds.to_string(), "-i"])
        .arg(song(name))
        .args(["-vn", "-map_metadata", "-1"])
        .args(AAC)
        .args(["-f", "hls", "-hls_time", "2", "-hls_list_size", "0", &format!("{name}.m3u8")])
        .status()
        .unwrap();
    assert!(status.success());
    (0..seconds / 2).map(|index| folder.join(format!("{name}{index}.ts"))).collect()
}

/// Live playlist of two-second segments that advances with the clock, without a running ffmpeg.
struct Station(Instant);

impl Station {
    /// Playlist of five segments, the first of which has the media sequence number `zero`. `line`
    /// writes a segment's lines.
    fn playlist(&self, zero: u64, line: impl Fn(u64) -> String) -> Answer {
        let first = self.0.elapsed().as_secs() / 2;
        let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n", zero + first);
        Answer::Text(head + &(first..first + 5).map(line).collect::<String>())
    }
}

/// Packages songs in every supported format, one folder each.
fn package_all_formats(folder: &Path) -> [Packager; 6] {
    let within = |name: &str| folder.join(name);
    let segments = |format: &'static str, file: &'static str| {
        let mut arguments = vec!["-f", "segment", "-segment_time", "2", "-segment_format", format];
        arguments.extend([
            "-segment_list",
            "live.m3u8",
            "-segment_list_type",
            "m3u8",
            "-segment_list_size",
            "5",
        ]);
        arguments.extend(["-segment_list_flags", "live", "-segment_wrap", "20"]);
        if format == "adts" {
            arguments.extend(["-segment_format_options", "write_id3v2=1"]);
        }
        arguments.push(file);
        arguments
    };
    let film = ["-map", "1:v", "-c:v", "libx264", "-preset", "ultrafast", "-g", "20"];
    [
        package(&within("ts"), &song("metal"), &[], &[&AAC[..], &LIVE, &["live.m3u8"]].concat()),
        package(
            &within("packed"),
            &song("classical"),
            &[],
            &[&["-metadata", "title=Packed - One"], &AAC[..], &segments("adts", "a%d.aac")].concat(),
        ),
        package(
            &within("mp3"),
            &song("electronic"),
            &[],
            &[&["-c:a", "libmp3lame"][..], &segments("mp3", "a%d.mp3")].concat(),
        ),
        package(
            &within("fmp4"),
            &song("electronic"),
            &[],
            &[&AAC[..], &LIVE, &["-hls_segment_type", "fmp4", "live.m3u8"]].concat(),
        ),
        package(
            &within("master"),
            &song("metal"),
            &[],
            &[
                &["-map", "0:a", "-map", "0:a", "-c:a", "aac"][..],
                &["-b:a:0", "32k", "-b:a:1", "64k", "-b:a:2", "160k", "-var_stream_map", "a:0 a:1 a:2"],
                &["-master_pl_name", "live.m3u8"],
                &LIVE,
                &["v%v.m3u8"],
            ]
            .concat(),
        ),
        package(
            &within("film"),
            &song("classical"),
            &["-f", "lavfi", "-i", "testsrc=s=160x120:r=10"],
            &[&film[..], &AAC, &LIVE, &["live.m3u8"]].concat(),
        ),
    ]
}

/// MPEG transport stream, packed AAC and MP3, fragmented MP4 and a master playlist at once: genres
/// and titles are right, and nothing is lost.
#[test]
fn every_kind_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let within = |name: &str| folder.path().join(name);
    let _packagers = package_all_formats(folder.path());
    let server = Files::start(folder.path(), |path| match path {
        "moved" => Answer::Redirect("/ts/live.m3u8".into()),
        "list.m3u" => Answer::Text("#EXTM3U\n#EXTINF:-1,Radio\nfmp4/live.m3u8\n".into()),
        _ => Answer::File,
    });
    let names = [
        ("ts", "moved", "metal"),
        ("packed", "packed/live.m3u8", "classical"),
        ("mp3", "mp3/live.m3u8", "electronic"),
        ("fmp4", "list.m3u", "electronic"),
        ("master", "master/live.m3u8", "metal"),
        ("film", "film/live.m3u8", "classical"),
    ];
    let sources: Vec<_> = names.iter().map(|(name, path, _)| (*name, server.url(path))).collect();
    for (name, ..) in names {
        // A short reconnect delay, since the sources are not ready yet.
        let begun = Instant::now();
        let is_there = |text: String| text.contains("#EXTINF") || text.contains("#EXT-X-STREAM-INF");
        while !fs::read_to_string(within(name).join("live.m3u8")).is_ok_and(is_there) {
            assert!(begun.elapsed() < crate::support::daemon::PATIENCE, "ffmpeg makes nothing of {name}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let daemon = daemon(folder.path(), &sources);
    for (name, _, of) in names {
        daemon
            .wait_until(&format!("{of} from {name}"), || genre(&daemon.json(), name).as_deref() == Some(of));
    }
    daemon.wait_for_log("title: Packed - One");
    // Long enough for the playlist windows to have advanced.
    for (name, ..) in names {
        daemon.wait_until(&format!("more of {name}"), || scored(&daemon.json(), name) > 40);
    }
    assert_eq!(server.requests("master/v0").len(), 0, "32 kbit/s are too little");
    assert_eq!(server.requests("master/v2").len(), 0, "160 kbit/s are too much");
    let ended = end(daemon);
    for (name, ..) in names {
        assert_eq!(lost(&ended, name), 0, "{name}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("is skipped"), "{}", ended.stderr);
}

/// Discontinuities, missing, truncated and invalid segments, and restarted sequence numbers do not
/// stop a source.
#[test]
fn breaks_are_gone_over() {
    let folder = tempfile::tempdir().unwrap();
    let (metal, other) = (cut(folder.path(), "metal", 60), cut(folder.path(), "classical", 60));
    let station = Station(Instant::now());
    let restarts = Arc::new(AtomicBool::new(false));
    let restarted = restarts.clone();
    let server = Files::start(folder.path(), move |path| {
        let number = || path.rsplit(['/', '.']).nth(1).unwrap().parse::<usize>().unwrap();
        match path.split('/').next().unwrap() {
            "breaks.m3u8" => station.playlist(7, |index| {
                let breaks = if index % 3 == 0 { "#EXT-X-DISCONTINUITY\n" } else { "" };
                let kind = if index / 3 % 2 == 0 { "metal" } else { "mp3" };
                format!("{breaks}#EXTINF:2,\n{kind}/{index}.ts\n")
            }),
            "holes.m3u8" => station.playlist(0, |index| format!("#EXTINF:2,\nholes/{index}.ts\n")),
            "again.m3u8" => {
                let zero = if restarted.load(SeqCst) { 0 } else { 1000 };
                station.playlist(zero, |index| format!("#EXTINF:2,Song {zero}\nmetal/{index}.ts\n"))
            }
            "metal" => Answer::Other(metal[number() % metal.len()].clone()),
            "mp3" => Answer::Other(other[number() % other.len()].clone()),
            "holes" => match number() % 12 {
                3 => Answer::Missing,
                6 => Answer::Cut(metal[number() % metal.len()].clone()),
                9 => Answer::Text("#EXTM3U".into()),
                _ => Answer::Other(metal[number() % metal.len()].clone()),
            },
            _ => Answer::Missing,
        }
    });
    let names = ["breaks", "holes", "again"];
    let sources = names.map(|name| (name, server.url(&format!("{name}.m3u8"))));
    let daemon = daemon(folder.path(), &sources);
    daemon.wait_for_log("title: Song 1000");
    restarts.store(true, SeqCst);
    daemon.wait_for_log("title: Song 0");
    daemon.wait_until("every kind of hole", || {
        let log = daemon.log();
        ["404 Not Found", "closed prematurely", "no audio in it"].iter().all(|what| log.contains(what))
    });
    for name in names {
        daemon.wait_until(&format!("sound of {name}"), || scored(&daemon.json(), name) > 20);
    }
    let ended = end(daemon);
    for name in names {
        assert_eq!(lost(&ended, name), 0, "{name}: {}", ended.stderr);
    }
}

/// An outage shorter than the buffered audio goes unnoticed. A longer one makes the source lost,
/// and it recovers.
#[test]
fn servers_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let metal = cut(folder.path(), "metal", 60);
    let station = Station(Instant::now());
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = gone.clone();
    let server = Files::start(folder.path(), move |path| match path.split(['/', '?']).next().unwrap() {
        _ if is_gone.load(SeqCst) => Answer::Nothing,
        "live.m3u8" => station.playlist(0, |index| format!("#EXTINF:2,\nmetal/{index}?token=hunter2\n")),
        "metal" => {
            let number: usize = path.split(['/', '?']).nth(1).unwrap().parse().unwrap();
            Answer::Other(metal[number % metal.len()].clone())
        }
        _ => Answer::Missing,
    });
    let url = server.url("live.m3u8?token=hunter2").replace("http://", "http://me:hunter2@");
    let daemon = daemon(folder.path(), &[("live", url)]);
    let sound = |count: usize| daemon.wait_until("sound", || scored(&daemon.json(), "live") > count);
    sound(10);
    let failures = || daemon.log().matches("without a response").count();
    gone.store(true, SeqCst);
    daemon.wait_until("a failure", || failures() > 0);
    gone.store(false, SeqCst);
    let now = scored(&daemon.json(), "live");
    sound(now + 10);
    assert_eq!(
        of(&daemon.json(), "event", "live").filter(|line| line["event_type"] == "source_lost").count(),
        0
    );
    gone.store(true, SeqCst);
    let back = |online: bool| {
        daemon.wait_until(&format!("online: {online}"), || {
            of(&daemon.json(), "availability", "live").last().is_some_and(|line| line["online"] == online)
        });
    };
    back(false);
    gone.store(false, SeqCst);
    back(true);
    let now = scored(&daemon.json(), "live");
    sound(now + 10);
    for head in [server.requests("live.m3u8"), server.requests("metal/")].concat() {
        assert!(head.contains("\r\nAuthorization: Basic bWU6aHVudGVyMg==\r\n"), "{head}");
    }
    let ended = end(daemon);
    assert!(!ended.stderr.contains("hunter2") && !ended.stdout.contains("hunter2"), "{}", ended.stderr);
}

/// Unsupported playlists cause an error, and do not prevent the use of supported variants.
#[test]
fn what_cannot_be_followed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let metal = cut(folder.path(), "metal", 30);
    fs::copy(&metal[0], folder.path().join("a.ts")).unwrap();
    let encrypted = tool("ffmpeg", "ffmpeg")
        .current_dir(folder.path())
        .args(["-v", "error", "-ss", "60", "-t", "10", "-i"])
        .arg(song("metal"))
        .args(["-vn", "-c:a", "aac", "-f", "hls", "-hls_enc", "1", "-hls_enc_key", "0123456789abcdef"])
        .args(["-hls_enc_key_url", "key", "-hls_list_size", "0", "encrypted.m3u8"])
        .status()
        .unwrap();
    assert!(encrypted.success());
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
    let variant = "#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS=\"mp4a.40.2\"\n";
    let list =
        metal.iter().map(|path| format!("#EXTINF:2,\n{}\n", path.file_name().unwrap().to_str().unwrap()));
    let good = format!("{head}{}#EXT-X-ENDLIST\n", list.collect::<String>());
    let texts = [
        ("itself", format!("#EXTM3U\n{variant}itself.m3u8\n")),
        ("circle", format!("#EXTM3U\n{variant}circle.m3u8?again\n")),
        ("segment", format!("{head}{}", "#EXTINF:2,\nsegment.m3u8\n".repeat(9))),
        ("dolby", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS=\"ec-3\"\nx.m3u8\n".into()),
        ("pictures", format!("{head}#EXT-X-I-FRAMES-ONLY\n#EXTINF:2,\na.ts\n")),
        ("long", format!("{head}{}", "#EXTINF:2,\na.ts\n".repeat(100_000))),
        ("over", format!("{head}#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n")),
        // The first two variants are unsupported.
        (
            "third",
            format!(
                "#EXTM3U\n{variant}missing.m3u8\n{variant}encrypted.m3u8\n\
                 #EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS=\"mp4a.40.2\"\ngood.m3u8\n"
            ),
        ),
        ("good", good),
    ];
    let names = ["encrypted", "itself", "circle", "segment", "dolby", "pictures", "long", "over", "third"];
    let served = texts.clone();
    let server = Files::start(folder.path(), move |path| {
        let name = path.split('.').next().unwrap();
        served
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Answer::File, |(_, text)| Answer::Text(text.clone()))
    });
    let sources = names.map(|name| (name, server.url(&format!("{name}.m3u8"))));
    let daemon = daemon(folder.path(), &sources);
    let says = |name: &str, what: &str| {
        daemon.wait_until(&format!("{name}: {what}"), || {
            daemon.log().lines().any(|line| line.contains(&format!("{name}.m3u8")) && line.contains(what))
        });
    };
    says("encrypted", "is encrypted (AES-128), which genred does not decode; use `uri = \"process:\"`");
    says("encrypted", "command = [\"ffmpeg\", \"-v\", \"error\", \"-i\", \"http://127.0.0.1");
    says("itself", "leads back to itself");
    says("circle", "is a master playlist below another");
    says("segment", "no audio in it: it begins with `#EXTM3U");
    says("dolby", "carries ec-3, which genred does not decode; use `uri = \"process:\"`");
    says("pictures", "is a trick-play playlist without audio");
    says("long", "is an HLS playlist of more than 1 MiB");
    says("over", "has ended");
    daemon.wait_until("metal from the third", || genre(&daemon.json(), "third").as_deref() == Some("metal"));
    // A recording ends.
    says("good", "ended");
    end(daemon);
}
