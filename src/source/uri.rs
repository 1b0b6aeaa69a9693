//! Source addresses as users write them.

use std::fmt;
use std::path::PathBuf;

use super::address::{Address, redact};
use super::device_hint;
use super::ffmpeg_hint::process_hint;
use super::pcm_format::{PcmFormat, PcmQuery, parse_pcm};
use super::uri_error::UriError;

/// Address of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// `device:[HOST:]NAME`: capture device.
    Device {
        /// Sound system (`alsa`, `pulseaudio`) in lower case; `None` for the platform's default.
        host: Option<String>,
        /// Device id or name, or `default`.
        name: String,
    },
    /// `file:PATH` or a bare path.
    File(PathBuf),
    /// `stdin:` or `-`: raw PCM if a format is declared, otherwise a container that can be decoded
    /// without seeking (WAV, MP3, …).
    Stdin(Option<PcmFormat>),
    /// `http://…` or `https://…`: an endless stream, or a playlist that leads to one.
    Http(Address),
    /// `process:` with `command` beside it: the standard output of a program.
    Process(Program),
}

/// Program whose standard output is audio. Its arguments may hold secrets, so [`fmt::Debug`] omits
/// them.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// Layout of raw PCM output; `None` for containers such as WAV.
    pub format: Option<PcmFormat>,
    /// Program and arguments; run without a shell.
    pub command: Vec<String>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.command.first();
        f.debug_struct("Program")
            .field("format", &self.format)
            .field("program", &program)
            .finish_non_exhaustive()
    }
}

const HOSTS: [&str; 5] = ["alsa", "pulseaudio", "pipewire", "jack", "coreaudio"];

impl Uri {
    /// Parses a configured or typed address.
    ///
    /// # Errors
    /// The scheme is unknown, or its parameters are invalid.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text == "-" {
            return Ok(Self::Stdin(None));
        }
        if text.is_empty() {
            return Err(UriError("an empty address; give a file, `-`, `device:default` or `stdin:?format=s16le&rate=16000&channels=1`".into()));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return match device_hint::of_word(text) {
                Some(hint) if !std::path::Path::new(text).exists() => Err(UriError(hint)),
                _ => Ok(Self::File(text.into())),
            };
        };
        if let Some(error) = spoken_by_others(text, scheme, rest) {
            return Err(error);
        }
        match scheme {
            "device" => match device_hint::of_device(rest, &HOSTS) {
                Some(hint) => Err(UriError(hint)),
                None => Ok(parse_device(rest)),
            },
            "file" => parse_file(text, rest),
            "stdin" => Ok(Self::Stdin(parse_pcm("stdin", text, rest)?)),
            "process" => {
                Ok(Self::Process(Program { format: parse_pcm("process", text, rest)?, command: Vec::new() }))
            }
            _ if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => {
                Address::parse(text).map(Self::Http)
            }
            // A path that contains a colon, such as `./02: Song.mp3`.
            _ if scheme.contains(['/', '.']) || std::path::Path::new(text).exists() => {
                Ok(Self::File(text.into()))
            }
            _ => Err(UriError(
                device_hint::of_scheme(scheme, rest).unwrap_or_else(|| unknown_scheme(scheme, text)),
            )),
        }
    }
}

fn unknown_scheme(scheme: &str, text: &str) -> String {
    let shown = redact(text);
    format!(
        "`{shown}` has an unknown scheme `{scheme}:`; known are `file:`, `device:`, `stdin:`, `http:`, `https:` and `process:` (write `./{shown}` for a file of that name)"
    )
}

/// Schemes of network streams that ffmpeg opens and genred does not.
const STREAMING: [&str; 18] = [
    "rtsp", "rtsps", "rtmp", "rtmps", "rtmpe", "rtmpt", "rtp", "srtp", "udp", "udplite", "tcp", "srt",
    "rist", "mms", "mmsh", "mmst", "ftp", "sftp",
];

/// Schemes that some station directories use for `http`.
const AS_HTTP: [&str; 3] = ["icy", "icyx", "shout"];

