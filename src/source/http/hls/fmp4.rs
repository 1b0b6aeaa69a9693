//! Audio of fragmented MP4 (ISO/IEC 14496-12), as an ADTS or MPEG audio stream.
//!
//! The demuxer for files keeps state for every fragment and expects interleaved video and audio. A
//! stream that runs for weeks needs neither.

use super::frames;
use crate::source::decode::{adts, core_config};

/// Maximum frame size in ADTS, in bytes.
const MAX_FRAME: usize = 8191 - adts::HEAD;

/// Maximum number of samples accepted per segment.
const MAX_SAMPLES: u32 = 100_000;

/// Maximum size of a segment's audio relative to the segment, frame headers included.
const MAX_GROWTH: usize = 3;

/// Path of nested boxes to the sample entries.
const PATH_TO_ENTRIES: [&[u8; 4]; 4] = [b"mdia", b"minf", b"stbl", b"stsd"];

/// Audio track, as described by an initialisation segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mp4AudioTrack {
    id: u32,
    /// Default sample size in bytes, for fragments that state none.
    size: u32,
    codec: Mp4Codec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mp4Codec {
    /// AAC-LC, or the core of HE-AAC, with its ADTS parameters.
    Aac { rate: u8, channels: u8 },
    /// Self-contained frames.
    Mpeg,
}

/// Returns true if a segment contains its own initialisation.
pub(super) fn has_movie(segment: &[u8]) -> bool {
    find(segment, b"moov").is_some()
}

/// Parses an initialisation segment.
///
/// # Errors
/// Name of the content if none of its audio can be decoded.
pub(super) fn track(init: &[u8]) -> Result<Mp4AudioTrack, String> {
    let movie = find(init, b"moov").ok_or("an initialisation segment without `moov`")?;
    let mut other = None;
    for trak in boxes(movie).filter(|found| found.kind == *b"trak") {
        let handler = find(trak.content, b"mdia").and_then(|mdia| find(mdia, b"hdlr"));
        if handler.and_then(|handler| handler.get(8..12)) != Some(b"soun") {
            continue;
        }
        match sound(trak.content) {
            Ok((id, codec)) => {
                let defaults = find(movie, b"mvex")
                    .into_iter()
                    .flat_map(boxes)
                    .find(|found| found.kind == *b"trex" && word(found.content, 4) == Some(id));
                let size = defaults.and_then(|trex| word(trex.content, 16)).unwrap_or(0);
                return Ok(Mp4AudioTrack { id, size, codec });
            }
            Err(what) => other = Some(what),
        }
    }
    Err(other.unwrap_or_else(|| "no audio".into()))
}

/// Number and codec of an audio track.
fn sound(trak: &[u8]) -> Result<(u32, Mp4Codec), String> {
    let malformed = || "a malformed audio description".to_owned();
    let header = find(trak, b"tkhd").ok_or_else(malformed)?;
    let id = word(header, if header.first() == Some(&1) { 20 } else { 12 }).ok_or_else(malformed)?;
    let entries = PATH_TO_ENTRIES.iter().try_fold(trak, |at, kind| find(at, kind)).ok_or_else(malformed)?;
    let entry = entries.get(8..).and_then(|entries| boxes(entries).next()).ok_or_else(malformed)?;
    match &entry.kind {
        b"mp4a" => {}
        b"enca" => return Err("encrypted audio".into()),
        b"ac-3" => return Err("AC-3".into()),
        b"ec-3" => return Err("E-AC-3".into()),
        kind => return Err(format!("`{}`", kind.escape_ascii())),
    }
    // QuickTime has longer entries of versions 1 and 2.
    let fixed = match entry.content.get(8..10) {
        Some([0, 1]) => 44,
        Some([0, 2]) => 64,
        _ => 28,
    };
    let children = entry.content.get(fixed..).ok_or_else(malformed)?;
    let stream = find(children, b"esds").or_else(|| find(find(children, b"wave")?, b"esds"));
    let (object, config) = stream.and_then(|esds| described(esds.get(4..)?)).ok_or_else(malformed)?;
    match object {
        0x69 | 0x6b => Ok((id, Mp4Codec::Mpeg)),
        0x40 | 0x67 => {
            // Five bits of object type, four of rate, four of channels.
            let bits = u16::from_be_bytes(core_config(config)?);
            Ok((id, Mp4Codec::Aac { rate: (bits >> 7 & 15) as u8, channels: (bits >> 3 & 15) as u8 }))
        }
        other => Err(format!("audio of MPEG-4 object type {other:#04x}")),
    }
}

