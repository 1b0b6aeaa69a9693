//! Sony Wave64: WAVE with 64-bit sizes and GUIDs as identifiers.

use std::io;

use symphonia::core::formats::FormatReader;
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};

use super::super::refusal::{DecodeRefusal, failed, malformed};
use super::super::stream_start::peek;
use super::layout::ByteOrder;
use super::reader::{AudioExtent, AudioExtents, AudioFormat, ExtentReader, demuxer};
use super::riff::INFO;
use super::{bursts, wave_format};

/// Tail of chunk GUIDs, after four letters.
const GUID: [u8; 12] = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0x00, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];

/// Length of a GUID and a size, which includes them, in bytes.
const HEAD: u64 = 24;

/// Opens a Wave64 file.
///
/// # Errors
/// The codec is not decoded, or the description or the audio is missing.
pub(super) fn open(mut stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, DecodeRefusal> {
    let lacks = malformed("its header is not followed by audio");
    stream.ignore_bytes(HEAD + 16).map_err(failed)?;
    let mut format = None;
    loop {
        let head = peek(&mut stream, HEAD as usize).map_err(failed)?;
        if head.get(4..16) != Some(&GUID[..]) {
            return Err(lacks);
        }
        stream.ignore_bytes(HEAD).map_err(failed)?;
        let size = ByteOrder::Little.u64(&head, 16).saturating_sub(HEAD);
        match &head[..4] {
            b"data" => {
                let format: AudioFormat =
                    format.ok_or(malformed("its header does not describe the audio"))?;
                bursts::refuse(&mut stream, &format)?;
                let body = ExtentReader::new(stream, Wave64Audio { stated: size, first: true });
                return Ok(demuxer(body, format, 0, INFO, None)?);
            }
            b"fmt " => {
                let content = peek(&mut stream, size.min(64) as usize).map_err(failed)?;
                format = Some(wave_format::parse(&content, ByteOrder::Little)?);
            }
            _ => {}
        }
        let end = size.checked_next_multiple_of(8).unwrap_or(u64::MAX);
        if stream.byte_len().is_some_and(|length| stream.pos().saturating_add(end) > length) {
            return Err(lacks);
        }
        stream.ignore_bytes(end).map_err(failed)?;
    }
}

/// The only `data` chunk.
struct Wave64Audio {
    stated: u64,
    first: bool,
}

impl AudioExtents for Wave64Audio {
    fn next(&mut self, stream: &mut MediaSourceStream<'static>) -> io::Result<Option<AudioExtent>> {
        if std::mem::take(&mut self.first) {
            return Ok(Some(AudioExtent { bytes: Some(self.stated), joined: false }));
        }
        let padding = (self.stated.wrapping_neg() % 8) as usize;
        let next = peek(stream, padding + HEAD as usize)?;
        let is_end = |at: usize| next.get(at + 4..at + 16).is_none_or(|guid| guid == GUID);
        if std::mem::replace(&mut self.stated, u64::MAX) == u64::MAX || is_end(padding) || is_end(0) {
            return Ok(None);
        }
        Ok(Some(AudioExtent { bytes: None, joined: true }))
    }
}

#[cfg(test)]
mod tests;
