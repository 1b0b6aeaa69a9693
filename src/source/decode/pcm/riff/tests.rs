//! All variants of WAVE.

use super::super::tests::{check, check_refused, decode, stereo, swapped};

const UNKNOWN: u32 = u32::MAX;

/// Content of a `fmt ` chunk for 16-bit integers in two channels.
fn plain() -> Vec<u8> {
    format(1, 2, 44_100, 4, 16)
}

fn format(tag: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
    let shorts = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let bytes = rate.wrapping_mul(u32::from(align));
    [shorts(&[tag, channels]), rate.to_le_bytes().into(), bytes.to_le_bytes().into(), shorts(&[align, bits])]
        .concat()
}

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    sized(id, content.len() as u32, content)
}

fn sized(id: &[u8; 4], size: u32, content: &[u8]) -> Vec<u8> {
    [&id[..], &size.to_le_bytes(), content].concat()
}

/// File with a correct size.
fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[b"WAVE".to_vec(), chunks.concat()].concat())
}

fn with_format(format: &[u8], data: &[u8]) -> Vec<u8> {
    file(&[chunk(b"fmt ", format), chunk(b"data", data)])
}

/// Stated sizes are irrelevant as long as only audio follows the header.
#[test]
fn sizes_are_hints() {
    let (data, expected) = stereo(3001);
    let true_size = data.len() as u32;
    let sizes = [0, 4, 36, 1000, 1001, true_size, true_size + 36, true_size + 4096];
    let largest = [0x7fff_f000, 0x7fff_ffff, 0x8000_0000, UNKNOWN];
    for riff in sizes.into_iter().chain(largest) {
        for stated in sizes.into_iter().chain(largest) {
            let bytes = [&b"WAVE"[..], &chunk(b"fmt ", &plain()), &sized(b"data", stated, &data)].concat();
            check(&format!("RIFF {riff}, data {stated}"), &sized(b"RIFF", riff, &bytes), &expected);
        }
    }
}

/// A running writer has last updated its header some time ago.
#[test]
fn a_file_goes_on_growing() {
    let (data, expected) = stereo(5000);
    for stated in [400, 401, 4000] {
        let bytes = [&b"WAVE"[..], &chunk(b"fmt ", &plain()), &sized(b"data", stated, &data)].concat();
        check(&format!("both sizes of {stated}"), &sized(b"RIFF", 36 + stated, &bytes), &expected);
    }
}

#[test]
fn silence_at_the_start_is_audio() {
    let (mut data, mut expected) = stereo(1000);
    data[..400].fill(0);
    expected[..200].fill(0.0);
    let bytes = [&b"WAVE"[..], &chunk(b"fmt ", &plain()), &sized(b"data", 0, &data)].concat();
    check("data 0", &sized(b"RIFF", 36, &bytes), &expected);
}

#[test]
fn data_after_the_audio_is_ignored() {
    let (data, expected) = stereo(1000);
    let (format, audio) = (chunk(b"fmt ", &plain()), chunk(b"data", &data));
    let list = chunk(b"LIST", b"INFOINAM\x04\0\0\0Song");
    check("a list", &file(&[format.clone(), audio.clone(), list.clone()]), &expected);
    check(
        "other chunks",
        &file(&[format.clone(), audio.clone(), chunk(b"XyZq", &[1; 11]), vec![0]]),
        &expected,
    );
    for riff in [0, 36, 100, UNKNOWN] {
        let bytes = [b"WAVE".to_vec(), format.clone(), audio.clone(), list.clone()].concat();
        check(&format!("a list, RIFF {riff}"), &sized(b"RIFF", riff, &bytes), &expected);
    }
    let whole = file(&[format, audio]);
    let tag = [&b"TAG"[..], &[b'x'; 125]].concat();
    for tag in [&tag, &b"APETAGEX\xd0\x07\0\0".to_vec(), &b"ID3\x03\0\0\0\0\0\x0a".to_vec()] {
        check("a tag", &[&whole[..], tag].concat(), &expected);
    }
    check("a sector of zeros", &[&whole[..], &[0; 2048]].concat(), &expected);
    check("junk", &[&whole[..], b"some junk\xff"].concat(), &expected);
    // A chain of unknown chunks leads to the end of the file, beyond RIFF.
    let chain = [chunk(b"abcd", &[1; 12]), chunk(b"efgh", &[2; 4])].concat();
    let (_, _, samples) = decode(&[&whole[..], &chain].concat(), true).unwrap();
    assert_eq!(samples, expected);
}

