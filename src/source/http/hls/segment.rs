//! Unpacks a segment of any container into an ADTS or MPEG audio stream.
//!
//! Bare frames may be cut anywhere between segments; the byte stream continues.

use super::fmp4::{self, Mp4AudioTrack};
use super::frames::{self, FrameCodec};
use super::id3;
use super::mpeg;
use super::ts::{self, AudioChunk, TsDemuxer};

/// Reason why a segment yields no audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnpackError {
    /// This segment is unusable; the next one may be usable.
    Damaged(String),
    /// The format is not decoded, so the following segments are unusable too.
    Refused(String),
}

/// Audio of a segment.
#[derive(Debug)]
pub struct UnpackedSegment {
    /// Chunks in order; at least one, none empty.
    pub chunks: Vec<AudioChunk>,
    /// True if codec or format differ from the audio before, so that a new decoder is needed.
    pub changed: bool,
    /// Title stated by the segment.
    pub title: Option<String>,
    /// Number of missing or damaged parts.
    pub damaged: u64,
}

/// Unpacker of consecutive segments.
#[derive(Debug, Default)]
pub struct SegmentUnpacker {
    container: SegmentContainer,
    /// Codec of the previous segment.
    codec: Option<FrameCodec>,
    /// Parameters of MPEG audio at the start of a segment.
    described: Option<u32>,
    /// True if the next segment does not continue a frame.
    is_apart: bool,
}

#[derive(Debug, Default)]
enum SegmentContainer {
    #[default]
    Unknown,
    Transport(Box<TsDemuxer>),
    /// Track described by the initialisation segment.
    Mp4(Mp4AudioTrack),
    /// Bare frames.
    Packed(FrameCodec),
}

/// Audio of one segment according to its container.
struct SegmentAudio {
    chunks: Vec<AudioChunk>,
    codec: FrameCodec,
    title: Option<String>,
    damaged: u64,
}

impl SegmentUnpacker {
    /// Prepares for a segment that follows a loss.
    pub fn reset(&mut self) {
        self.is_apart = true;
        if let SegmentContainer::Transport(demuxer) = &mut self.container {
            demuxer.renew();
            demuxer.drop_partial();
        }
    }

    /// Prepares for an announced change of format (`EXT-X-DISCONTINUITY`, RFC 8216, 4.3.2.3);
    /// nothing is missing.
    pub fn announce_change(&mut self) {
        if let SegmentContainer::Transport(demuxer) = &mut self.container {
            demuxer.renew();
        }
    }

    /// Applies an initialisation segment (`EXT-X-MAP`).
    ///
    /// # Errors
    /// It describes nothing that can be decoded.
    pub fn begin(&mut self, init: &[u8]) -> Result<(), UnpackError> {
        if ts::is_transport(init) {
            let mut demuxer = Box::<TsDemuxer>::default();
            demuxer.segment(init);
            self.container = SegmentContainer::Transport(demuxer);
            return Ok(());
        }
        if !is_mp4(init) {
            return Err(UnpackError::Damaged(format!("an invalid initialisation segment: {}", seems(init))));
        }
        self.container = SegmentContainer::Mp4(fmp4::track(init).map_err(UnpackError::Refused)?);
        Ok(())
    }

    /// Unpacks a segment.
    ///
    /// # Errors
    /// It holds no audio that can be decoded.
    pub fn unpack(&mut self, bytes: &[u8]) -> Result<UnpackedSegment, UnpackError> {
        let mut found = self.find(bytes)?;
        found.chunks.retain(|chunk| !chunk.bytes.is_empty());
        let Some(first) = found.chunks.first() else {
            return Err(UnpackError::Damaged("no audio in it".into()));
        };
        let mut changed = self.codec.is_some_and(|codec| codec != found.codec);
        // ADTS needs no new decoder: each frame states its parameters.
        let described = mpeg::description(&first.bytes).filter(|_| found.codec == FrameCodec::Mpeg);
        changed |= described.is_some_and(|now| self.described.is_some_and(|before| before != now));
        (self.codec, self.is_apart) = (Some(found.codec), false);
        self.described = match found.codec {
            FrameCodec::Mpeg => described.or(self.described),
            FrameCodec::Adts => None,
        };
        let SegmentAudio { chunks, title, damaged, .. } = found;
        Ok(UnpackedSegment { chunks, changed, title, damaged })
    }

