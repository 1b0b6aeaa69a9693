//! Playlists from servers, which lead to a stream, another playlist, or an HLS playlist.

use std::io::Read;

use url::Url;

use super::client::{self, HttpResponse};
use super::hls::m3u8;
use super::request::{MAX_ADDRESS, RequestFields};
use crate::source::address::redact;
use crate::source::ffmpeg_hint::{dash_hint, process_hint};
use crate::source::playlist::{BodyKind, Listing, MAX_LENGTH, PlaylistEntry, PlaylistFormat, kind, parse};
use crate::source::{SourceError, text};

/// Maximum nesting of playlists.
const MAX_DEPTH: usize = 4;

/// Maximum number of addresses tried in all.
const MAX_TRIED: usize = 16;

/// Bytes that identify a body. For most audio, the first few suffice.
const TELLING: usize = 512;
const TELLING_OF_AUDIO: usize = 16;

/// Schemes whose servers also answer over HTTP.
const SPOKEN_AS_HTTP: [&str; 6] = ["mms", "mmsh", "mmst", "icy", "icyx", "shout"];

/// Maximum length of an address in messages, in characters.
const MAX_SHOWN: usize = 200;

/// Result of resolving playlists.
pub(in crate::source) enum ResolvedAddress<R> {
    /// Audio, as far as is known.
    Stream(Box<HttpResponse<R>>),
    /// HLS playlist: its address, text, and the fields for further requests.
    Hls(Url, String, RequestFields),
}

/// Function that requests an address.
pub(in crate::source) type RequestFn<'a, R> =
    dyn FnMut(&Url, &RequestFields) -> Result<HttpResponse<R>, SourceError> + 'a;

/// Follows playlists from `url` to the first address that answers with something else.
///
/// # Errors
/// See `get`; [`SourceError::Unlikely`] for pages, manifests, empty lists, and lists that lead back
/// to themselves.
pub(in crate::source) fn resolve<R: Read>(
    url: &Url,
    fields: &RequestFields,
    get: &mut RequestFn<'_, R>,
) -> Result<ResolvedAddress<R>, SourceError> {
    resolve_below(url, fields, get, &mut Vec::new(), &mut 0)
}

fn resolve_below<R: Read>(
    url: &Url,
    fields: &RequestFields,
    get: &mut RequestFn<'_, R>,
    above: &mut Vec<Url>,
    tried: &mut usize,
) -> Result<ResolvedAddress<R>, SourceError> {
    *tried += 1;
    let mut response = get(url, fields)?;
    let shown = redact(response.url.as_str());
    let unlikely = |what: &str| SourceError::Unlikely(format!("`{shown}` {what}"));
    let content_type = response.headers.get("content-type").unwrap_or_default().to_owned();
    let path = response.url.path().to_owned();
    let broken = |error: std::io::Error| SourceError::Transient(format!("`{shown}` broke off: {error}"));
    let kind = match is_audio(response.body.peek(TELLING_OF_AUDIO).map_err(broken)?) {
        true => BodyKind::Audio,
        false => kind(&content_type, &path, response.body.peek(TELLING).map_err(broken)?),
    };
    match kind {
        BodyKind::Audio => return Ok(ResolvedAddress::Stream(Box::new(response))),
        BodyKind::Page => return Err(unlikely(&page(&content_type))),
        BodyKind::Playlist => {}
    }
    let bytes = response.body.peek(MAX_LENGTH + 1).map_err(broken)?;
    if text::decode(bytes, None).contains("#EXT-X-") {
        let bytes = response.body.peek(m3u8::MAX_LENGTH + 1).map_err(broken)?;
        if bytes.len() > m3u8::MAX_LENGTH {
            return Err(unlikely("is an HLS playlist of more than 1 MiB"));
        }
        let text = text::decode(bytes, None);
        return Ok(ResolvedAddress::Hls(response.url, text, fields.clone()));
    }
    let listing = parse(bytes, charset(&content_type));
    let is_too_long = bytes.len() > MAX_LENGTH;
    if let Some(what) = refusal(&listing, &shown, &content_type) {
        return Err(unlikely(&what));
    }
    if is_too_long {
        return Err(unlikely("is a playlist of more than 64 KiB"));
    }
    above.push(url.clone());
    above.push(response.url.clone());
    let mut last = unlikely(&nothing_to_follow(&listing));
    for (mut entry, stated) in followed(&listing, &response.url) {
        client::keep_credentials(&response.url, &mut entry);
        if above.contains(&entry) {
            last = unlikely("is a playlist that leads back to itself");
            continue;
        }
        if above.len() > 2 * (MAX_DEPTH - 1) {
            last = unlikely(&format!("is nested below {} other playlists", MAX_DEPTH - 1));
            break;
        }
        if *tried >= MAX_TRIED {
            break;
        }
        match resolve_below(&entry, &stated.or(fields), get, above, tried) {
            Ok(found) => return Ok(found),
            Err(error) => last = error,
        }
    }
    above.truncate(above.len() - 2);
    Err(last)
}

