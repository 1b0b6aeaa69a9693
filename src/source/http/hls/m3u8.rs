//! HLS playlists (RFC 8216): what of them matters for sound.
//!
//! Lenient, as players are: a tag that is unknown or malformed is passed over. Linear in the length of the text,
//! which the caller bounds.

use std::collections::VecDeque;
use std::sync::Arc;

use url::Url;

use super::super::client::MAX_ADDRESS;

/// The longest playlist that is read, in bytes.
pub const MAX_LENGTH: usize = 1024 * 1024;

/// The most segments, variants and renditions that are kept; of more segments, the newest.
const MAX_SEGMENTS: usize = 10_000;
const MAX_VARIANTS: usize = 100;

/// The longest name of a codec that is kept, in characters.
const MAX_CODEC: usize = 40;

/// The longest title that is passed on, in characters.
const LONGEST: usize = 300;

/// What is taken for a duration, in seconds.
const TARGETS: std::ops::RangeInclusive<f64> = 0.5..=300.0;

/// Where no duration is stated.
const USUAL: f64 = 6.0;

/// A playlist of either kind.
#[derive(Debug, Clone)]
pub enum Playlist {
    /// Leads to others.
    Master(Master),
    /// Leads to sound.
    Media(Media),
}

/// The same programme in several qualities.
#[derive(Debug, Clone, Default)]
pub struct Master {
    /// In the order of the playlist.
    pub variants: Vec<Variant>,
    /// Those of sound that have an address.
    pub renditions: Vec<Rendition>,
}

/// One quality.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Of its media playlist.
    pub url: Url,
    /// Average bits a second where stated, else the highest; 0 where neither is.
    pub rate: u64,
    /// As stated, such as `mp4a.40.2`, in lower case.
    pub codecs: Vec<String>,
    /// Whether it states what only pictures have.
    pub has_size: bool,
    /// The group of renditions that its sound is in.
    pub audio: Option<String>,
}

/// Sound apart from the pictures.
#[derive(Debug, Clone)]
pub struct Rendition {
    /// Of its media playlist.
    pub url: Url,
    /// What variants call it by.
    pub group: String,
    /// Whether players choose it by themselves.
    pub is_default: bool,
}

/// Segments of sound.
#[derive(Debug, Clone)]
pub struct Media {
    /// How long segments are at most, in seconds: 0.5 to 300.
    pub target: f64,
    /// Number of the first segment.
    pub sequence: u64,
    /// In order.
    pub segments: VecDeque<Segment>,
    /// Nothing will be added.
    pub ended: bool,
    /// Nothing was ever taken away: a recording.
    pub is_vod: bool,
    /// It holds pictures for seeking, and no sound.
    pub i_frames_only: bool,
}

/// A piece of sound.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Absent where the playlist says that it is missing, or gives no address that can be asked.
    pub part: Option<Part>,
    /// How long it is, in seconds: 0 to 300.
    pub seconds: f64,
    /// What is played in it.
    pub title: Option<String>,
    /// Whether it does not go on where the one before ended.
    pub discontinuity: bool,
    /// What has to be read before it.
    pub init: Option<Arc<Part>>,
    /// How it is encrypted.
    pub encryption: Option<Arc<str>>,
}

/// A resource, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Of the whole.
    pub url: Url,
    /// The first byte, and how many.
    pub range: Option<(u64, u64)>,
}

/// Reads the playlist `text`, whose own address is `base`.
///
/// # Errors
/// In words, when it is none, or leads nowhere.
pub fn parse(text: &str, base: &Url) -> Result<Playlist, &'static str> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with("#EXTM3U") {
        return Err("is no HLS playlist: it does not begin with `#EXTM3U`");
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
            false => Ok(Playlist::Master(master)),
        };
    }
    let media = parse_media(text, base);
    match media.segments.is_empty() && !text.contains("#EXT-X-TARGETDURATION") {
        true => Err("is a playlist without segments"),
        false => Ok(Playlist::Media(media)),
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn parse_master(text: &str, base: &Url) -> Master {
    let mut master = Master::default();
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

fn variant(list: &str, url: Url) -> Variant {
    let mut variant = Variant { url, rate: 0, codecs: Vec::new(), has_size: false, audio: None };
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

/// One of sound with an address.
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

/// What the tags before a segment say of it.
#[derive(Default)]
struct Stated {
    seconds: Option<f64>,
    title: Option<String>,
    discontinuity: bool,
    is_gap: bool,
    /// Length and, where stated, start.
    range: Option<(u64, Option<u64>)>,
}

fn parse_media(text: &str, base: &Url) -> Media {
    let mut media = Media {
        target: 0.0,
        sequence: 0,
        segments: VecDeque::new(),
        ended: false,
        is_vod: false,
        i_frames_only: false,
    };
    let mut stated = Stated::default();
    let (mut init, mut encryption) = (None, None);
    // Where a range goes on that states no start.
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
            let part = url.zip(range).map(|(url, range)| Part { url, range });
            last = part.as_ref().and_then(|part| {
                part.range.map(|(start, length)| (part.url.clone(), start.saturating_add(length)))
            });
            if media.segments.len() >= MAX_SEGMENTS {
                media.segments.pop_front();
                media.sequence = media.sequence.saturating_add(1);
            }
            media.segments.push_back(Segment {
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

/// `LENGTH[@START]`.
fn range(value: &str) -> Option<(u64, Option<u64>)> {
    let (length, start) = value.trim().split_once('@').map_or((value.trim(), None), |(l, s)| (l, Some(s)));
    let length = length.parse().ok().filter(|length| *length > 0)?;
    match start {
        None => Some((length, None)),
        Some(start) => Some((length, Some(start.parse().ok()?))),
    }
}

/// How what follows is encrypted; not at all by `NONE`.
fn method(list: &str) -> Option<Arc<str>> {
    let method = attributes(list).find(|(key, _)| *key == "METHOD").map_or("?", |(_, value)| value);
    let shown: String = method.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    (method != "NONE").then(|| shown.into())
}

fn map(list: &str, base: &Url) -> Option<Part> {
    let value = |name| attributes(list).find(|(key, _)| *key == name).map(|(_, value)| value);
    let range = value("BYTERANGE").and_then(range).map(|(length, start)| (start.unwrap_or(0), length));
    Some(Part { url: join(base, value("URI")?)?, range })
}

/// An address that can be asked. A long one times many short entries would be more than there is room for.
fn join(base: &Url, entry: &str) -> Option<Url> {
    let can_be_asked = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
    base.join(entry).ok().filter(can_be_asked).filter(|url| url.as_str().len() <= MAX_ADDRESS)
}

/// The pairs of an attribute list, quotes taken off; it ends where it is malformed.
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

/// A title as people read it: as it is, or composed of what some write, `title="…",artist="…"`.
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

/// Whether `title` is no more than the name of the segment at `address`.
fn names_file(title: &str, address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    [path, name, stem].contains(&title) || title.contains("://")
}

#[cfg(test)]
mod tests;
