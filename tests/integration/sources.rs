//! Sources: every codec, every kind of source and invalid input, against reference tools.

mod codecs;
mod containers;
mod damage;
mod pipes;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::audio::{SECONDS, convert, correlation, decode_with_ffmpeg, encode, signal, write_wav};
use crate::support::tool;
use genred::audio::{Block, SampleRate};
use genred::source::{self, Pacing, Read, Source, SourceConfig, SourceError, Uri};
use genred::thread::Stop;

/// Everything that a source returned.
#[derive(Debug, Default)]
struct Heard {
    interleaved: Vec<f32>,
    rate: u32,
    channels: u16,
    gaps: Vec<u64>,
    anchors: Vec<(u64, jiff::Timestamp)>,
    end: u64,
    idle: usize,
    corrupt: u64,
}

fn empty_block() -> Block {
    Block::with_capacity(SampleRate::new(1).unwrap(), 1, 0)
}

fn drain(source: &mut dyn Source) -> Result<Heard, SourceError> {
    let mut heard = Heard::default();
    let mut block = empty_block();
    loop {
        match source.read(&mut block)? {
            Read::Audio => {}
            Read::Idle => {
                heard.idle += 1;
                continue;
            }
            Read::End => break,
        }
        assert!(block.samples() > 0);
        assert_eq!(block.interleaved.len() as u64, block.span.len() * u64::from(block.channels));
        if block.gap {
            heard.gaps.push(block.span.start);
        } else {
            assert_eq!(block.span.start, heard.end, "a jump without a gap");
        }
        if let Some(anchor) = block.anchor {
            heard.anchors.push((block.span.start, anchor));
        }
        heard.interleaved.extend_from_slice(&block.interleaved);
        (heard.rate, heard.channels, heard.end) = (block.rate.hertz(), block.channels, block.span.end);
    }
    heard.corrupt = source.corrupt();
    Ok(heard)
}

fn hear(path: &Path) -> Result<Heard, SourceError> {
    drain(&mut *source::open::open_file(path)?)
}

/// Checks an error message: it names the file or device, starts in lower case and has no full stop.
fn check_error(result: Result<Heard, SourceError>, name: &str, expected: &str) {
    let error = result.expect_err(name);
    let message = error.to_string();
    println!("{message}");
    assert!(!error.is_transient(), "{message}");
    assert!(message.contains(name) && message.contains(expected), "{message} lacks {name} or {expected}");
    assert!(!message.ends_with('.') && !message.starts_with(char::is_uppercase), "{message}");
}

#[test]
fn what_is_no_sound_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, content: Option<&[u8]>, expected: &str| {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        check_error(hear(&path), name, expected);
    };
    check("missing.wav", None, "does not exist");
    check("empty.wav", Some(b""), "is empty (0 bytes)");
    check("one.wav", Some(b"R"), "known are wav, aiff, au");
    check("text.mp3", Some("no sound here, only words\n".repeat(500).as_bytes()), "known are wav, aiff, au");
    check("zeros.flac", Some(&[0; 70_000]), "known are wav, aiff, au");
    std::fs::create_dir(folder.path().join("album.flac")).unwrap();
    check("album.flac", None, "is a directory");
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.wav")).unwrap();
    check("zero.wav", None, "neither a regular file nor a pipe");

    let path = folder.path().join("header.wav");
    write_wav(&path, 8000, 1, &[]);
    check("header.wav", None, "holds no audio");
    for (offset, absurd) in [(22, [0xff, 0xff, 0xff, 0xff]), (24, [1, 0, 0, 0]), (24, [0xff; 4])] {
        write_wav(&path, 8000, 1, &[0.0; 100]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[offset..offset + 4].copy_from_slice(&absurd);
        check("header.wav", Some(&bytes), "header.wav");
    }
}

#[test]
fn what_cannot_be_opened_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.wav");
    write_wav(&path, 8000, 1, &[0.0; 100]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root can read it in spite of its permissions.
    if std::fs::File::open(&path).is_err() {
        check_error(hear(&path), "secret.wav", "permission denied");
    }
}

fn config(uri: &str, pacing: Pacing) -> SourceConfig {
    SourceConfig {
        display_name: "test".into(),
        name: "test".into(),
        uri: Uri::parse(uri).unwrap(),
        pacing,
        start: None,
        repeat: false,
        reconnect_max: Duration::from_secs(60),
        min_read: Duration::ZERO,
    }
}

