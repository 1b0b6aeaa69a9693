//! Helpers for the tests of the containers.
//!
//! The tests use headers as tools write them, and as the specification named at each test describes
//! them. `tests/integration/sources.rs` compares
//! files of real tools with ffmpeg's output.

use std::io::{Cursor, Seek, Write};

use super::super::{ANY_RATE, Decoder};
use crate::audio::Block;

/// Rate, channels and samples decoded from a file or from a stream.
pub(super) fn decode(bytes: &[u8], is_file: bool) -> Result<(u32, u16, Vec<f32>), String> {
    let decoder = match is_file {
        true => {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            Decoder::from_file("x".into(), file, None, None)
        }
        false => Decoder::from_stream("x".into(), Cursor::new(bytes.to_vec())),
    };
    let mut decoder = decoder.map_err(|error| error.to_string())?;
    let mut block = Block::with_capacity(ANY_RATE, 1, 0);
    let (mut samples, mut rate, mut channels) = (Vec::new(), 0, 0);
    while decoder.next(&mut block).map_err(|error| error.to_string())? {
        assert!(!block.gap, "{:?}", block.span);
        samples.extend_from_slice(&block.interleaved);
        (rate, channels) = (block.rate.hertz(), block.channels);
    }
    assert_eq!(decoder.corrupt(), 0);
    Ok((rate, channels, samples))
}

/// Asserts that decoding as a file and as a stream both yield `expected`.
#[track_caller]
pub(super) fn check(what: &str, bytes: &[u8], expected: &[f32]) {
    for is_file in [true, false] {
        let (_, _, samples) = decode(bytes, is_file).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(samples.len(), expected.len(), "{what}, as a file: {is_file}");
        assert_eq!(samples, expected, "{what}, as a file: {is_file}");
    }
}

/// Asserts that both ways are rejected with a message that contains `expected`.
#[track_caller]
pub(super) fn check_refused(what: &str, bytes: &[u8], expected: &str) {
    for is_file in [true, false] {
        let error = decode(bytes, is_file).map(|decoded| decoded.2.len()).expect_err(what);
        assert!(error.contains(expected), "{what}, as a file: {is_file}: {error}");
    }
}

/// Returns `count` frames of two 16-bit channels, none of them zero, and their values.
pub(super) fn stereo(count: usize) -> (Vec<u8>, Vec<f32>) {
    let values = (0..2 * count).map(|index| (index * 37 % 20_011) as i16 - 10_000);
    let values: Vec<i16> = values.map(|value| if value == 0 { 1 } else { value }).collect();
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    (bytes, values.iter().map(|value| f32::from(*value) / 32_768.0).collect())
}

/// Swaps the bytes of each 16-bit value.
pub(super) fn swapped(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect()
}
