//! Requests of playlists and segments.

use std::io::Read;
use std::time::{Duration, Instant};

use url::Url;

use super::m3u8::{self, HlsPlaylist, MediaPlaylist, ResourceRange};
use crate::source::address::redact;
use crate::source::ffmpeg_hint::process_hint;
use crate::source::http::client::{self, RequestError};
use crate::source::http::connection::FetchContext;
use crate::source::http::request::RequestFields;
use crate::source::{SourceError, text};

/// Timeout of a request; for a segment at least the target duration.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Error for content that cannot be decoded, with advice.
pub(super) fn refusal(shown: &str, what: &str) -> SourceError {
    SourceError::Unlikely(format!("`{shown}` {what}; {}", process_hint(shown)))
}

/// Loads a media playlist; returns its final address and its content.
pub(super) fn playlist(
    url: &Url,
    fields: &RequestFields,
    context: &FetchContext,
) -> Result<(Url, MediaPlaylist), RequestError> {
    let whole = ResourceRange { url: url.clone(), range: None };
    let (url, bytes) = load(&whole, fields, m3u8::MAX_LENGTH, PATIENCE, context)?;
    let shown = || redact(url.as_str());
    match m3u8::parse(&text::decode(&bytes, None), &url) {
        Ok(HlsPlaylist::Media(list)) => Ok((url, list)),
        Ok(HlsPlaylist::Master(_)) => Err(RequestError {
            answered: true,
            error: SourceError::Unlikely(format!("`{}` is a master playlist below another", shown())),
        }),
        Err(what) => Err(RequestError {
            answered: true,
            error: SourceError::Unlikely(format!("`{}` {what}", shown())),
        }),
    }
}

/// Loads a resource, or a range of one, of at most `most` bytes.
pub(super) fn load(
    part: &ResourceRange,
    fields: &RequestFields,
    most: usize,
    patience: Duration,
    context: &FetchContext,
) -> Result<(Url, Vec<u8>), RequestError> {
    let shown = redact(part.url.as_str());
    let response = client::get_part(&part.url, fields, part.range, context)?;
    let mut body = response.body;
    body.set_deadline(Some(Instant::now() + patience));
    let broken = |error: std::io::Error| {
        RequestError::answered(format!("`{shown}` broke off: {}", redact(&error.to_string())))
    };
    let too_long = || RequestError::answered(format!("`{shown}` is longer than {} MiB", most >> 20));
    let wanted = match part.range {
        None => None,
        Some((_, length)) => Some(usize::try_from(length).ok().filter(|n| *n <= most).ok_or_else(too_long)?),
    };
    if let Some((start, _)) = part.range.filter(|_| !response.is_part) {
        // The server sends the whole resource.
        let before = body.by_ref().take(start);
        std::io::copy(&mut { before }, &mut std::io::sink()).map_err(broken)?;
    }
    let mut bytes = Vec::new();
    body.take(wanted.unwrap_or(most + 1) as u64).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() > most {
        return Err(too_long());
    }
    if wanted.is_some_and(|wanted| bytes.len() < wanted) {
        return Err(RequestError::answered(format!("`{shown}` is shorter than its playlist says")));
    }
    Ok((response.url, bytes))
}
