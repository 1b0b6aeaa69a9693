//! First bytes of a stream, looked at before a demuxer reads them.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes, SeekBuffered};

use super::named::{self, DECISIVE};

/// Longest ID3v2 tag that is passed over in a stream that cannot be seeked, in bytes.
const LONGEST_TAG: usize = 24 * 1024;

/// Start of a file or stream.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Bytes of ID3v2 tags in front.
    pub(super) tags: u64,
    /// First bytes behind the tags; none where those are too long to be passed over.
    pub(super) content: Vec<u8>,
}

impl Start {
    /// Reads as many of the first bytes as it takes to recognise a format, and goes back.
    ///
    /// A slow stream is not waited for once its format is clear.
    ///
    /// # Errors
    /// What reading or seeking reports.
    pub(super) fn of(stream: &mut MediaSourceStream<'_>) -> io::Result<Self> {
        let begin = stream.pos();
        let mut tags = 0;
        loop {
            let length = named::id3v2_length(&peek(stream, 10)?);
            if length == 0 {
                break;
            }
            tags += length;
            if stream.is_seekable() {
                stream.seek(SeekFrom::Start(begin + tags as u64))?;
            } else if tags > LONGEST_TAG || stream.ignore_bytes(length as u64).is_err() {
                stream.seek_buffered(begin);
                return Ok(Self::default());
            }
        }
        let mut content = Vec::new();
        for size in [16, 64, 512, DECISIVE] {
            content = peek(stream, size)?;
            if content.len() < size || named::is_settled(&content) {
                break;
            }
        }
        match stream.is_seekable() {
            true => drop(stream.seek(SeekFrom::Start(begin))?),
            false => drop(stream.seek_buffered(begin)),
        }
        Ok(Self { tags: tags as u64, content })
    }
}

/// Next `count` bytes of `stream`, fewer at its end, without consuming them; 24 KiB at most.
pub(super) fn peek(stream: &mut MediaSourceStream<'_>, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    let mut filled = 0;
    while filled < count {
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.seek_buffered_rel(-(filled as isize));
    bytes.truncate(filled);
    Ok(bytes)
}
