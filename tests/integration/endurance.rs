//! A hundred failures of a stream in a row, and a server that is down for a minute: the source
//! recovers from each, memory does not grow, and another source loses nothing. Takes three minutes.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, genred};
use crate::support::faults::play;
use crate::support::music::cut;
use crate::support::site::{Line, Site};
use rustix::process::Signal;
use serde_json::Value;

/// Number of outages, each begun by a failure in the middle of audio.
const OUTAGES: usize = 100;

/// Number of failing responses; some outages have two.
const FAILURES: usize = OUTAGES + OUTAGES / 4;

/// Number of requests until the last failure. The first one is answered with sound for a while.
const REQUESTS: usize = FAILURES + 1;

/// Number of outages before the first measurement of memory, while caches fill.
const WARM: usize = 12;

/// Maximum growth of memory, in bytes.
const GROWTH: u64 = 2 << 20;

/// Time-out, longer than the test takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n";

/// Sends the failing response number `count`: after two seconds of audio, or, for one in five,
/// without any.
fn fail(count: usize, sound: &[u8], rate: usize, line: Line<'_>) -> std::io::Result<()> {
    let (some, round) = (2 * rate, count / 5);
    if is_silent(count) {
        return match round % 5 {
            0 => write!(line, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
            1 => Ok(()),
            2 => {
                write!(line, "HTTP/1.1 200 OK\r\n")?;
                line.write_all(&b"X-More: and more\r\n".repeat(2000))
            }
            3 => write!(line, "HTTP/1.1 302 Found\r\nLocation: /fails\r\n\r\n"),
            _ => write!(line, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<!DOCTYPE html>"),
        };
    }
    let kind = (count + round) % 6;
    match kind {
        1 | 2 => {
            let length = if kind == 1 { 2 * some } else { some };
            write!(line, "{OK}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n")?;
        }
        3 => write!(line, "{OK}icy-metaint: {some}\r\n\r\n")?,
        4 => write!(line, "{OK}Content-Length: {}\r\n\r\n", 2 * some)?,
        _ => write!(line, "{OK}\r\n")?,
    }
    line.write_all(&sound[..some])?;
    match kind {
        2 => write!(line, "\r\nno length\r\n"),
        // The metadata is cut off.
        3 => write!(line, "\x02StreamTitle='number {count}"),
        // The connection stays open.
        5 => {
            thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Returns whether the response number `count` has no audio.
fn is_silent(count: usize) -> bool {
    count % 5 == 4
}

/// Returns the resident memory of a process, in bytes.
fn resident(id: u32) -> u64 {
    let pages: u64 =
        fs::read_to_string(format!("/proc/{id}/statm")).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// Returns the number of entries of a folder of `/proc/ID`.
fn count(id: u32, folder: &str) -> usize {
    fs::read_dir(format!("/proc/{id}/{folder}")).unwrap().count()
}

/// Waits until `ready`, with a longer time-out than other tests.
fn wait_until(daemon: &Daemon, what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}; the log:\n{}", daemon.log());
        thread::sleep(Duration::from_millis(250));
    }
}

/// A server that plays for five seconds to the accepted clients, is down for a minute, and returns.
struct Absent {
    port: u16,
    /// Time from the return of the server to the next request.
    asked_after: Arc<Mutex<Option<Duration>>>,
    answered: Arc<AtomicUsize>,
}

impl Absent {
    fn start(sound: Arc<Vec<u8>>, rate: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked_after, answered) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
        let (told, counted) = (Arc::clone(&asked_after), Arc::clone(&answered));
        thread::spawn(move || {
            let (mut line, _) = listener.accept().unwrap();
            drop(listener);
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = write!(line, "{OK}\r\n").and_then(|()| play(&mut line, &sound, rate, 8 * rate));
            drop(line);
            thread::sleep(Duration::from_secs(60));
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            let back = Instant::now();
            for mut line in listener.incoming().flatten() {
                told.lock().unwrap().get_or_insert(back.elapsed());
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = write!(line, "{OK}\r\n").and_then(|()| play(&mut line, &sound, rate, usize::MAX));
            }
        });
        Self { port, asked_after, answered }
    }
}

fn availability(lines: &[Value], source: &str) -> Vec<bool> {
    lines
        .iter()
        .filter(|line| line["kind"] == "availability" && line["source"] == source)
        .map(|line| line["online"] == true)
        .collect()
}

/// Number of transitions from offline to online, without the first one.
fn recoveries(lines: &[Value], source: &str) -> usize {
    let changes = availability(lines, source);
    changes.windows(2).filter(|pair| !pair[0] && pair[1]).count().saturating_sub(1)
}

/// Numbers of the scored patches.
fn patches(lines: &[Value], source: &str) -> Vec<u64> {
    let windows = lines.iter().filter(|line| line["kind"] == "window" && line["source"] == source);
    windows.map(|line| line["patch"].as_u64().unwrap()).collect()
}

fn sound(folder: &Path) -> (Vec<u8>, usize) {
    let file = folder.join("sound.mp3");
    cut("metal", 60.0, 30.0, &file, &["-b:a", "64k", "-ac", "1", "-write_xing", "0", "-id3v2_version", "0"]);
    (fs::read(file).unwrap(), 8000)
}

/// Writes `genred.toml` with the three sources of the test.
fn configure(folder: &Path, site: &Site, absent: &Absent) {
    let source = |name: &str, port: u16, more: &str| {
        format!("[[source]]\nname = \"{name}\"\nuri = \"http://127.0.0.1:{port}/{name}\"\n{more}")
    };
    let config = [
        "output_patches = true\n[mqtt]\nenabled = false\n",
        &source("fails", site.port, "reconnect_max_s = 1\nlost_after_s = 2\n"),
        &source("absent", absent.port, "reconnect_max_s = 5\n"),
        &source("well", site.port, "lost_after_s = 30\n"),
    ]
    .concat();
    fs::write(folder.join("genred.toml"), config).unwrap();
}

#[test]
fn a_hundred_failures() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, rate) = sound(folder.path());
    let shared = Arc::new(sound);
    let sound = Arc::clone(&shared);
    let site = Site::start(move |asked, line| match asked.path {
        // All sources play at once before memory is measured: the memory of inference grows with
        // the number of sources that are scored together.
        "/fails" if asked.count == 1 => {
            write!(line, "{OK}\r\n")?;
            play(line, &sound, rate, 8 * rate)
        }
        "/fails" if asked.count <= REQUESTS => fail(asked.count - 2, &sound, rate, line),
        _ => {
            write!(line, "{OK}\r\n")?;
            play(line, &sound, rate, usize::MAX)
        }
    });
    let absent = Absent::start(shared, rate);
    configure(folder.path(), &site, &absent);
    let mut command = genred(folder.path());
    command.env("no_proxy", "127.0.0.1").args(["run", "-c", "genred.toml", "--output", "jsonl"]);
    let daemon = Daemon::start(&mut command);
    let id = daemon.id();
    let asked = |path: &str| site.heads().iter().filter(|head| head.contains(path)).count();

    wait_until(&daemon, "the first failures", || asked("/fails ") > WARM);
    // The maximum within one second, which includes handles that are opened and closed in between.
    let look = || (resident(id), count(id, "task"), count(id, "fd"));
    let before = (0..8).fold(look(), |most, _| {
        thread::sleep(Duration::from_millis(125));
        let now = look();
        (most.0.max(now.0), most.1.max(now.1), most.2.max(now.2))
    });
    let begun = Instant::now();
    let mut course = Vec::new();
    wait_until(&daemon, "what follows the last failure", || {
        let so_far = asked("/fails ");
        if so_far > WARM + 20 * (course.len() + 1) {
            course.push(resident(id) >> 10);
        }
        so_far > REQUESTS
    });
    // The other source continues.
    assert_eq!((0..FAILURES).filter(|count| !is_silent(*count)).count(), OUTAGES);
    // The end of the first sound is an outage, too.
    wait_until(&daemon, "the last recovery", || recoveries(&daemon.json(), "fails") > OUTAGES);
    wait_until(&daemon, "its genre", || {
        let lines = daemon.json();
        lines
            .iter()
            .rfind(|line| line["kind"] == "state" && line["source"] == "fails")
            .is_some_and(|line| line["genre"] == "metal")
    });
    let took = begun.elapsed();
    let after = look();
    wait_until(&daemon, "the end of the absence", || {
        absent.asked_after.lock().unwrap().is_some() && recoveries(&daemon.json(), "absent") == 1
    });
    let asked_after = absent.asked_after.lock().unwrap().unwrap();
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    println!(
        "{FAILURES} failures, {OUTAGES} outages in {took:?}: {before:?} → {after:?} (bytes, threads, descriptors), in between {course:?} KiB; after a minute without a server it was asked {asked_after:?} after it was back"
    );

    let lines = ended.json();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // A busy machine may have one more.
    assert!(recoveries(&lines, "fails") > OUTAGES, "every outage ends");
    assert!(after.0 <= before.0 + GROWTH, "memory grew from {} to {} bytes", before.0, after.0);
    assert!(after.1 <= before.1 + 1 && after.2 <= before.2 + 2, "{before:?} → {after:?}");
    // The configured maximum delay is five seconds; the default is one minute.
    assert!(asked_after < Duration::from_secs(40), "{asked_after:?}");
    assert_eq!(absent.answered.load(Ordering::SeqCst), 2);
    // The other source was never interrupted, and all its patches were scored.
    assert_eq!(asked("/well "), 1);
    assert_eq!(availability(&lines, "well"), [false, true, false]);
    let scored = patches(&lines, "well");
    assert!(scored.len() > 60, "{} patches", scored.len());
    assert_eq!(scored, (0..scored.len() as u64).collect::<Vec<_>>(), "patches were dropped");
    let warned = |line: &&str| line.contains("WARN") && line.contains("well");
    assert_eq!(ended.stderr.lines().find(warned), None);
}
