//! Comments of Ogg and FLAC streams that are not valid UTF-8.
//!
//! Decoders return titles as text in which each invalid byte became U+FFFD. Many encoders write
//! Latin-1 nevertheless. This reader passes the stream through and keeps the raw bytes of
//! `ARTIST=…` and `TITLE=…` (Vorbis I, section 5.2.1: each comment follows its little-endian
//! length).

use std::io::{self, Read};
use std::sync::Arc;

use crate::source::threaded_decoder::DecoderStatus;
use crate::source::titles::RawComments;

/// Maximum length of a kept comment, in bytes.
const MAX_COMMENT: usize = 4096;

/// Keys of interest, in lower case.
const KEYS: [&[u8]; 2] = [b"artist=", b"title="];

/// Pass-through reader.
pub(super) struct CommentReader<R> {
    inner: R,
    shared: Arc<DecoderStatus>,
    /// Last bytes passed on, in which a comment may have begun.
    recent: Vec<u8>,
    found: RawComments,
}

impl<R: Read> CommentReader<R> {
    pub(super) fn new(inner: R, shared: Arc<DecoderStatus>) -> Self {
        Self { inner, shared, recent: Vec::new(), found: RawComments::default() }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let known = self.recent.len();
        self.recent.extend_from_slice(bytes);
        // Comments that end within the known bytes were found before.
        for comment in comments(&self.recent).filter(|comment| comment.end > known) {
            let value = self.recent[comment.value..comment.end].to_vec();
            let is_title = comment.key == 1;
            *(if is_title { &mut self.found.title } else { &mut self.found.artist }) = Some(value);
            let parts = [&self.found.artist, &self.found.title];
            if parts.into_iter().flatten().any(|value| std::str::from_utf8(value).is_err()) {
                self.shared.repair_title(self.found.clone());
            }
        }
        let excess = self.recent.len().saturating_sub(MAX_COMMENT + 16);
        self.recent.drain(..excess);
    }
}

impl<R: Read> Read for CommentReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        // Pieces small enough to be searched together with the kept bytes.
        for piece in buffer[..count].chunks(MAX_COMMENT) {
            self.look_at(piece);
        }
        Ok(count)
    }
}

/// Position of a comment.
struct CommentSpan {
    /// Index in [`KEYS`].
    key: usize,
    value: usize,
    end: usize,
}

/// Complete comments in `bytes`.
fn comments(bytes: &[u8]) -> impl Iterator<Item = CommentSpan> {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'=').map(|(at, _)| at);
    starts.filter_map(move |equals| {
        let key = KEYS.iter().position(|key| {
            let start = (equals + 1).checked_sub(key.len());
            start.is_some_and(|start| bytes[start..=equals].eq_ignore_ascii_case(key))
        })?;
        let start = equals + 1 - KEYS[key].len();
        let length = bytes.get(start.checked_sub(4)?..start)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let end = start.checked_add(length)?;
        let fits = length >= KEYS[key].len() && length <= MAX_COMMENT && end <= bytes.len();
        fits.then_some(CommentSpan { key, value: equals + 1, end })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(text: &[u8]) -> Vec<u8> {
        [&(text.len() as u32).to_le_bytes()[..], text].concat()
    }

    fn title(packet: &[u8], lossy: &str, size: usize) -> Option<String> {
        let shared = Arc::new(DecoderStatus::default());
        let mut reader = CommentReader::new(packet, shared.clone());
        let mut buffer = vec![0; size];
        while reader.read(&mut buffer).unwrap() > 0 {}
        shared.container_title(lossy);
        shared.shown_title().map(|title| title.to_string())
    }

    #[test]
    fn latin_1_is_decoded_however_it_is_read() {
        let packet = [
            &b"\x03vorbis"[..],
            &comment(b"libVorbis"),
            &3_u32.to_le_bytes(),
            &comment(b"ENCODER=x"),
            &comment(b"Artist=J\xf3hann"),
            &comment(b"TITLE=Fl\xfagi\xf0"),
            &[7; 9000],
        ]
        .concat();
        let lossy = "J\u{fffd}hann - Fl\u{fffd}gi\u{fffd}";
        for size in [1, 2, 7, 64, 4096, 20_000] {
            assert_eq!(title(&packet, lossy, size).as_deref(), Some("Jóhann - Flúgið"), "{size}");
        }
        assert_eq!(title(&packet, "another", 64).as_deref(), Some("another"));
    }

    #[test]
    fn lengths_that_cannot_be_are_passed_over() {
        for length in [0_u32, 5, 5000, u32::MAX] {
            let packet = [&length.to_le_bytes()[..], b"TITLE=\xe9\xe9\xe9"].concat();
            assert_eq!(title(&packet, "\u{fffd}", 3).as_deref(), Some("\u{fffd}"), "{length}");
        }
    }
}
