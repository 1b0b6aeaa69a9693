//! XML playlists and manifests: ASX, XSPF, SMIL and related formats.
//!
//! Many are not well-formed: tags in capitals, mismatched end tags, bare `&`, unquoted attributes.
//! A fatal parse error ends the playlist.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::listing::{Listing, MAX_ENTRIES, PlaylistEntry, PlaylistFormat};
use crate::source::text::resolve_references;

/// Maximum number of elements read.
const MAX_ELEMENTS: usize = 100_000;

/// Encoding stated by the XML declaration in the first bytes of a document.
pub(super) fn encoding(bytes: &[u8]) -> Option<String> {
    let first = bytes.get(..bytes.len().min(200)).filter(|first| first.starts_with(b"<?xml"))?;
    let text = String::from_utf8_lossy(first);
    let declaration = text.split("?>").next()?;
    let (_, rest) = declaration.split_once("encoding")?;
    let value = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| "\"'".contains(*c))?;
    value[1..].split(quote).next().map(str::to_owned)
}

/// Parses an XML playlist.
pub(super) fn parse(text: &str) -> Listing {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut found = XmlEntries::default();
    for _ in 0..MAX_ELEMENTS {
        match reader.read_event() {
            Ok(Event::Start(tag)) => found.open(&tag, false),
            Ok(Event::Empty(tag)) => found.open(&tag, true),
            Ok(Event::End(tag)) => found.close(&name_of(tag.local_name().as_ref())),
            Ok(Event::Text(text)) => found.text(&text),
            Ok(Event::CData(text)) => found.text(&text),
            Ok(Event::GeneralRef(name)) => found.text(&resolve_references(&format!("&{};", &*name))),
            Ok(Event::PI(instruction)) if instruction.target().eq_ignore_ascii_case("quicktime") => {
                found.format = found.format.or(Some(PlaylistFormat::QuickTime));
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
        if found.is_decided() || found.entries.len() >= MAX_ENTRIES {
            break;
        }
    }
    Listing { format: found.format.unwrap_or(PlaylistFormat::Unknown(String::new())), entries: found.entries }
}

/// Entries of a document so far.
#[derive(Default)]
struct XmlEntries {
    format: Option<PlaylistFormat>,
    entries: Vec<PlaylistEntry>,
    /// True once the root element has begun.
    started: bool,
    /// Base of relative addresses.
    base: Option<String>,
    /// True within an XSPF track; the playlist's own `<location>` is not an entry.
    in_track: bool,
    /// Text of a `<location>` while it is open.
    location: Option<String>,
}

impl XmlEntries {
    /// Returns true for manifests and pages, which are not read to their end.
    fn is_decided(&self) -> bool {
        matches!(
            self.format,
            Some(
                PlaylistFormat::Dash
                    | PlaylistFormat::SmoothStreaming
                    | PlaylistFormat::Page
                    | PlaylistFormat::Unknown(_)
            )
        )
    }

    fn open(&mut self, tag: &BytesStart<'_>, is_empty: bool) {
        let name = name_of(tag.local_name().as_ref());
        if !std::mem::replace(&mut self.started, true) && self.format.is_none() {
            self.format = Some(format_of(&name));
        }
        let value = |wanted: &[&str]| attribute(tag, wanted);
        if let Some(base) = value(&["xml:base"]) {
            self.base = Some(base);
        }
        let location = match (&self.format, name.as_str()) {
            (Some(PlaylistFormat::Asx), "ref" | "entryref") => value(&["href"]),
            (Some(PlaylistFormat::Asx), "base") => {
                self.base = value(&["href"]).or(self.base.take());
                None
            }
            (Some(PlaylistFormat::Xspf), "track") => {
                self.in_track = !is_empty;
                None
            }
            (Some(PlaylistFormat::Xspf), "location") if self.in_track && !is_empty => {
                self.location = Some(String::new());
                None
            }
            // `<playlist><entry Playstring="…">` within `<WinampXML>`.
            (Some(PlaylistFormat::Xspf | PlaylistFormat::B4s), "entry") => value(&["playstring"]),
            (Some(PlaylistFormat::Smil), "meta") => {
                let content =
                    || value(&["content"]).filter(|_| value(&["name"]).is_some_and(|name| name == "base"));
                self.base = value(&["base"]).or_else(content).or(self.base.take());
                None
            }
            (Some(PlaylistFormat::Smil), "media" | "audio" | "video" | "ref") => value(&["src"]),
            (Some(PlaylistFormat::QuickTime), "embed") => value(&["qtsrc"]).or_else(|| value(&["src"])),
            (Some(PlaylistFormat::Opml), "outline") => {
                value(&["url", "xmlurl"]).filter(|_| value(&["type"]).is_none_or(|kind| kind != "text"))
            }
            (Some(PlaylistFormat::Feed), "enclosure") => value(&["url"]),
            (Some(PlaylistFormat::Feed), "link") => value(&["href"])
                .filter(|_| value(&["rel"]).is_some_and(|rel| rel.eq_ignore_ascii_case("enclosure"))),
            _ => None,
        };
        self.add(location);
    }

    fn text(&mut self, text: &str) {
        if let Some(location) = &mut self.location {
            location.push_str(text);
        }
    }

    fn close(&mut self, name: &str) {
        // Any end tag closes it, because end tags may be mismatched.
        let location = self.location.take();
        self.add(location);
        self.in_track &= name != "track";
    }

    fn add(&mut self, location: Option<String>) {
        let location =
            location.map(|location| location.trim().to_owned()).filter(|location| !location.is_empty());
        if let Some(location) = location {
            self.entries.push(PlaylistEntry {
                location,
                base: self.base.clone(),
                ..PlaylistEntry::default()
            });
        }
    }
}

fn format_of(root: &str) -> PlaylistFormat {
    match root {
        "asx" => PlaylistFormat::Asx,
        "playlist" => PlaylistFormat::Xspf,
        "smil" => PlaylistFormat::Smil,
        "winampxml" => PlaylistFormat::B4s,
        "embed" => PlaylistFormat::QuickTime,
        "opml" => PlaylistFormat::Opml,
        "rss" | "feed" | "rdf" => PlaylistFormat::Feed,
        "mpd" => PlaylistFormat::Dash,
        "smoothstreamingmedia" => PlaylistFormat::SmoothStreaming,
        "html" | "head" | "body" => PlaylistFormat::Page,
        root => PlaylistFormat::Unknown(root.chars().filter(|c| c.is_alphanumeric()).take(40).collect()),
    }
}

/// Name in lower case, because ASX tags are written in any case.
fn name_of(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Value of the first attribute named in `wanted`, ignoring case and quotes.
fn attribute(tag: &BytesStart<'_>, wanted: &[&str]) -> Option<String> {
    let mut attributes = tag.html_attributes();
    attributes.with_checks(false);
    attributes
        .filter_map(Result::ok)
        .find(|attribute| wanted.iter().any(|name| name.eq_ignore_ascii_case(attribute.key.as_ref())))
        .map(|attribute| resolve_references(&attribute.value).into_owned())
}
