//! First bytes of a stream, examined before a demuxer reads them.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource, SeekBuffered};

use super::arrived_reader::ArrivedReader;
use super::detect::{self, DetectedFormat, LONGEST_START};

/// Maximum length of ID3v2 tags skipped in a stream that cannot be seeked, in bytes.
const LONGEST_TAGS: usize = 16 << 20;

/// Start of a file or stream.
#[derive(Debug)]
pub(super) struct StreamStart {
    /// Length of leading ID3v2 tags, in bytes.
    pub(super) tags: u64,
    /// First bytes after the tags; empty if the tags are too long to be skipped.
    pub(super) content: Vec<u8>,
    pub(super) kind: DetectedFormat,
}

impl StreamStart {
    /// Reads as many bytes as the detection of the format needs, and rewinds.
    ///
    /// Does not wait for further bytes of a slow stream once its format is known.
    ///
    /// # Errors
    /// Read and seek errors.
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
                let start = Self { tags: 0, content: Vec::new(), kind: DetectedFormat::Other };
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

/// Rewinds `stream` to its start; `taken` holds the bytes read from one that cannot be seeked.
///
/// # Errors
/// Seek errors.
pub(super) fn rewound(
    mut stream: MediaSourceStream<'static>,
    taken: Vec<u8>,
) -> io::Result<MediaSourceStream<'static>> {
    if stream.is_seekable() {
        stream.seek(SeekFrom::Start(0))?;
    } else if !taken.is_empty() {
        let whole = ReadOnlySource::new(Cursor::new(taken).chain(ArrivedReader(stream)));
        return Ok(MediaSourceStream::new(Box::new(whole), Default::default()));
    }
    Ok(stream)
}

/// Peeks the next `count` bytes of `stream` (at most 24 KiB), fewer at its end.
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
