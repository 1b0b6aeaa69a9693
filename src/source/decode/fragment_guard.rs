//! Guard against MP4 fragments that state an implausible number of samples.
//!
//! A `trun` box (ISO/IEC 14496-12, 8.8.8) states its number of samples and need not hold a byte for
//! each. The demuxer counts up to that number, four billion at most, without reading: a few bytes
//! occupy a core for minutes, and the stop token is ignored. Such a box is rejected.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use symphonia::core::io::MediaSource;

/// Maximum number of samples without per-sample data: ten seconds of PCM at 96 kHz, hours of
/// compressed audio.
const MOST: u32 = 1 << 20;

/// Flags of `trun` that add four bytes per sample.
const PER_SAMPLE: u32 = 0xf00;

/// Bytes from the kind of the box to the end of its count.
const LOOKED_AT: usize = 12;

/// Pass-through reader that fails at such a box.
pub(super) struct FragmentGuard<R> {
    inner: R,
    /// True if the source has no fragments; then an accidental match in a long stream is ignored.
    absent: Arc<AtomicBool>,
    /// Bytes before the next read.
    last: [u8; LOOKED_AT],
}

impl<R> FragmentGuard<R> {
    /// Creates a guard that is active until the returned flag is set.
    pub(super) fn new(inner: R) -> (Self, Arc<AtomicBool>) {
        let absent = Arc::new(AtomicBool::new(false));
        (Self { inner, absent: absent.clone(), last: [0; LOOKED_AT] }, absent)
    }

    fn check(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.absent.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Boxes that begin in the previous read come first.
        let joined = [&self.last[..], &bytes[..bytes.len().min(LOOKED_AT - 1)]].concat();
        if joined.windows(LOOKED_AT).chain(bytes.windows(LOOKED_AT)).any(claims_too_much) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a fragment states an implausible number of samples",
            ));
        }
        let all = [&self.last[..], &bytes[bytes.len().saturating_sub(LOOKED_AT)..]].concat();
        self.last.copy_from_slice(&all[all.len() - LOOKED_AT..]);
        Ok(())
    }
}

/// Returns true if `window` is the kind, flags and count of such a box.
fn claims_too_much(window: &[u8]) -> bool {
    let word = |at: usize| u32::from_be_bytes([window[at], window[at + 1], window[at + 2], window[at + 3]]);
    window.starts_with(b"trun") && word(4) & PER_SAMPLE == 0 && word(8) > MOST
}

impl<R: Read> Read for FragmentGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.check(&buffer[..count])?;
        Ok(count)
    }
}

impl<R: Seek> Seek for FragmentGuard<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.last = [0; LOOKED_AT];
        self.inner.seek(to)
    }
}

impl<R: MediaSource> MediaSource for FragmentGuard<R> {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.inner.byte_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Box of `count` samples between other bytes, read in pieces of `size`.
    fn passes(flags: u32, count: u32, size: usize, absent: bool) -> bool {
        let bytes =
            [b"xxtrxtrun".as_slice(), &flags.to_be_bytes(), &count.to_be_bytes(), &[b'x'; 30]].concat();
        let (mut reader, known) = FragmentGuard::new(&bytes[..]);
        known.store(absent, Ordering::Relaxed);
        let mut read = Vec::new();
        let mut piece = vec![0; size];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => read.extend_from_slice(&piece[..count]),
                Err(_) => return false,
            }
        }
        assert_eq!(read, bytes);
        true
    }

    #[test]
    fn however_it_is_cut() {
        for size in 1..60 {
            assert!(!passes(0, MOST + 1, size, false), "{size}");
            assert!(passes(0, MOST, size, false), "{size}");
            assert!(passes(0x200, u32::MAX, size, false), "{size}");
            assert!(passes(0, u32::MAX, size, true), "{size}");
        }
    }
}
