//! Network and process sources, against Icecast, a failing server and ffmpeg.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::audio::convert;
use crate::support::broker::{Mosquitto, Subscriber};
use crate::support::daemon::{Daemon, genred};
use crate::support::faults::{Fault, Faults};
use crate::support::icecast::Icecast;
use crate::support::music::{cut, song};
use rustix::process::Signal;
use serde_json::Value;

fn daemon(folder: &Path, config: &str) -> Daemon {
    fs::write(folder.join("genred.toml"), config).unwrap();
    let arguments = ["run", "-c", "genred.toml", "--output", "jsonl"];
    Daemon::start(genred(folder).env("no_proxy", "127.0.0.1").args(arguments))
}

const NO_MQTT: &str = "[mqtt]\nenabled = false\n";

fn of<'a>(lines: &'a [Value], kind: &'a str, source: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind && line["source"] == source)
}

fn genre(lines: &[Value], source: &str) -> Option<String> {
    of(lines, "state", source).last()?["genre"].as_str().map(str::to_owned)
}

/// Waits until the daemon has published its end; it must not need a SIGKILL.
fn end(daemon: Daemon) -> crate::support::daemon::Ended {
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// MP3, AAC, Ogg Vorbis and Ogg Opus at once, one of them behind a password and a playlist: genres,
/// and titles with their changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn icecast_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let heard = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let icecast = Icecast::start(folder.path());
    let codec = |name: &str| -> Vec<&str> {
        match name {
            "mp3" => vec!["-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg", "-f", "mp3"],
            "aac" => vec!["-c:a", "aac", "-b:a", "128k", "-content_type", "audio/aac", "-f", "adts"],
            "vorbis" => vec!["-c:a", "libvorbis", "-content_type", "application/ogg", "-f", "ogg"],
            _ => vec!["-c:a", "libopus", "-b:a", "96k", "-content_type", "application/ogg", "-f", "ogg"],
        }
    };
    let songs = [("mp3", "metal"), ("aac", "classical"), ("vorbis", "electronic"), ("opus", "classical")];
    let _feeders: Vec<_> = songs
        .iter()
        .map(|(name, of)| {
            let mount = if *name == "mp3" { "/private".into() } else { format!("/{name}") };
            icecast.feed(&song(of), 60.0, &mount, &format!("First of {name}"), &codec(name))
        })
        .collect();
    let port = icecast.port;
    let config = format!(
        "node = \"studio1\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n\
         [[source]]\nname = \"mp3\"\nuri = \"http://me:hunter2@127.0.0.1:{port}/private\"\n\
         [[source]]\nname = \"aac\"\nuri = \"http://127.0.0.1:{port}/aac\"\n\
         [[source]]\nname = \"vorbis\"\nuri = \"http://127.0.0.1:{port}/vorbis.m3u\"\n\
         [[source]]\nname = \"opus\"\nuri = \"http://127.0.0.1:{port}/opus\"\n",
        broker.port()
    );
    // Sources must not be lost because this machine is busy.
    let config = config.replace("[[source]]", "[[source]]\nlost_after_s = 30");
    let title = |name: &str| {
        let newest = heard.newest(&format!("genred/studio1/{name}/attributes"))?;
        let attributes: Value = serde_json::from_str(&newest.payload).unwrap();
        attributes["title"].as_str().map(str::to_owned)
    };
    let daemon = daemon(folder.path(), &config);
    for (name, of) in songs {
        daemon.wait_until(&format!("{of} from {name}"), || {
            genre(&daemon.json(), name).is_some_and(|genre| fits(&genre, of))
        });
    }
    for name in ["vorbis", "opus"] {
        let first = format!("First of {name}");
        daemon.wait_until(&first, || title(name).as_ref() == Some(&first));
    }
    for (name, mount) in [("mp3", "/private"), ("aac", "/aac")] {
        let new = format!("Gr\u{fc}n - It's {name}");
        icecast.set_title(mount, &new);
        daemon.wait_until(&new, || title(name).as_ref() == Some(&new));
        daemon.wait_for_log(&format!("title: {new}"));
    }
    let ended = end(daemon);
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains("hunter2"), "a password is shown: {text}");
    }
    for (name, _) in songs {
        let events = ended.lines("event", Some(name));
        let is_lost = events.iter().any(|event| event["event_type"] == "source_lost");
        assert!(!is_lost, "{name}: {}", ended.stderr);
    }
}

/// Format of an encoder's stream.
const MP3: [&str; 8] = ["-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg", "-f", "mp3"];

