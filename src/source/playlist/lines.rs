//! Line-based playlists: M3U, PLS and related formats.

use percent_encoding::percent_decode_str;

use super::listing::{Listing, MAX_ENTRIES, PlaylistEntry, PlaylistFormat};

/// Maximum length of a request field set by a playlist, in characters.
const MAX_FIELD: usize = 512;

/// Parses a line-based playlist; lines end with CR, LF or both.
pub(super) fn parse(text: &str) -> Listing {
    let lines = || text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
    let has = |what: &str| lines().any(|line| line.eq_ignore_ascii_case(what));
    let has_key = |key: &str| lines().any(|line| value(line, key).is_some());
    // A line of M3U may contain `=` but does not begin with a numbered key.
    let (format, key) = match () {
        () if has("[playlist]") => (PlaylistFormat::Pls, "file"),
        () if has("[reference]") => (PlaylistFormat::Reference, "ref"),
        () if has("#extm3u") => (PlaylistFormat::M3u, ""),
        () if has_key("file") => (PlaylistFormat::Pls, "file"),
        () if has_key("ref") => (PlaylistFormat::Reference, "ref"),
        () => (PlaylistFormat::M3u, ""),
    };
    let entries = match format {
        PlaylistFormat::M3u => m3u(lines()),
        _ => lines().filter_map(|line| value(line, key)).map(entry).collect(),
    };
    Listing { format, entries: entries.into_iter().filter(|entry| !entry.location.is_empty()).collect() }
}

/// Value of a line `KEY1=VALUE`, whose key ends with a number.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = line.split_once('=')?;
    let number = found.trim().to_ascii_lowercase().strip_prefix(key)?.parse::<u32>();
    number.is_ok().then(|| value.trim())
}

fn m3u<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<PlaylistEntry> {
    let (mut entries, mut stated) = (Vec::new(), PlaylistEntry::default());
    for line in lines {
        if let Some(comment) = line.strip_prefix('#') {
            option(comment, &mut stated);
            continue;
        }
        // RealAudio lists may end with `--stop--`.
        if line.eq_ignore_ascii_case("--stop--") {
            break;
        }
        let stated = std::mem::take(&mut stated);
        let mut entry = entry(line);
        entry.user_agent = entry.user_agent.or(stated.user_agent);
        entry.referrer = entry.referrer.or(stated.referrer);
        entries.push(entry);
        if entries.len() >= MAX_ENTRIES {
            break;
        }
    }
    entries
}

/// Applies a VLC option for the next entry, such as `EXTVLCOPT:http-user-agent=…`.
fn option(comment: &str, stated: &mut PlaylistEntry) {
    let Some((tag, option)) = comment.split_once(':') else { return };
    if !tag.trim().eq_ignore_ascii_case("EXTVLCOPT") {
        return;
    }
    let Some((key, value)) = option.split_once('=') else { return };
    match key.trim().to_ascii_lowercase().as_str() {
        "http-user-agent" => stated.user_agent = field(value),
        "http-referrer" | "http-referer" => stated.referrer = field(value),
        _ => {}
    }
}

/// Parses an address with Kodi's request fields after a bar: `URL|User-Agent=…&Referer=…`.
pub(super) fn entry(line: &str) -> PlaylistEntry {
    let line = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line).trim();
    let line = match line.get(..8) {
        // Address list from before ASX became XML.
        Some(start) if start.eq_ignore_ascii_case("ASF http") => line[4..].trim_start(),
        _ => line,
    };
    let (location, fields) = split_fields(line);
    let mut entry = PlaylistEntry { location: location.to_owned(), ..PlaylistEntry::default() };
    for (key, value) in fields {
        match key.to_ascii_lowercase().as_str() {
            "user-agent" => entry.user_agent = field(&value),
            "referer" | "referrer" => entry.referrer = field(&value),
            _ => {}
        }
    }
    entry
}

/// Names of request fields and of Kodi options beside them, in lower case.
const FIELDS: [&str; 14] = [
    "user-agent",
    "referer",
    "referrer",
    "cookie",
    "origin",
    "authorization",
    "accept",
    "accept-language",
    "icy-metadata",
    "range",
    "host",
    "connection",
    "verifypeer",
    "seekable",
];

/// Splits an address from the percent-decoded request fields after its bar. Without any known
/// field, the whole text is the address.
fn split_fields(address: &str) -> (&str, Vec<(&str, String)>) {
    let whole = (address, Vec::new());
    let Some((location, fields)) = address.split_once('|') else { return whole };
    let pairs: Option<Vec<_>> = fields.split('&').map(|pair| pair.split_once('=')).collect();
    let is_known = |key: &str| {
        let key = key.trim_start_matches('!').to_ascii_lowercase();
        key.starts_with("x-") || FIELDS.contains(&key.as_str())
    };
    let Some(pairs) = pairs.filter(|pairs| pairs.iter().any(|(key, _)| is_known(key))) else { return whole };
    if !location.contains("://") {
        return whole;
    }
    let decoded = |value: &str| percent_decode_str(value).decode_utf8_lossy().into_owned();
    (location.trim_end(), pairs.into_iter().map(|(key, value)| (key, decoded(value))).collect())
}

/// Value that is allowed in a request header.
fn field(value: &str) -> Option<String> {
    let value = value.trim();
    let is_clean = value.chars().all(|c| (' '..='~').contains(&c)) && value.len() <= MAX_FIELD;
    (is_clean && !value.is_empty()).then(|| value.to_owned())
}
