//! `genred test-mqtt`, and what the daemon says where a connection fails: each stage is named, with what helps.
#![cfg(feature = "mqtt")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::broker::{Mosquitto, free_port};
use support::brokers::Secured;
use support::daemon::run;

/// What it says of a broker: the stages, and the reason and the cure of the one that failed.
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

/// The stage that fails, with its reason and cure, must be these.
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
    let all = ["resolve", "connect", "authenticate", "subscribe", "publish", "read back", "discovery"];
    assert_eq!(
        check(folder.path(), &format!("mqtt://localhost:{plain}"), ""),
        (all.map(String::from).into(), None)
    );
    let off = check(folder.path(), &format!("mqtt://localhost:{plain}"), "discovery = 'off'");
    assert_eq!(off, (all[..6].iter().map(|stage| (*stage).to_owned()).collect(), None));
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
    // For people.
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
    assert_eq!(stages[stages.len() - 2..], ["read back", "discovery"]);
    let (reason, cure) = failed.unwrap();
    assert!(
        reason.contains("genred/studio1/test is not passed on") && cure.contains("access list"),
        "{reason}: {cure}"
    );
    let (_, failed) = check(at, &url, &login("shy", "s3cret"));
    let (reason, cure) = failed.unwrap();
    assert!(
        reason.contains("homeassistant/device/") && cure.contains("`mqtt.discovery = \"off\"`"),
        "{reason}: {cure}"
    );
}
