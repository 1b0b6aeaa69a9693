//! Text playlists from servers and files: M3U, PLS, ASX, XSPF and related formats.
//!
//! Playlists are lenient formats that many tools write badly, so every recognisable entry is kept.
//! The caller decides which addresses it accepts.

mod lines;
pub mod local;
mod xml;

use super::text;

/// Maximum length of a playlist from a server, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Maximum number of entries kept.
const MAX_ENTRIES: usize = 10_000;

/// Kind of a body or file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not recognised as text, so taken for audio.
    Audio,
    /// Playlist or manifest: text that leads to audio.
    Playlist,
    /// HTML page.
    Page,
}

/// Format of a playlist or manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One address per line: `.m3u`, `.m3u8`, `.ram`.
    M3u,
    /// `[playlist]` with `File1=…`.
    Pls,
    /// `[Reference]` with `Ref1=…`, an early `.asx`.
    Reference,
    /// Advanced Stream Redirector: `.asx`, `.wax`, `.wvx`.
    Asx,
    /// XML Shareable Playlist Format.
    Xspf,
    /// SMIL, and the playlists of Windows Media and Zune (`.wpl`, `.zpl`), which use it.
    Smil,
    /// Winamp's `.b4s`.
    B4s,
    /// A QuickTime link, `.qtl`.
    QuickTime,
    /// Outline, as used by station directories.
    Opml,
    /// A podcast feed: RSS or Atom.
    Feed,
    /// Manifest of a DASH stream (ISO/IEC 23009-1).
    Dash,
    /// Manifest of a Smooth Streaming presentation.
    SmoothStreaming,
    /// HTML page.
    Page,
    /// Other XML document, with its root element.
    Unknown(String),
}

impl Format {
    /// Name for messages, with its article.
    pub fn described(&self) -> String {
        match self {
            Self::M3u => "an M3U playlist",
            Self::Pls => "a PLS playlist",
            Self::Reference => "a Windows Media `[Reference]` playlist",
            Self::Asx => "an ASX playlist",
            Self::Xspf => "an XSPF playlist",
            Self::Smil => "a SMIL or WPL playlist",
            Self::B4s => "a B4S playlist",
            Self::QuickTime => "a QuickTime link",
            Self::Opml => "an OPML outline",
            Self::Feed => "a podcast feed",
            Self::Dash => "a DASH manifest",
            Self::SmoothStreaming => "a Smooth Streaming manifest",
            Self::Page => "a page",
            Self::Unknown(root) => return format!("an XML document of `<{root}>`"),
        }
        .to_owned()
    }
}

/// One address of a playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Address as written, without request fields; may be relative.
    pub location: String,
    /// Base of relative addresses, if the playlist states one.
    pub base: Option<String>,
    /// Value of `User-Agent` for the request.
    pub user_agent: Option<String>,
    /// Value of `Referer` for the request.
    pub referrer: Option<String>,
}

impl Entry {
    /// Parses an address as users write it, with Kodi's request fields after a bar.
    pub fn new(address: &str) -> Self {
        lines::entry(address.trim())
    }
}

/// Contents of a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub format: Format,
    /// Entries in order; for feeds and outlines, their targets.
    pub entries: Vec<Entry>,
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
pub fn kind(content_type: &str, path: &str, first: &[u8]) -> Kind {
    let has_mark =
        [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| first.starts_with(mark));
    // Two bytes of audio may look like a byte order mark; then the rest is not text.
    let text = text::decode(first, None);
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
    let text = text.trim_start_matches(['\u{feff}', '\0']).trim_start();
    if text.is_empty() || !text.chars().all(is_text) {
        return Kind::Audio;
    }
    if has_mark && !text.chars().take(8).all(|c| c.is_ascii()) {
        return Kind::Audio;
    }
    let begins = |with: &str| begins(text, with);
    if ["<!doctype html", "<html", "<head", "<body", "<script", "<meta", "<title"]
        .iter()
        .any(|tag| begins(tag))
    {
        return Kind::Page;
    }
    if let Some(tag) = text.strip_prefix('<') {
        let is_tag = tag.starts_with(|c: char| c.is_alphabetic() || "?!".contains(c));
        return if is_tag { Kind::Playlist } else { Kind::Audio };
    }
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_list = CONTENT_TYPES.iter().any(|known| content_type.contains(known)) || is_name(path);
    let is_listed =
        || text.lines().take(32).any(|line| STARTS.iter().any(|start| self::begins(line.trim(), start)));
    match is_list || is_listed() {
        true => Kind::Playlist,
        false => Kind::Audio,
    }
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
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
