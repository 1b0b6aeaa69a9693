//! Headers of Sun audio.

use super::super::tests::{check, check_refused, stereo, swapped};

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Sun, `audio_filehdr.h`: offset, size, encoding, rate, channels.
#[test]
fn sun_audio() {
    let (data, expected) = stereo(3001);
    let true_size = data.len() as u32;
    for stated in [0, 400, true_size, true_size + 1000, u32::MAX] {
        let head = [b".snd".to_vec(), words(&[28, stated, 3, 44_100, 2]), b"text".to_vec()].concat();
        check(&format!("size {stated}"), &[head, swapped(&data)].concat(), &expected);
    }
    let little: Vec<u8> = [24, true_size, 3, 44_100, 2].iter().flat_map(|word| word.to_le_bytes()).collect();
    check("little-endian", &[b"dns.".to_vec(), little, data].concat(), &expected);
    let one = |encoding, data: &[u8]| {
        [b".snd".to_vec(), words(&[24, u32::MAX, encoding, 8000, 1]), data.to_vec()].concat()
    };
    check("mu-law", &one(1, &[0xff, 0x80]), &[0.0, 32_124.0 / 32_768.0]);
    check("s8", &one(2, &[0x40, 0x80]), &[0.5, -1.0]);
    check("s24", &one(4, &[0x40, 0, 0]), &[0.5]);
    check("s32", &one(5, &[0x40, 0, 0, 0]), &[0.5]);
    check("f32", &one(6, &0.25_f32.to_be_bytes()), &[0.25]);
    check("f64", &one(7, &0.25_f64.to_be_bytes()), &[0.25]);
    check("A-law", &one(27, &[0xd5]), &[8.0 / 32_768.0]);
    check_refused("G.721", &one(23, &[1; 100]), "ADPCM (G.721 to G.723) in AU");
    check_refused(
        "no channels",
        &[b".snd".to_vec(), words(&[24, 9, 3, 8000, 0]), vec![1; 9]].concat(),
        "channels",
    );
    check_refused("cut short", b".snd\0\0\0\x18\0\0\0\0\0\0\0\0", "x");
}
