//! Detection of a format by its first bytes.
//!
//! The first bytes decide; file names and content types do not. A search for a header or sync word
//! further in matches files of other kinds: lossless codecs store the WAV header of their source,
//! and transport streams carry MPEG audio frames. Signatures at the start therefore come first,
//! then text, and sync words last.

mod elementary;
mod format;
mod signatures;
mod sync;
mod text;

use super::refusal::Unsupported;
use super::{codec_names, flac, matroska};

pub(super) use elementary::of_adts;
pub(super) use format::{DetectedFormat, PcmContainer};

/// Maximum number of bytes examined.
pub(super) const LONGEST_START: usize = 16 << 10;

/// Minimum length of a signature: enough for the form of a RIFF file and the brand of an MP4 file.
const SIGNATURE: usize = 16;

/// Minimum length of Ogg: a page header and the name of its codec.
const OGG_PAGE: usize = 64;

/// Minimum length of a stream without a signature: five packets of a transport stream at any
/// alignment. Fewer bytes may be frames within a packet.
const SYNCHRONISED: usize = 1280;

/// Detects the format of a source that begins with `content`; `is_whole` is true if that is all of
/// it.
///
/// `None` requests more bytes; [`LONGEST_START`] of them always give a result. Leading ID3v2 tags
/// must be removed.
pub(super) fn detect(content: &[u8], is_whole: bool) -> Option<DetectedFormat> {
    let is_whole = is_whole || content.len() >= LONGEST_START;
    if content.len() < SIGNATURE && !is_whole {
        return None;
    }
    if let Some(unsupported) = signatures::unsupported(content) {
        return Some(DetectedFormat::Unsupported(unsupported));
    }
    if let Some(kind) = signatures::container(content) {
        return match kind {
            DetectedFormat::Ogg if content.len() < OGG_PAGE && !is_whole => None,
            DetectedFormat::Ogg => Some(
                first_packet(content).and_then(codec_names::of_ogg).map_or(kind, DetectedFormat::Unsupported),
            ),
            // The list of tracks is needed for messages.
            DetectedFormat::Matroska if !is_whole && !has_cluster(content) => None,
            kind => Some(kind),
        };
    }
    if let Some(unsupported) = text::unsupported(content, is_whole) {
        return Some(DetectedFormat::Unsupported(unsupported));
    }
    // Frames of digital silence are short, and their checksums are unambiguous.
    if flac::holds_frame(content) {
        return Some(DetectedFormat::Flac);
    }
    if content.len() < SYNCHRONISED && !is_whole {
        return None;
    }
    if sync::is_transport_stream(content) {
        return Some(DetectedFormat::Unsupported(Unsupported::audio("an MPEG transport stream (MPEG-TS)")));
    }
    elementary::kind(content, is_whole).or(is_whole.then_some(DetectedFormat::Other))
}

/// Length of the ID3v2 tag at the start of `first`; 0 without one (id3.org, ID3v2.4.0, 3.1).
pub(super) fn id3v2_length(first: &[u8]) -> usize {
    match first.first_chunk::<10>() {
        Some(&[b'I', b'D', b'3', major, _, flags, a, b, c, d])
            if major != 0xff && (a | b | c | d) & 0x80 == 0 =>
        {
            let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
            let footer = if flags & 0x10 != 0 { 10 } else { 0 };
            10 + size + footer
        }
        _ => 0,
    }
}

/// Codec of the first audio track of a source that begins with `content`, if no demuxer knows it.
///
/// `formats` are the sample entries of an MP4 file.
pub(super) fn unknown_codec(content: &[u8], formats: &[[u8; 4]]) -> Option<Unsupported> {
    /// Sample entries known to the demuxers.
    const KNOWN: [&[u8; 4]; 18] = [
        b"mp4a", b"alac", b"fLaC", b"Opus", b".mp3", b"lpcm", b"ipcm", b"fpcm", b"raw ", b"sowt", b"twos",
        b"in24", b"in32", b"fl32", b"fl64", b"ulaw", b"alaw", b"wave",
    ];
    if let Some(format) = formats.first() {
        let unknown = || format!("`{}` in MP4", format.escape_ascii()).into();
        let name = codec_names::of_sample_entry(*format);
        return name.or_else(|| (!KNOWN.contains(&format)).then(unknown));
    }
    if let Some(packet) = first_packet(content)
        && packet.starts_with(b"OpusHead")
        && packet.get(18).is_some_and(|family| *family > 1)
    {
        return Some(Unsupported::audio("Opus of a channel mapping that is not supported"));
    }
    matroska_codec(content)
}

/// Codec of the first audio track of a Matroska file that begins with `content`.
fn matroska_codec(content: &[u8]) -> Option<Unsupported> {
    if !content.starts_with(&matroska::SIGNATURE) {
        return None;
    }
    // Element CodecID (RFC 9559, section 5.1.4.1.21) of an audio track.
    let is_codec_id = |window: &[u8]| window[0] == 0x86 && window[1] & 0xc0 == 0x80 && &window[2..] == b"A_";
    let at = content.windows(4).position(is_codec_id)?;
    let length = usize::from(content[at + 1] & 0x3f);
    let id = str::from_utf8(content.get(at + 2..at + 2 + length)?).ok()?;
    Some(codec_names::of_matroska(id.trim_end_matches('\0')))
}

/// First packet of the first logical Ogg stream (RFC 3533, section 6).
fn first_packet(content: &[u8]) -> Option<&[u8]> {
    /// Length of a page header before its segment table, in bytes.
    const PAGE: usize = 27;
    let packet = PAGE + usize::from(*content.get(PAGE - 1)?);
    content.starts_with(b"OggS").then_some(content.get(packet..)?)
}

/// Returns true once the first cluster of Matroska begins (RFC 9559, section 5.1.3).
fn has_cluster(content: &[u8]) -> bool {
    content.windows(4).any(|window| window == b"\x1f\x43\xb6\x75")
}

#[cfg(test)]
mod tests;
