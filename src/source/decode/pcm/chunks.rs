//! Chunks of a container: an identifier, a size, and content.
//!
//! Sizes are hints. Writers that were killed, still run or wrote to a pipe state 0, a maximum or an
//! earlier size, and some do not pad chunks of odd size.

use std::io::{self, Seek, SeekFrom};

use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};

use super::super::stream_start::peek;
use super::layout::ByteOrder;

/// Bytes searched at once.
const SEARCHED: usize = 4096;

/// Maximum number of bytes searched for a chunk.
const SEARCH_LIMIT: usize = 256 * 1024;

/// Longest chunk skipped in a stream, in bytes; a larger size counts as wrong.
const LONGEST_SKIPPED: u64 = 64 << 20;

/// Fewer bytes than this after a consistent header are not audio.
const LONGEST_JUNK: usize = 4096;

/// Maximum length of unknown chunks after the audio of a stream, in bytes.
const LONGEST_REST: u64 = 1 << 20;

/// Maximum number of chunks followed to verify that they lead to the end of the file.
const LONGEST_CHAIN: usize = 64;

/// Identifier and stated size of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHeader {
    pub(super) id: [u8; 4],
    pub(super) size: u64,
}

/// Chunk layout of a container format.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkLayout {
    pub(super) order: ByteOrder,
    /// True if sizes have eight bytes.
    pub(super) wide: bool,
    /// True if chunks of odd size are padded with a byte.
    pub(super) padded: bool,
    /// Identifiers accepted at any position.
    pub(super) known: &'static [&'static [u8; 4]],
}

/// Content after the stated end of the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterAudio {
    /// The end, or irrelevant data.
    End,
    /// Chunk, at the position of the stream.
    Chunk(ChunkHeader),
    /// More audio.
    Audio,
}

impl ChunkLayout {
    /// Length of a chunk's header, in bytes.
    const fn length(&self) -> usize {
        if self.wide { 12 } else { 8 }
    }

    fn parse(&self, bytes: &[u8]) -> Option<ChunkHeader> {
        let id = *bytes.get(..self.length())?.first_chunk::<4>()?;
        let size = match self.wide {
            true => self.order.u64(bytes, 4),
            false => u64::from(self.order.u32(bytes, 4)),
        };
        Some(ChunkHeader { id, size })
    }

    fn knows(&self, bytes: &[u8]) -> bool {
        bytes.first_chunk::<4>().is_some_and(|id| self.known.contains(&id))
    }

    /// Reads the header of the next chunk; `None` at the end of the stream.
    ///
    /// If no chunk begins here, searches for one with a known identifier.
    ///
    /// # Errors
    /// Read errors.
    pub(super) fn next(&self, stream: &mut MediaSourceStream<'_>) -> io::Result<Option<ChunkHeader>> {
        let Some(chunk) = self.parse(&peek(stream, self.length())?) else { return Ok(None) };
        if self.knows(&chunk.id) || (is_printable(&chunk.id) && self.fits(stream, chunk)) {
            stream.ignore_bytes(self.length() as u64)?;
            return Ok(Some(chunk));
        }
        let mut searched = 0;
        while searched < SEARCH_LIMIT {
            let bytes = peek(stream, SEARCHED)?;
            let found = bytes.windows(4).position(|window| self.knows(window));
            stream.ignore_bytes(found.unwrap_or(bytes.len().saturating_sub(3).max(1)) as u64)?;
            if found.is_some() || bytes.len() < SEARCHED {
                let chunk = self.parse(&peek(stream, self.length())?).filter(|_| found.is_some());
                if chunk.is_some() {
                    stream.ignore_bytes(self.length() as u64)?;
                }
                return Ok(chunk);
            }
            searched += bytes.len();
        }
        Ok(None)
    }

    /// Returns true if the stated size of the next chunk is possible.
    fn fits(&self, stream: &MediaSourceStream<'_>, chunk: ChunkHeader) -> bool {
        let end = stream.pos().saturating_add(self.length() as u64).saturating_add(chunk.size);
        match stream.byte_len() {
            Some(length) => end <= length,
            None => chunk.size <= LONGEST_SKIPPED,
        }
    }

    /// Reads at most `most` bytes of a chunk's content, and skips the rest.
    ///
    /// # Errors
    /// Read errors.
    pub(super) fn read(
        &self,
        stream: &mut MediaSourceStream<'_>,
        chunk: ChunkHeader,
        most: usize,
    ) -> io::Result<Vec<u8>> {
        let count = usize::try_from(chunk.size).unwrap_or(usize::MAX).min(most);
        let content = peek(stream, count)?;
        self.skip(stream, chunk.size, chunk.size % 2 == 1)?;
        Ok(content)
    }