/// Object type and decoder configuration of an elementary stream descriptor (ISO/IEC 14496-1,
/// 7.2.6).
fn described(descriptor: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, stream, _) = one(descriptor)?;
    let flags = *stream.get(2)?;
    let mut at = 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*stream.get(at)?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    let (decoder_tag, decoder, _) = one(stream.get(at..)?)?;
    if (tag, decoder_tag) != (3, 4) {
        return None;
    }
    let object = *decoder.first()?;
    let config =
        one(decoder.get(13..)?).filter(|(tag, ..)| *tag == 5).map_or(&[][..], |(_, config, _)| config);
    Some((object, config))
}

/// Tag and content of a descriptor, and the bytes after it.
fn one(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        length = length << 7 | usize::from(byte & 0x7f);
        rest = after;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some((tag, rest.get(..length)?, &rest[length..]))
}

impl Mp4AudioTrack {
    /// Codec of the extracted frames.
    pub(super) fn codec(&self) -> frames::FrameCodec {
        match self.codec {
            Mp4Codec::Aac { .. } => frames::FrameCodec::Adts,
            Mp4Codec::Mpeg => frames::FrameCodec::Mpeg,
        }
    }

    /// Extracts the audio of a segment; also returns the number of missing or invalid samples.
    ///
    /// # Errors
    /// The segment holds no fragment.
    pub(super) fn frames(&self, segment: &[u8]) -> Result<(Vec<u8>, u64), &'static str> {
        let mut found = SegmentFrames { segment, stream: Vec::new(), samples: 0, damaged: 0 };
        let mut fragments = 0;
        for fragment in boxes(segment).filter(|found| found.kind == *b"moof") {
            fragments += 1;
            // Default data position of a track: after the data of the previous track.
            let mut end = fragment.start;
            for traf in boxes(fragment.content).filter(|found| found.kind == *b"traf") {
                if self.track_fragment(fragment.start, &mut end, traf.content, &mut found).is_none() {
                    found.damaged += 1;
                }
            }
        }
        match fragments {
            0 => Err("it holds no MP4 fragment"),
            _ => Ok((found.stream, found.damaged)),
        }
    }

    /// Adds the samples of one `traf`; `None` if it is malformed.
    fn track_fragment(
        &self,
        start: usize,
        end: &mut usize,
        traf: &[u8],
        found: &mut SegmentFrames,
    ) -> Option<()> {
        let header = find(traf, b"tfhd")?;
        let flags = word(header, 0)?;
        let is_ours = word(header, 4)? == self.id;
        let mut fields = FieldReader { bytes: header.get(8..)? };
        let stated = if flags & 0x1 != 0 { Some(fields.wide()?) } else { None };
        fields.skip_if(flags & 0x2)?;
        fields.skip_if(flags & 0x8)?;
        let size = if flags & 0x10 != 0 { fields.word()? } else { self.size };
        let base = match stated {
            // The stated offset counts from the start of the resource, of which the segment may be
            // a part, so it is ignored.
            Some(_) => start,
            None if flags & 0x2_0000 != 0 => start,
            None => *end,
        };
        let mut at = base;
        for run in boxes(traf).filter(|found| found.kind == *b"trun") {
            let flags = word(run.content, 0)?;
            let count = word(run.content, 4)?;
            found.samples = found.samples.checked_add(count).filter(|samples| *samples <= MAX_SAMPLES)?;
            let mut fields = FieldReader { bytes: run.content.get(8..)? };
            if flags & 0x1 != 0 {
                at = base.checked_add_signed(fields.word()? as i32 as isize)?;
            }
            fields.skip_if(flags & 0x4)?;
            for _ in 0..count {
                fields.skip_if(flags & 0x100)?;
                let size = if flags & 0x200 != 0 { fields.word()? } else { size } as usize;
                fields.skip_if(flags & 0x400)?;
                fields.skip_if(flags & 0x800)?;
                if is_ours {
                    if found.stream.len().saturating_add(size) > MAX_GROWTH * found.segment.len() {
                        return None;
                    }
                    let sample = found.segment.get(at..at.checked_add(size)?);
                    let is_whole = sample.is_some_and(|sample| self.add(sample, &mut found.stream));
                    found.damaged += u64::from(!is_whole);
                }
                at = at.checked_add(size)?;
            }
        }
        *end = at;
        Some(())
    }

    /// Adds a frame; returns false if it is invalid.
    fn add(&self, frame: &[u8], stream: &mut Vec<u8>) -> bool {
        if let Mp4Codec::Aac { rate, channels } = self.codec {
            if frame.is_empty() || frame.len() > MAX_FRAME {
                return false;
            }
            let channels = frame_channels(frame[0], channels);
            let length = (frame.len() + adts::HEAD) as u32;
            // MPEG-4 without checksum, AAC-LC, one raw data block.
            let head: u64 = 0xfff1 << 40
                | 1 << 38
                | u64::from(rate) << 34
                | u64::from(channels) << 30
                | u64::from(length) << 13
                | 0x7ff << 2;
            stream.extend_from_slice(&head.to_be_bytes()[1..]);
        }
        stream.extend_from_slice(frame);
        true
    }
}

