//! Text playlists from servers and files: M3U, PLS, ASX, XSPF and related formats.
//!
//! Playlists are lenient formats that many tools write badly, so every recognisable entry is kept.
//! The caller decides which addresses it accepts.

mod lines;
mod listing;
pub mod local;
mod xml;

use super::text;
use listing::MAX_ENTRIES;
pub use listing::{Listing, PlaylistEntry, PlaylistFormat};

/// Maximum length of a playlist from a server, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Kind of a body or file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// Not recognised as text, so taken for audio.
    Audio,
    /// Playlist or manifest: text that leads to audio.
    Playlist,
    /// HTML page.
    Page,
}

/// Extensions of playlists, in lower case.
const EXTENSIONS: [&str; 14] =
    ["m3u", "m3u8", "pls", "asx", "wax", "wvx", "xspf", "wpl", "zpl", "smil", "b4s", "ram", "qtl", "mpd"];

/// Substrings of playlist content types, in lower case.
const CONTENT_TYPES: [&str; 14] = [
    "mpegurl",
    "scpls",
    "pls+xml",
    "x-ms-asf",
    "x-ms-asx",
    "x-ms-wax",
    "x-ms-wvx",
    "xspf",
    "ms-wpl",
    "smil",
    "x-pn-realaudio",
    "dash+xml",
    "sstr+xml",
    "x-quicktimeplayer",
];

/// Line starts that identify a playlist regardless of its content type, in lower case.
const STARTS: [&str; 19] = [
    "#extm3u",
    "#extinf",
    "[playlist]",
    "[reference]",
    "http://",
    "https://",
    "mms://",
    "mmsh://",
    "rtsp://",
    "rtmp://",
    "icy://",
    "icyx://",
    "asf http",
    "file1=",
    "ref1=",
    "srt://",
    "udp://",
    "rtp://",
    "mmst://",
];

/// Returns true if the path or file name `name` ends with a playlist extension.
pub fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// Determines the kind of a body from its first bytes, its content type and its path.
pub fn kind(content_type: &str, path: &str, first: &[u8]) -> BodyKind {
    let has_mark =
        [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| first.starts_with(mark));
    // Two bytes of audio may look like a byte order mark; then the rest is not text.
    let text = text::decode(first, None);
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
    let text = text.trim_start_matches(['\u{feff}', '\0']).trim_start();
    if text.is_empty() || !text.chars().all(is_text) {
        return BodyKind::Audio;
    }
    if has_mark && !text.chars().take(8).all(|c| c.is_ascii()) {
        return BodyKind::Audio;
    }
    let begins = |with: &str| begins(text, with);
    if ["<!doctype html", "<html", "<head", "<body", "<script", "<meta", "<title"]
        .iter()
        .any(|tag| begins(tag))
    {
        return BodyKind::Page;
    }
    if let Some(tag) = text.strip_prefix('<') {
        let is_tag = tag.starts_with(|c: char| c.is_alphabetic() || "?!".contains(c));
        return if is_tag { BodyKind::Playlist } else { BodyKind::Audio };
    }
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_list = CONTENT_TYPES.iter().any(|known| content_type.contains(known)) || is_name(path);
    let is_listed =
        || text.lines().take(32).any(|line| STARTS.iter().any(|start| self::begins(line.trim(), start)));
    match is_list || is_listed() {
        true => BodyKind::Playlist,
        false => BodyKind::Audio,
    }
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// Parses an address as users write it, with Kodi's request fields after a bar.
#[cfg(feature = "net")]
pub(super) fn parse_entry(address: &str) -> PlaylistEntry {
    lines::entry(address.trim())
}

/// Decodes and parses a playlist.
pub fn parse(bytes: &[u8], charset: Option<&str>) -> Listing {
    let stated = xml::encoding(bytes);
    let text = text::decode(bytes, charset.or(stated.as_deref()));
    let text = text.trim_start_matches('\u{feff}').trim();
    let mut listing = if text.starts_with('<') { xml::parse(text) } else { lines::parse(text) };
    listing.entries.truncate(MAX_ENTRIES);
    listing
}

#[cfg(test)]
mod tests;
