//! Published state of each source, with its reason.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::support::audio::{encode, signal, write_wav};
use crate::support::broker::{Mosquitto, Subscriber, free_port};
use crate::support::daemon::{Daemon, genred};
use crate::support::faults::{Fault, Faults};
use rustix::process::Signal;
use serde_json::Value;

/// Sources that play, are silent, have no server, or are invalid are each handled separately.
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
         [[source]]\nname = \"quiet\"\nuri = \"stdin:?format=s16le&rate=16000&channels=1\"\nlost_after_s = 1.0\n\
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
    // The last one, at the stop; earlier ones may be from the start.
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

/// Servers that send MP3 of 128 kbit/s at its rate, half and a tenth of it, and processes at the
/// same rates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_slower_than_real_time_are_told_with_their_rate() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let heard = Subscriber::start(broker.port(), "genred/#", &[]).await;
    let song = encode(folder.path(), "song.mp3", 44_100, 2, &["-b:a", "128k", "-write_xing", "0"]);
    let sound = fs::read(song).unwrap();
    let rates = [("steady", 1.0), ("half", 0.5), ("tenth", 0.1)];
    let servers = rates.map(|(_, rate)| Faults::start(sound.clone(), (16_000.0 * rate) as usize));
    let mut config = format!("node = 'studio1'\n[mqtt]\nurl = 'mqtt://127.0.0.1:{}'\n", broker.port());
    for ((name, rate), server) in rates.iter().zip(&servers) {
        let (url, tone) = (server.url(Fault::None), "sine=r=16000,volume=0.1");
        config += &format!(
            "[[source]]\nname = '{name}'\nuri = '{url}'\n\
             [[source]]\nname = '{name}_process'\nuri = 'process:'\ncommand = ['ffmpeg', '-v', 'error', '-readrate', \
             '{rate}', '-f', 'lavfi', '-i', '{tone}', '-c:a', 'flac', '-flush_packets', '1', '-f', 'flac', '-']\n"
        );
    }
    fs::write(folder.path().join("genred.toml"), config).unwrap();
    let mut command = genred(folder.path());
    let daemon = Daemon::start(command.env("no_proxy", "127.0.0.1").args(["run", "-c", "genred.toml"]));
    let sources =
        rates.iter().flat_map(|(name, rate)| [(name.to_string(), *rate), (format!("{name}_process"), *rate)]);
    let slow = |source: &str| -> Vec<f64> {
        let topic = format!("genred/studio1/{source}/event");
        let events = heard.received().into_iter().filter(|message| message.topic == topic);
        let events = events.map(|message| serde_json::from_str::<Value>(&message.payload).unwrap());
        let started = events.filter(|event| event["event_type"] == "stream_slow_started");
        started.map(|event| event["rate"].as_f64().unwrap()).collect()
    };
    daemon.wait_until("four sources are slow", || {
        sources.clone().all(|(source, rate)| rate == 1.0 || !slow(&source).is_empty())
    });
    daemon.signal(Signal::TERM);
    // The last one, at the stop.
    let last = heard.wait_for("genred/studio1/stats", |text| text.matches("\"slow\"").count() == 4).await;
    let stats: Value = serde_json::from_str(&last.payload).unwrap();
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (source, rate) in sources {
        let (stats, rates) = (&stats["sources"][&source], slow(&source));
        if rate == 1.0 {
            assert_eq!((&stats["health"], rates), (&"healthy".into(), vec![]), "{source}: {stats}");
            continue;
        }
        assert_eq!(stats["health"], "slow", "{source}: {stats}");
        assert!(rates.len() == 1 && (rates[0] - rate).abs() < 0.1, "{source}: {rates:?}");
        let reason = format!("audio arrives at {:.2} times real time", rates[0]);
        assert_eq!(stats["health_reason"], reason.as_str(), "{source}: {stats}");
        assert!(ended.stderr.contains(&reason), "{}", ended.stderr);
    }
}

/// Digital silence, a hundred bytes per second, counts as audio.
#[test]
fn digital_silence_is_dead_air_in_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let codecs = [
        ("flac", "flac", "flac"),
        ("ogg-flac", "flac", "ogg"),
        ("vorbis", "libvorbis", "ogg"),
        ("opus", "libopus", "ogg"),
        ("mp3", "libmp3lame", "mp3"),
        ("wav", "pcm_s16le", "wav"),
        ("adts", "aac", "adts"),
        ("webm", "libopus", "webm"),
        ("matroska-flac", "flac", "matroska"),
    ];
    let mut config = String::new();
    for (name, codec, format) in codecs {
        let noise = "anoisesrc=d=4:c=pink:a=0.3:r=48000,apad=pad_dur=60";
        let soon = match format {
            "ogg" => "'-page_duration', '200000', ",
            "webm" | "matroska" => "'-cluster_time_limit', '200', ",
            _ => "",
        };
        config += &format!(
            "[[source]]\nname = '{name}'\nuri = 'process:'\ncommand = ['ffmpeg', '-v', 'error', '-re', '-f', 'lavfi', \
             '-i', '{noise}', '-ac', '2', '-c:a', '{codec}', '-flush_packets', '1', {soon}'-f', '{format}', '-']\n"
        );
    }
    fs::write(folder.path().join("genred.toml"), config).unwrap();
    let arguments = ["run", "-c", "genred.toml", "--no-mqtt", "--output", "jsonl"];
    let daemon = Daemon::start(genred(folder.path()).args(arguments));
    let kinds = |source: &str| -> Vec<String> {
        let events =
            daemon.json().into_iter().filter(|line| line["kind"] == "event" && line["source"] == source);
        events.map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
    };
    for (name, ..) in codecs {
        let told = || kinds(name).iter().any(|kind| kind == "dead_air_started");
        daemon.wait_until(&format!("dead air in {name}"), told);
    }
    // Longer than the time-out of a source without audio.
    std::thread::sleep(Duration::from_secs(7));
    for (name, ..) in codecs {
        let last = kinds(name).into_iter().rfind(|kind| kind != "genre_changed");
        assert_eq!(last.as_deref(), Some("dead_air_started"), "{name}: {:?}", kinds(name));
    }
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
