//! Playlists: `.m3u` and `.pls` lead to a stream; what they lead to may be another one, or one of HLS.

use std::io::Read;

use url::Url;

use super::client::{self, Response};
use super::hls::m3u8;
use crate::source::{SourceError, redact};

/// The longest playlist, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// Playlists that may lead to each other.
const MAX_DEPTH: usize = 4;

/// Addresses that are tried in all.
const MAX_TRIED: usize = 16;

/// Bytes that tell what a body is.
const TELLING: usize = 512;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As far as can be told.
    Audio,
    /// A list of addresses.
    Playlist,
    /// A page for people.
    Page,
}

/// What playlists lead to.
pub(super) enum Found<R> {
    /// Sound, as far as can be told.
    Stream(Box<Response<R>>),
    /// The playlist of an HLS stream, and its address.
    Hls(Url, String),
}

/// Follows playlists from `url` to the first address that answers with something else.
///
/// # Errors
/// As `get`; unlikely ones for pages, empty lists, and such as lead back to themselves.
pub(super) fn resolve<R: Read>(
    url: &Url,
    get: &mut dyn FnMut(&Url) -> Result<Response<R>, SourceError>,
) -> Result<Found<R>, SourceError> {
    resolve_below(url, get, &mut Vec::new(), &mut 0)
}

fn resolve_below<R: Read>(
    url: &Url,
    get: &mut dyn FnMut(&Url) -> Result<Response<R>, SourceError>,
    above: &mut Vec<Url>,
    tried: &mut usize,
) -> Result<Found<R>, SourceError> {
    *tried += 1;
    let mut response = get(url)?;
    let shown = redact(response.url.as_str());
    let unlikely = |what: &str| SourceError::Unlikely(format!("`{shown}` {what}"));
    let content_type = response.headers.get("content-type").unwrap_or_default().to_owned();
    let path = response.url.path().to_owned();
    let broken = |error: std::io::Error| SourceError::Transient(format!("`{shown}` broke off: {error}"));
    let first = response.body.peek(16).map_err(broken)?;
    let kind = if first.iter().any(|byte| !byte.is_ascii()) {
        Kind::Audio
    } else {
        kind(&content_type, &path, response.body.peek(TELLING).map_err(broken)?)
    };
    match kind {
        Kind::Audio => return Ok(Found::Stream(Box::new(response))),
        Kind::Page => {
            return Err(unlikely(&format!("is a page, not a stream (content type `{content_type}`)")));
        }
        Kind::Playlist => {}
    }
    let text = response.body.peek(MAX_LENGTH + 1).map_err(broken)?;
    if String::from_utf8_lossy(text).contains("#EXT-X-") {
        let text = response.body.peek(m3u8::MAX_LENGTH + 1).map_err(broken)?;
        if text.len() > m3u8::MAX_LENGTH {
            return Err(unlikely("is an HLS playlist of more than 1 MiB"));
        }
        return Ok(Found::Hls(response.url, String::from_utf8_lossy(text).into_owned()));
    }
    if text.len() > MAX_LENGTH {
        return Err(unlikely("is a playlist of more than 64 KiB"));
    }
    let text = String::from_utf8_lossy(text).into_owned();
    above.push(url.clone());
    above.push(response.url.clone());
    let mut last = unlikely("is a playlist without an address of a stream");
    for mut entry in entries(&text, &response.url) {
        client::keep_credentials(&response.url, &mut entry);
        if above.contains(&entry) {
            last = unlikely("is a playlist that leads back to itself");
            continue;
        }
        if above.len() > 2 * (MAX_DEPTH - 1) {
            last = unlikely(&format!("is a playlist below {} others", MAX_DEPTH - 1));
            break;
        }
        if *tried >= MAX_TRIED {
            break;
        }
        match resolve_below(&entry, get, above, tried) {
            Ok(found) => return Ok(found),
            Err(error) => last = error,
        }
    }
    above.truncate(above.len() - 2);
    Err(last)
}

