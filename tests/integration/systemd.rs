//! systemd accepts the unit file with the program at its path, and its watchdog is told that the
//! daemon is alive.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::daemon::{Daemon, genred};

/// Verifies the unit, modified by `edit`, in a root folder with the program and the system's units.
fn verify(edit: impl Fn(String) -> String) -> (bool, String) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tempfile::tempdir().unwrap();
    let folder = |path: &str| {
        let folder = root.path().join(path);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    // A copy, since a link would be resolved inside the root.
    std::fs::copy(env!("CARGO_BIN_EXE_genred"), folder("usr/bin").join("genred")).unwrap();
    let unit = std::fs::read_to_string(project.join("systemd/genred.service")).unwrap();
    std::fs::write(folder("etc/systemd/system").join("genred.service"), edit(unit)).unwrap();
    let units = folder("usr/lib/systemd/system");
    let system = Path::new("/usr/lib/systemd/system");
    assert!(system.is_dir(), "systemd is missing: `apt-get install systemd`");
    for entry in std::fs::read_dir(system).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|extension| extension == "target") && entry.path().exists() {
            std::fs::copy(entry.path(), units.join(entry.file_name())).unwrap();
        }
    }
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--root"])
        .arg(root.path())
        .arg("genred.service")
        .output()
        .unwrap_or_else(|error| panic!("`systemd-analyze`: {error}: `apt-get install systemd`"));
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("genred")).collect();
    (output.status.success() && ours.is_empty(), said.into_owned())
}

#[test]
fn the_unit_is_accepted() {
    let (accepted, said) = verify(|unit| unit);
    assert!(accepted, "{said}");
}

#[test]
fn a_faulty_unit_is_not() {
    let (accepted, said) = verify(|unit| unit.replace("/usr/bin/genred", "/usr/bin/genrod"));
    assert!(!accepted, "a missing program passed: {said}");
    let (accepted, said) = verify(|unit| unit.replace("ProtectClock=true", "ProtectKlock=true"));
    assert!(!accepted, "an unknown key passed: {said}");
}

#[test]
fn the_watchdog_is_told_that_the_daemon_is_alive_also_without_audio() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // Nothing listens on the discard port. Two sources wait for audio; one alone would fail.
    let sources =
        ["a", "b"].map(|name| format!("[[source]]\nname = '{name}'\nuri = 'http://127.0.0.1:9/'\n"));
    std::fs::write(folder.path().join("genred.toml"), sources.concat()).unwrap();
    let mut command = genred(folder.path());
    command.args(["run", "-c", "genred.toml", "--no-mqtt"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    let _daemon = Daemon::start(&mut command);
    let mut buffer = [0; 512];
    let mut told = || {
        let length = socket.recv(&mut buffer).expect("a notification");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut said = Vec::new();
    while said.iter().filter(|text: &&String| text.contains("WATCHDOG=1")).count() < 5 {
        said.push(told());
    }
    assert!(said.iter().any(|text| text.contains("READY=1")), "{said:?}");
}
