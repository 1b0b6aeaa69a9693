//! The `genred` program, run to its end or in the background.

use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Time-out of every wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Lines of standard output shown on a failure.
const SHOWN: usize = 20;

/// Returns the command `genred` in `folder`, which is also its home folder, so that no user
/// configuration is read.
pub(crate) fn genred(folder: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = root.join(".cache/onnxruntime/libonnxruntime.so");
    assert!(library.exists(), "`{}` is missing: run `scripts/test.sh`", library.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_genred"));
    command
        .current_dir(folder)
        .env("ORT_DYLIB_PATH", library)
        .env("GENRED_MODELS", root.join("models"))
        .env("HOME", folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("RUNTIME_DIRECTORY", folder.join("runtime"))
        .env_remove("XDG_CACHE_HOME")
        .env_remove("GENRED_CONFIG")
        .env_remove("GENRED_LOG")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null());
    command
}

/// Runs `genred ARGUMENTS` in `folder` to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ended {
    Daemon::start(genred(folder).args(arguments)).end()
}

/// Result of a finished process.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Duration of the wait for the end.
    pub took: Duration,
}

impl Ended {
    /// Parses standard output, which must hold one JSON object per line.
    pub(crate) fn json(&self) -> Vec<Value> {
        parse(&self.stdout)
    }

    /// Returns the JSON lines of one kind, and of one source if given.
    pub(crate) fn lines(&self, kind: &str, source: Option<&str>) -> Vec<Value> {
        let fits = |line: &Value| line["kind"] == kind && source.is_none_or(|name| line["source"] == name);
        self.json().into_iter().filter(fits).collect()
    }
}

fn parse(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => value,
            _ => panic!("standard output holds `{line}`, not a JSON object"),
        })
        .collect()
}

/// A running process, killed on drop.
pub(crate) struct Daemon {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

impl Daemon {
    /// Starts `command` and collects its output.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Stream::collect(child.stdout.take().unwrap());
        let stderr = Stream::collect(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Starts `command` with standard output redirected to `output`.
    pub(crate) fn start_with_output(command: &mut Command, output: impl Into<Stdio>) -> Self {
        let mut child = command.stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Stream::collect(child.stderr.take().unwrap());
        Self { child, stdout: Stream::collect(std::io::empty()), stderr }
    }

    /// Returns standard input, which the command must have piped.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Returns standard error so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Returns standard output so far.
    pub(crate) fn text(&self) -> String {
        self.stdout.text()
    }

    /// Returns the complete lines of standard output so far, as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let text = self.stdout.text();
        parse(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
    }

    /// Waits until standard error holds `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.wait_until(text, || self.log().contains(text));
    }

    /// Waits until `ready`; on a time-out, fails with a message about `what`.
    pub(crate) fn wait_until(&self, what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if Instant::now() >= deadline {
                let (log, text) = (self.log(), self.text());
                let last: Vec<&str> = text.lines().rev().take(SHOWN).collect();
                panic!(
                    "not within {PATIENCE:?}: {what}; the log:\n{log}\nthe last lines, newest first:\n{}",
                    last.join("\n")
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end. A panic in any thread fails the test.
    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "still running after {PATIENCE:?}; the log:\n{}", self.log());
            thread::sleep(Duration::from_millis(2));
        };
        let took = began.elapsed();
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        assert!(!stderr.contains("panicked"), "a thread panicked:\n{stderr}");
        Ended { code: status.code(), stdout, stderr, took }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Output collected from a pipe.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn collect(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}