    /// Skips `count` bytes of a chunk's content, and its padding byte if `odd` is set.
    ///
    /// Skips nothing if the size is implausible or leads beyond the end.
    ///
    /// # Errors
    /// Read errors; in a stream, its end.
    pub(super) fn skip(&self, stream: &mut MediaSourceStream<'_>, count: u64, odd: bool) -> io::Result<()> {
        let leads_beyond = match stream.byte_len() {
            Some(length) => stream.pos().saturating_add(count) > length,
            None => count > LONGEST_SKIPPED,
        };
        if leads_beyond {
            return Ok(());
        }
        stream.ignore_bytes(count)?;
        if odd && self.padded {
            let next = peek(stream, 5)?;
            let is_missing = self.knows(&next) && !next.get(1..).is_some_and(|rest| self.knows(rest));
            if !is_missing && !next.is_empty() {
                stream.ignore_bytes(1)?;
            }
        }
        Ok(())
    }

    /// Determines the content after the stated audio. `odd` is true if a padding byte is due, `end`
    /// is the stated end of the outermost chunk, and `settled` is true if both ends agree.
    ///
    /// # Errors
    /// Read and seek errors.
    pub(super) fn follows(
        &self,
        stream: &mut MediaSourceStream<'_>,
        odd: bool,
        end: Option<u64>,
        settled: bool,
    ) -> io::Result<AfterAudio> {
        let next = peek(stream, 130)?;
        if next.len() < self.length() {
            return Ok(AfterAudio::End);
        }
        for padding in 0..=usize::from(odd && self.padded) {
            if is_tag(&next[padding..]) {
                return Ok(AfterAudio::End);
            }
            if let Some(chunk) = self.parse(&next[padding..])
                && self.is_chunk(stream, chunk, padding as u64, end)?
            {
                stream.ignore_bytes((padding + self.length()) as u64)?;
                return Ok(AfterAudio::Chunk(chunk));
            }
        }
        // With a consistent header, this is padding to a whole sector, or junk.
        if settled {
            let is_padding = next.iter().take(16).all(|byte| *byte == 0);
            if is_padding || peek(stream, LONGEST_JUNK)?.len() < LONGEST_JUNK {
                return Ok(AfterAudio::End);
            }
        }
        Ok(AfterAudio::Audio)
    }

    /// Returns true if a chunk begins after `padding` bytes.
    fn is_chunk(
        &self,
        stream: &mut MediaSourceStream<'_>,
        chunk: ChunkHeader,
        padding: u64,
        end: Option<u64>,
    ) -> io::Result<bool> {
        if self.knows(&chunk.id) {
            return Ok(true);
        }
        if !is_printable(&chunk.id) {
            return Ok(false);
        }
        let begin = stream.pos();
        let mut at = begin.saturating_add(padding);
        let behind =
            |at: u64, chunk: ChunkHeader| at.saturating_add(self.length() as u64).saturating_add(chunk.size);
        let Some(length) = stream.byte_len().filter(|_| stream.is_seekable()) else {
            // A stream cannot be read ahead, but the chunk must fit into the outermost one.
            let has_room = |end: &u64| (begin..=begin.saturating_add(LONGEST_REST)).contains(end);
            return Ok(end.filter(has_room).is_some_and(|end| behind(at, chunk) <= end.saturating_add(1)));
        };
        let (mut chunk, mut leads) = (chunk, false);
        for _ in 0..LONGEST_CHAIN {
            at = behind(at, chunk);
            let odd = self.padded && chunk.size % 2 == 1;
            if at >= length {
                leads = at == length;
                break;
            }
            stream.seek(SeekFrom::Start(at))?;
            let next = peek(stream, 130)?;
            let after = |padding: usize| next.get(padding..).unwrap_or_default();
            if next.len() < self.length() || is_tag(after(0)) || (odd && is_tag(after(1))) {
                leads = true;
                break;
            }
            // Padded, or not.
            let chunks = [(1, odd), (0, true)].into_iter().filter(|(_, may_be)| *may_be);
            let mut found = chunks.filter_map(|(padding, _)| Some((padding, self.parse(after(padding))?)));
            let Some((padding, next)) = found.find(|(_, next)| is_printable(&next.id)) else { break };
            at = at.saturating_add(padding as u64);
            chunk = next;
        }
        stream.seek(SeekFrom::Start(begin))?;
        Ok(leads)
    }
}

fn is_printable(id: &[u8; 4]) -> bool {
    id.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// Returns true if `next`, more than 128 bytes or all that are left, is an appended tag.
fn is_tag(next: &[u8]) -> bool {
    (next.starts_with(b"TAG") && next.len() == 128)
        || next.starts_with(b"APETAGEX")
        || next.starts_with(b"LYRICSBEGIN")
        || matches!(next, [b'I', b'D', b'3', 2..=4, 0, ..])
}