/// Irrelevant chunks that are empty, malformed or without padding.
#[test]
fn chunks_in_front_do_no_harm() {
    let (data, expected) = stereo(500);
    let (format, audio) = (chunk(b"fmt ", &plain()), chunk(b"data", &data));
    let fronts: &[&[u8]] = &[
        b"fact\0\0\0\0",
        b"fact\0\0\0\0\x01\x02\x03\x04",
        b"fact\x03\0\0\0abc\0",
        b"JUNK\x05\0\0\0hello",
        b"JUNK\x05\0\0\0hello\0",
        b"abcd\x05\0\0\0hello\0",
        b"LIST\0\0\0\0",
        b"LIST\x04\0\0\0INFOINAM\x04\0\0\0Song",
        b"LIST\xff\xff\xff\x7fINFOINAM\x04\0\0\0Song",
        b"cue \x04\0\0\0\xff\xff\xff\xff",
        b"\0\0\0\0\0\0\0\0",
        b"\xde\xad\xbe\xef\x01\x02",
    ];
    for front in fronts {
        let bytes = file(&[format.clone(), front.to_vec(), audio.clone()]);
        check(&String::from_utf8_lossy(front), &bytes, &expected);
    }
    for (size, content) in [(16, [plain(), vec![0, 0]].concat()), (18, plain()), (40, plain())] {
        let bytes = file(&[sized(b"fmt ", size, &content), audio.clone()]);
        check(&format!("a description of {size} bytes"), &bytes, &expected);
    }
    // Only a file can be searched for its description.
    let (_, _, samples) = decode(&file(&[audio, format]), true).unwrap();
    assert_eq!(samples, expected);
}

/// Chunk `ds64` of EBU Tech 3306, 3.3, and ITU-R BS.2088, 7.
#[test]
fn sizes_of_64_bits() {
    let (data, expected) = stereo(2000);
    for form in [b"RF64", b"BW64"] {
        for stated in [0, 400, data.len() as u64, data.len() as u64 + 100, u64::MAX, u64::MAX / 2] {
            let whole = data.len() as u64 + 72;
            let ds64 = [whole.to_le_bytes(), stated.to_le_bytes(), [0; 8]].concat();
            let bytes = [
                b"WAVE".to_vec(),
                chunk(b"ds64", &[&ds64[..], &[0; 4]].concat()),
                chunk(b"fmt ", &plain()),
                sized(b"data", UNKNOWN, &data),
            ]
            .concat();
            check(&format!("ds64 {stated}"), &sized(form, UNKNOWN, &bytes), &expected);
        }
    }
}

