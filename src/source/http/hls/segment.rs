//! What is in a segment: a stream of ADTS or MPEG audio, however it is wrapped.

use super::fmp4::{self, Track};
use super::id3;
use super::mpeg;
use super::ts::{Demuxer, PACKET, Piece};

/// Why a segment brings no sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// This one is no use; the next may be.
    Damaged(String),
    /// It is of a kind that is not decoded, and so will the next be.
    Refused(String),
}

/// What a segment held.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// In order; at least one that is not empty.
    pub pieces: Vec<Piece>,
    /// What it says is played.
    pub title: Option<String>,
    /// Pieces of it that were missing or damaged.
    pub damaged: u64,
}

/// Unwraps one segment after another.
#[derive(Debug, Default)]
pub struct Unpacker {
    wrapping: Wrapping,
    /// Whether the next sound is of another kind than the last.
    changed: bool,
}

#[derive(Debug, Default)]
enum Wrapping {
    #[default]
    Unknown,
    Transport(Box<Demuxer>),
    /// What the initialisation segment says.
    Mp4(Track),
    /// None: frames one after another.
    Packed(Packed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packed {
    Adts,
    Mpeg,
}

impl Unpacker {
    /// What follows does not go on where the last segment ended.
    pub fn reset(&mut self) {
        if let Wrapping::Transport(_) = self.wrapping {
            self.wrapping = Wrapping::Unknown;
        }
    }

    /// Takes in what has to be read before the segments (`EXT-X-MAP`).
    ///
    /// # Errors
    /// When it announces nothing that can be decoded.
    pub fn begin(&mut self, init: &[u8]) -> Result<(), Trouble> {
        if is_transport(init) {
            let mut demuxer = Box::<Demuxer>::default();
            demuxer.segment(init);
            self.turn(|now| matches!(now, Wrapping::Transport(_)), || Wrapping::Unknown);
            self.wrapping = Wrapping::Transport(demuxer);
            return Ok(());
        }
        if !is_mp4(init) {
            return Err(Trouble::Damaged(format!("an initialisation segment that is none: {}", seems(init))));
        }
        let track = fmp4::track(init).map_err(Trouble::Refused)?;
        self.turn(|now| matches!(now, Wrapping::Mp4(now) if *now == track), || Wrapping::Mp4(track.clone()));
        Ok(())
    }

    /// Unwraps a segment.
    ///
    /// # Errors
    /// When there is no sound in it that can be decoded.
    pub fn unpack(&mut self, bytes: &[u8]) -> Result<Unpacked, Trouble> {
        let nothing = |what: &str| Err(Trouble::Damaged(what.to_owned()));
        let mut found = Unpacked::default();
        if is_transport(bytes) {
            self.turn(|now| matches!(now, Wrapping::Transport(_)), || Wrapping::Transport(Box::default()));
            let Wrapping::Transport(demuxer) = &mut self.wrapping else { return nothing("no sound") };
            let demuxed = demuxer.segment(bytes);
            if let Some(what) = demuxer.refusal() {
                return Err(Trouble::Refused(what.to_owned()));
            }
            found = Unpacked { pieces: demuxed.pieces, title: demuxed.title, damaged: demuxed.lost };
        } else if is_mp4(bytes) {
            if fmp4::has_movie(bytes) {
                // A segment that brings its own initialisation.
                self.begin(bytes)?;
            }
            let Wrapping::Mp4(track) = &self.wrapping else {
                return nothing("MP4 without an initialisation segment");
            };
            let (bytes, damaged) = track.frames(bytes).map_err(|what| Trouble::Damaged(what.to_owned()))?;
            found.damaged = damaged;
            found.pieces.push(Piece { bytes, broken: false });
        } else {
            let (stream, title) = id3::split(bytes);
            let Some(packed) = packed(stream) else {
                return match stream {
                    [0x0b, 0x77, ..] => Err(Trouble::Refused("AC-3".into())),
                    _ => nothing(&format!("no sound in it: {}", seems(stream))),
                };
            };
            let is_same = |now: &Wrapping| matches!(now, Wrapping::Packed(now) if *now == packed);
            self.turn(is_same, || Wrapping::Packed(packed));
            found.title = title;
            let stream = mpeg::without_description(stream);
            found.pieces.push(Piece { bytes: stream.to_vec(), broken: false });
        }
        found.pieces.retain(|piece| !piece.bytes.is_empty());
        let Some(first) = found.pieces.first_mut() else { return nothing("no sound in it") };
        first.broken |= std::mem::take(&mut self.changed);
        Ok(found)
    }

    /// Turns to another wrapping where it is not that `already`.
    fn turn(&mut self, already: impl Fn(&Wrapping) -> bool, other: impl FnOnce() -> Wrapping) {
        if !already(&self.wrapping) {
            let before = std::mem::replace(&mut self.wrapping, other());
            self.changed |= !matches!(before, Wrapping::Unknown);
        }
    }
}

/// Whether packets follow each other; one in four may be damaged.
fn is_transport(bytes: &[u8]) -> bool {
    bytes.len() >= PACKET && {
        let first = bytes.chunks_exact(PACKET).take(8);
        let (count, right) =
            first.fold((0, 0), |(count, right), packet| (count + 1, right + i32::from(packet[0] == 0x47)));
        right * 4 >= count * 3
    }
}

fn is_mp4(bytes: &[u8]) -> bool {
    const KINDS: [&[u8; 4]; 8] = [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"emsg", b"prft", b"free"];
    bytes.get(4..8).is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
}

/// What frames without a wrapping are.
fn packed(bytes: &[u8]) -> Option<Packed> {
    match bytes {
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some(Packed::Adts),
        [0xff, second, third, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0 && third >> 4 != 15 => {
            Some(Packed::Mpeg)
        }
        _ => None,
    }
}

/// What people may recognise it by.
fn seems(bytes: &[u8]) -> String {
    match bytes {
        [] => "it is empty".into(),
        bytes => format!("it begins with `{}`", bytes[..bytes.len().min(8)].escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            (found.pieces[0].bytes.clone(), found.pieces[0].broken, found.title)
        };
        assert_eq!(unpack(&[TAG, &ADTS].concat()), (ADTS.to_vec(), false, Some("Song".into())));
        assert_eq!(unpack(&ADTS), (ADTS.to_vec(), false, None));
        assert_eq!(unpack(&MP3), (MP3.to_vec(), true, None));
        assert_eq!(unpack(&MP3), (MP3.to_vec(), false, None));
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
        /// Whatever comes: no panic, and no more of it than was sent.
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
