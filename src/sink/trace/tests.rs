//! The socket with clients that read, that do not, and too many of them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};

use super::socket::path;
use super::*;
use crate::command::{LabelCommand, SourceCommand};
use crate::sink::samples;

/// Time limit of every wait.
const DEADLINE: Duration = Duration::from_secs(20);

struct RunningSink {
    folder: tempfile::TempDir,
    inbox: mpsc::Sender<Message>,
    listeners: Listeners,
    task: tokio::task::JoinHandle<()>,
    asked: crossbeam_channel::Receiver<CommandRequest>,
}

impl RunningSink {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = TraceSocket::open(&folder.path().join("run"), "studio1").await.unwrap();
        let names = vec![("fm1".into(), "FM 1".into()), ("tape".into(), "tape".into())];
        let sink = TraceSink::new(socket, samples::RUN.into(), "studio1".into(), names);
        let (ask, asked) = crossbeam_channel::bounded(2);
        let sink = sink.with_commands(ask);
        let (listeners, (inbox, receiver)) = (sink.listeners(), mpsc::channel(4096));
        let task = tokio::spawn(Box::new(sink).run(receiver));
        Self { folder, inbox, listeners, task, asked }
    }

    fn path(&self) -> PathBuf {
        path(&self.folder.path().join("run"), "studio1")
    }

    async fn connect(&self) -> Lines<BufReader<UnixStream>> {
        BufReader::new(UnixStream::connect(self.path()).await.unwrap()).lines()
    }

    async fn until(&self, any: bool) {
        let deadline = Instant::now() + DEADLINE;
        while self.listeners.any() != any {
            assert!(Instant::now() < deadline, "listeners: {}", !any);
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn end(self) {
        drop(self.inbox);
        timeout(DEADLINE, self.task).await.unwrap().unwrap();
        assert!(!path(&self.folder.path().join("run"), "studio1").exists());
    }
}

async fn next(lines: &mut Lines<BufReader<UnixStream>>) -> Value {
    let line = timeout(DEADLINE, lines.next_line()).await.expect("a line in time").unwrap();
    serde_json::from_str(&line.expect("a line")).unwrap()
}

fn explanation_of(patch: u64) -> Message {
    let mut explanation = samples::explanation();
    explanation.patch.index = patch;
    Message::Explanation { source: "fm1".into(), explanation: Arc::new(explanation) }
}

fn trace_message() -> Message {
    explanation_of(186)
}

fn state(genre: &str) -> Message {
    let state = StateSnapshot { published: samples::music(genre, 0.83), ..samples::state() };
    Message::State { source: "fm1".into(), state: Arc::new(state) }
}

#[tokio::test]
async fn a_client_receives_the_present_state_and_then_changes() {
    let running = RunningSink::start().await;
    assert!(!running.listeners.any());
    for genre in ["jazz", "jazz", "rock"] {
        running.inbox.send(state(genre)).await.unwrap();
    }
    // The sink may not have processed these states when the client connects.
    let mut client = loop {
        let mut client = running.connect().await;
        let hello = next(&mut client).await;
        if hello["sources"][0]["changes"].as_array().unwrap().is_empty() {
            continue;
        }
        insta::assert_snapshot!(hello, @r#"{"kind":"hello","run":"0f1e2d3c","version":"0.1.0","node":"studio1","sources":[{"name":"fm1","source_name":"FM 1","published":{"state":"music","genre":"rock","confidence":0.83,"since":"2026-11-03T14:01:59.000Z"},"changes":[{"ts":"2026-11-03T14:01:59.000Z","from":"jazz","to":"rock"}]},{"name":"tape","source_name":"tape","published":null,"changes":[]}]}"#);
        break client;
    };
    assert!(running.listeners.any());
    running.inbox.send(trace_message()).await.unwrap();
    running.inbox.send(samples::event_message(3, samples::to_jazz())).await.unwrap();
    running.inbox.send(samples::window_message(|_| {})).await.unwrap();
    let trace = next(&mut client).await;
    assert_eq!(
        (&trace["kind"], &trace["source"], &trace["patch"]),
        (&"trace".into(), &"fm1".into(), &186.into())
    );
    let event = next(&mut client).await;
    assert_eq!(
        (&event["kind"], &event["source"], &event["seq"]),
        (&"event".into(), &"fm1".into(), &3.into())
    );
    // A disconnection is detected although nothing is written to the client.
    drop(client);
    running.until(false).await;

    let mut client = running.connect().await;
    assert_eq!(next(&mut client).await["kind"], "hello");
    running.end().await;
    assert!(client.next_line().await.unwrap().is_none(), "the end of the daemon ends the stream");
}

#[tokio::test]
async fn the_last_ten_changes_are_kept() {
    let running = RunningSink::start().await;
    for genre in (0..14).map(|n| n.to_string()) {
        running.inbox.send(state(&genre)).await.unwrap();
    }
    loop {
        let hello = next(&mut running.connect().await).await;
        let changes = hello["sources"][0]["changes"].as_array().unwrap();
        assert!(changes.len() <= 10);
        if changes.last().is_some_and(|change| change["to"] == "13") {
            assert_eq!((changes.len(), &changes[0]["from"]), (10, &"3".into()));
            assert_eq!(hello["sources"][1]["published"], Value::Null);
            break;
        }
    }
    running.end().await;
}

/// Every line is received or counted as lost, in order, and a slow client delays nobody.
#[tokio::test]
async fn a_slow_client_loses_lines_and_is_told_how_many() {
    let running = RunningSink::start().await;
    let mut slow = running.connect().await;
    assert_eq!(next(&mut slow).await["kind"], "hello");
    // Far more than the socket and the queue hold together.
    let sent = 4000;
    for patch in 0..sent {
        timeout(DEADLINE, running.inbox.send(explanation_of(patch))).await.expect("nobody waits").unwrap();
    }
    while running.inbox.capacity() < running.inbox.max_capacity() {
        sleep(Duration::from_millis(2)).await;
    }
    // The number of lost lines precedes the next line for which there is room.
    let (mut received, mut events) = (0, 0);
    let lost = loop {
        running.inbox.send(samples::event_message(events, samples::to_jazz())).await.unwrap();
        events += 1;
        let line = next(&mut slow).await;
        match line["kind"].as_str().unwrap() {
            "trace" => assert_eq!(line["patch"], received, "in order, and without a hole so far"),
            kind => {
                assert_eq!(kind, "lost");
                break line["lines"].as_u64().unwrap();
            }
        }
        received += 1;
    };
    assert!(received > QUEUE_LENGTH as u64 && lost > 1000, "{received} received, {lost} lost");
    assert_eq!(next(&mut slow).await["seq"], lost - (sent - received), "everything is accounted for");
    running.end().await;
}

#[tokio::test]
async fn one_that_does_not_read_at_all_does_not_hold_up_the_end() {
    let running = RunningSink::start().await;
    let silent = running.connect().await;
    running.until(true).await;
    for _ in 0..1000 {
        running.inbox.send(trace_message()).await.unwrap();
    }
    running.end().await;
    drop(silent);
}

#[tokio::test]
async fn eight_are_enough() {
    let running = RunningSink::start().await;
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut client = running.connect().await;
        assert_eq!(next(&mut client).await["kind"], "hello");
        clients.push(client);
    }
    let mut ninth = running.connect().await;
    assert_eq!(next(&mut ninth).await, serde_json::json!({"kind": "full", "clients": 8}));
    assert!(ninth.next_line().await.unwrap().is_none());
    clients.pop();
    // Its slot is free once the disconnection is detected.
    let deadline = Instant::now() + DEADLINE;
    while next(&mut running.connect().await).await["kind"] != "hello" {
        assert!(Instant::now() < deadline);
    }
    running.end().await;
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_disturbs_nothing() {
    let running = RunningSink::start().await;
    for (said, expected) in [
        ("hello yourself\n".to_owned(), "this is not a command"),
        ("{\"ask\":\"stop\",\"source\":\"fm1\",\"message\":{}}\n".to_owned(), "this is not a command"),
        ("x".repeat(5000), "the command is too long"),
    ] {
        let mut stream = UnixStream::connect(running.path()).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut client = BufReader::new(stream).lines();
        assert_eq!(next(&mut client).await["kind"], "hello");
        assert_eq!(next(&mut client).await, serde_json::json!({"kind": "refused", "message": expected}));
        running.inbox.send(trace_message()).await.unwrap();
        assert_eq!(next(&mut client).await["kind"], "trace");
    }
    assert!(running.asked.is_empty());
    running.end().await;
}

/// A command that arrives in pieces is forwarded once, and its answer goes to its sender.
#[tokio::test]
async fn commands_are_handed_on_and_answered() {
    let running = RunningSink::start().await;
    let mut other = running.connect().await;
    assert_eq!(next(&mut other).await["kind"], "hello");
    let mut stream = UnixStream::connect(running.path()).await.unwrap();
    let command = r#"{"ask":"label","source":"fm1","message":{"genre":"jazz"}}"#;
    for piece in [&command[..20], &command[20..], "\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    let request = loop {
        if let Ok(request) = running.asked.try_recv() {
            break request;
        }
        sleep(Duration::from_millis(2)).await;
    };
    let CommandRequest { source, command: parsed, origin } = request;
    let expected = LabelCommand { genre: "jazz".into(), last_s: 30.0 };
    assert_eq!((&*source, parsed), ("fm1", SourceCommand::Label(Ok(expected))));
    let CommandOrigin::Client(client) = origin else { panic!("{origin:?}") };
    let mut asker = BufReader::new(stream).lines();
    assert_eq!(next(&mut asker).await["kind"], "hello");

    let refused = Arc::new(CommandAnswer::Refused(samples::refusal()));
    let stored = Arc::new(CommandAnswer::Stored(samples::stored_correction()));
    for (client, answer) in [(client + 7, refused.clone()), (client, refused), (client, stored)] {
        let origin = CommandOrigin::Client(client);
        running.inbox.send(Message::Answer { source: "fm1".into(), origin, answer }).await.unwrap();
    }
    let refused = next(&mut asker).await;
    assert_eq!((&refused["kind"], &refused["key"]), (&"refused".into(), &"hop".into()));
    insta::assert_snapshot!(next(&mut asker).await, @r#"{"kind":"labelled","source":"fm1","run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","id":12,"genre":"jazz","known":true,"nearest":null,"patches":28,"quiet":0,"start":"2026-11-03T14:02:37.008Z","end":"2026-11-03T14:03:07.000Z","published":"rock","confidence":0.7123,"contradicts":0,"evicted":0}"#);
    running.inbox.send(trace_message()).await.unwrap();
    assert_eq!(next(&mut other).await["kind"], "trace");

    // Nothing receives the commands: the third one exceeds the queue and is refused.
    let mut stream = UnixStream::connect(running.path()).await.unwrap();
    stream.write_all(format!("{command}\n{command}\n{command}\n").as_bytes()).await.unwrap();
    let mut asker = BufReader::new(stream).lines();
    assert_eq!(next(&mut asker).await["kind"], "hello");
    assert_eq!(next(&mut asker).await["message"], "too many commands wait; try again");
    running.end().await;
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("a/run");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let first = TraceSocket::open(&run, "studio1").await.unwrap();
    let path = path(&run, "studio1");
    assert_eq!((mode(&run), mode(&path)), (0o700, 0o600));
    let error = TraceSocket::open(&run, "studio1").await.unwrap_err();
    assert!(matches!(error, SocketError::Taken { .. }), "{error}");
    assert!(error.to_string().contains("studio1.sock") && error.to_string().contains("`node`"), "{error}");
    TraceSocket::open(&run, "studio2").await.expect("another node is another socket");

    // State after a daemon was killed.
    drop(first);
    assert!(!path.exists());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let second = TraceSocket::open(&run, "studio1").await.unwrap();
    // A file that has replaced it stays.
    fs::remove_file(&path).unwrap();
    let third = TraceSocket::open(&run, "studio1").await.unwrap();
    drop(second);
    assert!(path.exists());
    drop(third);

    fs::write(&path, "precious").unwrap();
    let error = TraceSocket::open(&run, "studio1").await.unwrap_err();
    assert!(matches!(error, SocketError::InTheWay { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

/// Below `/tmp`, where others could have made the folder.
#[tokio::test]
async fn a_shared_folder_is_refused() {
    let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
    let run = folder.path().join("run");
    let refused = async |expected: &str| {
        let error = TraceSocket::open(&run, "studio1").await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("`runtime_dir`"), "{error}");
        assert!(!path(&run, "studio1").exists());
    };
    fs::create_dir(&run).unwrap();
    for mode in [0o701, 0o710, 0o755] {
        fs::set_permissions(&run, fs::Permissions::from_mode(mode)).unwrap();
        refused("is open to others").await;
    }
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&run, Some(65_534), None).unwrap();
        refused("belongs to somebody else").await;
        std::os::unix::fs::chown(&run, Some(0), None).unwrap();
    }
    TraceSocket::open(&run, "studio1").await.unwrap();
    fs::remove_dir(&run).unwrap();
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    symlink(folder.path().join("elsewhere"), &run).unwrap();
    refused("is a link").await;
    fs::remove_file(&run).unwrap();
    fs::write(&run, "").unwrap();
    refused("cannot be used").await;
    fs::remove_file(&run).unwrap();

    let long = folder.path().join("x".repeat(120));
    let error = TraceSocket::open(&long, "studio1").await.unwrap_err();
    assert!(matches!(error, SocketError::Refused { .. }), "{error}");
}