#[test]
fn numbers_of_every_kind() {
    let one = |tag, width: u16, bits, data: &[u8]| with_format(&format(tag, 1, 8000, width, bits), data);
    check("u8", &one(1, 1, 8, &[0x80, 0x00, 0xff, 0xc0]), &[0.0, -1.0, 127.0 / 128.0, 0.5]);
    check("s24", &one(1, 3, 24, &[0, 0, 0x40, 0, 0, 0x80]), &[0.5, -1.0]);
    check("s32", &one(1, 4, 32, &[0, 0, 0, 0x40, 0, 0, 0, 0x80]), &[0.5, -1.0]);
    check("s64", &one(1, 8, 64, &[0, 0, 0, 0, 0, 0, 0, 0x40]), &[0.5]);
    check("12 of 16 bits", &one(1, 2, 12, &[0, 0x40]), &[0.5]);
    check("20 of 24 bits", &one(1, 3, 20, &[0, 0, 0x40]), &[0.5]);
    check("24 of 32 bits", &one(1, 4, 24, &[0, 0, 0, 0x40]), &[0.5]);
    check("f32", &one(3, 4, 32, &0.25_f32.to_le_bytes()), &[0.25]);
    check("f64", &one(3, 8, 64, &(-0.25_f64).to_le_bytes()), &[-0.25]);
    // ITU-T G.711, tables 1a and 2a: the smallest and the largest positive value of 13 and 14 bits.
    check("A-law", &one(6, 1, 8, &[0xd5, 0xaa]), &[8.0 / 32_768.0, 32_256.0 / 32_768.0]);
    check("mu-law", &one(7, 1, 8, &[0xff, 0x80]), &[0.0, 32_124.0 / 32_768.0]);
    // Microsoft, WAVEFORMATEXTENSIBLE: 24 valid bits in 32-bit containers, six channels.
    let guid = [1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let extended =
        [format(0xfffe, 6, 48_000, 24, 32), vec![22, 0, 24, 0, 0x3f, 0, 0, 0], guid.into()].concat();
    check("extensible", &with_format(&extended, &[0, 0, 0, 0x40].repeat(6)), &[0.5; 6]);
    let decoded = decode(&with_format(&extended, &[0, 0, 0, 0x40].repeat(6)), true).unwrap();
    assert_eq!((decoded.0, decoded.1), (48_000, 6));
    // Header without the fields that follow from the others.
    check("no sizes of samples", &with_format(&format(1, 1, 8000, 0, 16), &[0, 0x40]), &[0.5]);
    check("no bits", &with_format(&format(1, 1, 8000, 2, 0), &[0, 0x40]), &[0.5]);
}

/// RIFX: RIFF with the most significant byte first (Microsoft, RIFF specification).
#[test]
fn big_endian_files() {
    let (data, expected) = stereo(300);
    let head: Vec<u8> = [1_u16, 2].iter().flat_map(|value| value.to_be_bytes()).collect();
    let rates: Vec<u8> = [44_100_u32, 176_400].iter().flat_map(|value| value.to_be_bytes()).collect();
    let tail: Vec<u8> = [4_u16, 16].iter().flat_map(|value| value.to_be_bytes()).collect();
    for stated in [0, 100, data.len() as u32, UNKNOWN] {
        let bytes = [
            b"RIFX\0\0\0\0WAVEfmt \0\0\0\x10".to_vec(),
            [head.clone(), rates.clone(), tail.clone()].concat(),
            b"data".to_vec(),
            stated.to_be_bytes().into(),
            swapped(&data),
        ]
        .concat();
        check(&format!("RIFX, data {stated}"), &bytes, &expected);
    }
}

/// `arecord` starts another file on its standard output after 2 GiB; ffmpeg and sox read only the
/// first of concatenated files.
#[test]
fn a_stream_goes_on_with_another_header() {
    let (data, expected) = stereo(700);
    let whole = with_format(&plain(), &data);
    let twice = [&whole[..], &whole].concat();
    assert_eq!(decode(&twice, true).unwrap().2, expected);
    assert_eq!(decode(&twice, false).unwrap().2, [&expected[..], &expected].concat());
    let other = with_format(&format(1, 1, 8000, 2, 16), &data);
    assert_eq!(decode(&[&whole[..], &other].concat(), false).unwrap().2, expected);
}

#[test]
fn what_is_not_decoded_is_named() {
    let coded = |tag| with_format(&format(tag, 2, 48_000, 4, 16), &[1; 400]);
    check_refused("AC-3", &coded(0x2000), "`x` is AC-3 in WAV, which genred does not decode");
    check_refused("DTS", &coded(0x2001), "DTS in WAV");
    check_refused("GSM", &coded(0x31), "GSM 6.10 in WAV");
    check_refused("any", &coded(0x7777), "an unknown codec");
    let burst = [b"\x72\xf8\x1f\x4e\x01\0\0\x30".as_slice(), &[1; 600]].concat();
    check_refused("S/PDIF", &with_format(&plain(), &burst), "S/PDIF");
    // A WAV header stored by Monkey's Audio, and one after other data.
    let (data, _) = stereo(100);
    let mut monkey = b"MAC \x96\x0f".to_vec();
    monkey.resize(76, 0);
    monkey.extend(with_format(&plain(), &data));
    check_refused("Monkey's Audio", &monkey, "Monkey's Audio");
    let hidden = [vec![7; 80], with_format(&plain(), &data)].concat();
    check_refused("something else", &hidden, "is not in a known audio format");
}

#[test]
fn absurd_headers_are_refused() {
    let (data, _) = stereo(100);
    check_refused("no channels", &with_format(&format(1, 0, 44_100, 0, 16), &data), "no channels");
    check_refused("65535 channels", &with_format(&format(1, 65_535, 44_100, 4, 16), &data), "64 channels");
    check_refused("rate 0", &with_format(&format(1, 2, 0, 4, 16), &data), "sample rate");
    check_refused("rate max", &with_format(&format(1, 2, u32::MAX, 4, 16), &data), "sample rate");
    check_refused("255 bits", &with_format(&format(1, 2, 44_100, 4, 255), &data), "sample size");
    check_refused("blocks of 0 bytes", &with_format(&format(0x11, 1, 44_100, 0, 4), &data), "too short");
    check_refused("no audio", &with_format(&plain(), &[]), "holds no audio");
    check_refused("no data", &file(&[chunk(b"fmt ", &plain())]), "x");
    check_refused("no description", &file(&[chunk(b"data", &data)]), "x");
    check_refused("nothing", b"RIFF\x04\0\0\0WAVE", "x");
}

/// A file cut within a frame.
#[test]
fn the_last_frame_is_whole() {
    let (data, expected) = stereo(1000);
    let whole = with_format(&plain(), &data);
    check("cut short", &whole[..whole.len() - 401], &expected[..2 * (1000 - 101)]);
}
