//! `genred check`.

use std::fs;
use std::path::Path;

use super::{fixtures, without_sound};
use crate::support::daemon::{Daemon, run};

/// `check` prints the effective configuration and the parts that cannot be used.
#[test]
fn check_says_what_would_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixtures(folder);
    let config = "node = 'n1'\n[mqtt]\nurl = 'mqtt://ann:hunter2@broker.lan'\n[[source]]\nname = 'tape'\nuri = 'good.wav'\n";
    fs::write(folder.join("good.toml"), config).unwrap();
    let ended = run(folder, &["check", "-c", "good.toml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for part in [
        "config    good.toml\n",
        "n1",
        "musicnn-msd",
        "head genres (15 labels)",
        "cpu",
        "broker.lan:1883",
        "tape · file:good.wav",
    ] {
        assert!(ended.stdout.contains(part), "no `{part}` in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("hunter2"));
    fs::write(folder.join("bad.toml"), config.replace("good.wav", "gone.wav")).unwrap();
    let ended = run(folder, &["check", "-c", "bad.toml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("gone.wav (no such file)"), "{}", ended.stdout);
    // All errors are reported, not only the first.
    let text = "node = 'my.node'\n[mqtt]\nprefix = 'home.lan'\n[model]\nhead = 'species'\n\
        [[source]]\nname = 'K\u{fc}che S\u{fc}d'\nuri = 'god.wav'\n\
        [[source]]\nname = 'rtsp'\nuri = 'process:'\ncommand = ['no-such-program-here', '-i', 'x']\n\
        [[source]]\nname = 'typed'\nuri = 'process:'\ncommand = ['sh -c true']\n";
    fs::write(folder.join("many.toml"), text).unwrap();
    let ended = run(folder, &["check", "-c", "many.toml"]);
    assert_eq!(ended.code, Some(1));
    for part in [
        "kuche_sud \"K\u{fc}che S\u{fc}d\" · file:god.wav (no such file; did you mean `good.wav`?) · line 8",
        "rtsp · process: (no program `no-such-program-here` in PATH; install it, or give its path) · line 12",
        "write each argument as a string of its own: `command = [\"sh\", \"-c\", \"true\", …]`",
    ] {
        assert!(ended.stdout.contains(part), "no `{part}` in\n{}", ended.stdout);
    }
    for part in [
        "many.toml: line 5: head ",
        "heads/species.toml: there is no such head",
        "warning: `node` is `my.node`; topics hold `my_node`",
        "warning: `mqtt.prefix` is `home.lan`, which holds a dot",
    ] {
        assert_eq!(ended.stderr.matches(part).count(), 1, "`{part}` in\n{}", ended.stderr);
    }
}

/// The example is a valid configuration as shipped, also on a machine without audio devices.
#[test]
fn check_accepts_the_example() {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("genred.example.toml");
    let mut command = without_sound(folder.path());
    let ended = Daemon::start(command.args(["check", "-c"]).arg(&example)).end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.starts_with(&format!("config    {}\n", example.display())), "{}", ended.stdout);
    // Without a configuration file, the searched paths are named.
    let ended = Daemon::start(without_sound(folder.path()).arg("check").env("HOME", folder.path())).end();
    assert!(
        ended.stdout.contains("the defaults (no file at ")
            && ended.stdout.contains("/etc/genred/genred.toml"),
        "{}",
        ended.stdout
    );
}
