//! Chunks of Core Audio Format.

use super::super::tests::{check, check_refused, stereo, swapped};

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Apple, Core Audio Format Specification 1.0: `desc` and `data`.
#[test]
fn core_audio() {
    let chunk = |id: &[u8; 4], size: u64, content: &[u8]| [&id[..], &size.to_be_bytes(), content].concat();
    let described = |kind: &[u8; 4], flags, frame, channels, bits| {
        let fields = words(&[flags, frame, 1, channels, bits]);
        chunk(b"desc", 32, &[&44_100_f64.to_be_bytes()[..], kind, &fields].concat())
    };
    let file = |description: Vec<u8>, size: u64, data: &[u8]| {
        let data = chunk(b"data", size, &[&[0; 4], data].concat());
        [b"caff\0\x01\0\0".to_vec(), description, chunk(b"free", 5, &[0; 5]), data].concat()
    };
    let (data, expected) = stereo(3001);
    let true_size = data.len() as u64 + 4;
    for stated in [0, 4, 404, true_size, true_size + 1000, u64::MAX / 2, u64::MAX] {
        let big = file(described(b"lpcm", 0, 4, 2, 16), stated, &swapped(&data));
        check(&format!("size {stated}"), &big, &expected);
    }
    let behind = |bytes: Vec<u8>| [bytes, chunk(b"info", 4, &[0; 4])].concat();
    check("a chunk behind", &behind(file(described(b"lpcm", 2, 4, 2, 16), true_size, &data)), &expected);
    let one =
        |kind, flags, width, data: &[u8]| file(described(kind, flags, width, 1, 8 * width), u64::MAX, data);
    check("s8", &one(b"lpcm", 0, 1, &[0x40, 0x80]), &[0.5, -1.0]);
    check("s24, little-endian", &one(b"lpcm", 2, 3, &[0, 0, 0x40]), &[0.5]);
    check("f32", &one(b"lpcm", 1, 4, &0.25_f32.to_be_bytes()), &[0.25]);
    check("f64, little-endian", &one(b"lpcm", 3, 8, &0.25_f64.to_le_bytes()), &[0.25]);
    check("alaw", &one(b"alaw", 0, 1, &[0xd5]), &[8.0 / 32_768.0]);
    check_refused("ALAC", &one(b"alac", 0, 0, &[1; 100]), "packet table");
    check_refused("FLAC", &one(b"flac", 0, 0, &[1; 100]), "FLAC in CAF");
    check_refused("no channels", &file(described(b"lpcm", 0, 0, 0, 16), 9, &data), "channels");
    check_refused(
        "a rate of 1e300",
        &[b"caff\0\x01\0\0".to_vec(), chunk(b"desc", 32, &[0x7e; 32])].concat(),
        "x",
    );
}
