//! `genred test-mqtt`, and the daemon's log on a failed connection: each stage is named, with a
//! remedy.

use std::fs;
use std::path::Path;

use crate::support::broker::{Mosquitto, Subscriber, free_port};
use crate::support::brokers::{Aedes, Amqtt, Nats, Secured};
use crate::support::daemon::run;
use crate::support::gate::{Gate, Refusal};
use serde_json::Value;

/// All steps of a test of a broker.
fn steps(folder: &Path, url: &str, more: &str) -> Vec<Value> {
    fs::write(
        folder.join("genred.toml"),
        format!("node = 'a-host-name-of-a-length-that-clouds-give'\n[mqtt]\nurl = '{url}'\n{more}\n[[source]]\nname = 'fm1'\nuri = 'fm1.wav'\n"),
    )
    .unwrap();
    let ended = run(folder, &["test-mqtt", "-c", "genred.toml", "--json"]);
    let steps = ended.json();
    let failed = steps.iter().any(|step| step["ok"] == false);
    assert_eq!(ended.code, Some(i32::from(failed)), "{}{}", ended.stdout, ended.stderr);
    steps
}

/// Failed stages, each with reason and remedy in one text.
fn failures(folder: &Path, url: &str, more: &str) -> Vec<(String, String)> {
    let steps = steps(folder, url, more);
    let failed = steps.iter().filter(|step| step["ok"] == false);
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    failed.map(|step| (text(step, "stage"), text(step, "reason") + "; " + &text(step, "cure"))).collect()
}

/// Runs the test of a broker. Returns the stages, and reason and remedy of the failed one.
fn check(folder: &Path, url: &str, more: &str) -> (Vec<String>, Option<(String, String)>) {
    fs::write(folder.join("genred.toml"), format!("node = 'studio1'\n[mqtt]\nurl = '{url}'\n{more}\n"))
        .unwrap();
    let ended = run(folder, &["test-mqtt", "-c", "genred.toml", "--json"]);
    let steps = ended.json();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let failed = steps.iter().find(|step| step["ok"] == false);
    assert_eq!(ended.code, Some(i32::from(failed.is_some())), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("s3cret") && !ended.stderr.contains("s3cret"));
    let stages = steps.iter().map(|step| text(step, "stage")).collect();
    (stages, failed.map(|step| (text(step, "reason"), text(step, "cure"))))
}

/// Checks the failed stage, its reason and its remedy.
fn fails(folder: &Path, url: &str, more: &str, stage: &str, reason: &str, cure: &str) {
    let (stages, failed) = check(folder, url, more);
    let (found_reason, found_cure) = failed.unwrap_or_else(|| panic!("`{url}` works: {stages:?}"));
    assert_eq!(stages.last().map(String::as_str), Some(stage), "{found_reason}");
    assert!(found_reason.contains(reason), "{url}: {found_reason}");
    assert!(found_cure.contains(cure), "{url}: {found_cure}");
}

#[test]
fn a_broker_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Secured::start();
    let (plain, ca) = (broker.mosquitto.port(), broker.ca());
    let all = [
        "resolve",
        "connect",
        "authenticate",
        "last will",
        "subscribe",
        "publish",
        "read back",
        "retain",
        "message size",
        "discovery",
    ];
    assert_eq!(
        check(folder.path(), &format!("mqtt://localhost:{plain}"), ""),
        (all.map(String::from).into(), None)
    );
    let off = check(folder.path(), &format!("mqtt://localhost:{plain}"), "discovery = 'off'");
    assert_eq!(off, (all[..9].iter().map(|stage| (*stage).to_owned()).collect(), None));
    let secured = check(folder.path(), &format!("mqtts://localhost:{}", broker.tls), &ca);
    assert_eq!((secured.0[2].as_str(), secured.1), ("tls", None));
    let mutual = check(
        folder.path(),
        &format!("mqtts://localhost:{}", broker.mutual),
        &(ca.clone() + &broker.client()),
    );
    assert_eq!(mutual.1, None);
    for url in
        [format!("ws://localhost:{}", broker.web), format!("wss://localhost:{}/mqtt", broker.secure_web)]
    {
        let more = if url.starts_with("wss") { &*ca } else { "" };
        assert_eq!(check(folder.path(), &url, more).1, None, "{url}");
    }
    // Text output.
    let ended = run(folder.path(), &["test-mqtt", "-c", "genred.toml"]);
    assert!(ended.stdout.starts_with("ok      resolve       localhost is "), "{}", ended.stdout);
}

