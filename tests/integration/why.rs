//! `genred why` and the trace socket, with the daemon.

mod socket;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::support::daemon::{Daemon, PATIENCE, genred, run};
use crate::support::music::cut;
use rustix::process::Signal;
use serde_json::Value;

/// Two sources of music in real time, longer than any test; the daemon prints every patch.
fn configure(folder: &Path) {
    cut("metal", 40.0, 120.0, &folder.join("metal.flac"), &[]);
    cut("classical", 10.0, 120.0, &folder.join("classical.flac"), &[]);
    let text = "node = 'studio1'\nruntime_dir = 'sockets'\noutput = 'jsonl'\noutput_patches = true\n\
                [mqtt]\nenabled = false\n[log]\nenabled = false\n\
                [[source]]\nname = 'Tape deck'\nuri = 'metal.flac'\nrepeat = true\n\
                [[source]]\nname = 'radio'\nuri = 'classical.flac'\nrepeat = true\n";
    fs::write(folder.join("genred.toml"), text).unwrap();
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("sockets/studio1.sock")
}

fn daemon(folder: &Path) -> Daemon {
    let daemon = Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]));
    daemon.wait_until("a socket that answers", || UnixStream::connect(socket(folder)).is_ok());
    daemon
}

/// A running `genred why` with further arguments.
fn why(folder: &Path, arguments: &[&str]) -> Daemon {
    Daemon::start(genred(folder).args([&["why", "-c", "genred.toml"], arguments].concat()))
}

