//! AAC streams whose frame parameters change.
//!
//! Server-side redirects to another mount change rate or channel count on the same connection. A
//! decoder keeps the parameters of its first frame, so each decoder gets one section of frames with
//! equal parameters.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Length of a frame header without a checksum (ISO/IEC 13818-7, section 6.2), in bytes.
pub(in crate::source) const HEAD: usize = 7;
/// Bytes per read.
const PIECE: usize = 4096;

/// Stream split where its frame parameters change.
pub struct AdtsSections<R> {
    inner: R,
    /// Bytes read, of which the first `cleared` belong to the current section.
    buffer: Vec<u8>,
    cleared: usize,
    /// Parameters of the current section; `None` before its first frame.
    parameters: Option<AdtsParameters>,
    /// True if the last frame ended at `cleared`.
    is_synchronised: bool,
    /// True if another section begins at `cleared`.
    changed: bool,
    ended: bool,
}

/// Profile, rate and channels: the header bits that are constant within a section.
pub(in crate::source) type AdtsParameters = [u8; 2];

impl<R: Read> AdtsSections<R> {
    /// Splits `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            cleared: 0,
            parameters: None,
            is_synchronised: false,
            changed: false,
            ended: false,
        }
    }

    /// Begins the next section. Returns false if there is none.
    pub fn begin(&mut self) -> bool {
        self.parameters = self.parameters.filter(|_| !self.changed);
        std::mem::take(&mut self.changed)
    }

    /// Parameters of the current section.
    pub(super) fn current_parameters(&self) -> Option<AdtsParameters> {
        self.parameters.or_else(|| header(self.buffer.get(self.cleared..)?).map(|(parameters, _)| parameters))
    }

    /// Advances `cleared` over the frames of the section.
    fn clear(&mut self) {
        while !self.changed {
            let rest = &self.buffer[self.cleared..];
            let Some((parameters, length)) = header(rest) else {
                if rest.len() < HEAD {
                    break;
                }
                (self.cleared, self.is_synchronised) = (self.cleared + 1, false);
                continue;
            };
            if !(self.is_synchronised && self.parameters == Some(parameters)) {
                // A header counts only if another one with the same parameters follows its frame.
                let Some(next) = rest.get(length..length + HEAD) else { break };
                if header(next).is_none_or(|(next, _)| next != parameters) {
                    (self.cleared, self.is_synchronised) = (self.cleared + 1, false);
                    continue;
                }
                self.is_synchronised = true;
                if *self.parameters.get_or_insert(parameters) != parameters {
                    self.changed = true;
                    break;
                }
            }
            if rest.len() < length {
                break;
            }
            self.cleared += length;
        }
    }
}

impl<R: Read> Read for AdtsSections<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.clear();
        while self.cleared == 0 && !self.changed && !self.ended {
            let before = self.buffer.len();
            self.buffer.resize(before + PIECE, 0);
            let read = self.inner.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
            self.clear();
        }
        if self.ended && !self.changed {
            self.cleared = self.buffer.len();
        }
        let count = self.cleared.min(buffer.len());
        buffer[..count].copy_from_slice(&self.buffer[..count]);
        self.buffer.drain(..count);
        self.cleared -= count;
        Ok(count)
    }
}

/// Parameters of a frame, and its length with the header (ISO/IEC 13818-7, 6.2); `None` if there is
/// no header.
pub(in crate::source) fn header(bytes: &[u8]) -> Option<(AdtsParameters, usize)> {
    let &[0xff, second, third, fourth, fifth, sixth, _, ..] = bytes else { return None };
    // Layer 0 and a known rate.
    if second & 0xf6 != 0xf0 || third >> 2 & 15 > 12 {
        return None;
    }
    let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    // Without the private bit and the bits for original and copyright.
    (length >= HEAD).then_some(([third & 0xfd, fourth & 0xc0], length))
}

/// Reader of one section of a stream that several decoders share.
pub(crate) struct AdtsSection<R>(pub Arc<Mutex<AdtsSections<R>>>);

impl<R: Read> Read for AdtsSection<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read(buffer)
    }
}

/// Locks the stream behind an [`AdtsSection`].
pub(crate) fn lock<R>(sections: &Mutex<AdtsSections<R>>) -> MutexGuard<'_, AdtsSections<R>> {
    sections.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Stereo at 44.1 kHz, and mono at 22.05 kHz.
    const STEREO: [u8; 2] = [0x50, 0x80];
    const MONO: [u8; 2] = [0x5c, 0x40];

    /// Frame of `length` bytes, filled with `fill` after its header.
    fn frame([third, fourth]: [u8; 2], length: usize, fill: u8) -> Vec<u8> {
        let mut frame = vec![fill; length];
        let (high, low) = ((length >> 11) as u8, (length << 5) as u8);
        frame[..HEAD].copy_from_slice(&[
            0xff,
            0xf1,
            third,
            fourth | high,
            (length >> 3) as u8,
            low | 0x1f,
            0xfc,
        ]);
        frame
    }

    fn frames(parameters: [u8; 2], count: usize) -> Vec<u8> {
        (0..count).flat_map(|index| frame(parameters, 100 + 7 * index, index as u8)).collect()
    }

    /// Sections of a stream, read in pieces of `size`.
    fn sections(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
        let (mut sections, mut found) = (AdtsSections::new(bytes), Vec::new());
        loop {
            let (mut section, mut piece) = (Vec::new(), vec![0; size]);
            loop {
                match sections.read(&mut piece).unwrap() {
                    0 => break,
                    count => section.extend_from_slice(&piece[..count]),
                }
            }
            found.push(section);
            if !sections.begin() {
                return found;
            }
        }
    }

    #[test]
    fn runs_end_where_frames_change() {
        let (stereo, mono) = (frames(STEREO, 20), frames(MONO, 20));
        let lengths = |parts: &[&[u8]], size| {
            let (bytes, found) = (parts.concat(), sections(&parts.concat(), size));
            assert!(found.concat() == bytes, "in pieces of {size}");
            found.iter().map(Vec::len).collect::<Vec<_>>()
        };
        let (long, other) = (stereo.len(), mono.len());
        for size in [1, 7, 100, 100_000] {
            assert_eq!(lengths(&[&stereo], size), [long], "one run");
            assert_eq!(lengths(&[&stereo, &mono, &stereo], size), [long, other, long]);
            // Switched from the middle of a frame to the middle of another of 100 bytes; the rests
            // of both belong to the first section.
            let moved = lengths(&[&stereo[..long - 50], &mono[30..]], size);
            assert_eq!(moved, [long - 50 + 70, other - 100]);
            // A single false header is ignored.
            let lure = frame(MONO, 60, 0x55);
            assert_eq!(lengths(&[&stereo, &lure, &stereo], size), [2 * long + 60]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(bytes in prop::collection::vec(prop_oneof![Just(0xff), Just(0xf1), Just(0x50), any::<u8>()], 0..2000), size in 1_usize..300) {
            prop_assert_eq!(sections(&bytes, size).concat(), bytes);
        }
    }
}