#[test]
fn each_stage_that_fails_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let broker = Secured::start();
    let (plain, tls, ca) = (broker.mosquitto.port(), broker.tls, broker.ca());
    let other = format!("ca_file = '{}/other-ca.pem'", broker.certificates.path().display());
    fails(at, "mqtt://no-such-host.invalid", "", "resolve", "cannot be resolved", "`mqtt.url`");
    fails(
        at,
        &format!("mqtt://127.0.0.1:{}", free_port()),
        "",
        "connect",
        "connection refused",
        "is the broker running",
    );
    fails(
        at,
        &format!("mqtts://localhost:{tls}"),
        "",
        "tls",
        "not signed by an authority that is trusted",
        "`mqtt.ca_file`",
    );
    fails(
        at,
        &format!("mqtts://localhost:{tls}"),
        &other,
        "tls",
        "not signed by an authority",
        "`mqtt.ca_file`",
    );
    fails(
        at,
        &format!("mqtts://127.0.0.1:{tls}"),
        &ca,
        "tls",
        "made out to another name",
        "use a name of the certificate",
    );
    fails(
        at,
        &format!("mqtts://localhost:{plain}"),
        &ca,
        "tls",
        "does not speak TLS on this port",
        "`mqtt://`",
    );
    fails(
        at,
        &format!("mqtts://localhost:{}", broker.mutual),
        &ca,
        "authenticate",
        "does not accept this client's certificate, or wants one",
        "`mqtt.client_cert`",
    );
    fails(at, &format!("mqtt://localhost:{tls}"), "", "authenticate", "closed the connection", "`mqtts://`");
    fails(at, &format!("ws://localhost:{plain}"), "", "authenticate", "closed the connection", "WebSockets");
}

#[test]
fn a_login_that_is_wrong_and_rights_that_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let broker = Mosquitto::with_rights(
        &[("ann", "s3cret"), ("reader", "s3cret"), ("shy", "s3cret")],
        "user ann\ntopic readwrite genred/#\ntopic readwrite homeassistant/#\n\
         user reader\ntopic read genred/#\n\
         user shy\ntopic readwrite genred/#\ntopic read homeassistant/#\n",
    );
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let login = |user: &str, password: &str| format!("username = '{user}'\npassword = '{password}'");
    assert_eq!(check(at, &url, &login("ann", "s3cret")).1, None);
    fails(at, &url, &login("ann", "s3cret?"), "authenticate", "not authorised", "`mqtt.password`");
    fails(at, &url, "", "authenticate", "not authorised", "`mqtt.username`");
    let (stages, failed) = check(at, &url, &login("reader", "s3cret"));
    // MQTT 5 states the limit.
    assert_eq!(stages[stages.len() - 2..], ["publish", "discovery"]);
    let (reason, cure) = failed.unwrap();
    assert!(reason.contains("not authorised (0x87)") && cure.contains("access list"), "{reason}: {cure}");
    let old = login("reader", "s3cret") + "\nprotocol = '3.1.1'";
    let (stages, failed) = check(at, &url, &old);
    assert_eq!(stages[stages.len() - 2..], ["read back", "discovery"]);
    let (reason, cure) = failed.unwrap();
    assert!(
        reason.contains("genred/studio1/test is not passed on") && cure.contains("access list"),
        "{reason}: {cure}"
    );
    for protocol in ["auto", "5", "3.1.1"] {
        let (_, failed) = check(at, &url, &(login("shy", "s3cret") + &format!("\nprotocol = '{protocol}'")));
        let (reason, cure) = failed.unwrap();
        assert!(
            reason.contains("homeassistant/device/") && cure.contains("`mqtt.discovery = \"off\"`"),
            "{reason}: {cure}"
        );
    }
}

