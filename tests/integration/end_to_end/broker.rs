//! Login at a broker, and the embedded broker.

use super::*;

/// User name and password. A wrong password is reported without showing it, and retried.
#[tokio::test]
async fn logins() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let broker = Mosquitto::with_login("ann", "s3cret words");
    let login = ["-u", "ann", "-P", "s3cret words"];
    let subscriber = Subscriber::start(broker.port(), "genred/#", &login).await;
    fs::write(folder.join("password"), "s3cret words\n").unwrap();
    for mqtt in [
        "username = 'ann'\npassword = '${GENRED_TEST_PASSWORD}'",
        "username = 'ann'\npassword_file = 'password'",
    ] {
        configure_tape(folder, broker.port(), mqtt);
        let mut command = genred(folder);
        let daemon = Daemon::start(
            command.args(["run", "-c", "genred.toml"]).env("GENRED_TEST_PASSWORD", "s3cret words"),
        );
        wait_for_newest(&subscriber, &topic("status"), "online").await;
        stop(daemon, Signal::TERM);
        wait_for_newest(&subscriber, &topic("status"), "offline").await;
    }
    configure_tape(folder, broker.port(), "username = 'ann'\npassword = 'hunter2'");
    let mut daemon = start(folder);
    daemon.wait_for_log("not authorised");
    for part in ["no connection to the MQTT broker", "`mqtt.username`", "`mqtt.password`"] {
        assert!(daemon.log().contains(part), "no `{part}` in\n{}", daemon.log());
    }
    assert!(daemon.is_running() && !daemon.log().contains("hunter2"), "{}", daemon.log());
    stop(daemon, Signal::TERM);
}

/// Without a configured broker, the daemon uses the usual port: its embedded broker, or the one
/// that listens there.
#[cfg(feature = "broker")]
#[tokio::test]
async fn without_a_configuration_there_is_a_broker() {
    let folder = tempfile::tempdir().unwrap();
    cut("metal", 60.0, 60.0, &folder.path().join("tape.flac"), &[]);
    // A unique name, since another daemon may use the same broker.
    let node = format!("test{}", std::process::id());
    fs::write(folder.path().join("genred.toml"), format!("node = '{node}'")).unwrap();
    let daemon = Daemon::start(genred(folder.path()).args(["run", "-c", "genred.toml", "tape.flac"]));
    daemon.wait_for_log("no broker is configured");
    assert!(
        daemon.log().contains("`mosquitto_sub -p 1883 -t 'genred/#' -v` shows it")
            || daemon.log().contains("one seems to run on 127.0.0.1:1883"),
        "{}",
        daemon.log()
    );
    let subscriber = Subscriber::start(1883, "genred/#", &[]).await;
    let state = format!("genred/{node}/tape/state");
    subscriber.wait_for(&state, |payload| field(payload, "genre") == "metal").await;
    wait_for_newest(&subscriber, &format!("genred/{node}/status"), "online").await;
    stop(daemon, Signal::TERM);
}