/// Opens standard input, redirected from the output of `command`.
fn piped(uri: &str, shell: &str, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
    let mut child = tool("sh", "dash").args(["-c", shell]).stdout(Stdio::piped()).spawn().unwrap();
    let pipe = OwnedFd::from(child.stdout.take().unwrap());
    std::thread::spawn(move || child.wait());
    source::open::open_stdin(&config(uri, Pacing::Realtime), pipe, stop)
}

#[test]
fn a_redirected_file_may_need_seeking() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    // The index is at the end, so that a pipe cannot be decoded.
    let path = encode(folder.path(), "x.m4a", 44_100, 2, &["-c:a", "aac"]);
    let file = std::fs::File::open(&path).unwrap();
    let mut source = source::open::open_stdin(&config("-", Pacing::Realtime), file.into(), &stop).unwrap();
    assert_eq!(drain(&mut *source).unwrap().end, hear(&path).unwrap().end);

    let result = drain(&mut *piped("-", &format!("cat {}", path.display()), &stop).unwrap());
    check_error(result, "standard input", "cannot be decoded");
}

#[test]
fn a_pipe_that_brings_nothing_says_so() {
    let stop = Stop::new().unwrap();
    for uri in ["-", "stdin:?format=s16le&rate=16000&channels=1"] {
        check_error(drain(&mut *piped(uri, "true", &stop).unwrap()), "standard input", "no data arrived");
    }
    let words = "yes these are words | head -c 100000";
    check_error(drain(&mut *piped("-", words, &stop).unwrap()), "standard input", "known are");
}

/// A pausing writer makes the source idle, not ended; the stop token ends it at once.
#[test]
fn a_stalled_pipe_is_idle_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = encode(folder.path(), "s16.wav", 16_000, 1, &["-c:a", "pcm_s16le"]);
    let bytes = std::fs::read(path).unwrap();
    for uri in ["-", "stdin:?format=s16le&rate=16000&channels=1"] {
        let stop = Stop::new().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut source =
            source::open::open_stdin(&config(uri, Pacing::Realtime), reader.into(), &stop).unwrap();
        let mut block = empty_block();
        assert_eq!(source.read(&mut block).unwrap(), Read::Idle, "{uri}");
        writer.write_all(&bytes[..32_000]).unwrap();
        let (mut samples, begun) = (0, Instant::now());
        loop {
            match source.read(&mut block).unwrap() {
                Read::Audio => samples += block.samples(),
                Read::Idle if samples >= 13_000 || begun.elapsed() > Duration::from_secs(60) => break,
                Read::Idle => {}
                Read::End => panic!("{uri}: ended"),
            }
        }
        assert!((13_000..=16_000).contains(&samples), "{uri}: {samples}");
        let stopper = stop.clone();
        let handle = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            stopper.set();
            Instant::now()
        });
        while source.read(&mut block).unwrap() != Read::End {}
        assert!(handle.join().unwrap().elapsed() < Duration::from_secs(5), "{uri}");
    }
}

#[test]
fn a_named_pipe_is_read_as_it_fills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(tool("mkfifo", "coreutils").arg(&path).status().unwrap().success());
    let stop = Stop::new().unwrap();
    let flac = encode(folder.path(), "x.flac", 16_000, 1, &[]);
    let mut source = source::open::open(&config(path.to_str().unwrap(), Pacing::Realtime), &stop).unwrap();
    assert_eq!(source.read(&mut empty_block()).unwrap(), Read::Idle);
    let shell = format!("cat {} > {}", flac.display(), path.display());
    let mut writer = tool("sh", "dash").args(["-c", &shell]).spawn().unwrap();
    assert_eq!(drain(&mut *source).unwrap().end, 52_800);
    writer.wait().unwrap();
}