fn stop(daemon: Daemon) -> crate::support::daemon::Ended {
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn connect(folder: &Path) -> Self {
        let stream = UnixStream::connect(socket(folder)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// `None` at the end.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line in time");
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let line = self.next().expect("more lines");
            if line["kind"] == kind {
                return line;
            }
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("`{value}` is no number"))
}

/// Checks that a trace is consistent.
fn check_trace(trace: &Value) {
    let posteriors = trace["posteriors"].as_array().unwrap();
    let sum: f64 = posteriors.iter().map(|label| number(&label["p"])).sum();
    assert!(posteriors.len() == 15 && (sum - 1.0).abs() < 2e-3, "{sum}: {trace}");
    assert!(posteriors.is_sorted_by(|one, next| number(&one["p"]) >= number(&next["p"])), "{trace}");
    let gate: f64 = ["music", "speech", "noise"].iter().map(|part| number(&trace["gate"][part])).sum();
    assert!((gate - 1.0).abs() < 2e-3, "{trace}");
    let level = &trace["level"];
    assert!((-50.0..0.0).contains(&number(&level["lufs_s"])) && number(&level["quiet_s"]) == 0.0, "{trace}");
    let sound = &trace["sound"];
    let states = sound["states"].as_array().unwrap();
    let shares: f64 = states.iter().map(|state| number(&state["share"])).sum();
    assert_eq!(states.len(), 17, "{trace}");
    assert!((shares - 1.0).abs() < 0.02 && number(&sound["age_s"]) > 0.0, "{trace}");
    assert!((0.0..=1.0).contains(&number(&sound["changing"])), "{trace}");
    let choice = &trace["choice"];
    let of = |state: &Value| {
        states.iter().find(|s| s["state"] == *state).map_or(1.0 / 17.0, |state| number(&state["share"]))
    };
    let ahead = of(&choice["candidate"]) - of(&choice["against"]);
    assert!((ahead - number(&choice["ahead"])).abs() < 0.01, "{trace}");
    assert!(choice["passes"] == false || number(&choice["ahead"]) >= number(&choice["needed"]), "{trace}");
    let held = trace["held"].as_str().unwrap_or("uncertain");
    assert!(trace["published"]["genre"] == held, "{trace}");
}

/// The trace has the internals of every decision, and no other results than those published.
#[test]
fn traces_agree_with_what_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let daemon = daemon(folder);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder.join("sockets")), mode(&socket(folder))), (0o700, 0o600));

    let mut client = Client::connect(folder);
    let hello = client.next().unwrap();
    assert_eq!((&hello["kind"], &hello["node"]), (&"hello".into(), &"studio1".into()), "{hello}");
    assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));
    let names: Vec<_> =
        hello["sources"].as_array().unwrap().iter().map(|s| (&s["name"], &s["source_name"])).collect();
    assert_eq!(names, [(&"Tape_deck".into(), &"Tape deck".into()), (&"radio".into(), &"radio".into())]);

    let (mut traces, mut events) = (Vec::new(), Vec::new());
    let has = |traces: &[Value], genre: &str| {
        traces.iter().filter(|t| t["published"]["genre"] == genre).count() > 2
    };
    while !(has(&traces, "metal") && has(&traces, "classical")) {
        let line = client.next().unwrap();
        match line["kind"].as_str().unwrap() {
            "trace" => {
                check_trace(&line);
                traces.push(line);
            }
            "event" => events.push(line),
            kind => panic!("`{kind}`: {line}"),
        }
        assert!(traces.len() < 300, "neither source comes to its genre");
    }
    // Standard output of the daemon for the same patches and changes.
    daemon.wait_until("the same on standard output", || {
        daemon.json().iter().any(|line| {
            let newest = traces.last().unwrap();
            line["kind"] == "window" && line["source"] == newest["source"] && line["patch"] == newest["patch"]
        })
    });
    let said = daemon.json();
    for trace in &traces {
        let window = said
            .iter()
            .find(|line| {
                line["kind"] == "window"
                    && line["source"] == trace["source"]
                    && line["patch"] == trace["patch"]
            })
            .unwrap();
        assert_eq!((&window["ts"], &window["run"]), (&trace["ts"], &hello["run"]));
        for label in trace["posteriors"].as_array().unwrap() {
            let score = number(&window["scores"][label["label"].as_str().unwrap()]);
            assert!((score - number(&label["p"])).abs() < 1e-4, "{trace}");
        }
        // The latest state up to this patch.
        let state = said
            .iter()
            .filter(|line| line["kind"] == "state" && line["source"] == trace["source"])
            .rfind(|state| state["patch"].as_u64() <= trace["patch"].as_u64().map(|patch| patch + 1))
            .unwrap();
        for key in ["state", "genre", "since"] {
            assert_eq!(state[key], trace["published"][key], "{key} of {trace}");
        }
    }
    assert!(!events.is_empty());
    for event in &events {
        assert!(said.contains(event), "{event}");
        // The deciding patch is marked as such.
        let trace = traces.iter().find(|t| t["source"] == event["source"] && t["ts"] == event["ts"]).unwrap();
        assert_eq!((&trace["choice"]["passes"], &trace["held"]), (&true.into(), &event["to"]), "{trace}");
    }

    // A later client receives the history.
    let hello = Client::connect(folder).next().unwrap();
    let tape = &hello["sources"][0];
    assert_eq!(tape["published"]["genre"], "metal", "{hello}");
    assert!(tape["changes"].as_array().unwrap().iter().any(|change| change["to"] == "metal"), "{hello}");
    stop(daemon);
    assert!(client.0.read_to_end(&mut Vec::new()).is_ok(), "the stream ends with the daemon");
    assert!(!socket(folder).exists(), "a clean stop leaves no socket");
}

/// Two readers at once, and a client that never reads. When the daemon ends, the readers end.
#[test]
fn people_and_programs_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let daemon = daemon(folder);
    let silent = UnixStream::connect(socket(folder)).unwrap();
    let mut words = why(folder, &["Tape deck", "--genre", "jazz"]);
    let json = why(folder, &["radio", "--json"]);
    words.wait_until("the reason", || words.text().contains("says metal because "));
    json.wait_until("traces", || json.json().iter().filter(|line| line["kind"] == "trace").count() > 3);
    let lines = json.json();
    assert!(lines.iter().all(|line| line["source"] == "radio"), "{lines:#?}");
    lines.iter().filter(|line| line["kind"] == "trace").for_each(check_trace);
    let text = words.text();
    for part in [
        "source    Tape_deck, patch ",
        "level     -",
        " LUFS, quiet below -60\n",
        "gate      music 0.",
        "sound     metal ",
        "about     jazz: 0.",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(!text.contains('\x1b'), "no terminal, no escapes:\n{text}");

    // A reader ends on a signal.
    json.signal(Signal::INT);
    let ended = json.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(words.is_running());
    stop(daemon);
    let ended = words.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), "genred: the daemon `studio1` has ended\n"));
    drop(silent);
}