/// Limits of mosquitto, the stages that fail, and parts of reason and remedy.
#[test]
fn limits_of_brokers_are_diagnosed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (settings, stages, words) in [
        ("retain_available false", &["last will", "retain"][..], "retain_available true"),
        ("max_qos 0", &["last will"], "`max_qos 1`"),
        ("message_size_limit 1000", &["message size"], "Home Assistant would not learn of the entities"),
        ("max_packet_size 600", &["message size"], "`max_packet_size`"),
    ] {
        let broker = Mosquitto::with(&format!("allow_anonymous true\n{settings}\n"), |_| {});
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        for protocol in ["5", "3.1.1"] {
            let failures = failures(at, &url, &format!("protocol = '{protocol}'"));
            let found: Vec<&str> = failures.iter().map(|(stage, _)| stage.as_str()).collect();
            assert_eq!(found, stages, "`{settings}` in {protocol}: {failures:#?}");
            for (stage, text) in &failures {
                assert!(text.contains(words), "`{settings}` in {protocol}, {stage}: {text}");
            }
        }
    }
}

#[test]
fn brokers_of_3_1_1_pass() {
    let folder = tempfile::tempdir().unwrap();
    let authenticate = |url: &str| {
        let steps = steps(folder.path(), url, "");
        assert!(steps.iter().all(|step| step["ok"] == true), "{url}: {steps:#?}");
        let found = steps.iter().find(|step| step["stage"] == "authenticate").unwrap();
        found["found"].as_str().unwrap().to_owned()
    };
    let (aedes, amqtt, nats) = (Aedes::start(), Amqtt::start(), Nats::start());
    for port in [aedes.port, amqtt.port, nats.port] {
        let found = authenticate(&format!("mqtt://127.0.0.1:{port}"));
        assert!(found.contains("MQTT 3.1.1 (the broker does not speak 5)"), "{found}");
        let (_, id) = found.split_once("client id `").unwrap();
        assert_eq!(id.trim_end_matches('`').len(), 23, "{found}");
    }
    let mosquitto = Mosquitto::start();
    let found = authenticate(&format!("mqtt://127.0.0.1:{}", mosquitto.port()));
    assert!(found.contains("MQTT 5, client id"), "{found}");
}

#[test]
fn a_version_that_is_refused_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    for (level, refusal, protocol, cure) in
        [(4, Refusal::New, "5", "set it to \"3.1.1\""), (5, Refusal::Old, "3.1.1", "`mqtt.protocol = \"5\"`")]
    {
        let gate = Gate::start(broker.port(), level, refusal);
        let failures = failures(
            folder.path(),
            &format!("mqtt://127.0.0.1:{}", gate.port()),
            &format!("protocol = '{protocol}'"),
        );
        assert_eq!(failures.len(), 1, "{failures:?}");
        let (stage, text) = &failures[0];
        assert!(stage == "authenticate" && text.contains("does not speak MQTT"), "{failures:?}");
        assert!(text.contains(cure), "{failures:?}");
    }
}

/// The test leaves nothing behind, and does not disturb a daemon of the same name.
#[tokio::test]
async fn nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    for protocol in ["5", "3.1.1"] {
        assert_eq!(failures(folder.path(), &url, &format!("protocol = '{protocol}'")), []);
    }
    for root in ["genred", "homeassistant"] {
        let late = Subscriber::start(broker.port(), &format!("{root}/#"), &[]).await;
        let end = format!("{root}/end");
        let mut publish = crate::support::broker::tool("mosquitto_pub", "mosquitto-clients");
        publish.args(["-p", &broker.port().to_string(), "-q", "1", "-t", &end, "-m", "x"]);
        assert!(publish.status().unwrap().success());
        late.wait_for(&end, |_| true).await;
        assert_eq!(late.received().len(), 1, "{:?}", late.received());
    }
}
