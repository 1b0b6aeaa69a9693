//! Sample descriptions and tables of QuickTime (File Format Specification, "Sound Sample
//! Descriptions") and ISO base media files (ISO/IEC 14496-12 and 23003-5).

use super::super::tests::{check, check_refused, decode, stereo, swapped};

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Sample description of version 0.
fn entry(kind: &[u8; 4], channels: u16, bits: u16, boxes: &[u8]) -> Vec<u8> {
    let fields =
        [&channels.to_be_bytes()[..], &bits.to_be_bytes(), &[0; 4], &words(&[44_100 << 16])].concat();
    boxed(kind, &[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], &fields, boxes].concat())
}

/// Sample description of version 2.
fn linear(channels: u32, bits: u32, flags: u32) -> Vec<u8> {
    let first = [0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 16, 0xff, 0xfe, 0, 0, 0, 1, 0, 0];
    let rate = 96_000_f64.to_be_bytes();
    let fields = words(&[channels, 0x7f00_0000, bits, flags, bits / 8 * channels, 1]);
    boxed(b"lpcm", &[&first[..], &words(&[72]), &rate, &fields].concat())
}

fn enda(value: u16) -> Vec<u8> {
    boxed(b"wave", &[boxed(b"frma", b"in24"), boxed(b"enda", &value.to_be_bytes())].concat())
}

/// Audio track with chunks of `count` samples at `offsets`.
fn track(entry: &[u8], offsets: &[u32], count: u32, size: u32) -> Vec<u8> {
    let chunks = offsets.len() as u32;
    let table = [
        boxed(b"stsd", &[words(&[0, 1]), entry.to_vec()].concat()),
        boxed(b"stsc", &words(&[0, 1, 1, count, 1])),
        boxed(b"stsz", &words(&[0, size, count * chunks])),
        boxed(b"stco", &[words(&[0, chunks]), words(offsets)].concat()),
    ]
    .concat();
    let media =
        [boxed(b"hdlr", &[&[0; 8][..], b"soun", &[0; 13]].concat()), boxed(b"minf", &boxed(b"stbl", &table))]
            .concat();
    boxed(b"trak", &[boxed(b"tkhd", &words(&[0, 0, 0, 7, 0])), boxed(b"mdia", &media)].concat())
}

/// File whose audio comes last: four bytes, then two chunks of `count` samples with a gap between
/// them.
fn file(entry: &[u8], data: &[u8], count: u32, size: u32) -> Vec<u8> {
    let (first, second) = data.split_at(data.len() / 2);
    let head = boxed(b"ftyp", b"qt  ");
    let index = |at: u32| {
        let offsets = [at, at + first.len() as u32 + 3];
        boxed(b"moov", &[boxed(b"mvhd", &[0; 100]), track(entry, &offsets, count, size)].concat())
    };
    let begin = head.len() + index(0).len() + 8 + 4;
    [head, index(begin as u32), boxed(b"mdat", &[b"----", first, b"---", second].concat())].concat()
}

