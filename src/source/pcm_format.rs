//! Layout of raw PCM, as declared in an address.

use std::fmt;

use super::uri_error::UriError;
use crate::audio::SampleRate;

/// Layout of raw PCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmFormat {
    /// Encoding of one value.
    pub encoding: PcmEncoding,
    /// Sample rate per channel.
    pub rate: SampleRate,
    /// Number of interleaved channels, 1 to 64.
    pub channels: u16,
}

/// Encoding of one PCM value, little-endian, named as in ffmpeg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PcmEncoding {
    /// `s16le`
    S16,
    /// `s24le`, three bytes
    S24,
    /// `s32le`
    S32,
    /// `f32le`
    F32,
}

impl PcmEncoding {
    /// Size of one value in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
        }
    }
}

/// Parses the parameters behind `scheme:` in the address `text`; `None` without any.
///
/// # Errors
/// A parameter is unknown, invalid or missing.
pub(super) fn parse_pcm(scheme: &str, text: &str, rest: &str) -> Result<Option<PcmFormat>, UriError> {
    if rest.is_empty() || rest == "?" {
        return Ok(None);
    }
    let query = rest.strip_prefix('?').ok_or_else(|| {
        if scheme == "process" {
            return UriError(
                "the program belongs in `command`, not in `uri`; write `uri = \"process:\"` and `command = [\"PROGRAM\", \"ARGUMENT\", …]`".into(),
            );
        }
        UriError(format!(
            "`{text}`: parameters start with `?`, as in `{scheme}:?format=s16le&rate=16000&channels=1`"
        ))
    })?;
    let (mut encoding, mut rate, mut channels) = (None, None, None);
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let bad = |what: &str| UriError(format!("`{text}`: {key} `{value}` {what}"));
        match key {
            "format" => {
                encoding = Some(match value {
                    "s16le" => PcmEncoding::S16,
                    "s24le" => PcmEncoding::S24,
                    "s32le" => PcmEncoding::S32,
                    "f32le" => PcmEncoding::F32,
                    _ => return Err(bad("is unknown; known are s16le, s24le, s32le, f32le")),
                });
            }
            "rate" => {
                let hertz = value.parse().ok().filter(|hertz| (1_000..=SampleRate::MAX).contains(hertz));
                rate = Some(
                    hertz
                        .and_then(SampleRate::new)
                        .ok_or_else(|| bad("is not a rate from 1000 to 768000 Hz"))?,
                );
            }
            "channels" => {
                channels = Some(
                    value
                        .parse()
                        .ok()
                        .filter(|count| (1..=64).contains(count))
                        .ok_or_else(|| bad("is not a number from 1 to 64"))?,
                )
            }
            _ => {
                return Err(UriError(format!(
                    "`{text}`: unknown parameter `{key}`; known are format, rate, channels"
                )));
            }
        }
    }
    match (encoding, rate, channels) {
        (Some(encoding), Some(rate), Some(channels)) => Ok(Some(PcmFormat { encoding, rate, channels })),
        _ => Err(UriError(format!("`{text}`: raw PCM needs all of format, rate and channels"))),
    }
}

/// Format as written behind a scheme.
pub(super) struct PcmQuery(pub(super) Option<PcmFormat>);

impl fmt::Display for PcmQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pcm) = self.0 else { return Ok(()) };
        let encoding = match pcm.encoding {
            PcmEncoding::S16 => "s16le",
            PcmEncoding::S24 => "s24le",
            PcmEncoding::S32 => "s32le",
            PcmEncoding::F32 => "f32le",
        };
        write!(f, "?format={encoding}&rate={}&channels={}", pcm.rate.hertz(), pcm.channels)
    }
}
