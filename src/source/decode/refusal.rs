//! Reasons why a source is not decoded, and messages with advice.

use std::borrow::Cow;
use std::fmt;
use std::io;

use symphonia::core::errors::Error;

use crate::source::SourceError;
use crate::source::ffmpeg_hint::process_hint;

/// Decoded formats, for messages.
pub(super) const KNOWN: &str = if cfg!(feature = "opus") {
    "known are wav, aiff, au, caf, w64, flac, mp1, mp2, mp3, ogg (vorbis, opus, flac), m4a, mov, matroska and aac (LC)"
} else {
    "known are wav, aiff, au, caf, w64, flac, mp1, mp2, mp3, ogg (vorbis, flac), m4a, mov, matroska and aac (LC)"
};

/// Format or codec that is recognised but not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsupported {
    /// Name as used in the sentence "`NAME` is …", such as `WavPack` or `a ZIP archive`.
    pub(super) name: Cow<'static, str>,
    remedy: Remedy,
}

/// Advice for a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// ffmpeg decodes it.
    Ffmpeg,
    /// Another program decodes it; the command writes WAV.
    Program(&'static str),
    /// Only its authors' decoder does.
    Decoder,
    /// Archive of files.
    Unpack,
    /// List of addresses or paths.
    Follow,
    /// Not audio.
    Nothing,
}

impl Unsupported {
    /// Format that ffmpeg decodes.
    pub(super) const fn audio(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), remedy: Remedy::Ffmpeg }
    }

    /// Codec that ffmpeg decodes, in a container.
    pub(super) fn codec(codec: &str, container: &str) -> Self {
        Self { name: format!("{codec} in {container}").into(), remedy: Remedy::Ffmpeg }
    }

    /// Format that a program other than ffmpeg converts to WAV by `command`.
    pub(super) const fn converted_by(name: &'static str, command: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), remedy: Remedy::Program(command) }
    }

    /// Format that only its own decoder reads.
    pub(super) const fn proprietary(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), remedy: Remedy::Decoder }
    }

    pub(super) const fn archive(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), remedy: Remedy::Unpack }
    }

    pub(super) const fn playlist(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), remedy: Remedy::Follow }
    }

    pub(super) const fn not_audio(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), remedy: Remedy::Nothing }
    }

    /// Error of a source called `source`: name, verdict and advice.
    fn of(&self, source: &str) -> SourceError {
        let name = &self.name;
        let advice = match self.remedy {
            Remedy::Ffmpeg => format!(
                "which genred does not decode; {}, or convert a file first, as in `ffmpeg -i IN OUT.wav`",
                process_hint(if source.contains("://") { source } else { "IN" })
            ),
            Remedy::Program(command) => format!(
                "which genred does not decode; convert it to WAV first, as in `{command}`, or run that program as `command` of a source with `uri = \"process:\"`"
            ),
            Remedy::Decoder => {
                "which genred does not decode; convert it to WAV first with the decoder of that format".into()
            }
            Remedy::Unpack => "not audio; unpack it and give a file from it".into(),
            Remedy::Follow => "not audio; give an address or a file from it".into(),
            Remedy::Nothing => "not audio; give an audio file or stream".into(),
        };
        SourceError::Permanent(format!("`{source}` is {name}, {advice}"))
    }
}

impl From<String> for Unsupported {
    fn from(name: String) -> Self {
        Self { name: name.into(), remedy: Remedy::Ffmpeg }
    }
}

/// Reason why a source or one of its tracks is not decoded.
#[derive(Debug)]
pub(super) enum DecodeRefusal {
    /// Format or codec that is recognised but not decoded.
    Unsupported(Unsupported),
    /// Error of the demuxer or the codec.
    Failed(Error),
}

impl From<Error> for DecodeRefusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for DecodeRefusal {
    fn from(error: io::Error) -> Self {
        Self::Failed(Error::IoError(error))
    }
}

impl From<Unsupported> for DecodeRefusal {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}

/// Writes the reason alone, for logs.
impl fmt::Display for DecodeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(unsupported) => write!(f, "{} is not decoded", unsupported.name),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl DecodeRefusal {
    /// Error of a source called `name`.
    pub(super) fn of(self, name: &str) -> SourceError {
        match self {
            Self::Unsupported(unsupported) => unsupported.of(name),
            Self::Failed(error) => undecodable(name, &error),
        }
    }
}

/// Wraps a read error.
pub(super) fn failed(error: io::Error) -> DecodeRefusal {
    DecodeRefusal::Failed(Error::IoError(error))
}

/// Rejects a malformed header.
pub(super) fn malformed(what: &'static str) -> DecodeRefusal {
    DecodeRefusal::Failed(Error::DecodeError(what))
}

fn undecodable(name: &str, error: &Error) -> SourceError {
    match error {
        Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => unreadable(name, error),
        Error::IoError(_) => SourceError::Permanent(format!(
            "`{name}` ends before any audio: it is truncated or not audio; {KNOWN}"
        )),
        Error::Unsupported("isomp4: missing moov atom") => SourceError::Permanent(format!(
            "`{name}` cannot be decoded: it is MP4 whose index (`moov`) follows its audio, and a stream cannot be seeked; give the file itself, or move the index, as in `ffmpeg -i IN -c copy -movflags +faststart OUT.m4a`"
        )),
        Error::Unsupported(what) if what.starts_with("core (probe)") => SourceError::Permanent(format!(
            "`{name}` is not in a known audio format; {KNOWN}; convert others first, as in `ffmpeg -i IN OUT.wav`"
        )),
        error => SourceError::Permanent(format!(
            "`{name}` cannot be decoded ({error}); {KNOWN}; convert others first, as in `ffmpeg -i IN OUT.wav`"
        )),
    }
}

/// Error of a source called `name` that cannot be read.
pub(super) fn unreadable(name: &str, error: &io::Error) -> SourceError {
    SourceError::Permanent(format!("`{name}` cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let message = |refusal: DecodeRefusal| refusal.of("x").to_string();
        let wavpack = message(Unsupported::audio("WavPack").into());
        assert!(wavpack.contains("`x` is WavPack, which genred does not decode; use `uri = \"process:\"`"));
        assert!(wavpack.contains("`ffmpeg -i IN OUT.wav`"), "{wavpack}");
        let gzip = message(Unsupported::archive("gzip data").into());
        assert!(gzip.contains("`x` is gzip data, not audio; unpack it"), "{gzip}");
        assert!(message(Unsupported::codec("AC-3", "Matroska").into()).contains("AC-3 in Matroska, which"));
    }
}
