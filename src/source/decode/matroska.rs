//! End padding of Matroska tracks, which the demuxer ignores.
//!
//! `DiscardPadding` (RFC 9559, section 5.1.3.5.7) states the padding of a block. It is extracted
//! from the bytes that the demuxer reads.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use symphonia::core::io::MediaSource;

/// Maximum number of stored paddings per track, and of tracks.
const MAX_KEPT: usize = 256;

/// Maximum length of an element header with the fields after it that are read: the number of a
/// track (8), a timestamp, flags, and a number of frames.
const MAX_HEADER: usize = 12 + 12;

/// Signature of Matroska and WebM.
pub(super) const SIGNATURE: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// Packet numbers with their end padding in nanoseconds.
type PaddedPackets = VecDeque<(u64, u64)>;

/// Padding found per track, shared with the packet reader.
#[derive(Clone, Default)]
pub(super) struct PaddingTable(Arc<Mutex<HashMap<u32, PaddedPackets>>>);

impl PaddingTable {
    /// End padding of packet `number` of `track`, in nanoseconds.
    pub(super) fn after(&self, track: u32, number: u64) -> u64 {
        let mut tracks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = tracks.get_mut(&track) else { return 0 };
        while found.front().is_some_and(|(at, _)| *at < number) {
            found.pop_front();
        }
        match found.front() {
            Some((at, padding)) if *at == number => *padding,
            _ => 0,
        }
    }

    fn add(&self, track: u32, number: u64, padding: u64) {
        let mut tracks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tracks.len() < MAX_KEPT || tracks.contains_key(&track) {
            let found = tracks.entry(track).or_default();
            if found.len() < MAX_KEPT {
                found.push_back((number, padding));
            }
        }
    }
}

/// Pass-through reader that scans its bytes.
pub(super) struct ScanningReader<R> {
    inner: R,
    position: u64,
    scanner: PaddingScanner,
}

impl<R> ScanningReader<R> {
    pub(super) fn new(inner: R) -> (Self, PaddingTable) {
        let scanner = PaddingScanner::default();
        let found = scanner.found.clone();
        (Self { inner, position: 0, scanner }, found)
    }
}

impl<R: Read> Read for ScanningReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.scanner.feed(self.position, &buffer[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for ScanningReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.inner.seek(to)?;
        Ok(self.position)
    }
}

impl<R: MediaSource> MediaSource for ScanningReader<R> {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.inner.byte_len()
    }
}

/// Scanner that follows the elements of a file, for any order of reads.
#[derive(Default)]
struct PaddingScanner {
    /// Offset of the next element.
    next: u64,
    /// Bytes of it read so far.
    header: Vec<u8>,
    /// True if the file is Matroska; `None` before the first element.
    is_matroska: Option<bool>,
    /// Number of frames per track so far.
    frames: HashMap<u32, u64>,
    /// Track of the latest block.
    track: Option<u32>,
    found: PaddingTable,
}

/// Content after an element's header.
enum ElementContent {
    /// Incomplete; more bytes are needed.
    Cut,
    /// Nested elements, which are followed.
    Elements,
    /// Content to skip, of this length.
    Skipped(u64),
}

impl PaddingScanner {
    /// Scans the bytes at `position`.
    fn feed(&mut self, position: u64, bytes: &[u8]) {
        let end = position + bytes.len() as u64;
        while self.is_matroska != Some(false) {
            let wanted = self.next + self.header.len() as u64;
            let Some(at) = wanted.checked_sub(position).filter(|_| wanted < end) else { return };
            let rest = &bytes[at as usize..];
            let kept = self.header.len();
            self.header.extend_from_slice(&rest[..rest.len().min(MAX_HEADER - kept)]);
            let (length, content) = self.element();
            self.next = match content {
                ElementContent::Cut if self.header.len() < MAX_HEADER => return,
                ElementContent::Cut => u64::MAX / 2,
                ElementContent::Elements => self.next + length as u64,
                ElementContent::Skipped(size) => {
                    self.next.saturating_add(length as u64).saturating_add(size).min(u64::MAX / 2)
                }
            };
            self.header.clear();
        }
    }

