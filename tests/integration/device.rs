//! Live capture from a real sound server, with a callback that must not allocate.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::audio::{sine, write_wav};
use crate::support::daemon::{Daemon, genred};
use crate::support::pulse::{Player, Server, isolated};
use assert_no_alloc::assert_no_alloc;
use genred::audio::{Block, SampleRate};
use genred::source::fuzz_api::capture::{CaptureCallback, CaptureStatus, ring, set_guard};
use genred::source::{self, Pacing, Read, Source, SourceConfig, SourceError, Uri};
use genred::thread::Stop;
use rustix::process::Signal;

const HERTZ: f64 = 997.0;

/// Within this guard, an allocation aborts the process.
fn forbid_allocation(call: &mut dyn FnMut()) {
    assert_no_alloc(call);
}

fn empty_block() -> Block {
    Block::with_capacity(SampleRate::new(1).unwrap(), 1, 0)
}

fn open(uri: &str, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
    set_guard(forbid_allocation);
    let config = SourceConfig {
        display_name: "test".into(),
        name: "test".into(),
        uri: Uri::parse(uri).unwrap(),
        pacing: Pacing::Realtime,
        start: None,
        repeat: false,
        reconnect_max: Duration::from_secs(60),
        min_read: Duration::ZERO,
    };
    source::open::open(&config, stop)
}

/// Plays a 997 Hz sine for one minute.
fn play(server: &Server) -> Player {
    // Each test has its own home folder, removed at the end.
    let path = PathBuf::from(std::env::var_os("HOME").unwrap()).join("sine.wav");
    write_wav(&path, 48_000, 1, &sine(48_000, HERTZ, 60.0));
    server.play(&path)
}

/// Captures `seconds` of the sine without a gap. Returns the left channel and its sample rate.
fn listen(source: &mut dyn Source, seconds: f64) -> (Vec<f32>, f64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut block = empty_block();
    let (mut heard, mut end) = (Vec::new(), 0);
    loop {
        assert!(Instant::now() < deadline, "only {} samples of the sine within 30 s", heard.len());
        match source.read(&mut block).unwrap() {
            Read::Idle => continue,
            Read::End => panic!("the source ended"),
            Read::Audio => {}
        }
        assert_eq!(block.interleaved.len() as u64, block.span.len() * u64::from(block.channels));
        assert!(block.gap || block.span.start == end, "a jump without a gap");
        assert!(end != 0 || block.anchor.is_some(), "the first block has no wall-clock time");
        end = block.span.end;
        let left: Vec<f32> = block.interleaved.iter().step_by(usize::from(block.channels)).copied().collect();
        let loud = left.iter().map(|sample| sample * sample).sum::<f32>() / left.len() as f32 > 0.01;
        if block.gap || !loud {
            heard.clear();
        }
        if loud {
            heard.extend(left);
        }
        let rate = f64::from(block.rate.hertz());
        // The first samples may include the onset of the sine.
        if heard.len() as f64 > (seconds + 0.2) * rate {
            return (heard.split_off((0.2 * rate) as usize), rate);
        }
    }
}

/// Frequency in hertz, from interpolated zero crossings.
fn frequency(samples: &[f32], rate: f64) -> f64 {
    let crossings: Vec<f64> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
        .map(|(index, pair)| index as f64 + f64::from(-pair[0] / (pair[1] - pair[0])))
        .collect();
    (crossings.len() - 1) as f64 * rate / (crossings[crossings.len() - 1] - crossings[0])
}

/// Largest deviation from the recurrence of a sine; a lost or repeated sample exceeds it.
fn roughness(samples: &[f32], hertz: f64, rate: f64) -> f64 {
    let turn = 2.0 * (std::f64::consts::TAU * hertz / rate).cos();
    samples
        .windows(3)
        .map(|three| (f64::from(three[2]) - turn * f64::from(three[1]) + f64::from(three[0])).abs())
        .fold(0.0, f64::max)
}

