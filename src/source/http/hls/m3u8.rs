//! Parser for HLS playlists (RFC 8216), restricted to audio.
//!
//! Lenient like players: unknown and malformed tags are skipped. Linear in the length of the text,
//! which the caller limits.

use std::collections::VecDeque;
use std::sync::Arc;

use url::Url;

use crate::source::http::request::MAX_ADDRESS;

/// Maximum length of a playlist, in bytes.
pub const MAX_LENGTH: usize = 1024 * 1024;

/// Maximum number of segments (the newest are kept), variants and renditions.
const MAX_SEGMENTS: usize = 10_000;
const MAX_VARIANTS: usize = 100;

/// Maximum length of a codec name, in characters.
const MAX_CODEC: usize = 40;

/// Maximum length of a title, in characters.
const LONGEST: usize = 300;

/// Accepted durations, in seconds.
const TARGETS: std::ops::RangeInclusive<f64> = 0.5..=300.0;

/// Default target duration, in seconds.
const USUAL: f64 = 6.0;

/// Playlist of either kind.
#[derive(Debug, Clone)]
pub enum HlsPlaylist {
    /// Lists other playlists.
    Master(MasterPlaylist),
    /// Lists segments.
    Media(MediaPlaylist),
}

/// Master playlist: one programme in several qualities.
#[derive(Debug, Clone, Default)]
pub struct MasterPlaylist {
    /// Variants in order.
    pub variants: Vec<HlsVariant>,
    /// Audio renditions that have an address.
    pub renditions: Vec<Rendition>,
}

/// One quality of a programme.
#[derive(Debug, Clone)]
pub struct HlsVariant {
    /// Address of its media playlist.
    pub url: Url,
    /// Average bit rate in bit/s if stated, otherwise the peak; 0 if neither is.
    pub rate: u64,
    /// Stated codecs, such as `mp4a.40.2`, in lower case.
    pub codecs: Vec<String>,
    /// True if it states a video resolution or frame rate.
    pub has_size: bool,
    /// Rendition group of its audio.
    pub audio: Option<String>,
}

/// Separate audio track.
#[derive(Debug, Clone)]
pub struct Rendition {
    /// Address of its media playlist.
    pub url: Url,
    /// Group name used by variants.
    pub group: String,
    /// True if players select it by default.
    pub is_default: bool,
}

/// Media playlist: the segments of one variant.
#[derive(Debug, Clone)]
pub struct MediaPlaylist {
    /// Maximum segment duration in seconds, 0.5 to 300.
    pub target: f64,
    /// Sequence number of the first segment.
    pub sequence: u64,
    /// Segments in order.
    pub segments: VecDeque<MediaSegment>,
    /// True if no segment will be added.
    pub ended: bool,
    /// True for a recording, from which no segment was removed.
    pub is_vod: bool,
    /// True for a trick-play playlist, which holds video frames only.
    pub i_frames_only: bool,
}

/// One media segment.
#[derive(Debug, Clone)]
pub struct MediaSegment {
    /// Location; `None` for a declared gap or an unusable address.
    pub part: Option<ResourceRange>,
    /// Duration in seconds, 0 to 300.
    pub seconds: f64,
    /// Title of the content.
    pub title: Option<String>,
    /// True if it does not continue the segment before.
    pub discontinuity: bool,
    /// Initialisation segment.
    pub init: Option<Arc<ResourceRange>>,
    /// Encryption method.
    pub encryption: Option<Arc<str>>,
}

/// Resource, or a byte range of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRange {
    /// Address of the whole resource.
    pub url: Url,
    /// First byte and length.
    pub range: Option<(u64, u64)>,
}