    /// Length of the current header, and the content after it.
    fn element(&mut self) -> (usize, ElementContent) {
        const CUT: (usize, ElementContent) = (0, ElementContent::Cut);
        let bytes = &self.header[..];
        let Some(id_length) = bytes.first().map(|first| first.leading_zeros() as usize + 1) else {
            return CUT;
        };
        let Some(id) = bytes.get(..id_length) else { return CUT };
        let id = id.iter().fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
        let Some((size, size_length)) = number(&bytes[id_length..]) else { return CUT };
        let length = id_length + size_length;
        let content = &bytes[length..];
        let is_first = self.is_matroska.is_none();
        match id {
            // EBML, Segment, Cluster, BlockGroup.
            0x1a45_dfa3 => self.is_matroska = Some(true),
            _ if is_first => self.is_matroska = Some(false),
            0x1853_8067 | 0x1f43_b675 | 0xa0 => return (length, ElementContent::Elements),
            // Block, SimpleBlock.
            0xa1 | 0xa3 => {
                let Some((track, track_length)) = number(content) else { return CUT };
                let Some(flags) = content.get(track_length + 2) else { return CUT };
                let mut frames = 1;
                if flags & 6 != 0 {
                    let Some(more) = content.get(track_length + 3) else { return CUT };
                    frames += u64::from(*more);
                }
                self.track = track.and_then(|track| u32::try_from(track).ok());
                if let Some(track) = self.track.filter(|_| self.frames.len() < MAX_KEPT) {
                    *self.frames.entry(track).or_default() += frames;
                }
            }
            // DiscardPadding, a signed number.
            0x75a2 => {
                let count = size.filter(|size| *size <= 8).unwrap_or(0) as usize;
                let Some(value) = content.get(..count) else { return CUT };
                let negative = value.first().is_some_and(|first| first & 0x80 != 0);
                let padding = value.iter().fold(0, |padding, byte| padding << 8 | u64::from(*byte));
                if let Some(track) = self.track.filter(|_| !negative && padding > 0) {
                    let frames = self.frames.get(&track).copied().unwrap_or(0);
                    self.found.add(track, frames.saturating_sub(1), padding);
                }
            }
            _ => {}
        }
        // An element of unknown length that is not followed cannot be skipped.
        (length, ElementContent::Skipped(size.unwrap_or(u64::MAX / 2)))
    }
}

/// Number of variable length (RFC 8794, section 4) and its size in bytes; the inner `None` is
/// "unknown".
fn number(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let bytes = bytes.get(..length.min(8))?;
    let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let bits = 7 * bytes.len() as u32;
    let value = value & ((1 << bits) - 1);
    Some((Some(value).filter(|value| *value != (1 << bits) - 1), bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        [id, &[0x08, 0, 0][..], &(content.len() as u16).to_be_bytes(), content].concat()
    }

    // Identifiers and layouts: RFC 9559, sections 5.1.3 and 10.
    fn file() -> Vec<u8> {
        let block = |track: u8, flags: u8, data: &[u8]| [&[0x80 | track, 0, 0, flags][..], data].concat();
        let group = |block: &[u8], padding: &[u8]| {
            element(&[0xa0], &[element(&[0xa1], block), element(&[0x75, 0xa2], padding)].concat())
        };
        let cluster = [
            element(&[0xe7], &[0]),
            element(&[0xa3], &block(1, 0x80, &[9; 40])),
            element(&[0xa3], &block(2, 0x80, &[9; 3])),
            // Four laced frames.
            element(&[0xa3], &block(1, 0x06, &[3; 41])),
            group(&block(1, 0, &[7; 50]), &[0xff, 0x00]),
            group(&block(1, 0, &[7; 50]), &[0, 0xcd, 0xfe, 0x60]),
        ];
        // Clusters and segments of live streams have unknown length.
        let unknown = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let head = element(&SIGNATURE, &element(&[0x42, 0x82], b"webm"));
        let mut file = [&head[..], &[0x18, 0x53, 0x80, 0x67], &unknown].concat();
        file.extend(element(&[0x16, 0x54, 0xae, 0x6b], &[0; 300]));
        file.extend([&[0x1f, 0x43, 0xb6, 0x75][..], &unknown, &cluster.concat()].concat());
        file
    }

    #[test]
    fn padding_is_found_however_it_is_read() {
        for size in [1, 2, 7, 64, 10_000] {
            let file = file();
            let (mut scanned, found) = ScanningReader::new(&file[..]);
            let mut piece = vec![0; size];
            while scanned.read(&mut piece).unwrap() > 0 {}
            // Frames 0; 1 to 4; 5; 6. The padding of frame 5 is negative.
            assert_eq!((0..6).map(|number| found.after(1, number)).max(), Some(0), "{size}");
            assert_eq!(found.after(1, 6), 0x00cd_fe60, "{size}");
            assert_eq!(found.after(2, 0), 0);
        }
    }

    #[test]
    fn seeking_ahead_and_back_changes_nothing() {
        let (mut scanned, found) = ScanningReader::new(io::Cursor::new(file()));
        let mut piece = [0; 400];
        scanned.read_exact(&mut piece[..100]).unwrap();
        scanned.seek(SeekFrom::End(-10)).unwrap();
        scanned.read_exact(&mut piece[..10]).unwrap();
        scanned.seek(SeekFrom::Start(60)).unwrap();
        while scanned.read(&mut piece).unwrap() > 0 {}
        assert_eq!(found.after(1, 6), 0x00cd_fe60);
    }

    #[test]
    fn what_is_no_matroska_is_not_looked_through() {
        let (mut scanned, found) = ScanningReader::new(&b"RIFF....WAVE"[..]);
        io::copy(&mut scanned, &mut io::sink()).unwrap();
        assert_eq!(found.after(1, 0), 0);
    }
}
