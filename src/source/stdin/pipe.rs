//! Reads from pipes, and their errors.

use std::io;
use std::os::fd::OwnedFd;

use crate::source::SourceError;

/// Advice on how to pipe audio in.
pub(super) const PIPE_HINT: &str = "pipe audio into it, as in `ffmpeg -i song.mp3 -f wav - | genred run -`";

/// Start of the message for a writer that ended without output.
pub(in crate::source) const NOTHING_CAME: &str = "no data arrived";

pub(super) fn nothing_came(name: &str) -> SourceError {
    SourceError::Permanent(format!("{NOTHING_CAME} on `{name}` before it ended; {PIPE_HINT}"))
}

pub(super) fn unreadable(name: &str, error: &io::Error) -> SourceError {
    SourceError::Permanent(format!("`{name}` cannot be read: {error}"))
}

/// `read(2)`; `None` if it must be retried.
pub(super) fn read(descriptor: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match rustix::io::read(descriptor, buffer) {
        Ok(count) => Ok(Some(count)),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
