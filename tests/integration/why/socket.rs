//! Lookup of daemons, and the life cycle of the trace socket.

use super::*;

/// Without a configuration, the only running daemon and its only source are used.
#[test]
fn the_only_one_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 40.0, 60.0, &folder.join("song.flac"), &[]);
    let daemon = Daemon::start(genred(folder).args(["run", "--no-mqtt", "song.flac"]));
    let sockets = || fs::read_dir(folder.join("runtime")).map(|found| found.count()).unwrap_or_default();
    daemon.wait_until("a socket in `$RUNTIME_DIRECTORY`", || sockets() == 1);
    let watching = Daemon::start(genred(folder).arg("why"));
    watching.wait_until("its source", || watching.text().contains("source    song, patch "));
    stop(watching);
    stop(daemon);
    assert_eq!(sockets(), 0);
}

/// The socket of a killed daemon is replaced, that of a running one is not; both daemons continue.
#[test]
fn a_dead_socket_is_replaced_and_a_live_one_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let killed = daemon(folder);
    killed.signal(Signal::KILL);
    assert_eq!(killed.end().code, None);
    assert!(socket(folder).exists());
    let first = daemon(folder);
    let run_of = |hello: Value| hello["run"].as_str().unwrap().to_owned();
    let run = run_of(Client::connect(folder).next().unwrap());

    let second = Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]));
    second.wait_for_log("another one answers at");
    second.wait_until("patches all the same", || second.json().iter().any(|line| line["kind"] == "window"));
    stop(second);
    assert_eq!(run_of(Client::connect(folder).next().unwrap()), run);
    stop(first);
    assert!(!socket(folder).exists());
}

/// Without an accessible folder there is no socket, but everything else works.
#[test]
fn without_a_socket_the_daemon_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    fs::create_dir(folder.join("sockets")).unwrap();
    fs::set_permissions(folder.join("sockets"), fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]));
    daemon.wait_for_log("is open to others; remove it, or name another folder with `runtime_dir`");
    daemon.wait_until("patches all the same", || daemon.json().iter().any(|line| line["kind"] == "window"));
    assert!(!socket(folder).exists());
    stop(daemon);
}

/// Without clients there is no trace; a trace begins with the next patch after a connection.
#[test]
fn a_client_that_comes_late_gets_traces_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let daemon = daemon(folder);
    daemon.wait_until("five patches", || {
        daemon.json().iter().filter(|line| line["kind"] == "window" && line["source"] == "radio").count() >= 5
    });
    let mut client = Client::connect(folder);
    let trace = client.next_of("trace");
    assert!(trace["patch"].as_u64().unwrap() >= 3, "{trace}");
    stop(daemon);
}
