//! Segments of HLS: what is taken out of them was in them, and is the same each time.
//!
//! Input: segments with their lengths (2 bytes, little-endian) before them; those of an odd length are initialisations.

use genred::source::http::hls::segment::{Trouble, Unpacker};

/// Fails where there is more in a segment than can be.
pub fn run(data: &[u8]) {
    assert_eq!(unpack(data), unpack(data));
}

/// All that was found, or what was wrong.
pub fn unpack(mut data: &[u8]) -> Vec<Result<Vec<u8>, Trouble>> {
    let (mut unpacker, mut all) = (Unpacker::default(), Vec::new());
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length));
        let (segment, rest) = rest.split_at(length.min(rest.len()));
        data = rest;
        if length % 2 == 1 {
            all.push(unpacker.begin(segment).map(|()| Vec::new()));
            continue;
        }
        all.push(unpacker.unpack(segment).map(|found| {
            assert!(!found.pieces.is_empty() && found.pieces.iter().all(|piece| !piece.bytes.is_empty()));
            let bytes: Vec<u8> = found.pieces.into_iter().flat_map(|piece| piece.bytes).collect();
            // Frames get heads of seven bytes.
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
