//! Unpacks a segment of any container into an ADTS or MPEG audio stream.
//!
//! Bare frames may be cut anywhere between segments; the byte stream continues.

use super::fmp4::{self, Track};
use super::frames::{self, Codec};
use super::id3;
use super::mpeg;
use super::ts::{self, Demuxer, Piece};

/// Reason why a segment yields no audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// This segment is unusable; the next one may be usable.
    Damaged(String),
    /// The format is not decoded, so the following segments are unusable too.
    Refused(String),
}

/// Audio of a segment.
#[derive(Debug)]
pub struct Unpacked {
    /// Chunks in order; at least one, none empty.
    pub pieces: Vec<Piece>,
    /// Codec of all chunks.
    pub codec: Codec,
    /// True if codec or format differ from the audio before, so that a new decoder is needed.
    pub changed: bool,
    /// Title stated by the segment.
    pub title: Option<String>,
    /// Number of missing or damaged parts.
    pub damaged: u64,
}

/// Unpacker of consecutive segments.
#[derive(Debug, Default)]
pub struct Unpacker {
    wrapping: Wrapping,
    /// Codec of the previous segment.
    codec: Option<Codec>,
    /// Parameters of MPEG audio at the start of a segment.
    described: Option<u32>,
    /// True if the next segment does not continue a frame.
    is_apart: bool,
}

#[derive(Debug, Default)]
enum Wrapping {
    #[default]
    Unknown,
    Transport(Box<Demuxer>),
    /// Track described by the initialisation segment.
    Mp4(Track),
    /// Bare frames.
    Packed(Codec),
}

/// Audio of one segment according to its container.
struct Found {
    pieces: Vec<Piece>,
    codec: Codec,
    title: Option<String>,
    damaged: u64,
}

impl Unpacker {
    /// Prepares for a segment that follows a loss.
    pub fn reset(&mut self) {
        self.is_apart = true;
        if let Wrapping::Transport(demuxer) = &mut self.wrapping {
            demuxer.renew();
            demuxer.drop_partial();
        }
    }

    /// Prepares for an announced change of format (`EXT-X-DISCONTINUITY`, RFC 8216, 4.3.2.3);
    /// nothing is missing.
    pub fn announce_change(&mut self) {
        if let Wrapping::Transport(demuxer) = &mut self.wrapping {
            demuxer.renew();
        }
    }

    /// Applies an initialisation segment (`EXT-X-MAP`).
    ///
    /// # Errors
    /// It describes nothing that can be decoded.
    pub fn begin(&mut self, init: &[u8]) -> Result<(), Trouble> {
        if ts::is_transport(init) {
            let mut demuxer = Box::<Demuxer>::default();
            demuxer.segment(init);
            self.wrapping = Wrapping::Transport(demuxer);
            return Ok(());
        }
        if !is_mp4(init) {
            return Err(Trouble::Damaged(format!("an initialisation segment that is none: {}", seems(init))));
        }
        self.wrapping = Wrapping::Mp4(fmp4::track(init).map_err(Trouble::Refused)?);
        Ok(())
    }

    /// Unpacks a segment.
    ///
    /// # Errors
    /// It holds no audio that can be decoded.
    pub fn unpack(&mut self, bytes: &[u8]) -> Result<Unpacked, Trouble> {
        let mut found = self.find(bytes)?;
        found.pieces.retain(|piece| !piece.bytes.is_empty());
        let Some(first) = found.pieces.first() else {
            return Err(Trouble::Damaged("no sound in it".into()));
        };
        let mut changed = self.codec.is_some_and(|codec| codec != found.codec);
        // ADTS needs no new decoder: each frame states its parameters.
        let described = mpeg::description(&first.bytes).filter(|_| found.codec == Codec::Mpeg);
        changed |= described.is_some_and(|now| self.described.is_some_and(|before| before != now));
        (self.codec, self.is_apart) = (Some(found.codec), false);
        self.described = match found.codec {
            Codec::Mpeg => described.or(self.described),
            Codec::Adts => None,
        };
        let Found { pieces, codec, title, damaged } = found;
        Ok(Unpacked { pieces, codec, changed, title, damaged })
    }

