//! Input of a demuxer that delivers data as it arrives.

use std::io;

use symphonia::core::io::MediaSourceStream;

use super::super::arrived_reader;

/// Bytes per read.
const BLOCK: usize = 4096;

/// Buffers above this size in bytes are released once they are empty.
const KEPT_BUFFER: usize = 1 << 18;

/// Unread bytes of a stream; waits for no more bytes than needed.
pub(super) struct FlacInput<'s> {
    mss: MediaSourceStream<'s>,
    bytes: Vec<u8>,
    /// Number of consumed `bytes`.
    start: usize,
    /// Number of bytes consumed since the stream was opened.
    pub(super) consumed: u64,
    ended: bool,
}

impl<'s> FlacInput<'s> {
    pub(super) fn new(mss: MediaSourceStream<'s>) -> Self {
        Self { mss, bytes: Vec::new(), start: 0, consumed: 0, ended: false }
    }

    pub(super) fn into_inner(self) -> MediaSourceStream<'s> {
        self.mss
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
        self.consumed += count as u64;
    }

    /// Waits until `count` bytes are available. Returns false if the stream ends before.
    pub(super) fn holds(&mut self, count: usize) -> io::Result<bool> {
        while self.data().len() < count {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for a byte and takes all that have arrived with it. Returns false at the end.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
            if self.bytes.capacity() > KEPT_BUFFER && self.bytes.len() < KEPT_BUFFER / 2 {
                self.bytes.shrink_to(KEPT_BUFFER);
            }
        }
        // At most as many as one read of the underlying stream returns.
        let end = self.bytes.len();
        self.bytes.resize(end + BLOCK, 0);
        let read = arrived_reader::read(&mut self.mss, &mut self.bytes[end..]);
        self.bytes.truncate(end + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        if self.ended {
            return Ok(false);
        }
        Ok(true)
    }
}
