//! Why a source cannot be decoded, and what to do about it.

use std::fmt;
use std::io;

use symphonia::core::errors::Error;

use super::KNOWN;
use crate::source::SourceError;

/// Why no track of a source can be decoded.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The demuxer or the codec reports it.
    Format(Error),
    /// A codec that is not decoded, by name.
    Codec(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => error.fmt(formatter),
            Self::Codec(name) => write!(formatter, "{name} is not decoded"),
        }
    }
}

impl Refusal {
    /// The error of a source called `name`.
    pub(super) fn of(self, name: &str) -> SourceError {
        match self {
            Self::Format(error) => undecodable(name, &error),
            Self::Codec(codec) => undecoded(name, &codec),
        }
    }
}

/// The error of a source that holds a format called `format`, which ffmpeg decodes.
pub(super) fn undecoded(name: &str, format: &str) -> SourceError {
    let input = if name == "standard input" { "IN" } else { name };
    SourceError::Permanent(format!(
        "`{name}` holds {format}, which is not decoded here; let ffmpeg decode it, as in `ffmpeg -i {input} -f wav - | genred run -`, or as a `process:` source with `command = [\"ffmpeg\", \"-v\", \"error\", \"-i\", \"{input}\", \"-f\", \"wav\", \"-\"]`"
    ))
}

pub(super) fn undecodable(name: &str, error: &Error) -> SourceError {
    match error {
        Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => unreadable(name, error),
        Error::IoError(_) => SourceError::Permanent(format!(
            "`{name}` ends before any sound was found in it: it is cut short, or not audio; {KNOWN}"
        )),
        Error::Unsupported("isomp4: missing moov atom") => SourceError::Permanent(format!(
            "`{name}` cannot be decoded: it is MP4 whose index (`moov`) does not come before its sound, and a stream cannot be sought in; name the file, or move the index, as in `ffmpeg -i IN -c copy -movflags +faststart OUT.m4a`"
        )),
        Error::Unsupported(what) if what.starts_with("core (probe)") => SourceError::Permanent(format!(
            "`{name}` is not in a sound format that is known here; {KNOWN}; convert others first, as in `ffmpeg -i IN OUT.wav`"
        )),
        error => SourceError::Permanent(format!(
            "`{name}` cannot be decoded ({error}); {KNOWN}; convert others first, as in `ffmpeg -i IN OUT.wav`"
        )),
    }
}

pub(super) fn unreadable(name: &str, error: &io::Error) -> SourceError {
    SourceError::Permanent(format!("`{name}` cannot be read: {error}"))
}