/// Channels of an AAC frame that begins with `first`, if the initialisation states `stated`.
///
/// The first element of a frame distinguishes mono from stereo (ISO/IEC 14496-3, 4.4.2.1). A
/// restarted encoder may have replaced the initialisation of its older segments.
fn frame_channels(first: u8, stated: u8) -> u8 {
    match (stated, first >> 5) {
        (1 | 2, 0) => 1,
        (1 | 2, 1) => 2,
        _ => stated,
    }
}

/// Audio extracted from a segment.
struct SegmentFrames<'a> {
    segment: &'a [u8],
    stream: Vec<u8>,
    samples: u32,
    damaged: u64,
}

/// Reader of consecutive fields.
struct FieldReader<'a> {
    bytes: &'a [u8],
}

impl FieldReader<'_> {
    fn word(&mut self) -> Option<u32> {
        let (head, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(u32::from_be_bytes(*head))
    }

    fn wide(&mut self) -> Option<u64> {
        Some(u64::from(self.word()?) << 32 | u64::from(self.word()?))
    }

    fn skip_if(&mut self, flag: u32) -> Option<()> {
        if flag != 0 {
            self.word()?;
        }
        Some(())
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    FieldReader { bytes: bytes.get(at..)? }.word()
}

/// MP4 box.
struct Mp4Box<'a> {
    kind: [u8; 4],
    content: &'a [u8],
    /// Offset of its header.
    start: usize,
}

fn find<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(data).find(|found| found.kind == *kind).map(|found| found.content)
}

/// Boxes in `data`, up to the first malformed or truncated one.
fn boxes(data: &[u8]) -> impl Iterator<Item = Mp4Box<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = data.get(at..)?;
        let (head, _) = rest.split_first_chunk::<8>()?;
        let (size, begins) = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            0 => (rest.len(), 8),
            1 => (usize::try_from(FieldReader { bytes: rest.get(8..)? }.wide()?).ok()?, 16),
            size => (size as usize, 8),
        };
        let content = rest.get(begins..size)?;
        let found = Mp4Box { kind: [head[4], head[5], head[6], head[7]], content, start: at };
        at += size;
        Some(found)
    })
}

#[cfg(test)]
mod tests;
