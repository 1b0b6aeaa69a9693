//! Text formats: pages, playlists and manifests.

use super::Named;

/// Bytes that are searched for the root element.
const SEARCHED: usize = 2048;

/// Recognises a text format by its first line or its root element.
pub(super) fn kind(first: &[u8]) -> Option<Named> {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    let text = &text[..text.len().min(SEARCHED)].trim_ascii_start();
    let starts = |prefix: &str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let holds = |element: &str| {
        text.windows(element.len()).any(|window| window.eq_ignore_ascii_case(element.as_bytes()))
    };
    if starts("#EXTM3U") {
        return Some(Named::playlist("an M3U playlist"));
    }
    if starts("[playlist]") {
        return Some(Named::playlist("a PLS playlist"));
    }
    if starts("[reference]") || starts("<asx") {
        return Some(Named::playlist("an ASX playlist"));
    }
    if starts("<!doctype html") || starts("<html") {
        return Some(Named::other("an HTML page"));
    }
    if starts("<MPD") || (starts("<?xml") && holds("<MPD")) {
        return Some(Named::audio("a DASH manifest"));
    }
    if starts("<smil") || starts("<?wpl") || (starts("<?xml") && holds("<smil")) {
        return Some(Named::playlist("a SMIL playlist"));
    }
    if starts("<playlist") || (starts("<?xml") && holds("<playlist")) {
        return Some(Named::playlist("an XSPF playlist"));
    }
    if starts("<svg") || (starts("<?xml") && holds("<svg")) {
        return Some(Named::other("an SVG image"));
    }
    if starts("<?xml") && (holds("<html") || holds("<!doctype html")) {
        return Some(Named::other("an HTML page"));
    }
    if starts("<?xml") {
        return Some(Named::other("an XML document"));
    }
    None
}