/// After a restart of the encoder, the lost source recovers.
#[test]
fn encoders_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let icecast = Icecast::start(folder.path());
    let feed = || icecast.feed(&song("metal"), 60.0, "/alone", "Alone", &MP3);
    let feeder = feed();
    let source = format!(
        "[[source]]\nname = \"alone\"\nuri = \"http://127.0.0.1:{}/alone\"\nreconnect_max_s = 3\n",
        icecast.port
    );
    let daemon = daemon(folder.path(), &format!("{NO_MQTT}{source}"));
    let is = |online: bool| {
        daemon.wait_until(&format!("online: {online}"), || {
            of(&daemon.json(), "availability", "alone").last().is_some_and(|line| line["online"] == online)
        });
    };
    daemon.wait_until("metal", || genre(&daemon.json(), "alone").as_deref() == Some("metal"));
    drop(feeder);
    is(false);
    daemon.wait_for_log("answers 404");
    let _feeder = feed();
    is(true);
    daemon.wait_until("metal again", || genre(&daemon.json(), "alone").as_deref() == Some("metal"));
    let ended = end(daemon);
    let events = ended.lines("event", Some("alone"));
    let reasons: Vec<_> = events.iter().filter_map(|event| event["reason"].as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("/alone` ended")), "{reasons:?}");
    assert!(events.iter().any(|event| event["event_type"] == "source_recovered"), "{events:?}");
}

#[test]
fn listeners_of_mp3_are_moved() {
    listeners_are_moved(&MP3);
}

#[test]
fn listeners_of_aac_are_moved() {
    listeners_are_moved(&["-c:a", "aac", "-b:a", "96k", "-content_type", "audio/aac", "-f", "adts"]);
}

/// Listeners moved to another mount and back receive other rates and channel counts within one
/// response; no patch spans both.
fn listeners_are_moved(codec: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let icecast = Icecast::start(folder.path());
    let main = || {
        let arguments = [codec, &["-ar", "44100", "-ac", "2"]].concat();
        icecast.feed(&song("metal"), 60.0, "/main", "Main", &arguments)
    };
    let arguments = [codec, &["-ar", "22050", "-ac", "1", "-b:a", "48k"]].concat();
    let spare = icecast.feed(&song("classical"), 60.0, "/spare", "Spare", &arguments);
    let feeder = main();
    let source = format!(
        "[[source]]\nname = \"main\"\nuri = \"http://127.0.0.1:{}/main\"\nreconnect_max_s = 3\nlost_after_s = 30\n",
        icecast.port
    );
    let daemon = daemon(folder.path(), &format!("output_patches = true\n{NO_MQTT}{source}"));
    let count = || of(&daemon.json(), "window", "main").count();
    let hears = |of: &str| {
        daemon.wait_until(of, || genre(&daemon.json(), "main").as_deref() == Some(of));
        // A newly begun segment cannot be distinguished from the next one.
        let before = count();
        daemon.wait_until("more of it", || count() > before + 12);
    };
    hears("metal");
    drop(feeder);
    icecast.set_title("/spare", "The spare one");
    hears("classical");
    daemon.wait_for_log("title: The spare one");
    let _feeder = main();
    hears("metal");
    icecast.set_title("/main", "Back again");
    daemon.wait_for_log("title: Back again");
    drop(spare);
    let ended = end(daemon);
    let events = ended.lines("event", Some("main"));
    assert!(!events.iter().any(|event| event["event_type"] == "source_lost"), "{}", ended.stderr);
    let windows = ended.lines("window", Some("main"));
    let starts: Vec<_> = windows.iter().map(|line| line["start"].as_f64().unwrap()).collect();
    assert!(starts.is_sorted_by(|before, after| before < after), "time goes back: {starts:?}");
    let patches: Vec<_> = windows.iter().map(|line| line["patch"].as_u64().unwrap()).collect();
    let breaks = patches.windows(2).filter(|pair| pair[1] > pair[0] + 1).count();
    assert!(breaks >= 2, "patches of both: {patches:?}");
}

/// Returns whether `genre` fits the song named `of`.
fn fits(genre: &str, of: &str) -> bool {
    match of {
        "metal" => genre == "metal",
        "classical" => genre == "classical",
        _ => genre == "electronic",
    }
}