#[test]
fn the_description_decides() {
    let (data, expected) = stereo(600);
    check("twos", &file(&entry(b"twos", 2, 16, &[]), &swapped(&data), 300, 4), &expected);
    check("sowt", &file(&entry(b"sowt", 2, 16, &[]), &data, 300, 4), &expected);
    // Old files state 1 for the size of a frame.
    check("NONE", &file(&entry(b"NONE", 2, 16, &[]), &swapped(&data), 300, 1), &expected);
    let two = |entry: &[u8], data: &[u8], expected: &[f32]| {
        let name = String::from_utf8_lossy(&entry[4..8]).into_owned();
        check(&name, &file(entry, &data.repeat(2), 1, 1), &expected.repeat(2));
    };
    let one = |kind, bits, boxes: &[u8], data: &[u8], expected| {
        two(&entry(kind, 1, bits, boxes), data, &[expected])
    };
    one(b"raw ", 8, &[], &[0xc0], 0.5);
    one(b"twos", 8, &[], &[0x40], 0.5);
    one(b"sowt", 24, &[], &[0, 0, 0x40], 0.5);
    // Version 0 always states 16 bits.
    one(b"in24", 16, &[], &[0x40, 0, 0], 0.5);
    one(b"in24", 16, &enda(0), &[0x40, 0, 0], 0.5);
    one(b"in24", 16, &enda(1), &[0, 0, 0x40], 0.5);
    one(b"in32", 16, &enda(1), &[0, 0, 0, 0x40], 0.5);
    one(b"in32", 16, &[], &[0x40, 0, 0, 0], 0.5);
    one(b"fl32", 16, &[], &0.25_f32.to_be_bytes(), 0.25);
    one(b"fl32", 16, &boxed(b"enda", &[0, 1]), &0.25_f32.to_le_bytes(), 0.25);
    one(b"fl64", 16, &enda(1), &0.25_f64.to_le_bytes(), 0.25);
    one(b"ulaw", 16, &[], &[0x80], 32_124.0 / 32_768.0);
    one(b"alaw", 16, &[], &[0xd5], 8.0 / 32_768.0);
    // ISO/IEC 23003-5: bit 0 of the flags is little-endian.
    one(b"ipcm", 16, &boxed(b"pcmC", &[0, 0, 0, 0, 1, 24]), &[0, 0, 0x40], 0.5);
    one(b"ipcm", 16, &boxed(b"pcmC", &[0, 0, 0, 0, 0, 16]), &[0x40, 0], 0.5);
    one(b"fpcm", 16, &boxed(b"pcmC", &[0, 0, 0, 0, 1, 32]), &0.25_f32.to_le_bytes(), 0.25);
    // Flags of Core Audio: 1 float, 2 big-endian, 4 signed.
    two(&linear(1, 24, 4 | 2), &[0x40, 0, 0], &[0.5]);
    two(&linear(1, 24, 4), &[0, 0, 0x40], &[0.5]);
    two(&linear(1, 32, 1), &0.25_f32.to_le_bytes(), &[0.25]);
    two(&linear(1, 8, 0), &[0xc0], &[0.5]);
    two(&linear(6, 16, 4 | 2), &[0x40, 0].repeat(6), &[0.5; 6]);
    two(&entry(b"twos", 6, 16, &[]), &[0x40, 0].repeat(6), &[0.5; 6]);
    let decoded = decode(&file(&linear(6, 16, 4 | 2), &[0x40, 0].repeat(12), 1, 12), true).unwrap();
    assert_eq!((decoded.0, decoded.1), (96_000, 6));
}

/// A description after the audio, which a stream cannot return to.
#[test]
fn an_index_at_the_end() {
    let (data, expected) = stereo(600);
    let head = boxed(b"ftyp", b"qt  ");
    let begin = head.len() as u32 + 8;
    let index = boxed(b"moov", &track(&entry(b"sowt", 2, 16, &[]), &[begin], 600, 4));
    let bytes = [head, boxed(b"mdat", &data), index].concat();
    assert_eq!(decode(&bytes, true).unwrap().2, expected);
    assert!(decode(&bytes, false).is_err());
}

#[test]
fn fragments() {
    let (data, expected) = stereo(600);
    let mvex = boxed(b"mvex", &boxed(b"trex", &words(&[0, 7, 1, 1, 4, 0])));
    let index = [track(&entry(b"sowt", 2, 16, &[]), &[], 0, 0), mvex].concat();
    let fragment = |data: &[u8], sizes: bool| {
        let count = data.len() as u32 / 4;
        let (flags, fields) = match sizes {
            true => (0x301, [1, 4].repeat(count as usize)),
            false => (0x001, Vec::new()),
        };
        let run = |offset| boxed(b"trun", &words(&[&[flags, count, offset][..], &fields].concat()));
        let moof = |offset| {
            let traf = [boxed(b"tfhd", &words(&[0x02_0000, 7])), run(offset)].concat();
            boxed(b"moof", &[boxed(b"mfhd", &[0; 8]), boxed(b"traf", &traf)].concat())
        };
        let offset = moof(0).len() as u32 + 8;
        [moof(offset), boxed(b"mdat", data)].concat()
    };
    let (first, second) = data.split_at(1000);
    let bytes = [
        boxed(b"ftyp", b"iso5"),
        boxed(b"moov", &index),
        fragment(first, true),
        boxed(b"free", &[0; 40]),
        fragment(second, false),
    ]
    .concat();
    check("fragments", &bytes, &expected);
    check("fragments, cut short", &bytes[..bytes.len() - 42], &expected[..2 * (600 - 11)]);
}

#[test]
fn what_is_not_decoded_is_named() {
    let (data, _) = stereo(100);
    check_refused("AC-3", &file(&entry(b"ac-3", 2, 16, &[]), &data, 50, 4), "AC-3 in MP4");
    check_refused("MACE", &file(&entry(b"MAC6", 2, 16, &[]), &data, 50, 4), "MACE in QuickTime");
    // Tables that lead beyond the end.
    let far =
        [boxed(b"ftyp", b"qt  "), boxed(b"moov", &track(&entry(b"sowt", 2, 16, &[]), &[u32::MAX], 9, 4))];
    check_refused("far", &far.concat(), "holds no audio");
}