/// What the beginning of a body is, with the help of its content type and the path that it came from.
pub fn kind(content_type: &str, path: &str, first: &[u8]) -> Kind {
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    let text = first.trim_ascii_start();
    let begins =
        |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    if ["<!doctype", "<html", "<head", "<body", "<?xml"].iter().any(|tag| begins(tag)) {
        return Kind::Page;
    }
    if ["[playlist]", "#extm3u", "http://", "https://"].iter().any(|start| begins(start)) {
        return Kind::Playlist;
    }
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let path = path.to_ascii_lowercase();
    let is_list = content_type.contains("mpegurl")
        || content_type.contains("scpls")
        || [".m3u", ".m3u8", ".pls"].iter().any(|extension| path.ends_with(extension));
    let is_text = !first.iter().any(|byte| *byte < b' ' && !byte.is_ascii_whitespace());
    match is_list && is_text {
        true => Kind::Playlist,
        false => Kind::Audio,
    }
}

/// The addresses that a playlist holds, in order; those of other schemes, and relative ones that make none, are left out.
pub fn entries(text: &str, base: &Url) -> Vec<Url> {
    let text = text.trim_start_matches('\u{feff}');
    let is_pls = text.lines().any(|line| line.trim().eq_ignore_ascii_case("[playlist]"));
    let of_line = |line: &'_ str| -> Option<String> {
        let line = line.trim();
        if !is_pls {
            return (!line.is_empty() && !line.starts_with('#')).then(|| line.to_owned());
        }
        let (key, value) = line.split_once('=')?;
        let number = key.trim().to_ascii_lowercase().strip_prefix("file")?.parse::<u32>();
        number.is_ok().then(|| value.trim().to_owned())
    };
    text.lines()
        .filter_map(of_line)
        .filter_map(|entry| base.join(&entry).ok())
        .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
        .take(MAX_TRIED)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<String> {
        entries(text, &Url::parse("http://h/dir/list.m3u").unwrap()).into_iter().map(Into::into).collect()
    }

    #[test]
    fn lists() {
        assert_eq!(
            listed(
                "\u{feff}#EXTM3U\r\n#EXTINF:-1,Title\r\nhttp://a/x\r\n\r\nlive.mp3\n/root\nfile:///etc/passwd\n"
            ),
            ["http://a/x", "http://h/dir/live.mp3", "http://h/root"]
        );
        let pls = "[Playlist]\nNumberOfEntries=2\nfile1 = http://a/x?b=c\nTitle1=http://no/\nFile2=https://b/\nFilex=http://no/";
        assert_eq!(listed(pls), ["http://a/x?b=c", "https://b/"]);
        assert_eq!(listed(""), [""; 0]);
        assert_eq!(listed(&"http://a/x\n".repeat(1000)).len(), MAX_TRIED);
    }

    #[test]
    fn kinds() {
        let check = |content_type, path, first: &[u8], expected| {
            assert_eq!(kind(content_type, path, first), expected, "{content_type} {path}");
        };
        check("audio/mpeg", "/live", b"ID3\x04", Kind::Audio);
        check("text/html", "/live", b"ID3\x04", Kind::Audio);
        check("audio/x-mpegurl", "/live", b"ID3\x04", Kind::Audio);
        check("audio/x-mpegurl", "/live", b"live.mp3\n", Kind::Playlist);
        check("text/plain", "/a.M3U", b"live.mp3\n", Kind::Playlist);
        check("text/plain", "/a", b"\xef\xbb\xbf#EXTM3U", Kind::Playlist);
        check("audio/mpeg", "/a", b"[playlist]\n", Kind::Playlist);
        check("audio/mpeg", "/a", b"\r\n <!DOCTYPE html>", Kind::Page);
        check("", "/a", b"", Kind::Audio);
    }
}