fn hears_the_sine(uri: &str) {
    let server = Server::start();
    let _player = play(&server);
    let stop = Stop::new().unwrap();
    let mut source = open(uri, &stop).unwrap();
    let (heard, rate) = listen(&mut *source, 2.0);
    let hertz = frequency(&heard, rate);
    let rough = roughness(&heard, hertz, rate);
    println!("{uri}: {hertz:.2} Hz at {rate} Hz, roughness {rough:.5}, {} overruns", source.xruns());
    assert!((hertz - HERTZ).abs() < 2.0, "{hertz}");
    assert!(rough < 0.01, "{rough}");

    let begun = Instant::now();
    stop.set();
    assert_eq!(source.read(&mut empty_block()).unwrap(), Read::End);
    drop(source);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn alsa_hears_what_is_played() {
    if isolated("device::alsa_hears_what_is_played") {
        hears_the_sine("device:alsa:ci");
    }
}

#[test]
fn pulseaudio_hears_what_is_played() {
    if isolated("device::pulseaudio_hears_what_is_played") {
        hears_the_sine("device:pulseaudio:ci.monitor");
    }
}

#[test]
fn the_default_device_and_names_for_people_work() {
    if !isolated("device::the_default_device_and_names_for_people_work") {
        return;
    }
    let server = Server::start();
    let _player = play(&server);
    let stop = Stop::new().unwrap();
    for uri in [
        "device:",
        "device:alsa:default",
        "device:alsa:CI monitor",
        "device:pulseaudio:Monitor of Null Output",
    ] {
        let mut source = open(uri, &stop).unwrap_or_else(|error| panic!("{uri}: {error}"));
        let (heard, rate) = listen(&mut *source, 0.3);
        assert!((frequency(&heard, rate) - HERTZ).abs() < 5.0, "{uri}");
    }

    let devices = source::devices::list().unwrap();
    println!("{}", serde_json::to_string(&devices).unwrap());
    let monitor = devices.iter().find(|device| device.id == "ci.monitor").unwrap();
    assert_eq!(
        (monitor.host.as_str(), monitor.rate, monitor.channels),
        ("pulseaudio", Some(48_000), Some(2))
    );
    assert!(monitor.default);
    assert!(devices.iter().any(|device| device.host == "alsa" && device.id == "ci"));

    let error = open("device:pulseaudio:nowhere", &stop).err().unwrap();
    println!("{error}");
    let message = error.to_string();
    assert!(error.is_transient());
    for part in ["`nowhere`", "`device:pulseaudio:ci.monitor`", "genred devices"] {
        assert!(message.contains(part), "{message} lacks {part}");
    }
    let error = open("device:jack:x", &stop).err().unwrap();
    println!("{error}");
    assert!(!error.is_transient() && error.to_string().contains("`pulseaudio`"), "{error}");
}

#[test]
fn without_a_sound_system_other_ways_in_are_named() {
    if !isolated("device::without_a_sound_system_other_ways_in_are_named") {
        return;
    }
    let stop = Stop::new().unwrap();
    let error = open("device:", &stop).err().unwrap();
    println!("{error}");
    assert!(error.is_transient());
    let message = error.to_string();
    for part in ["no capture device can be opened", "`-`", "audio file"] {
        assert!(message.contains(part), "{message} lacks {part}");
    }
    let error = open("device:pulseaudio:default", &stop).err().unwrap();
    println!("{error}");
    assert!(error.is_transient() && error.to_string().contains("`pulseaudio`"), "{error}");
    println!("{:?}", source::devices::list());
}

/// Reads until the source fails. Returns the elapsed time.
fn failure(source: &mut dyn Source) -> (SourceError, Duration) {
    let begun = Instant::now();
    let mut block = empty_block();
    loop {
        match source.read(&mut block) {
            Ok(Read::End) => panic!("the source ended"),
            Ok(_) => assert!(begun.elapsed() < Duration::from_secs(20), "it goes on as if nothing were"),
            Err(error) => return (error, begun.elapsed()),
        }
    }
}

fn survives_the_server(uri: &str) {
    let server = Server::start();
    let player = play(&server);
    let stop = Stop::new().unwrap();
    let mut source = open(uri, &stop).unwrap();
    listen(&mut *source, 0.3);
    server.kill();
    let (error, after) = failure(&mut *source);
    println!("{uri}: `{error}` after {after:?}");
    assert!(error.is_transient(), "{error}");
    assert!(after < Duration::from_secs(4), "{after:?}");
    let begun = Instant::now();
    drop(source);
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(player);
    let error = open(uri, &stop).err().unwrap();
    println!("{uri}: `{error}` without a server");
    assert!(error.is_transient(), "{error}");

    let server = Server::start();
    let _player = play(&server);
    let mut source = open(uri, &stop).unwrap_or_else(|error| panic!("{error}"));
    let (heard, rate) = listen(&mut *source, 0.5);
    assert!((frequency(&heard, rate) - HERTZ).abs() < 5.0);
}

#[test]
fn closing_a_connection_to_pulseaudio_is_no_error() {
    if !isolated("device::closing_a_connection_to_pulseaudio_is_no_error") {
        return;
    }
    let server = Server::start();
    let _player = play(&server);
    let folder = tempfile::tempdir().unwrap();
    let uri = "device:pulseaudio:ci.monitor";
    let arguments = ["run", "--no-mqtt", "--output", "jsonl", uri];
    let mut command = genred(folder.path());
    // The server's cookie is in this process's home folder.
    for name in ["HOME", "XDG_CONFIG_HOME"] {
        command.env(name, std::env::var_os(name).unwrap());
    }
    let daemon = Daemon::start(command.args(arguments));
    daemon.wait_until("audio", || daemon.text().contains(r#""kind":"state""#));
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}

#[test]
fn alsa_survives_the_server() {
    if isolated("device::alsa_survives_the_server") {
        survives_the_server("device:alsa:ci");
    }
}

#[test]
fn pulseaudio_survives_the_server() {
    if isolated("device::pulseaudio_survives_the_server") {
        survives_the_server("device:pulseaudio:ci.monitor");
    }
}

/// A hanging server reports nothing: the source first reads as idle, then gives up, and dropping it
/// does not block.
#[test]
fn a_server_that_hangs_is_given_up() {
    if !isolated("device::a_server_that_hangs_is_given_up") {
        return;
    }
    let server = Server::start();
    let _player = play(&server);
    let stop = Stop::new().unwrap();
    let mut source = open("device:pulseaudio:ci.monitor", &stop).unwrap();
    listen(&mut *source, 0.3);
    server.suspend();
    let (error, after) = failure(&mut *source);
    println!("`{error}` after {after:?}");
    assert!(error.is_transient() && error.to_string().contains("no audio arrives"), "{error}");
    assert!((4.5..20.0).contains(&after.as_secs_f64()), "{after:?}");
    let begun = Instant::now();
    drop(source);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_callback_allocates_nothing_even_when_the_ring_is_full() {
    let (writer, mut reader) = ring(2, 1000);
    let shared = Arc::new(CaptureStatus::default());
    let mut callback = CaptureCallback::new(writer, shared.clone());
    let samples = [0.25_f32; 2 * 300];
    for _ in 0..1000 {
        forbid_allocation(&mut || callback.write(&samples));
    }
    assert_eq!((reader.available(), shared.overruns()), (1000, 1));
    let mut block = empty_block();
    let mut lost = 0;
    for _ in 0..200 {
        while reader.read(&mut block, 100) {
            lost += u64::from(block.gap);
        }
        for _ in 0..10 {
            forbid_allocation(&mut || callback.write(&samples));
        }
    }
    assert!(lost > 100 && shared.overruns() > 100, "{lost}");
}

/// Self-test of the guard: an allocation within it aborts the process, which is a separate one
/// here.
#[test]
fn an_allocation_within_the_guard_aborts() {
    const MARK: &str = "GENRED_TEST_ALLOCATE";
    if std::env::var_os(MARK).is_some() {
        forbid_allocation(&mut || drop(std::hint::black_box(vec![0_u8; 100])));
        return;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["device::an_allocation_within_the_guard_aborts", "--exact", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    assert!(
        !run.status.success(),
        "the allocator does not abort: is `assert_no_alloc` built without its checks?"
    );
}
