//! Standard output of a program.
//!
//! The program runs without a shell in its own process group, which is killed as a whole. If the
//! program ends, it is restarted.

use std::io::{BufRead, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::address::redact;
use super::ffmpeg_hint::NEEDS_COMMAND;
use super::uri::Program;
use super::{Read, Source, SourceError, stdin};
use crate::audio::Block;
use crate::permits::Permits;
use crate::thread::{self, Stop};

/// Grace period after a termination request.
const GRACE: Duration = Duration::from_millis(300);

/// Longest line of standard error that is logged, in bytes.
const LONGEST: u64 = 400;

/// Starts the program that `spec` describes.
///
/// # Errors
/// [`SourceError::Unlikely`] if there is no such program; transient if the system cannot start it.
pub(super) fn open(
    spec: &Program,
    start: Option<jiff::Timestamp>,
    permits: Option<&Permits>,
    stop: &Stop,
) -> Result<ProcessSource, SourceError> {
    let Some((program, arguments)) = spec.command.split_first() else {
        return Err(SourceError::Permanent(format!("`process:` {NEEDS_COMMAND}")));
    };
    let name = redact(program);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => SourceError::Unlikely(format!(
            "there is no program `{name}`; install it, or give its path in `command`"
        )),
        _ => SourceError::Transient(format!("`{name}` cannot be run: {error}")),
    })?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let group = ProcessGroup(child);
    let (Some(output), Some(errors)) = (output, errors) else {
        return Err(SourceError::Transient(format!("`{name}` has no standard output")));
    };
    let last_line = Arc::new(Mutex::new(String::new()));
    let (shared, source) = (last_line.clone(), name.clone());
    thread::spawn("stderr", move || collect(errors, &source, &shared))
        .map_err(|error| SourceError::Transient(format!("no thread for `{name}`: {error}")))?;
    let inner = stdin::open(&name, OwnedFd::from(output), spec.format, start, permits, stop)?;
    Ok(ProcessSource { name, inner, group, last_line, stop: stop.clone() })
}

/// Keeps the last line of standard error.
fn collect(errors: ChildStderr, name: &str, last_line: &Mutex<String>) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        match errors.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return,
        }
        // ffmpeg overwrites its own line.
        let text = String::from_utf8_lossy(&line);
        let text = text.trim().rsplit('\r').next().unwrap_or_default();
        let text: String = redact(text).chars().filter(|c| !c.is_control()).collect();
        if !text.is_empty() {
            tracing::debug!(program = name, "{text}");
            *last_line.lock().unwrap_or_else(PoisonError::into_inner) = text;
        }
    }
}

/// Running program and its audio output.
pub(super) struct ProcessSource {
    name: String,
    inner: Box<dyn Source>,
    group: ProcessGroup,
    last_line: Arc<Mutex<String>>,
    stop: Stop,
}

impl ProcessSource {
    /// Turns the end of the output into an error that explains it.
    fn checked(&self, read: Result<Read, SourceError>) -> Result<Read, SourceError> {
        match read {
            Ok(Read::End) if !self.stop.is_set() => {
                Err(SourceError::Transient(self.ended("closed its standard output")))
            }
            Err(error) => {
                let what = self.ended("writes unreadable output");
                let reason = redact(&error.to_string());
                Err(match self.group.has_ended() {
                    true if reason.contains(stdin::NOTHING_CAME) => SourceError::Transient(what),
                    // The program may have ended because its output was no longer read, so the read
                    // error matters.
                    true => SourceError::Transient(format!("{what} ({reason})")),
                    false => SourceError::Unlikely(format!("{what} ({reason})")),
                })
            }
            read => read,
        }
    }

    /// Describes the end of the program; `what` is the observed symptom.
    fn ended(&self, what: &str) -> String {
        // The last line and the exit status arrive at about the same time as the end of the output.
        let deadline = Instant::now() + GRACE;
        while !self.group.has_ended()
            && Instant::now() < deadline
            && !self.stop.wait(Duration::from_millis(10))
        {}
        self.stop.wait(Duration::from_millis(20));
        let status = if self.group.has_ended() { "ended" } else { what };
        let last_line = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        match last_line.is_empty() {
            true => format!("`{}` {status}", self.name),
            false => format!("`{}` {status}: {last_line}", self.name),
        }
    }
}

impl Source for ProcessSource {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let read = self.inner.read(block);
        self.checked(read)
    }

    fn skip(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let read = self.inner.skip(block);
        self.checked(read)
    }

    fn corrupt(&self) -> u64 {
        self.inner.corrupt()
    }

    fn waited(&self) -> Duration {
        self.inner.waited()
    }

    fn title(&self) -> Option<Arc<str>> {
        self.inner.title()
    }
}

/// Process group that is killed when dropped.
struct ProcessGroup(Child);

impl ProcessGroup {
    /// Returns true if the group's first process has ended. Does not reap it, so that its id cannot
    /// be reused.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(Pid::from_child(&self.0)), options), Ok(None))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.0);
        // The group may already be gone.
        let _ = kill_process_group(pid, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.0.wait();
    }
}