/// Its output may be closed, as by `head`.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let daemon = daemon(folder);
    for arguments in [&["radio", "--json"][..], &["radio"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = genred(folder);
        command.args([&["why", "-c", "genred.toml"], arguments].concat());
        let watching = Daemon::start_with_output(&mut command, writer);
        // The command keeps its own end of the pipe.
        drop(command);
        let mut reader = BufReader::new(reader);
        reader.read_line(&mut String::new()).unwrap();
        drop(reader);
        let ended = watching.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }
    stop(daemon);
}

/// Clients that do not read do not slow down the daemon: every patch is scored and printed, and a
/// ninth client is served.
#[test]
fn clients_that_do_not_read_disturb_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    // At full speed: far more data than sockets and queues hold.
    let text = fs::read_to_string(folder.join("genred.toml")).unwrap();
    let text = text
        .replace("repeat = true", "pacing = 'fast'")
        .replace("output = 'jsonl'", "output = 'jsonl'\nhop_s = 0.25");
    // And one in real time.
    let live = "[[source]]\nname = 'live'\nuri = 'metal.flac'\nrepeat = true\n";
    fs::write(folder.join("genred.toml"), text + live).unwrap();
    let daemon = daemon(folder);
    // The connection that probed the socket may still count for a moment.
    let mut silent = Vec::new();
    daemon.wait_until("eight clients", || {
        let mut client = Client::connect(folder);
        if client.next().unwrap()["kind"] == "hello" {
            silent.push(client);
        }
        silent.len() == 8
    });
    let mut ninth = Client::connect(folder);
    assert_eq!(ninth.next(), Some(serde_json::json!({"kind": "full", "clients": 8})));
    assert_eq!(ninth.next(), None);
    let ended = run(folder, &["why", "-c", "genred.toml", "radio"]);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("as many clients as it accepts"),
        "{}",
        ended.stderr
    );

    for source in ["Tape_deck", "radio"] {
        daemon.wait_for_log(&format!("ended source=\"{source}\""));
    }
    for source in ["Tape_deck", "radio"] {
        let lines = daemon.json();
        let windows = lines.iter().filter(|line| line["kind"] == "window" && line["source"] == source);
        let patches: Vec<_> = windows.map(|line| line["patch"].as_u64().unwrap()).collect();
        assert!(
            patches.len() > 400 && patches.iter().copied().eq(0..patches.len() as u64),
            "{source}: {patches:?}"
        );
    }
    // One of them resumes reading, and receives the number of lost messages.
    let mut slow = silent.pop().unwrap();
    let mut traces = 0;
    let lost = loop {
        let line = slow.next().unwrap();
        match line["kind"].as_str().unwrap() {
            "lost" => break line["lines"].as_u64().unwrap(),
            kind => traces += usize::from(kind == "trace"),
        }
    };
    println!("a client that read late: {traces} traces, then {lost} lines lost");
    assert!(lost > 0 && traces >= 256, "{traces} traces, {lost} lost");
    let next = slow.next_of("trace");
    assert_eq!(next["source"], "live");
    check_trace(&next);
    // The others still do not read, and do not delay the stop.
    let ended = stop(daemon);
    assert!(!ended.stderr.contains("too slow"), "the sink itself kept up: {}", ended.stderr);
    drop(silent);
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let ended = run(folder, &["why", "-c", "genred.toml"]);
    assert_eq!(ended.code, Some(1));
    for part in ["no daemon `studio1` answers in `sockets`", "sudo -u genred genred why"] {
        assert!(ended.stderr.contains(part), "`{part}` is not in\n{}", ended.stderr);
    }

    let daemon = daemon(folder);
    let ended = run(folder, &["why", "-c", "genred.toml", "Tape dekc"]);
    assert_eq!(ended.code, Some(1));
    for part in ["has no source `Tape dekc`", "did you mean `Tape deck`?", "`Tape_deck`, `radio`"] {
        assert!(ended.stderr.contains(part), "`{part}` is not in\n{}", ended.stderr);
    }
    let ended = run(folder, &["why", "-c", "genred.toml", "radio", "--genre", "metl"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("no genre `metl`") && ended.stderr.contains("`metal`?"),
        "{}",
        ended.stderr
    );
    let ended = run(folder, &["why", "-c", "genred.toml", "--node", "studio2"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("`studio1`"), "{}", ended.stderr);

    // All sources, if none is named.
    let ended = run(folder, &["why", "-c", "genred.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let names: Vec<_> = ended.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["Tape_deck", "radio"], "{}", ended.stdout);
    stop(daemon);
}