/// Parses the playlist `text`, loaded from `base`.
///
/// # Errors
/// Message for a text that is no playlist, or a playlist without content.
pub fn parse(text: &str, base: &Url) -> Result<HlsPlaylist, &'static str> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with("#EXTM3U") {
        return Err("is not an HLS playlist: it does not begin with `#EXTM3U`");
    }
    let is_master = |line: &str| {
        ["#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:", "#EXT-X-I-FRAME-STREAM-INF:"]
            .iter()
            .any(|tag| line.starts_with(tag))
    };
    if lines(text).any(is_master) {
        let master = parse_master(text, base);
        return match master.variants.is_empty() {
            true => Err("is a master playlist without a variant"),
            false => Ok(HlsPlaylist::Master(master)),
        };
    }
    let media = parse_media(text, base);
    match media.segments.is_empty() && !text.contains("#EXT-X-TARGETDURATION") {
        true => Err("is a playlist without segments"),
        false => Ok(HlsPlaylist::Media(media)),
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn parse_master(text: &str, base: &Url) -> MasterPlaylist {
    let mut master = MasterPlaylist::default();
    let mut stated: Option<&str> = None;
    for line in lines(text) {
        if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            stated = Some(list);
        } else if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
            if master.renditions.len() < MAX_VARIANTS {
                master.renditions.extend(rendition(list, base));
            }
        } else if !line.starts_with('#')
            && let (Some(list), Some(url)) = (stated.take(), join(base, line))
            && master.variants.len() < MAX_VARIANTS
        {
            master.variants.push(variant(list, url));
        }
    }
    master
}

fn variant(list: &str, url: Url) -> HlsVariant {
    let mut variant = HlsVariant { url, rate: 0, codecs: Vec::new(), has_size: false, audio: None };
    let (mut peak, mut average) = (0, 0);
    for (key, value) in attributes(list) {
        match key {
            "BANDWIDTH" => peak = value.parse().unwrap_or(0),
            "AVERAGE-BANDWIDTH" => average = value.parse().unwrap_or(0),
            "CODECS" => {
                variant.codecs = value
                    .split(',')
                    .map(|codec| {
                        codec.chars().filter(char::is_ascii_graphic).take(MAX_CODEC).collect::<String>()
                    })
                    .map(|codec| codec.to_ascii_lowercase())
                    .filter(|codec| !codec.is_empty())
                    .take(8)
                    .collect();
            }
            "RESOLUTION" | "FRAME-RATE" => variant.has_size = true,
            "AUDIO" => variant.audio = Some(value.to_owned()),
            _ => {}
        }
    }
    variant.rate = if average > 0 { average } else { peak };
    variant
}

/// Audio rendition that has an address.
fn rendition(list: &str, base: &Url) -> Option<Rendition> {
    let (mut url, mut group, mut is_default, mut is_audio) = (None, None, false, false);
    for (key, value) in attributes(list) {
        match key {
            "TYPE" => is_audio = value == "AUDIO",
            "URI" => url = join(base, value),
            "GROUP-ID" => group = Some(value.to_owned()),
            "DEFAULT" => is_default = value == "YES",
            _ => {}
        }
    }
    Some(Rendition { url: url.filter(|_| is_audio)?, group: group?, is_default })
}

/// Tags collected for the next segment.
#[derive(Default)]
struct SegmentTags {
    seconds: Option<f64>,
    title: Option<String>,
    discontinuity: bool,
    is_gap: bool,
    /// Length and, if stated, start.
    range: Option<(u64, Option<u64>)>,
}

