//! Magic numbers as the specifications and ffmpeg's demuxers have them.

use super::*;

fn name(first: &[u8]) -> Option<&'static str> {
    named(first).map(|named| named.name)
}

/// Frames of `length` bytes that begin with `head`, behind `lead` bytes of something else.
fn frames(lead: usize, head: &[u8], length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..lead).map(|at| (at * 7 + 1) as u8).collect();
    while bytes.len() < DECISIVE {
        let begin = bytes.len();
        bytes.extend_from_slice(head);
        bytes.extend((begin + head.len()..begin + length).map(|at| (at * 13 % 61) as u8));
    }
    bytes.truncate(DECISIVE);
    bytes
}

#[test]
fn magic_numbers_decide() {
    assert_eq!(name(b"wvpk\x20\0\0\0\x10\x04"), Some("WavPack"));
    // Monkey's Audio, with the WAV header of its source at offset 76.
    let mut monkey = [0; 200];
    monkey[..4].copy_from_slice(b"MAC ");
    monkey[76..88].copy_from_slice(b"RIFF\x24\0\0\0WAVE");
    assert_eq!(name(&monkey), Some("Monkey's Audio"));
    assert_eq!(name(b"tBaK\x01"), Some("TAK"));
    assert_eq!(name(b"OFR \x0c\0\0\0"), Some("OptimFROG"));
    assert_eq!(name(b"TTA1\x01\0\x02\0"), Some("TTA (True Audio)"));
    assert_eq!(name(b"MPCKSH"), Some("Musepack"));
    assert_eq!(name(b"RIFF\0\0\0\0AVI LIST"), Some("AVI"));
    assert_eq!(name(b"RIFF\0\0\0\0WAVEfmt "), None);
    assert_eq!(name(b"FORM\0\0\0\x068SVXVHDR"), Some("8SVX"));
    assert_eq!(name(b"\x1f\x8b\x08\0\0"), Some("gzip data"));
    assert_eq!(name(b"\0\0\0\x18ftypheic\0\0\0\0"), Some("a HEIF image"));
    assert_eq!(name(b"\0\0\0\x18ftypM4A \0\0\0\0"), None);
    for decoded in
        [b"fLaC\0\0\0\x22".as_slice(), b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80", b"\x1a\x45\xdf\xa3"]
    {
        assert_eq!(name(decoded), None);
        assert!(is_settled(&[decoded, &[0; 12]].concat()), "{decoded:?}");
    }
    assert_eq!(name(b""), None);
}

#[test]
fn an_id3v2_tag_in_front_is_passed_over() {
    // 300 bytes of content: 2 × 128 + 44.
    let tag = [b"ID3\x04\0\0\0\0\x02\x2c".as_slice(), &[0; 300]].concat();
    assert_eq!(id3v2_length(&tag), 310);
    assert_eq!(name(&[&tag, b"TTA1\x01\0".as_slice()].concat()), Some("TTA (True Audio)"));
    assert_eq!(name(&[&tag, &tag, b"MAC \x96\x0f".as_slice()].concat()), Some("Monkey's Audio"));
    assert_eq!(name(&tag), None);
    // Content that is not here yet.
    assert_eq!(name(&tag[..100]), None);
    assert!(!is_settled(&tag[..100]));
}

#[test]
fn ogg_is_named_by_its_first_packet() {
    let page =
        |packet: &[u8]| [b"OggS\0\x02".as_slice(), &[0; 20], &[1, packet.len() as u8], packet].concat();
    assert_eq!(name(&page(b"Speex   1.2.1")), Some("Speex in Ogg"));
    assert_eq!(name(&page(b"OpusHead\x01\x02")), None);
    assert_eq!(name(&page(b"\x01vorbis\0\0")), None);
}

#[test]
fn transport_streams_are_named_however_they_are_cut() {
    let ts = |lead, period| name(&frames(lead, b"\x47\x40\x11\x10", period));
    for period in [188, 204] {
        assert_eq!(ts(0, period), Some("an MPEG transport stream (MPEG-TS)"), "{period}");
        assert_eq!(ts(101, period), Some("an MPEG transport stream (MPEG-TS)"), "{period}");
    }
    // M2TS: a time stamp of four bytes in front of each packet.
    assert_eq!(
        name(&frames(0, b"\0\x12\x34\x56\x47\x40\x11\x10", 192)),
        Some("an MPEG transport stream (MPEG-TS)")
    );
    assert_eq!(ts(0, 190), None);
    assert_eq!(name(&[0x47; DECISIVE]), None);
    let three = frames(0, b"\x47\x40\x11\x10", 188);
    assert_eq!(name(&three[..188 * 2 + 4]), Some("an MPEG transport stream (MPEG-TS)"));
    assert_eq!(name(&three[..188 * 2]), None);
}

#[test]
fn frames_are_named_by_their_lengths() {
    // LOAS: the length counts what follows its own three bytes.
    let loas = |lead| name(&frames(lead, &[0x56, 0xe0 | 1, 0x00], 3 + 256));
    assert_eq!(loas(0), Some("AAC in LATM/LOAS"));
    assert_eq!(loas(333), Some("AAC in LATM/LOAS"));
    // AC-3 of 48 kHz, 192 kbit/s: 768 bytes (ETSI TS 102 366, table 4.13); bsid 8.
    assert_eq!(name(&frames(0, &[0x0b, 0x77, 0, 0, 20, 8 << 3], 768)), Some("AC-3 (Dolby Digital)"));
    // The same of 44.1 kHz: 835 words of 2 bytes less one where the code is even, so 834 words … 696 and 697.
    assert_eq!(
        name(&frames(90, &[0x0b, 0x77, 0, 0, 64 | 20, 8 << 3], 2 * 417)),
        Some("AC-3 (Dolby Digital)")
    );
    assert_eq!(
        name(&frames(90, &[0x0b, 0x77, 0, 0, 64 | 21, 8 << 3], 2 * 418)),
        Some("AC-3 (Dolby Digital)")
    );
    // E-AC-3 of 512 bytes: frmsiz 255, bsid 16.
    assert_eq!(name(&frames(0, &[0x0b, 0x77, 0x00, 0xff, 0, 16 << 3], 512)), Some("AC-3 (Dolby Digital)"));
    assert_eq!(name(&frames(0, &[0x0b, 0x77, 0, 0, 20, 8 << 3], 770)), None);
}

#[test]
fn text_is_named_by_its_root() {
    assert_eq!(name(b"\xef\xbb\xbf#EXTM3U\n"), Some("an M3U playlist"));
    assert_eq!(name(b"\r\n[Playlist]\nFile1="), Some("a PLS playlist"));
    assert_eq!(name(b"<ASX version=\"3.0\">"), Some("an ASX playlist"));
    assert_eq!(name(b"<?xml version=\"1.0\"?>\n<playlist version=\"1\">"), Some("an XSPF playlist"));
    assert_eq!(name(b"<?xml version=\"1.0\"?>\n<MPD xmlns="), Some("a DASH manifest"));
    assert_eq!(name(b"  <!DOCTYPE html>\n<html>"), Some("an HTML page"));
    assert_eq!(name(b"no sound here, only words\n"), None);
}

#[test]
fn messages_say_what_to_do() {
    let message = named(b"wvpk").unwrap().to_string();
    assert!(message.starts_with("WavPack, which genred does not decode"), "{message}");
    assert!(
        message.contains("`uri = \"process:\"`") && message.contains("ffmpeg -i IN OUT.wav"),
        "{message}"
    );
    assert_eq!(
        named(b"\x1f\x8b\x08").unwrap().to_string(),
        "gzip data, not audio; unpack it and give a file from it"
    );
    for (_, _, named) in MAGIC {
        let message = named.to_string();
        assert!(!message.ends_with('.') && message.len() < 250, "{message}");
    }
}