/// The source recovers from every fault, and another source is not affected.
#[test]
fn streams_come_back() {
    const FAULTS: [Fault; 12] = [
        Fault::Stall,
        Fault::Reset,
        Fault::Trickle,
        Fault::TruncatedChunk,
        Fault::WrongType,
        Fault::EndlessHead,
        Fault::Garbage,
        Fault::LongMetadata,
        Fault::Gone,
        Fault::Missing,
        Fault::Icy,
        Fault::Ends,
    ];
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.mp3");
    cut("metal", 60.0, 30.0, &sound, &["-b:a", "64k", "-ac", "1"]);
    let server = Faults::start(fs::read(&sound).unwrap(), 8000);
    let mut config = String::from(NO_MQTT);
    for fault in [&FAULTS[..], &[Fault::None, Fault::Loop]].concat() {
        config.push_str(&format!("[[source]]\nname = \"{fault:?}\"\nuri = \"{}\"\n", server.url(fault)));
        if fault == Fault::None {
            // In spite of a busy machine.
            config.push_str("lost_after_s = 30\n");
        }
    }
    let daemon = daemon(folder.path(), &config);
    for fault in FAULTS {
        let name = format!("{fault:?}");
        // After the first connection, and for longer than its five seconds of audio lasted.
        let back = || {
            let lines = daemon.json();
            let online = of(&lines, "availability", &name).last().is_some_and(|line| line["online"] == true);
            let again = matches!(fault, Fault::WrongType | Fault::Icy | Fault::Garbage | Fault::LongMetadata)
                || server.connections(fault) > 1;
            online && again && genre(&lines, &name).as_deref() == Some("metal")
        };
        daemon.wait_until(&format!("{name} to be back"), back);
    }
    daemon.wait_for_log("title: Artist - It's number 1");
    daemon.wait_for_log("redirects in a loop");
    daemon.wait_for_log("answers 404 Not Found");
    daemon.wait_for_log("the response head is too long");
    daemon.wait_for_log("closed prematurely");
    assert!(server.connections(Fault::Loop) > 2, "it is tried again");
    assert_eq!(server.connections(Fault::None), 1, "the source beside them lost its connection");
    let ended = end(daemon);
    let lost = |line: &&Value| line["event_type"] == "source_lost";
    assert_eq!(ended.lines("event", Some("None")).iter().filter(lost).count(), 0, "{}", ended.stderr);
}

/// A process source is started, classified, reported, restarted, and ends with the daemon,
/// including its child processes.
#[test]
fn programs_are_run() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("song.wav");
    convert(&song("metal"), &wav, &["-ss", "60", "-t", "30", "-ar", "44100"]);
    let config = r#"
        [[source]]
        name = "wav"
        uri = "process:"
        command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", "song.wav", "-f", "wav", "-"]
        [[source]]
        name = "pcm"
        uri = "process:?format=s16le&rate=16000&channels=1"
        command = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", "song.wav", "-f", "s16le", "-ar", "16000", "-ac", "1", "-"]
        [[source]]
        name = "fails"
        uri = "process:"
        command = ["sh", "-c", "echo run >> runs; echo 'no http://me:hunter2@h/x?token=abc here' >&2; exit 3"]
        [[source]]
        name = "group"
        uri = "process:"
        command = ["sh", "-c", "sleep 1234.5678 & sleep 1234.5678"]
        [[source]]
        name = "wavpack"
        uri = "process:"
        command = ["ffmpeg", "-v", "error", "-i", "song.wav", "-c:a", "wavpack", "-f", "wv", "-"]
        [[source]]
        name = "missing"
        uri = "process:"
        command = ["no-such-program"]
    "#;
    let daemon = daemon(folder.path(), &format!("{NO_MQTT}{config}"));
    for name in ["wav", "pcm"] {
        daemon.wait_until(name, || genre(&daemon.json(), name).as_deref() == Some("metal"));
    }
    daemon.wait_for_log("`sh` ended: no http://h/x?token=*** here");
    daemon.wait_for_log("there is no program `no-such-program`");
    daemon.wait_for_log("`ffmpeg` is WavPack, which genred does not decode");
    daemon.wait_until("a second run", || {
        fs::read_to_string(folder.path().join("runs")).unwrap().lines().count() > 1
    });
    let ended = end(daemon);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    let deadline = Instant::now() + Duration::from_secs(10);
    while sleepers() > 0 {
        assert!(Instant::now() < deadline, "{} processes outlive the daemon", sleepers());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Number of this test's `sleep` processes.
fn sleepers() -> usize {
    let lines = fs::read_dir("/proc").unwrap().flatten();
    lines
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line == b"sleep\x001234.5678\x00")
        .count()
}
