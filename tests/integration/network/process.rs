//! Process sources after a SIGKILL of the daemon.

use super::*;

/// After a SIGKILL of the daemon, a source process that writes ends, since its pipe is broken.
#[test]
fn a_program_ends_with_a_daemon_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("song.wav");
    convert(&song("metal"), &marker, &["-ss", "60", "-t", "30", "-ar", "16000", "-ac", "1"]);
    let marker = marker.to_str().unwrap();
    let command = format!(
        "[\"ffmpeg\", \"-v\", \"error\", \"-re\", \"-stream_loop\", \"-1\", \"-i\", \"{marker}\", \"-f\", \"wav\", \"-\"]"
    );
    let config =
        format!("{NO_MQTT}[[source]]\nname = \"program\"\nuri = \"process:\"\ncommand = {command}\n");
    let mut daemon = daemon(folder.path(), &config, &[]);
    daemon.wait_until("its sound", || genre(&daemon, "program") == "metal");
    assert_eq!(running(marker), 1);
    daemon.signal(Signal::KILL);
    daemon.wait_until("the end of the program", || running(marker) == 0);
    assert!(!daemon.is_running());
}

/// Number of processes with `argument`.
fn running(argument: &str) -> usize {
    let lines = fs::read_dir("/proc").unwrap().flatten();
    lines
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.split(|byte| *byte == 0).any(|part| part == argument.as_bytes()))
        .count()
}
