//! HLS segments: the unpacked audio is within bounds and reproducible.
//!
//! Input: segments, each after its length (2 bytes, little-endian); segments of odd length are
//! initialisation segments.

use genred::source::fuzz_api::{SegmentUnpacker, UnpackError};

/// Panics if two passes differ or a segment yields too much.
pub fn run(data: &[u8]) {
    assert_eq!(unpack(data), unpack(data));
}

/// Audio of each segment, or its error.
pub fn unpack(mut data: &[u8]) -> Vec<Result<Vec<u8>, UnpackError>> {
    let (mut unpacker, mut all) = (SegmentUnpacker::default(), Vec::new());
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length));
        let (segment, rest) = rest.split_at(length.min(rest.len()));
        data = rest;
        if length % 2 == 1 {
            all.push(unpacker.begin(segment).map(|()| Vec::new()));
            continue;
        }
        all.push(unpacker.unpack(segment).map(|found| {
            assert!(!found.chunks.is_empty() && found.chunks.iter().all(|chunk| !chunk.bytes.is_empty()));
            let bytes: Vec<u8> = found.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
            // Frames get headers of seven bytes.
            assert!(bytes.len() <= 4 * segment.len() + 8192, "{} bytes of {}", bytes.len(), segment.len());
            if let Some(title) = found.title {
                let is_clean = !title.is_empty() && !title.chars().any(char::is_control);
                assert!(is_clean && title.chars().count() <= 300, "{title:?}");
            }
            bytes
        }));
        match length % 8 {
            2 | 6 => unpacker.reset(),
            4 => unpacker.announce_change(),
            _ => {}
        }
    }
    all
}