/// Hint for addresses of unsupported network protocols.
fn spoken_by_others(text: &str, scheme: &str, rest: &str) -> Option<UriError> {
    let is_one_of = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let address = rest.strip_prefix("//")?;
    let shown = redact(text);
    if is_one_of(&AS_HTTP) {
        let shown = redact(&format!("http://{address}"));
        return Some(UriError(format!("`{scheme}:` is a name for HTTP; write `{shown}`")));
    }
    is_one_of(&STREAMING).then(|| {
        let hint = process_hint(&shown);
        UriError(format!("`{shown}` is not supported by any source of genred; {hint}"))
    })
}

fn parse_device(rest: &str) -> Uri {
    let (host, name) = match rest.split_once(':') {
        Some((host, name)) if HOSTS.contains(&host.to_ascii_lowercase().as_str()) => {
            (Some(host.to_ascii_lowercase()), name)
        }
        _ => (None, rest),
    };
    Uri::Device { host, name: if name.is_empty() { "default".into() } else { name.into() } }
}

fn parse_file(text: &str, rest: &str) -> Result<Uri, UriError> {
    let path = match rest.strip_prefix("//") {
        // Only `file:///path` is local; `file://host/path` names another host.
        Some(after) if !after.starts_with('/') => {
            return Err(UriError(format!("`{text}` names a host; write `file:/path` for a local file")));
        }
        Some(after) => after,
        None => rest,
    };
    if path.is_empty() {
        return Err(UriError(format!("`{text}` names no file")));
    }
    Ok(Uri::File(path.into()))
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { host: Some(host), name } => write!(f, "device:{host}:{name}"),
            Self::Device { host: None, name } => write!(f, "device:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stdin(format) => write!(f, "stdin:{}", PcmQuery(*format)),
            Self::Http(address) => write!(f, "{address}"),
            Self::Process(process) => write!(f, "process:{}", PcmQuery(process.format)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        match Uri::parse(text) {
            Ok(uri) => assert_eq!(uri.to_string(), expected, "{text}"),
            Err(error) => assert!(error.to_string().contains(expected), "{text}: {error}"),
        }
    }

    #[test]
    fn addresses() {
        check("-", "stdin:");
        check("song.mp3", "file:song.mp3");
        check("./02: a song.mp3", "file:./02: a song.mp3");
        check("file:/a/b.ogg", "file:/a/b.ogg");
        check("file:///a/b.ogg", "file:/a/b.ogg");
        check("file://nas/b.ogg", "names a host");
        check("file:", "names no file");
        check("", "empty address");
        check("device:", "device:default");
        check("device:hw:1,0", "device:hw:1,0");
        check("device:ALSA:hw:1,0", "device:alsa:hw:1,0");
        check("device:PulseAudio:alsa_input.x.y", "device:pulseaudio:alsa_input.x.y");
        check("stdin:?format=s16le&rate=16000&channels=2", "stdin:?format=s16le&rate=16000&channels=2");
        check("stdin:?format=s16le&rate=16000", "needs all of");
        check("stdin:?format=u8&rate=16000&channels=1", "format `u8` is unknown");
        check("stdin:?format=s16le&rate=0&channels=1", "rate `0` is not");
        check("stdin:?format=s16le&rate=16000&channels=0", "channels `0` is not");
        check("stdin:?codec=x", "unknown parameter `codec`");
        check("gopher:x", "unknown scheme `gopher:`");
        check(
            "rtsp://me:secret@a/b",
            "`rtsp://a/b` is not supported by any source of genred; use `uri = \"process:\"`",
        );
        check("SRT://a:9000?mode=caller", "\"-i\", \"SRT://a:9000?mode=caller\"");
        check("mms://a/b", "`command = [\"ffmpeg\"");
        check("icy://a:8000/b", "write `http://a:8000/b`");
        check("http://a/b|User-Agent=c", "http://a/b|User-Agent=c");
        check("process:", "process:");
        check("process:ffmpeg -i x", "the program belongs in `command`");
        check("rtsp://me:secret@h/x", "`rtsp://h/x` is not supported by any source of genred");
        check("process:?format=s16le&rate=16000&channels=2", "process:?format=s16le&rate=16000&channels=2");
        check("http://a/b", "http://a/b");
        check("HTTPS://me:secret@a:8443/b?token=x&c=d", "https://a:8443/b?token=***&c=d");
    }
}
