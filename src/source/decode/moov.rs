//! Index of a QuickTime or MP4 file: its `moov` box.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};

use super::boxes;
use super::stream_start::{peek, rewound};

/// Maximum size of the `moov` box of a file: an index of about ten hours.
const LARGEST_IN_FILE: u64 = 64 << 20;

/// Maximum size of the `moov` box of a stream, with everything before it.
const LARGEST_IN_STREAM: u64 = 16 << 20;

/// Maximum number of boxes before it.
const MOST_BOXES: usize = 64;

/// Reads the content of the `moov` box, and returns `stream` rewound to its start.
///
/// Returns no content if the box is too large or truncated, or if a stream has audio before it.
///
/// # Errors
/// Read and seek errors.
pub(super) fn find(
    mut stream: MediaSourceStream<'static>,
) -> io::Result<(Option<Vec<u8>>, MediaSourceStream<'static>)> {
    let mut taken = Vec::new();
    let moov = search(&mut stream, &mut taken)?;
    Ok((moov, rewound(stream, taken)?))
}

/// Reads up to the `moov` box. Bytes of a stream that cannot be seeked are kept in `taken`.
fn search(stream: &mut MediaSourceStream<'_>, taken: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let largest = if stream.is_seekable() { LARGEST_IN_FILE } else { LARGEST_IN_STREAM };
    for _ in 0..MOST_BOXES {
        let Some(head) = boxes::head(&peek(stream, 16)?) else { return Ok(None) };
        let content = head.size.map(|size| size.saturating_sub(head.length));
        if &head.kind == b"moov" {
            let Some(count) = content.filter(|count| *count <= largest) else { return Ok(None) };
            let mut moov = Vec::new();
            let whole = count + head.length;
            stream.by_ref().take(whole).read_to_end(&mut moov)?;
            if !stream.is_seekable() {
                taken.extend_from_slice(&moov);
            }
            moov.drain(..(head.length as usize).min(moov.len()));
            return Ok(Some(moov).filter(|moov| moov.len() as u64 == count));
        }
        match (head.size, stream.is_seekable()) {
            (Some(size), true) => {
                let to = stream.pos().saturating_add(size);
                if stream.byte_len().is_some_and(|length| to > length) {
                    return Ok(None);
                }
                stream.seek(SeekFrom::Start(to))?;
            }
            // A stream cannot return to audio that precedes its description.
            (Some(size), false)
                if !matches!(&head.kind, b"mdat" | b"moof")
                    && size.saturating_add(taken.len() as u64) <= largest =>
            {
                stream.by_ref().take(size).read_to_end(taken)?;
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}
