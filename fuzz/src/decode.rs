//! Decoding of any bytes: blocks are consecutive and within the maximum length.
//!
//! Input: the stream.

use std::io::{self, Read};

use genred::source::fuzz_api::decode_stream;

/// Bytes per read: divides the length of no block.
const PIECE: usize = 997;

/// Maximum number of decoded blocks.
const ENOUGH: usize = 1000;

/// Panics if a block is malformed.
pub fn run(data: &[u8]) {
    let mut end = 0;
    let mut rate = 0;
    let mut count = 0;
    // Most input is not audio and must be refused.
    let _ = decode_stream(ShortReads(io::Cursor::new(data.to_vec())), &mut |block, title| {
        let (hertz, channels) = (block.rate.hertz(), u64::from(block.channels));
        assert!((1_000..=768_000).contains(&hertz) && (1..=64).contains(&channels), "{hertz} Hz {channels}");
        assert_eq!(block.interleaved.len() as u64, block.samples() as u64 * channels);
        assert_eq!(block.samples() as u64, block.span.len());
        assert!((1..=block.rate.samples(0.04).max(1)).contains(&block.span.len()), "{:?}", block.span);
        // Positions jump only after a gap, and go back only with another rate.
        assert!(block.gap || block.span.start == end, "{:?} after {end}", block.span);
        assert!(hertz != rate || block.span.start >= end, "{:?} after {end}", block.span);
        (end, rate) = (block.span.end, hertz);
        if let Some(title) = title {
            assert!(!title.is_empty() && title.chars().count() <= 300, "{title:?}");
        }
        count += 1;
        count < ENOUGH
    });
}

/// Reader whose reads are short.
struct ShortReads(io::Cursor<Vec<u8>>);

impl Read for ShortReads {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(PIECE);
        self.0.read(&mut buffer[..most])
    }
}
