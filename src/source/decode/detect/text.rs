//! Text formats: pages, playlists and manifests.

use crate::source::decode::refusal::Unsupported;

/// Number of bytes searched for the root element.
const SEARCHED: usize = 2048;

/// Recognises a text format by its first line or root element; XML only once enough bytes are
/// available.
pub(super) fn unsupported(first: &[u8], is_whole: bool) -> Option<Unsupported> {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    let text = &text[..text.len().min(SEARCHED)].trim_ascii_start();
    let starts = |prefix: &str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let holds = |element: &str| {
        text.windows(element.len()).any(|window| window.eq_ignore_ascii_case(element.as_bytes()))
    };
    if starts("#EXTM3U") {
        return Some(Unsupported::playlist("an M3U playlist"));
    }
    if starts("[playlist]") {
        return Some(Unsupported::playlist("a PLS playlist"));
    }
    if starts("[reference]") || starts("<asx") {
        return Some(Unsupported::playlist("an ASX playlist"));
    }
    if starts("<!doctype html") || starts("<html") {
        return Some(Unsupported::not_audio("an HTML page"));
    }
    if starts("<?xml") && first.len() < SEARCHED && !is_whole {
        return None;
    }
    if starts("<MPD") || (starts("<?xml") && holds("<MPD")) {
        return Some(Unsupported::audio("a DASH manifest"));
    }
    if starts("<smil") || starts("<?wpl") || (starts("<?xml") && holds("<smil")) {
        return Some(Unsupported::playlist("a SMIL playlist"));
    }
    if starts("<playlist") || (starts("<?xml") && holds("<playlist")) {
        return Some(Unsupported::playlist("an XSPF playlist"));
    }
    if starts("<svg") || (starts("<?xml") && holds("<svg")) {
        return Some(Unsupported::not_audio("an SVG image"));
    }
    if starts("<?xml") && (holds("<html") || holds("<!doctype html")) {
        return Some(Unsupported::not_audio("an HTML page"));
    }
    if starts("<?xml") {
        return Some(Unsupported::not_audio("an XML document"));
    }
    None
}
