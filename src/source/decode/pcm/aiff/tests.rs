//! AIFF and AIFF-C.

use super::super::tests::{check, check_refused, decode, stereo, swapped};
use super::extended;

/// 44,100 and 8,000 Hz as 80-bit numbers.
const RATE: [u8; 10] = [0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0];
const SLOW: [u8; 10] = [0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0];

fn sized(id: &[u8; 4], size: u32, content: &[u8]) -> Vec<u8> {
    [&id[..], &size.to_be_bytes(), content].concat()
}

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    sized(id, content.len() as u32, content)
}

fn common(channels: u16, bits: u16, rate: [u8; 10], kind: &[u8]) -> Vec<u8> {
    let content = [&channels.to_be_bytes()[..], &[0; 4], &bits.to_be_bytes(), &rate, kind];
    chunk(b"COMM", &content.concat())
}

fn compressed(kind: &[u8; 4], bits: u16, data: &[u8]) -> Vec<u8> {
    let kind = [&kind[..], &[0, 0]].concat();
    let sound = chunk(b"SSND", &[&[0; 8], data].concat());
    chunk(b"FORM", &[b"AIFC".to_vec(), common(1, bits, SLOW, &kind), sound].concat())
}

/// Sizes as sox and ffmpeg write them to pipes, and as killed writers leave them.
#[test]
fn sizes_are_hints() {
    let (data, expected) = stereo(1501);
    let true_size = data.len() as u32 + 8;
    for form in [0, 4, 46, 1000, true_size + 38, 0x7f00_0050, u32::MAX] {
        for sound in [0, 8, 1000, 1001, true_size, true_size + 1000, 0x7f00_0008, u32::MAX] {
            let content = [&[0; 8], &swapped(&data)[..]].concat();
            let bytes =
                [b"AIFF".to_vec(), common(2, 16, RATE, &[]), sized(b"SSND", sound, &content)].concat();
            check(&format!("FORM {form}, SSND {sound}"), &sized(b"FORM", form, &bytes), &expected);
        }
    }
}

#[test]
fn chunks_come_in_any_order() {
    let (data, expected) = stereo(400);
    let sound = chunk(b"SSND", &[&[0; 8], &swapped(&data)[..]].concat());
    let file = |chunks: &[Vec<u8>]| chunk(b"FORM", &[b"AIFF".to_vec(), chunks.concat()].concat());
    let described = common(2, 16, RATE, &[]);
    check("behind", &file(&[described.clone(), sound.clone(), chunk(b"ANNO", b"text")]), &expected);
    check("in front", &file(&[chunk(b"NAME", b"odd\0"), described.clone(), sound.clone()]), &expected);
    check("without padding", &file(&[chunk(b"NAME", b"odd"), described.clone(), sound.clone()]), &expected);
    // Unknown chunks without padding (go-audio's fixture `padded24b.aif`).
    let odd = chunk(b"SSND", &[&[0; 8], &swapped(&data)[..], &[0]].concat());
    let behind = [chunk(b"AFAn", &[1; 717]), chunk(b"afan", &[2; 11])];
    check("unknown", &file(&[vec![described.clone(), odd], behind.to_vec()].concat()), &expected);
    // Only a file can be searched for its description.
    assert_eq!(decode(&file(&[sound, described]), true).unwrap().2, expected);
}

/// Offset to the first sample (AIFF 1.3, "Block-Aligning Sound Data").
#[test]
fn an_offset_is_passed_over() {
    let (data, expected) = stereo(400);
    let sound = chunk(b"SSND", &[&[0, 0, 0, 6, 0, 0, 0, 0], &[9; 6][..], &swapped(&data)].concat());
    let bytes = chunk(b"FORM", &[b"AIFF".to_vec(), common(2, 16, RATE, &[]), sound].concat());
    check("offset", &bytes, &expected);
}

#[test]
fn numbers_of_every_kind() {
    check("NONE", &compressed(b"NONE", 8, &[0x40, 0x80]), &[0.5, -1.0]);
    check("twos", &compressed(b"twos", 16, &[0x40, 0]), &[0.5]);
    check("sowt", &compressed(b"sowt", 16, &[0, 0x40]), &[0.5]);
    check("sowt of 24 bits", &compressed(b"sowt", 24, &[0, 0, 0x40, 0]), &[0.5]);
    check("raw", &compressed(b"raw ", 8, &[0xc0, 0x80]), &[0.5, 0.0]);
    check("in24", &compressed(b"in24", 24, &[0x40, 0, 0, 0]), &[0.5]);
    check("in32", &compressed(b"in32", 32, &[0x40, 0, 0, 0]), &[0.5]);
    check("23ni", &compressed(b"23ni", 32, &[0, 0, 0, 0x40]), &[0.5]);
    check("fl32", &compressed(b"fl32", 32, &0.25_f32.to_be_bytes()), &[0.25]);
    check("FL32", &compressed(b"FL32", 32, &0.25_f32.to_be_bytes()), &[0.25]);
    check("fl64", &compressed(b"fl64", 64, &0.25_f64.to_be_bytes()), &[0.25]);
    check("alaw", &compressed(b"alaw", 16, &[0xd5, 0xaa]), &[8.0 / 32_768.0, 32_256.0 / 32_768.0]);
    check("ULAW", &compressed(b"ULAW", 16, &[0xff, 0x80]), &[0.0, 32_124.0 / 32_768.0]);
    check_refused("MACE", &compressed(b"MAC6", 8, &[1; 100]), "MACE in AIFF-C");
    check_refused("any", &compressed(b"abcd", 8, &[1; 100]), "an unknown codec");
    check_refused(
        "no channels",
        &chunk(b"FORM", &[b"AIFF".to_vec(), common(0, 16, RATE, &[])].concat()),
        "x",
    );
    check_refused("1000 bits", &compressed(b"NONE", 1000, &[1; 1000]), "sample size");
}

/// Bytes as `sox` and `ffmpeg` write them.
#[test]
fn rates_are_rounded() {
    assert_eq!(extended(&[0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]), 44_100);
    assert_eq!(extended(&[0x40, 0x0f, 0xbb, 0x80, 0, 0, 0, 0, 0, 0]), 96_000);
    assert_eq!(extended(&[0x40, 0x0c, 0xad, 0xc5, 0x99, 0x99, 0, 0, 0, 0]), 11_121);
    assert_eq!(extended(&[0; 10]), 0);
    assert_eq!(extended(&[0xff; 10]), 0);
    assert_eq!(extended(&[0x3f, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), 1);
    assert_eq!(extended(&[0x40, 0x1e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 0);
}