    fn find(&mut self, bytes: &[u8]) -> Result<SegmentAudio, UnpackError> {
        let nothing = |what: &str| Err(UnpackError::Damaged(what.to_owned()));
        let is_inside = match &self.container {
            SegmentContainer::Transport(demuxer) => {
                demuxer.continues_in(bytes) || ts::is_transport_within(bytes)
            }
            _ => false,
        };
        if ts::is_transport(bytes) || is_inside {
            if !matches!(self.container, SegmentContainer::Transport(_)) {
                self.container = SegmentContainer::Transport(Box::default());
            }
            let SegmentContainer::Transport(demuxer) = &mut self.container else {
                return nothing("no audio");
            };
            let demuxed = demuxer.segment(bytes);
            if let Some(what) = demuxer.refusal() {
                return Err(UnpackError::Refused(what.to_owned()));
            }
            let codec = demuxer.codec().unwrap_or(FrameCodec::Adts);
            return Ok(SegmentAudio {
                chunks: demuxed.chunks,
                codec,
                title: demuxed.title,
                damaged: demuxed.lost,
            });
        }
        if is_mp4(bytes) {
            if fmp4::has_movie(bytes) {
                // The segment contains its own initialisation.
                self.begin(bytes)?;
            }
            let SegmentContainer::Mp4(track) = &self.container else {
                return nothing("MP4 without an initialisation segment");
            };
            let codec = track.codec();
            let (bytes, damaged) =
                track.frames(bytes).map_err(|what| UnpackError::Damaged(what.to_owned()))?;
            let chunks = vec![AudioChunk { bytes, broken: false }];
            return Ok(SegmentAudio { chunks, codec, title: None, damaged });
        }
        let (stream, title) = id3::split(bytes);
        let Some((at, codec)) = self.packed(stream) else {
            return match stream {
                [0x0b, 0x77, ..] => Err(UnpackError::Refused("AC-3".into())),
                _ if !matches!(self.container, SegmentContainer::Transport(_))
                    && ts::is_transport_within(stream) =>
                {
                    // A segment that is cut within a packet.
                    self.container = SegmentContainer::Transport(Box::default());
                    self.find(stream)
                }
                _ => nothing(&format!("no audio in it: {}", seems(stream))),
            };
        };
        self.container = SegmentContainer::Packed(codec);
        let stream = match codec {
            FrameCodec::Mpeg => mpeg::without_description(&stream[at..]),
            FrameCodec::Adts => &stream[at..],
        };
        let chunks = vec![AudioChunk { bytes: stream.to_vec(), broken: false }];
        Ok(SegmentAudio { chunks, codec, title, damaged: 0 })
    }

    /// Codec of bare frames, and the offset in `stream` at which usable ones begin.
    fn packed(&self, stream: &[u8]) -> Option<(usize, FrameCodec)> {
        /// Length below which a segment may hold part of a frame only.
        const SHORT: usize = 4096;
        if let Some(codec) = frames::at_start(stream) {
            return Some((0, codec));
        }
        let known = match self.container {
            SegmentContainer::Packed(codec) => Some(codec),
            _ => None,
        };
        match known {
            // Middle of a frame that began in the previous segment.
            Some(codec) if !self.is_apart => {
                let is_text = stream.iter().all(|byte| byte.is_ascii());
                let goes_on = frames::first(stream, known).is_some() || (stream.len() < SHORT && !is_text);
                goes_on.then_some((0, codec))
            }
            _ => frames::first(stream, None),
        }
    }
}

fn is_mp4(bytes: &[u8]) -> bool {
    const KINDS: [&[u8; 4]; 8] = [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"emsg", b"prft", b"free"];
    bytes.get(4..8).is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
}

