//! Playlists as text: M3U, PLS, ASX, XSPF and their relatives, from servers and from files.
//!
//! Playlists are lenient formats that many tools write badly. Whatever can be understood of one
//! is; what a reader does with the addresses is its own business.

mod lines;
pub mod local;
mod xml;

use super::text;

/// The longest playlist that is read, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// The most entries that are kept.
const MAX_ENTRIES: usize = 10_000;

/// Kind of a body or file, by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As far as can be told.
    Audio,
    /// A playlist or a manifest: text that leads to audio.
    Playlist,
    /// A page for people.
    Page,
}

/// Format of a text that leads to audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// A list of addresses, a line each: `.m3u`, `.m3u8`, `.ram`.
    M3u,
    /// `[playlist]` with `File1=…`.
    Pls,
    /// `[Reference]` with `Ref1=…`: an early `.asx`.
    Reference,
    /// Advanced Stream Redirector: `.asx`, `.wax`, `.wvx`.
    Asx,
    /// XML Shareable Playlist Format.
    Xspf,
    /// SMIL, and Windows Media's and Zune's playlists (`.wpl`, `.zpl`), which are written in it.
    Smil,
    /// Winamp's `.b4s`.
    B4s,
    /// A QuickTime link, `.qtl`.
    QuickTime,
    /// An outline, as directories of radios have them.
    Opml,
    /// A podcast feed: RSS or Atom.
    Feed,
    /// The manifest of a DASH stream (ISO/IEC 23009-1).
    Dash,
    /// The manifest of a Smooth Streaming presentation.
    SmoothStreaming,
    /// A page for people.
    Page,
    /// Another document of XML, with this root element.
    Unknown(String),
}

impl Format {
    /// The name for messages, with its article.
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
    /// The address as written, without request fields behind it; it may be relative.
    pub location: String,
    /// The address that relative ones belong to, where the playlist states one.
    pub base: Option<String>,
    /// The `User-Agent` to ask with.
    pub user_agent: Option<String>,
    /// The `Referer` to ask with.
    pub referrer: Option<String>,
}

impl Entry {
    /// An entry of an address as people write it, with request fields behind a bar as Kodi has them.
    pub fn new(address: &str) -> Self {
        lines::entry(address.trim())
    }
}

/// Contents of a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Of what kind it is.
    pub format: Format,
    /// In order; for feeds and outlines what they point to.
    pub entries: Vec<Entry>,
}

/// Extensions of playlists, in lower case.
const EXTENSIONS: [&str; 14] =
    ["m3u", "m3u8", "pls", "asx", "wax", "wvx", "xspf", "wpl", "zpl", "smil", "b4s", "ram", "qtl", "mpd"];

/// Parts of content types of playlists, in lower case.
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

/// Starts of lines by which a text is a playlist, whatever it is said to be; in lower case.
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

/// Returns true if `name`, a path or a file name, ends like one of a playlist.
pub fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// Determines the kind of a body by its first bytes, its content type and its path.
pub fn kind(content_type: &str, path: &str, first: &[u8]) -> Kind {
    let has_mark =
        [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| first.starts_with(mark));
    // Two bytes of sound may look like a mark; what follows is no text then.
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
