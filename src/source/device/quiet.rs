//! Keeps the output of sound libraries off standard error.
//!
//! ALSA reports each configured device that is absent. libjack, loaded by ALSA's JACK plugin,
//! reports each server that is not running. Neither is a fault of the daemon, whose own message
//! names the device that cannot be opened.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Collects ALSA's messages on this thread; logs them at level `debug` when dropped.
pub(super) struct AlsaMessages {
    output: Option<Rc<RefCell<alsa::Output>>>,
}

impl AlsaMessages {
    /// Starts collecting, replacing the previous collection on this thread.
    pub(super) fn collect() -> Self {
        Self { output: alsa::Output::local_error_handler().ok() }
    }
}

impl Drop for AlsaMessages {
    fn drop(&mut self) {
        let Some(output) = self.output.take() else { return };
        let text = output.borrow().to_string();
        text.lines().filter(|line| !line.is_empty()).for_each(|line| tracing::debug!("alsa: {line}"));
        // The handler stays installed; a new buffer frees the old one.
        drop(alsa::Output::local_error_handler());
    }
}

/// Redirects standard error of the whole process to `/dev/null` until dropped. Only for commands in
/// which no other thread logs.
pub(super) struct SilentStderr {
    before: Option<OwnedFd>,
}

impl SilentStderr {
    /// Silences standard error if the system allows it.
    pub(super) fn begin() -> Self {
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