/// First bytes, for messages.
fn seems(bytes: &[u8]) -> String {
    match bytes {
        [] => "it is empty".into(),
        bytes => format!("it begins with `{}`", bytes[..bytes.len().min(8)].escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ts::PACKET;
    use super::*;

    const ADTS: [u8; 8] = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0];
    const MP3: [u8; 8] = [0xff, 0xfb, 0x90, 0x64, 0, 0, 0, 0];
    const TAG: &[u8] = b"ID3\x04\0\0\0\0\0\x10TIT2\0\0\0\x05\0\0\x03Song\0";

    #[test]
    fn packed_sound_loses_its_tags() {
        let mut unpacker = SegmentUnpacker::default();
        let mut unpack = |bytes: &[u8]| {
            let found = unpacker.unpack(bytes).unwrap();
            assert_eq!(found.chunks.len(), 1);
            (found.chunks[0].bytes.clone(), found.changed, found.title)
        };
        assert_eq!(unpack(&[TAG, &ADTS].concat()), (ADTS.to_vec(), false, Some("Song".into())));
        assert_eq!(unpack(&ADTS), (ADTS.to_vec(), false, None));
        assert_eq!(unpack(&MP3), (MP3.to_vec(), true, None));
        assert_eq!(unpack(&MP3), (MP3.to_vec(), false, None));
    }

    /// Frames of 40 bytes, cut within, with a tag before each segment or without.
    #[test]
    fn frames_go_on_from_segment_to_segment() {
        let stream: Vec<u8> = (1..8)
            .flat_map(|fill| [&[0xff, 0xf1, 0x50, 0x80, 0x05, 0x1f, 0xfc][..], &[fill; 33]].concat())
            .collect();
        let parts = [&stream[..100], &stream[100..170], &stream[170..]];
        for tag in [TAG, &[]] {
            let mut unpacker = SegmentUnpacker::default();
            let mut all = Vec::new();
            for part in parts {
                let found = unpacker.unpack(&[tag, part].concat()).unwrap();
                assert!(!found.changed && unpacker.codec == Some(FrameCodec::Adts));
                all.extend_from_slice(&found.chunks[0].bytes);
            }
            assert_eq!(all, stream);
            // An HTML page in between is skipped; after a loss, the next complete frame follows.
            let page = "<html>".repeat(100);
            assert!(matches!(unpacker.unpack(page.as_bytes()), Err(UnpackError::Damaged(_))));
            unpacker.reset();
            assert_eq!(
                unpacker.unpack(&[tag, &stream[90..]].concat()).unwrap().chunks[0].bytes,
                stream[120..]
            );
        }
        let mut late = SegmentUnpacker::default();
        assert_eq!(late.unpack(parts[1]).unwrap().chunks[0].bytes, stream[120..170]);
        assert_eq!(late.unpack(parts[2]).unwrap().chunks[0].bytes, stream[170..]);
    }

    #[test]
    fn what_holds_no_sound() {
        let check = |bytes: &[u8], expected: UnpackError| {
            assert_eq!(SegmentUnpacker::default().unpack(bytes).unwrap_err(), expected);
        };
        check(b"", UnpackError::Damaged("no audio in it: it is empty".into()));
        check(TAG, UnpackError::Damaged("no audio in it: it is empty".into()));
        check(b"#EXTM3U\n#EXT", UnpackError::Damaged("no audio in it: it begins with `#EXTM3U\\n`".into()));
        check(&[0x0b, 0x77, 1, 2], UnpackError::Refused("AC-3".into()));
        check(b"\0\0\0\x08moof", UnpackError::Damaged("MP4 without an initialisation segment".into()));
    }

    proptest! {
        /// No input panics or yields more than was sent.
        #[test]
        fn garbage_is_survived(
            segments in prop::collection::vec((0_usize..6, prop::collection::vec(any::<u8>(), 0..2000)), 1..4),
        ) {
            let mut unpacker = SegmentUnpacker::default();
            for (kind, mut bytes) in segments {
                match kind {
                    0 => bytes.splice(0..0, TAG.iter().copied()).for_each(drop),
                    1 => bytes.splice(0..0, ADTS).for_each(drop),
                    2 => bytes.splice(0..0, *b"\0\0\0\x10styp........").for_each(drop),
                    3 => drop(unpacker.begin(&bytes)),
                    4 => bytes.chunks_mut(PACKET).for_each(|packet| packet[0] = 0x47),
                    _ => {}
                }
                if let Ok(found) = unpacker.unpack(&bytes) {
                    let sum: usize = found.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
                    prop_assert!(0 < sum && sum <= bytes.len());
                }
            }
        }
    }
}