fn parse_media(text: &str, base: &Url) -> MediaPlaylist {
    let mut media = MediaPlaylist {
        target: 0.0,
        sequence: 0,
        segments: VecDeque::new(),
        ended: false,
        is_vod: false,
        i_frames_only: false,
    };
    let mut stated = SegmentTags::default();
    let (mut init, mut encryption) = (None, None);
    // End of the last range, where a range without a start continues.
    let mut last: Option<(Url, u64)> = None;
    for line in lines(text) {
        if !line.starts_with('#') {
            let stated = std::mem::take(&mut stated);
            let Some(seconds) = stated.seconds else { continue };
            let url = join(base, line);
            let range = match (stated.range, &url, &last) {
                (Some((length, Some(start))), ..) => Some(Some((start, length))),
                (Some((length, None)), Some(url), Some((before, end))) if url == before => {
                    Some(Some((*end, length)))
                }
                (Some(_), ..) => None,
                (None, ..) => Some(None),
            };
            let part = url.zip(range).map(|(url, range)| ResourceRange { url, range });
            last = part.as_ref().and_then(|part| {
                part.range.map(|(start, length)| (part.url.clone(), start.saturating_add(length)))
            });
            if media.segments.len() >= MAX_SEGMENTS {
                media.segments.pop_front();
                media.sequence = media.sequence.saturating_add(1);
            }
            media.segments.push_back(MediaSegment {
                title: stated.title.filter(|title| !names_file(title, line)),
                part: part.filter(|_| !stated.is_gap),
                seconds,
                discontinuity: stated.discontinuity,
                init: init.clone(),
                encryption: encryption.clone(),
            });
            continue;
        }
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXTINF" => {
                let (seconds, title) = value.split_once(',').unwrap_or((value, ""));
                stated.seconds = Some(seconds.trim().parse().unwrap_or(f64::NAN));
                stated.title = clean_title(title);
            }
            "#EXT-X-TARGETDURATION" => media.target = value.trim().parse().unwrap_or(0.0),
            "#EXT-X-MEDIA-SEQUENCE" => {
                media.sequence = media.sequence.saturating_add(value.trim().parse().unwrap_or(0));
            }
            "#EXT-X-DISCONTINUITY" => stated.discontinuity = true,
            "#EXT-X-GAP" => stated.is_gap = true,
            "#EXT-X-BYTERANGE" => stated.range = range(value),
            "#EXT-X-ENDLIST" => media.ended = true,
            "#EXT-X-PLAYLIST-TYPE" => media.is_vod = value.trim() == "VOD",
            "#EXT-X-I-FRAMES-ONLY" => media.i_frames_only = true,
            "#EXT-X-KEY" => encryption = method(value),
            "#EXT-X-MAP" => init = map(value, base).map(Arc::new),
            _ => {}
        }
    }
    let longest = media.segments.iter().map(|segment| segment.seconds).fold(f64::NAN, f64::max);
    let stated = [media.target, longest, USUAL].into_iter().find(|seconds| *seconds > 0.0);
    media.target = stated.unwrap_or(USUAL).clamp(*TARGETS.start(), *TARGETS.end());
    for segment in &mut media.segments {
        if !(0.0..=*TARGETS.end()).contains(&segment.seconds) {
            segment.seconds = media.target;
        }
    }
    media
}

/// Parses `LENGTH[@START]`.
fn range(value: &str) -> Option<(u64, Option<u64>)> {
    let (length, start) = value.trim().split_once('@').map_or((value.trim(), None), |(l, s)| (l, Some(s)));
    let length = length.parse().ok().filter(|length| *length > 0)?;
    match start {
        None => Some((length, None)),
        Some(start) => Some((length, Some(start.parse().ok()?))),
    }
}

/// Encryption method of the following segments; `None` for `NONE`.
fn method(list: &str) -> Option<Arc<str>> {
    let method = attributes(list).find(|(key, _)| *key == "METHOD").map_or("?", |(_, value)| value);
    let shown: String = method.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    (method != "NONE").then(|| shown.into())
}

fn map(list: &str, base: &Url) -> Option<ResourceRange> {
    let value = |name| attributes(list).find(|(key, _)| *key == name).map(|(_, value)| value);
    let range = value("BYTERANGE").and_then(range).map(|(length, start)| (start.unwrap_or(0), length));
    Some(ResourceRange { url: join(base, value("URI")?)?, range })
}

/// Resolves a usable address. The length limit bounds the memory of many short entries with a long
/// base.
fn join(base: &Url, entry: &str) -> Option<Url> {
    let can_be_asked = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
    base.join(entry).ok().filter(can_be_asked).filter(|url| url.as_str().len() <= MAX_ADDRESS)
}

/// Pairs of an attribute list, without quotes, up to the first malformed one.
fn attributes(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (key, after) = rest.trim_start_matches([',', ' ', '\t']).split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        rest = after;
        Some((key.trim(), value.trim()))
    })
}

/// Human-readable title: the text itself, or composed from `title="…",artist="…"`.
fn clean_title(text: &str) -> Option<String> {
    let text = text.trim();
    let named = |name: &str| {
        attributes(text)
            .take(16)
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    };
    let composed;
    let text = match (named("artist"), named("title")) {
        (Some(artist), Some(title)) => {
            composed = format!("{artist} - {title}");
            &composed
        }
        (None, Some(title)) => title,
        _ => text,
    };
    let clean: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    let clean = clean.trim();
    (!clean.is_empty() && !clean.eq_ignore_ascii_case("no desc")).then(|| clean.to_owned())
}

/// Returns true if `title` only repeats the file name of the segment at `address`.
fn names_file(title: &str, address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    [path, name, stem].contains(&title) || title.contains("://")
}

#[cfg(test)]
mod tests;