/// Real-time pacing takes at least the duration of the file. On a busy machine there is no upper
/// bound.
#[test]
fn realtime_takes_its_time_and_fast_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    let path = encode(folder.path(), "x.flac", 16_000, 1, &[]);
    let path = path.to_str().unwrap();

    let begun = Instant::now();
    let wall = jiff::Timestamp::now();
    let mut live = source::open::open(&config(path, Pacing::Realtime), &stop).unwrap();
    let heard = drain(&mut *live).unwrap();
    assert!(begun.elapsed().as_secs_f64() >= SECONDS - 0.001, "{:?}", begun.elapsed());
    assert_eq!(heard.end, 52_800);
    assert_eq!(heard.anchors.len(), 1);
    let off = heard.anchors[0].1.duration_since(wall).as_secs_f64();
    assert!((-0.05..2.0).contains(&off), "{off}");

    let begun = Instant::now();
    let mut fast = source::open::open(&config(path, Pacing::Fast), &stop).unwrap();
    assert_eq!(drain(&mut *fast).unwrap().interleaved, heard.interleaved);
    assert!(begun.elapsed().as_secs_f64() < SECONDS);

    let start: jiff::Timestamp = "2024-02-29T23:59:59Z".parse().unwrap();
    let mut dated = config(path, Pacing::Fast);
    dated.start = Some(start);
    assert_eq!(drain(&mut *source::open::open(&dated, &stop).unwrap()).unwrap().anchors, [(0, start)]);
}

#[test]
fn stop_interrupts_a_paced_file() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    let path = encode(folder.path(), "x.flac", 16_000, 1, &[]);
    let mut source = source::open::open(&config(path.to_str().unwrap(), Pacing::Realtime), &stop).unwrap();
    let mut block = empty_block();
    assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
    let begun = Instant::now();
    stop.set();
    assert_eq!(source.read(&mut block).unwrap(), Read::End);
    assert!(begun.elapsed().as_secs_f64() < SECONDS / 2.0);
}

/// The decoder searches gigabytes of zeros for the next packet; the stop token interrupts it.
#[test]
fn stop_interrupts_a_search_for_sound() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(encode(folder.path(), "x.mp3", 44_100, 2, &["-c:a", "libmp3lame"])).unwrap();
    let path = folder.path().join("hollow.mp3");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(8 << 30).unwrap();
    let by_name = |stop: &Stop| source::open::open(&config(path.to_str().unwrap(), Pacing::Fast), stop);
    let redirected = |stop: &Stop| {
        let file = std::fs::File::open(&path).unwrap();
        source::open::open_stdin(&config("-", Pacing::Fast), file.into(), stop)
    };
    let opens: [&dyn Fn(&Stop) -> Result<Box<dyn Source>, SourceError>; 2] = [&by_name, &redirected];
    for open in opens {
        let stop = Stop::new().unwrap();
        let mut source = open(&stop).unwrap();
        let stopper = stop.clone();
        let (heard, enough) = std::sync::mpsc::channel();
        let handle = std::thread::spawn(move || {
            // Half of the audio has been read; the search follows.
            enough.recv().unwrap();
            std::thread::sleep(Duration::from_millis(300));
            stopper.set();
            Instant::now()
        });
        let mut block = empty_block();
        let mut samples = 0;
        loop {
            match source.read(&mut block).unwrap() {
                Read::Audio => samples += block.samples(),
                Read::Idle => {}
                Read::End => break,
            }
            if samples > 40_000 {
                // Not read: a second one is not needed.
                let _ = heard.send(());
            }
        }
        drop(heard);
        let late = handle.join().unwrap().elapsed();
        println!("{samples} samples, ended after {late:?}");
        assert!(stop.is_set() && samples > 40_000, "{samples}");
        assert!(late < Duration::from_secs(5), "{late:?}");
    }
}

/// A repeated file continues without a gap, in blocks of the requested size regardless of its
/// packets.
#[test]
fn a_repeated_file_goes_on_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    // A third of a second: more than two rounds per second.
    let path = encode(folder.path(), "x.mp3", 44_100, 2, &["-t", "0.35"]);
    let once = hear(&path).unwrap();
    let stop = Stop::new().unwrap();
    let uri = format!("file:{}", path.display());
    let config =
        SourceConfig { repeat: true, min_read: Duration::from_millis(100), ..config(&uri, Pacing::Realtime) };
    let mut source = source::open::open(&config, &stop).unwrap();
    let (mut block, mut heard, mut end) = (empty_block(), Vec::new(), 0);
    while end < 5 * once.end / 2 {
        if source.read(&mut block).unwrap() == Read::Audio {
            assert_eq!(block.span.start, end, "no hole");
            assert!(!block.gap && block.samples() >= 4410, "{} samples", block.samples());
            end = block.span.end;
            heard.extend_from_slice(&block.interleaved);
        }
    }
    let again = &heard[once.interleaved.len()..2 * once.interleaved.len()];
    assert!(heard.starts_with(&once.interleaved) && again == once.interleaved);
    stop.set();
    assert_eq!(source.read(&mut block).unwrap(), Read::End);
}