/// Returns true if the first bytes cannot begin a text; then no more are waited for.
fn is_audio(first: &[u8]) -> bool {
    let has_mark =
        [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| first.starts_with(mark));
    let is_control = |byte: &u8| *byte < b' ' && *byte != 0 && !byte.is_ascii_whitespace();
    let is_high = first.first().is_some_and(|byte| *byte >= 0x80);
    !has_mark && (is_high || first.iter().any(is_control))
}

/// Charset stated by a content type.
pub(in crate::source) fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn page(content_type: &str) -> String {
    format!("is a page, not a stream (content type `{content_type}`)")
}

/// Reason for rejecting a document; `None` for playlists.
fn refusal(listing: &Listing, shown: &str, content_type: &str) -> Option<String> {
    let what = listing.format.described();
    let first = || listing.entries.first().map(|entry| shortened(&entry.location));
    Some(match &listing.format {
        PlaylistFormat::Page => page(content_type),
        PlaylistFormat::Dash => format!("is {what}, which genred does not read; {}", dash_hint(shown)),
        PlaylistFormat::SmoothStreaming => {
            format!("is {what}, which genred does not read; ask for an address of MP3, AAC or HLS")
        }
        PlaylistFormat::Feed | PlaylistFormat::Opml => match first() {
            Some(address) => format!("is {what}, not a stream; its first address is `{address}`"),
            None => format!("is {what}, not a stream"),
        },
        PlaylistFormat::Unknown(_) => format!("is {what}, not a stream"),
        _ => return None,
    })
}

/// Message for a playlist without a usable address.
fn nothing_to_follow(listing: &Listing) -> String {
    let what = listing.format.described();
    match listing.entries.first() {
        None => format!("is {what} without an address of a stream"),
        Some(entry) => {
            let address = shortened(&entry.location);
            let hint = match address.contains("://") && !address.starts_with("file:") {
                true => format!("; {}", process_hint(&address)),
                false => String::new(),
            };
            format!("is {what} whose address `{address}` cannot be followed{hint}")
        }
    }
}

/// Redacted and truncated address for messages.
fn shortened(address: &str) -> String {
    redact(address).chars().filter(|c| !c.is_control() && *c != '`').take(MAX_SHOWN).collect()
}

/// Usable addresses of a listing in order, with the fields for each request. Omits unsupported
/// schemes and relative addresses that cannot be resolved.
pub(in crate::source) fn followed(listing: &Listing, base: &Url) -> Vec<(Url, RequestFields)> {
    let of_entry = |entry: &PlaylistEntry| {
        let fields = RequestFields { user_agent: entry.user_agent.clone(), referrer: entry.referrer.clone() };
        Some((address(entry, base)?, fields))
    };
    listing.entries.iter().filter_map(of_entry).take(MAX_TRIED).collect()
}

/// Usable addresses in the text of a playlist.
#[cfg(any(test, feature = "fuzzing"))]
pub fn entries(text: &str, base: &Url) -> Vec<Url> {
    followed(&parse(text.as_bytes(), None), base).into_iter().map(|(url, _)| url).collect()
}

fn address(entry: &PlaylistEntry, base: &Url) -> Option<Url> {
    let base = match &entry.base {
        Some(stated) => base.join(stated).ok()?,
        None => base.clone(),
    };
    let location = match entry.location.split_once("://") {
        Some((scheme, rest)) if SPOKEN_AS_HTTP.iter().any(|known| known.eq_ignore_ascii_case(scheme)) => {
            base.join(&format!("http://{rest}"))
        }
        _ => base.join(&entry.location),
    };
    let can_be_asked = |url: &Url| {
        ["http", "https"].contains(&url.scheme()) && url.has_host() && url.as_str().len() <= MAX_ADDRESS
    };
    location.ok().filter(can_be_asked)
}

#[cfg(test)]
mod tests;
