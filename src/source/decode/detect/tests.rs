//! Signatures and sync words according to the specifications and ffmpeg's demuxers.

use std::io::Cursor;

use symphonia::core::io::{MediaSourceStream, ReadOnlySource};

use super::*;
use crate::source::decode::stream_start::StreamStart;

/// Format of a stream that begins with `bytes`.
fn kind(bytes: &[u8]) -> DetectedFormat {
    let source = ReadOnlySource::new(Cursor::new(bytes.to_vec()));
    StreamStart::of(MediaSourceStream::new(Box::new(source), Default::default())).unwrap().0.kind
}

fn unsupported(name: &'static str) -> DetectedFormat {
    DetectedFormat::Unsupported(Unsupported::audio(name))
}

/// Name of the format, if it is unsupported.
fn name(bytes: &[u8]) -> Option<String> {
    match detect(bytes, true) {
        Some(DetectedFormat::Unsupported(unsupported)) => Some(unsupported.name.into_owned()),
        _ => None,
    }
}

#[test]
fn no_more_bytes_are_awaited_than_needed() {
    let detected = |bytes: &[u8]| detect(bytes, false);
    assert_eq!(detected(b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0"), Some(DetectedFormat::Flac));
    assert_eq!(detected(b"RIFF\0\0\0\0WAVEfmt "), Some(DetectedFormat::Pcm(PcmContainer::Wave)));
    assert_eq!(detected(b"fLaC"), None);
    assert_eq!(detected(&[b"OggS".as_slice(), &[0; 30]].concat()), None);
    // The root element of an XML document comes later.
    assert_eq!(detected(b"<?xml version=\"1.0\"?>\n"), None);
    assert_eq!(detected(&[7; 4096]), None);
    assert_eq!(detected(&[7; LONGEST_START]), Some(DetectedFormat::Other));
}

/// Frames of `length` bytes that begin with `head`, after `lead` bytes of other data.
fn behind(lead: usize, head: &[u8], length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..lead).map(|at| (at * 7 + 1) as u8).collect();
    while bytes.len() < 4096 {
        let begin = bytes.len();
        bytes.extend_from_slice(head);
        bytes.extend((begin + head.len()..begin + length).map(|at| (at * 13 % 61) as u8));
    }
    bytes.truncate(4096);
    bytes
}

#[test]
fn magic_numbers_decide() {
    assert_eq!(name(b"wvpk\x20\0\0\0\x10\x04").as_deref(), Some("WavPack"));
    // Monkey's Audio, with the WAV header of its source at offset 76.
    let mut monkey = [0; 200];
    monkey[..4].copy_from_slice(b"MAC ");
    monkey[76..88].copy_from_slice(b"RIFF\x24\0\0\0WAVE");
    assert_eq!(name(&monkey).as_deref(), Some("Monkey's Audio"));
    assert_eq!(name(b"tBaK\x01").as_deref(), Some("TAK"));
    assert_eq!(name(b"OFR \x0c\0\0\0").as_deref(), Some("OptimFROG"));
    assert_eq!(name(b"TTA1\x01\0\x02\0").as_deref(), Some("TTA (True Audio)"));
    assert_eq!(name(b"MPCKSH").as_deref(), Some("Musepack"));
    assert_eq!(name(b"RIFF\0\0\0\0AVI LIST").as_deref(), Some("AVI"));
    assert_eq!(name(b"RIFF\0\0\0\0WAVEfmt "), None);
    assert_eq!(name(b"FORM\0\0\0\x068SVXVHDR").as_deref(), Some("8SVX"));
    assert_eq!(name(b"\x1f\x8b\x08\0\0").as_deref(), Some("gzip data"));
    assert_eq!(name(b"\0\0\0\x18ftypheic\0\0\0\0").as_deref(), Some("a HEIF image"));
    assert_eq!(name(b"\0\0\0\x18ftypM4A \0\0\0\0"), None);
    assert_eq!(name(b""), None);
}

#[test]
fn an_id3v2_tag_in_front_is_passed_over() {
    // 300 bytes of content: 2 × 128 + 44.
    let tag = [b"ID3\x04\0\0\0\0\x02\x2c".as_slice(), &[0; 300]].concat();
    assert_eq!(id3v2_length(&tag), 310);
    assert_eq!(kind(&[&tag, b"TTA1\x01\0".as_slice()].concat()), unsupported("TTA (True Audio)"));
    assert_eq!(kind(&[&tag, &tag, b"MAC \x96\x0f".as_slice()].concat()), unsupported("Monkey's Audio"));
    assert_eq!(kind(&tag), DetectedFormat::Other);
    assert_eq!(kind(&tag[..100]), DetectedFormat::Other);
}

#[test]
fn ogg_is_named_by_its_first_packet() {
    let page =
        |packet: &[u8]| [b"OggS\0\x02".as_slice(), &[0; 20], &[1, packet.len() as u8], packet].concat();
    assert_eq!(name(&page(b"Speex   1.2.1")).as_deref(), Some("Speex in Ogg"));
    assert_eq!(name(&page(b"OpusHead\x01\x02")), None);
    assert_eq!(name(&page(b"\x01vorbis\0\0")), None);
}

#[test]
fn transport_streams_are_named_however_they_are_cut() {
    let ts = |lead, period| name(&behind(lead, b"\x47\x40\x11\x10", period));
    for period in [188, 204] {
        assert_eq!(ts(0, period).as_deref(), Some("an MPEG transport stream (MPEG-TS)"), "{period}");
        assert_eq!(ts(101, period).as_deref(), Some("an MPEG transport stream (MPEG-TS)"), "{period}");
    }
    // M2TS: a time stamp of four bytes before each packet.
    assert_eq!(
        name(&behind(0, b"\0\x12\x34\x56\x47\x40\x11\x10", 192)).as_deref(),
        Some("an MPEG transport stream (MPEG-TS)")
    );
    assert_eq!(ts(0, 190), None);
    assert_eq!(name(&[0x47; 4096]), None);
    let three = behind(0, b"\x47\x40\x11\x10", 188);
    assert_eq!(name(&three[..188 * 2 + 4]).as_deref(), Some("an MPEG transport stream (MPEG-TS)"));
    assert_eq!(name(&three[..188 * 2]), None);
}

#[test]
fn frames_are_named_by_their_lengths() {
    // LOAS: the length excludes its own three bytes.
    let loas = |lead| name(&behind(lead, &[0x56, 0xe0 | 1, 0x00], 3 + 256));
    assert_eq!(loas(0).as_deref(), Some("AAC in LATM/LOAS"));
    assert_eq!(loas(333).as_deref(), Some("AAC in LATM/LOAS"));
    // AC-3 at 48 kHz, 192 kbit/s: 768 bytes (ETSI TS 102 366, table 4.13); bsid 8.
    assert_eq!(
        name(&behind(0, &[0x0b, 0x77, 0, 0, 20, 8 << 3], 768)).as_deref(),
        Some("AC-3 (Dolby Digital)")
    );
    // AC-3 at 44.1 kHz: 417 words of 2 bytes for an even code, 418 for an odd one.
    assert_eq!(
        name(&behind(90, &[0x0b, 0x77, 0, 0, 64 | 20, 8 << 3], 2 * 417)).as_deref(),
        Some("AC-3 (Dolby Digital)")
    );
    assert_eq!(
        name(&behind(90, &[0x0b, 0x77, 0, 0, 64 | 21, 8 << 3], 2 * 418)).as_deref(),
        Some("AC-3 (Dolby Digital)")
    );
    // E-AC-3 of 512 bytes: frmsiz 255, bsid 16.
    assert_eq!(
        name(&behind(0, &[0x0b, 0x77, 0x00, 0xff, 0, 16 << 3], 512)).as_deref(),
        Some("AC-3 (Dolby Digital)")
    );
    assert_eq!(name(&behind(0, &[0x0b, 0x77, 0, 0, 20, 8 << 3], 770)), None);
}

#[test]
fn text_is_named_by_its_root() {
    assert_eq!(name(b"\xef\xbb\xbf#EXTM3U\n").as_deref(), Some("an M3U playlist"));
    assert_eq!(name(b"\r\n[Playlist]\nFile1=").as_deref(), Some("a PLS playlist"));
    assert_eq!(name(b"<ASX version=\"3.0\">").as_deref(), Some("an ASX playlist"));
    assert_eq!(
        name(b"<?xml version=\"1.0\"?>\n<playlist version=\"1\">").as_deref(),
        Some("an XSPF playlist")
    );
    assert_eq!(name(b"<?xml version=\"1.0\"?>\n<MPD xmlns=").as_deref(), Some("a DASH manifest"));
    assert_eq!(name(b"  <!DOCTYPE html>\n<html>").as_deref(), Some("an HTML page"));
    assert_eq!(name(b"no sound here, only words\n"), None);
}

/// Frames of `length` bytes that begin with `header`.
fn frames(header: &[u8], length: usize, count: usize) -> Vec<u8> {
    let mut frame = vec![0x55; length];
    frame[..header.len()].copy_from_slice(header);
    frame.repeat(count)
}

/// ADTS frames of 100 bytes.
fn aac(third: u8, fourth: u8) -> Vec<u8> {
    frames(&[0xff, 0xf1, third, fourth, 100 >> 3, (100 << 5) as u8 | 0x1f, 0xfc], 100, 5)
}

// Header fields: ISO/IEC 13818-7, 6.2; profiles: table 31.
#[test]
fn adts_is_found_and_named() {
    assert_eq!(kind(&aac(0x50, 0x80)), DetectedFormat::Adts);
    assert_eq!(kind(&[&[0, 1, 2, 3, 0xff][..], &aac(0x50, 0x80)].concat()), DetectedFormat::Adts);
    let tag = [&b"ID3\x04\0\0\0\0\x02\x01"[..], &[0xff; 257]].concat();
    assert_eq!(kind(&[tag, aac(0x50, 0x80)].concat()), DetectedFormat::Adts);
    assert_eq!(kind(&aac(0x10, 0x80)), unsupported("AAC Main"));
    assert_eq!(kind(&aac(0xd0, 0x80)), unsupported("AAC LTP"));
    assert_eq!(kind(&aac(0x51, 0x80)), unsupported("AAC of 6 channels (5.1)"));
    assert_eq!(
        kind(&[&b"RIFF\0\0\0\0WAVE"[..], &aac(0x50, 0x80)].concat()),
        DetectedFormat::Pcm(PcmContainer::Wave)
    );
    let several = frames(&[0xff, 0xf1, 0x50, 0x80, 100 >> 3, (100 << 5) as u8 | 0x1f, 0xfd], 100, 5);
    assert_eq!(kind(&several), unsupported("AAC with several blocks in each ADTS frame"));
    // Two headers suffice at the end of the source; one does not.
    assert_eq!(kind(&aac(0x50, 0x80)[..150]), DetectedFormat::Adts);
    assert_eq!(kind(&aac(0x50, 0x80)[..90]), DetectedFormat::Other);
}

// Header fields: ISO/IEC 11172-3, 2.4.2.3. 128 kbit/s at 44.1 kHz are 417 bytes; 32 kbit/s of layer
// II at 24 kHz are 192 bytes.
#[test]
fn mpeg_audio_is_found() {
    assert_eq!(kind(&frames(&[0xff, 0xfb, 0x90, 0x40], 417, 4)), DetectedFormat::Other);
    assert_eq!(kind(&frames(&[0xff, 0xf5, 0x44, 0x00], 192, 4)), DetectedFormat::Mpeg { start: 0 });
    assert_eq!(kind(&frames(&[0xff, 0xf5, 0x44, 0xc0], 192, 4)), DetectedFormat::Other);
    for length in [300, 1567, 2089] {
        let free = frames(&[0xff, 0xfb, 0x00, 0x40], length, 5);
        assert_eq!(kind(&free), DetectedFormat::Mpeg { start: 0 }, "{length}");
        assert_eq!(kind(&[vec![7; 1000], free].concat()), DetectedFormat::Mpeg { start: 1000 }, "{length}");
    }
}

#[test]
fn latm_is_named() {
    let latm = frames(&[0x56, 0xe0, 97], 100, 4);
    assert_eq!(kind(&latm), unsupported("AAC in LATM/LOAS"));
    assert_eq!(kind(&[0; 4000]), DetectedFormat::Other);
    assert_eq!(kind(&[]), DetectedFormat::Other);
}
