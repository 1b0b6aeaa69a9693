//! Keeps what sound libraries print off standard error.
//!
//! ALSA reports each device that is configured and not there, and libjack, which ALSA's JACK plugin
//! loads, each server that does not run. Neither is a fault of the daemon, whose own message says
//! what cannot be opened.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Collects what ALSA reports on this thread; dropping it logs that at level `debug`.
pub struct AlsaMessages {
    output: Option<Rc<RefCell<alsa::Output>>>,
}

impl AlsaMessages {
    /// Starts to collect, in place of the collection before it on this thread.
    pub fn collect() -> Self {
        Self { output: alsa::Output::local_error_handler().ok() }
    }
}

impl Drop for AlsaMessages {
    fn drop(&mut self) {
        let Some(output) = self.output.take() else { return };
        let text = output.borrow().to_string();
        text.lines().filter(|line| !line.is_empty()).for_each(|line| tracing::debug!("alsa: {line}"));
        // The handler stays installed; a new buffer frees what this one holds.
        drop(alsa::Output::local_error_handler());
    }
}

/// Leads standard error of the whole process to `/dev/null` until it is dropped. Only for commands
/// in which no other thread logs.
pub struct SilentStderr {
    before: Option<OwnedFd>,
}

impl SilentStderr {
    /// Silences standard error where the system lets it.
    pub fn begin() -> Self {
        let before = File::options().write(true).open("/dev/null").ok().and_then(|null| {
            let before = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).ok()?;
            rustix::stdio::dup2_stderr(&null).ok()?;
            Some(before)
        });
        Self { before }
    }
}

impl Drop for SilentStderr {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = rustix::stdio::dup2_stderr(before);
        }
    }
}