    fn find(&mut self, bytes: &[u8]) -> Result<Found, Trouble> {
        let nothing = |what: &str| Err(Trouble::Damaged(what.to_owned()));
        let is_inside = match &self.wrapping {
            Wrapping::Transport(demuxer) => demuxer.continues_in(bytes) || ts::is_transport_within(bytes),
            _ => false,
        };
        if ts::is_transport(bytes) || is_inside {
            if !matches!(self.wrapping, Wrapping::Transport(_)) {
                self.wrapping = Wrapping::Transport(Box::default());
            }
            let Wrapping::Transport(demuxer) = &mut self.wrapping else { return nothing("no sound") };
            let demuxed = demuxer.segment(bytes);
            if let Some(what) = demuxer.refusal() {
                return Err(Trouble::Refused(what.to_owned()));
            }
            let codec = demuxer.codec().unwrap_or(Codec::Adts);
            return Ok(Found { pieces: demuxed.pieces, codec, title: demuxed.title, damaged: demuxed.lost });
        }
        if is_mp4(bytes) {
            if fmp4::has_movie(bytes) {
                // The segment contains its own initialisation.
                self.begin(bytes)?;
            }
            let Wrapping::Mp4(track) = &self.wrapping else {
                return nothing("MP4 without an initialisation segment");
            };
            let codec = track.codec();
            let (bytes, damaged) = track.frames(bytes).map_err(|what| Trouble::Damaged(what.to_owned()))?;
            let pieces = vec![Piece { bytes, broken: false }];
            return Ok(Found { pieces, codec, title: None, damaged });
        }
        let (stream, title) = id3::split(bytes);
        let Some((at, codec)) = self.packed(stream) else {
            return match stream {
                [0x0b, 0x77, ..] => Err(Trouble::Refused("AC-3".into())),
                _ if !matches!(self.wrapping, Wrapping::Transport(_)) && ts::is_transport_within(stream) => {
                    // A segment that is cut within a packet.
                    self.wrapping = Wrapping::Transport(Box::default());
                    self.find(stream)
                }
                _ => nothing(&format!("no sound in it: {}", seems(stream))),
            };
        };
        self.wrapping = Wrapping::Packed(codec);
        let stream = match codec {
            Codec::Mpeg => mpeg::without_description(&stream[at..]),
            Codec::Adts => &stream[at..],
        };
        let pieces = vec![Piece { bytes: stream.to_vec(), broken: false }];
        Ok(Found { pieces, codec, title, damaged: 0 })
    }

    /// Codec of bare frames, and the offset in `stream` at which usable ones begin.
    fn packed(&self, stream: &[u8]) -> Option<(usize, Codec)> {
        /// Length below which a segment may hold part of a frame only.
        const SHORT: usize = 4096;
        if let Some(codec) = frames::at_start(stream) {
            return Some((0, codec));
        }
        let known = match self.wrapping {
            Wrapping::Packed(codec) => Some(codec),
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
        let mut unpacker = Unpacker::default();
        let mut unpack = |bytes: &[u8]| {
            let found = unpacker.unpack(bytes).unwrap();
            assert_eq!(found.pieces.len(), 1);
            (found.pieces[0].bytes.clone(), found.changed, found.title)
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
            let mut unpacker = Unpacker::default();
            let mut all = Vec::new();
            for part in parts {
                let found = unpacker.unpack(&[tag, part].concat()).unwrap();
                assert!(!found.changed && found.codec == Codec::Adts);
                all.extend_from_slice(&found.pieces[0].bytes);
            }
            assert_eq!(all, stream);
            // An HTML page in between is skipped; after a loss, the next complete frame follows.
            let page = "<html>".repeat(100);
            assert!(matches!(unpacker.unpack(page.as_bytes()), Err(Trouble::Damaged(_))));
            unpacker.reset();
            assert_eq!(
                unpacker.unpack(&[tag, &stream[90..]].concat()).unwrap().pieces[0].bytes,
                stream[120..]
            );
        }
        let mut late = Unpacker::default();
        assert_eq!(late.unpack(parts[1]).unwrap().pieces[0].bytes, stream[120..170]);
        assert_eq!(late.unpack(parts[2]).unwrap().pieces[0].bytes, stream[170..]);
    }

    #[test]
    fn what_holds_no_sound() {
        let check = |bytes: &[u8], expected: Trouble| {
            assert_eq!(Unpacker::default().unpack(bytes).unwrap_err(), expected);
        };
        check(b"", Trouble::Damaged("no sound in it: it is empty".into()));
        check(TAG, Trouble::Damaged("no sound in it: it is empty".into()));
        check(b"#EXTM3U\n#EXT", Trouble::Damaged("no sound in it: it begins with `#EXTM3U\\n`".into()));
        check(&[0x0b, 0x77, 1, 2], Trouble::Refused("AC-3".into()));
        check(b"\0\0\0\x08moof", Trouble::Damaged("MP4 without an initialisation segment".into()));
    }

    proptest! {
        /// No input panics or yields more than was sent.
        #[test]
        fn garbage_is_survived(
            segments in prop::collection::vec((0_usize..6, prop::collection::vec(any::<u8>(), 0..2000)), 1..4),
        ) {
            let mut unpacker = Unpacker::default();
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
                    let sum: usize = found.pieces.iter().map(|piece| piece.bytes.len()).sum();
                    prop_assert!(0 < sum && sum <= bytes.len());
                }
            }
        }
    }
}
