//! First bytes of a stream, looked at before a demuxer reads them.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource, SeekBuffered};

use super::arrived::Arrived;
use super::detect::{self, Kind, LONGEST_START};

/// Longest ID3v2 tags that are passed over in a stream that cannot be seeked, in bytes.
const LONGEST_TAGS: usize = 16 << 20;

/// Start of a file or stream.
#[derive(Debug)]
pub(super) struct Start {
    /// Bytes of ID3v2 tags in front.
    pub(super) tags: u64,
    /// First bytes behind the tags; none where those are too long to be passed over.
    pub(super) content: Vec<u8>,
    pub(super) kind: Kind,
}

impl Start {
    /// Reads as many of the first bytes as it takes to detect the format, and goes back.
    ///
    /// A slow stream is not waited for once its format is clear.
    ///
    /// # Errors
    /// What reading or seeking reports.
    pub(super) fn of(
        mut stream: MediaSourceStream<'static>,
    ) -> io::Result<(Self, MediaSourceStream<'static>)> {
        let (mut tags, mut taken) = (0, Vec::new());
        loop {
            let length = detect::id3v2_length(&peek(&mut stream, 10)?);
            if length == 0 {
                break;
            }
            tags += length;
            if stream.is_seekable() {
                stream.seek(SeekFrom::Start(tags as u64))?;
            } else if tags > LONGEST_TAGS {
                let start = Self { tags: 0, content: Vec::new(), kind: Kind::Other };
                return Ok((start, rewound(stream, taken)?));
            } else {
                stream.by_ref().take(length as u64).read_to_end(&mut taken)?;
            }
        }
        let mut size = 16;
        let (content, kind) = loop {
            let content = peek(&mut stream, size)?;
            if let Some(kind) = detect::detect(&content, content.len() < size) {
                break (content, kind);
            }
            size = (2 * size).min(LONGEST_START);
        };
        let stream = if tags > 0 { rewound(stream, taken)? } else { stream };
        Ok((Self { tags: tags as u64, content, kind }, stream))
    }
}

/// `stream` from its start on; `taken` is what was read of one that cannot be seeked.
///
/// # Errors
/// What seeking reports.
pub(super) fn rewound(
    mut stream: MediaSourceStream<'static>,
    taken: Vec<u8>,
) -> io::Result<MediaSourceStream<'static>> {
    if stream.is_seekable() {
        stream.seek(SeekFrom::Start(0))?;
    } else if !taken.is_empty() {
        let whole = ReadOnlySource::new(Cursor::new(taken).chain(Arrived(stream)));
        return Ok(MediaSourceStream::new(Box::new(whole), Default::default()));
    }
    Ok(stream)
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
