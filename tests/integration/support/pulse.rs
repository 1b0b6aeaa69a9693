//! A real PulseAudio server for one test, in a separate process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{path_of, tool};

/// Set in the process started by [`isolated`]; holds its folder.
const FOLDER: &str = "GENRED_TEST_SOUND_FOLDER";

/// ALSA devices `ci` and `default` are the monitor of the null sink.
const ASOUNDRC: &str = r#"
pcm.ci { type pulse device "ci.monitor" hint { show on description "CI monitor" } }
pcm.!default { type pulse device "ci.monitor" hint { show on description "Default" } }
ctl.!default { type pulse }
"#;

/// Runs the test `name`, with its module, in a process with its own sound system. Returns true in
/// that process.
///
/// Sound libraries read the environment of the process, which cannot be changed once threads run.
pub(crate) fn isolated(name: &str) -> bool {
    if std::env::var_os(FOLDER).is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["run", "run/pulse", "home"] {
        fs::create_dir(path.join(name)).unwrap();
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::write(path.join("home/.asoundrc"), ASOUNDRC).unwrap();
    let run = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, path)
        .env("HOME", path.join("home"))
        .env("XDG_RUNTIME_DIR", path.join("run"))
        .env("XDG_CONFIG_HOME", path.join("home/.config"))
        .env("PULSE_RUNTIME_PATH", path.join("run/pulse"))
        .env("PULSE_STATE_PATH", path.join("home"))
        .env("PULSE_SERVER", format!("unix:{}", path.join("run/pulse/native").display()))
        .envs(unpacked_alsa_plugins().map(|folder| ("ALSA_PLUGIN_DIR", folder)))
        .env_remove("DISPLAY")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    let passed = run.status.success() && printed.contains("test result: ok. 1 passed");
    assert!(passed, "`{name}` failed: {}\n{printed}{}", run.status, String::from_utf8_lossy(&run.stderr));
    false
}

/// Returns the folder of ALSA's PulseAudio plugin where `scripts/setup.sh` unpacked it.
fn unpacked_alsa_plugins() -> Option<PathBuf> {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/sound/usr/lib");
    let folders = fs::read_dir(libraries).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("alsa-lib")));
    folders.into_iter().find(|folder| folder.join("libasound_module_pcm_pulse.so").is_file())
}

/// Returns a silent command that the kernel kills with the thread that started it, since an aborted
/// test drops nothing.
fn mortal(program: &str, package: &str) -> Command {
    let path = path_of(program, package);
    let mut command = tool("setpriv", "util-linux");
    command.args(["--pdeathsig", "KILL", "--"]).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The server, killed on drop.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts a server with the null sink `ci` and waits until it responds. Only within
    /// [`isolated`].
    pub(crate) fn start() -> Self {
        let folder = PathBuf::from(std::env::var_os(FOLDER).expect("only in an isolated process"));
        let socket = folder.join("run/pulse/native");
        let _ = fs::remove_file(&socket);
        let protocol = format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display());
        let child = mortal("pulseaudio", "pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"])
            .args(["--log-level=error", "-L", &protocol])
            .args(["-L", "module-null-sink sink_name=ci rate=48000 channels=2"])
            .spawn()
            .unwrap();
        let server = Self { child };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !tool("pactl", "pulseaudio-utils")
            .arg("info")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
        {
            assert!(Instant::now() < deadline, "pulseaudio does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Plays a file into the null sink.
    pub(crate) fn play(&self, path: &Path) -> Player {
        let mut command = mortal("paplay", "pulseaudio-utils");
        Player { child: command.args(["--device=ci", "--latency-msec=500"]).arg(path).spawn().unwrap() }
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Suspends it, so that it hangs.
    pub(crate) fn suspend(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `paplay`, killed on drop.
pub(crate) struct Player {
    child: Child,
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
