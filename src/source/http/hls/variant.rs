//! Selection of a variant from a master playlist.
//!
//! 64 kbit/s suffice for genre classification, and a low rate saves bandwidth. A variant with video
//! is used only if no audio-only one exists.

use std::cmp::Reverse;

use url::Url;

use super::m3u8::{HlsVariant, MasterPlaylist};

/// Sufficient bit rate, in bit/s.
const ENOUGH: u64 = 64_000;

/// Codec class, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CodecClass {
    /// AAC-LC, MP3.
    Plain,
    /// HE-AAC, of which the core is decoded.
    HighEfficiency,
    /// Not stated.
    Unknown,
    /// Not decoded.
    Foreign,
}

/// Addresses to try, best first: the lowest AAC-LC or MP3 rate of at least 64 kbit/s, else the
/// highest below it; then HE-AAC; then unstated codecs. Variants with video come last.
///
/// # Errors
/// The codecs of the variants, if none can be decoded.
pub fn choose(master: &MasterPlaylist) -> Result<Vec<Url>, String> {
    let mut candidates: Vec<_> = master.variants.iter().map(|variant| candidate(master, variant)).collect();
    candidates.sort_by_key(|(rank, _)| *rank);
    let mut urls: Vec<Url> = Vec::new();
    for (rank, url) in candidates {
        if rank.1 != CodecClass::Foreign && !urls.contains(&url) {
            urls.push(url);
        }
    }
    if urls.is_empty() {
        let mut codecs: Vec<_> =
            master.variants.iter().flat_map(|variant| &variant.codecs).cloned().collect();
        codecs.sort();
        codecs.dedup();
        codecs.truncate(8);
        return Err(codecs.join(", "));
    }
    Ok(urls)
}

/// Sort key: has video, codec class, rate too low, then the rate (highest first if too low, else
/// lowest first).
type VariantRank = (bool, CodecClass, bool, Reverse<u64>, u64);

fn candidate(master: &MasterPlaylist, variant: &HlsVariant) -> (VariantRank, Url) {
    let group = || {
        let mut of_group = master.renditions.iter().filter(|r| Some(&r.group) == variant.audio.as_ref());
        let first = of_group.clone().next();
        of_group.find(|rendition| rendition.is_default).or(first)
    };
    let has_pictures = variant.has_size || variant.codecs.iter().any(|codec| is_picture(codec));
    let (url, is_muxed) = match group() {
        Some(rendition) => (&rendition.url, false),
        None => (&variant.url, has_pictures),
    };
    let class = variant.codecs.iter().find_map(|codec| class(codec));
    let too_low = variant.rate < ENOUGH;
    let (below, above) = if too_low { (Reverse(variant.rate), 0) } else { (Reverse(0), variant.rate) };
    ((is_muxed, class.unwrap_or(CodecClass::Unknown), too_low, below, above), url.clone())
}

/// Class of a codec (RFC 6381, in lower case); `None` if it is not an audio codec.
fn class(codec: &str) -> Option<CodecClass> {
    let (family, kind) = codec.split_once('.').unwrap_or((codec, ""));
    Some(match (family, kind) {
        // MPEG-4 and MPEG-2 AAC-LC; MP3 by its three names.
        ("mp4a", "40.2" | "40.02" | "67" | "40.34" | "69" | "6b") | ("mp3", _) => CodecClass::Plain,
        ("mp4a", "40.5" | "40.05" | "40.29") => CodecClass::HighEfficiency,
        ("mp4a", "40" | "") | ("aac", _) => CodecClass::Unknown,
        ("mp4a" | "ac-3" | "ec-3" | "ac-4" | "opus" | "flac" | "alac" | "vorbis", _) => CodecClass::Foreign,
        (dts, _) if dts.starts_with("dts") => CodecClass::Foreign,
        _ => return None,
    })
}

fn is_picture(codec: &str) -> bool {
    const FAMILIES: [&str; 14] = [
        "avc1", "avc2", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "dva1", "dvav", "vp08", "vp09", "vp9",
        "av01", "mp4v",
    ];
    FAMILIES.contains(&codec.split('.').next().unwrap_or(codec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::http::hls::m3u8::{HlsPlaylist, parse};

    fn chosen(text: &str) -> Result<Vec<String>, String> {
        let base = Url::parse("http://h/").unwrap();
        let HlsPlaylist::Master(master) = parse(&format!("#EXTM3U\n{text}"), &base).unwrap() else {
            panic!()
        };
        Ok(choose(&master)?.iter().map(|url| url.path()[1..].to_owned()).collect())
    }

    #[test]
    fn the_lowest_that_is_enough() {
        let check = |variants: &[&str], expected: &[&str]| {
            let text: String = variants
                .iter()
                .map(|variant| {
                    let (name, list) = variant.split_once(' ').unwrap();
                    format!("#EXT-X-STREAM-INF:{list}\n{name}\n")
                })
                .collect();
            assert_eq!(chosen(&text).unwrap(), expected, "{variants:?}");
        };
        let lc = "CODECS=\"mp4a.40.2\"";
        check(
            &[
                &format!("high BANDWIDTH=320000,{lc}"),
                &format!("low BANDWIDTH=48000,{lc}"),
                &format!("enough BANDWIDTH=64000,{lc}"),
                &format!("lower BANDWIDTH=32000,{lc}"),
                "unknown BANDWIDTH=96000",
                "he BANDWIDTH=64000,CODECS=\"mp4a.40.5\"",
                "ps BANDWIDTH=48000,CODECS=\"mp4a.40.29\"",
            ],
            &["enough", "high", "low", "lower", "he", "ps", "unknown"],
        );
        check(
            &["mp3 BANDWIDTH=128000,CODECS=\"mp4a.40.34\"", "he BANDWIDTH=64000,CODECS=\"mp4a.40.5\""],
            &["mp3", "he"],
        );
        check(&["a BANDWIDTH=900000,AVERAGE-BANDWIDTH=60000", "b BANDWIDTH=70000"], &["b", "a"]);
        // Variants with video come last, for any audio codec.
        check(
            &[
                &format!("film BANDWIDTH=300000,RESOLUTION=640x360,{lc}"),
                "film2 BANDWIDTH=200000,CODECS=\"avc1.4d401e,mp4a.40.2\"",
                "he BANDWIDTH=40000,CODECS=\"mp4a.40.5\"",
                "xhe BANDWIDTH=64000,CODECS=\"mp4a.40.42\"",
                "dolby BANDWIDTH=64000,CODECS=\"ec-3\"",
            ],
            &["he", "film2", "film"],
        );
    }

    #[test]
    fn renditions_of_sound_come_before_pictures() {
        let text = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"de\",URI=\"german\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"en\",DEFAULT=YES,URI=\"english\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"dolby\",NAME=\"en\",URI=\"dolby\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS=\"avc1.4d,ec-3\",AUDIO=\"dolby\"\na\n\
            #EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS=\"avc1.4d,mp4a.40.2\",AUDIO=\"aac\"\nb\n\
            #EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS=\"avc1.4d,mp4a.40.2\",AUDIO=\"aac\"\nc\n\
            #EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS=\"avc1.4d,mp4a.40.2\",AUDIO=\"none\"\nmuxed\n";
        assert_eq!(chosen(text).unwrap(), ["english", "muxed"]);
    }

    #[test]
    fn what_there_is_is_said_where_none_is_decoded() {
        let text = "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"ec-3\"\na\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"ac-3,avc1.1\"\nb\n";
        assert_eq!(chosen(text), Err("ac-3, avc1.1, ec-3".into()));
    }
}
