use std::io::{self, Cursor, Read};
use std::process::{Command, Stdio};
use std::time::{Duration as Wait, Instant};

use crossbeam_channel::{Receiver, unbounded};

use symphonia::core::checksum::{Crc8Ccitt, Crc16Ansi};
use symphonia::core::formats::probe::{Score, Scoreable};
use symphonia::core::io::{Monitor, ReadOnlySource, ScopedStream};

use super::*;

/// File that `flac`, the reference encoder, writes for `seconds` of noise as 16-bit PCM.
fn encoded(seconds: f64, rate: u32, channels: usize, options: &[&str]) -> (Vec<u8>, u64) {
    let samples = (seconds * f64::from(rate)) as usize;
    let mut state = 1_u32;
    let pcm: Vec<u8> = (0..samples * channels)
        .flat_map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i16 / 4).to_le_bytes()
        })
        .collect();
    let (bps, rate, channels) =
        ("--bps=16", format!("--sample-rate={rate}"), format!("--channels={channels}"));
    let options = [&[bps, rate.as_str(), channels.as_str()], options].concat();
    (run_flac(pcm, &options), samples as u64)
}

/// Encodes raw PCM with `flac`, the reference encoder.
fn run_flac(pcm: Vec<u8>, options: &[&str]) -> Vec<u8> {
    let mut flac = Command::new("flac")
        .args(["--silent", "--force-raw-format", "--endian=little", "--sign=signed", "--stdout"])
        .args(options)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("`flac` is needed (apt-get install flac)");
    let mut input = flac.stdin.take().unwrap();
    let writer = std::thread::spawn(move || io::Write::write_all(&mut input, &pcm).unwrap());
    let output = flac.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Samples that symphonia decodes from a stream, interleaved.
fn decoded(bytes: Vec<u8>) -> Vec<i32> {
    let mut reader = open(bytes).unwrap();
    let mut samples = Vec::new();
    let Some(CodecParameters::Audio(params)) = reader.tracks()[0].codec_params.clone() else { panic!() };
    let mut codec =
        symphonia::default::get_codecs().make_audio_decoder(&params, &Default::default()).unwrap();
    while let Some(packet) = reader.next_packet().unwrap() {
        let mut block = Vec::new();
        codec.decode(&packet).unwrap().copy_to_vec_interleaved::<i32>(&mut block);
        samples.extend(block);
    }
    samples
}

/// Summary of a demuxed stream.
#[derive(Debug, Default, PartialEq)]
struct DemuxSummary {
    /// Samples in frames.
    samples: u64,
    /// Timestamp of the end of the last frame.
    end: u64,
    resets: usize,
    damage: usize,
    rate: u32,
}

fn open(bytes: Vec<u8>) -> Result<FlacReader<'static>> {
    let source = Box::new(ReadOnlySource::new(Cursor::new(bytes)));
    FlacReader::try_new(MediaSourceStream::new(source, Default::default()), FormatOptions::default())
}

fn demuxed(bytes: Vec<u8>) -> DemuxSummary {
    let mut reader = open(bytes).unwrap();
    let mut demuxed = DemuxSummary::default();
    loop {
        match reader.next_packet() {
            Ok(None) => break,
            Ok(Some(packet)) => {
                demuxed.samples += packet.dur.get();
                demuxed.end = packet.pts.get() as u64 + packet.dur.get();
            }
            Err(Error::ResetRequired) => demuxed.resets += 1,
            Err(Error::DecodeError(_)) => demuxed.damage += 1,
            Err(error) => panic!("{error}"),
        }
    }
    demuxed.rate = reader.current.unwrap().rate;
    demuxed
}

fn whole(samples: u64) -> DemuxSummary {
    DemuxSummary { samples, end: samples, resets: 0, damage: 0, rate: 44_100 }
}

/// End of the metadata of a file written by `flac`.
fn first_frame(bytes: &[u8]) -> usize {
    let mut at = 4;
    loop {
        let block = BlockHeader::parse(&bytes[at..]).unwrap();
        at += 4 + block.length;
        if block.is_last {
            return at;
        }
    }
}

/// Frame of digital silence: 16 bits, stereo, 44.1 kHz, 4096 samples, constant subframes.
fn silent_frame(index: u8) -> Vec<u8> {
    let mut frame = vec![0xff, 0xf8, 0xc9, 0x18, index];
    let mut crc8 = Crc8Ccitt::new(0);
    crc8.process_buf_bytes(&frame);
    frame.push(crc8.crc());
    frame.extend([0; 6]);
    let mut crc16 = Crc16Ansi::new(0);
    crc16.process_buf_bytes(&frame);
    frame.extend(crc16.crc().to_be_bytes());
    frame
}

#[test]
fn frames_of_the_reference_encoder_are_cut() {
    for (rate, channels, options) in [
        (44_100, 1, &["-0"][..]),
        (44_100, 2, &["-8"]),
        (44_100, 2, &["--lax", "--blocksize=17"]),
        (192_000, 8, &["-5"]),
        (12_345, 3, &["-5", "--lax"]),
        (44_100, 2, &["--lax", "-l32", "-r15", "--blocksize=65535"]),
    ] {
        let (bytes, samples) = encoded(1.3, rate, channels, options);
        assert_eq!(demuxed(bytes), DemuxSummary { rate, ..whole(samples) }, "{rate} {channels} {options:?}");
    }
}

#[test]
fn a_frame_is_delivered_with_its_last_byte() {
    // Bytes arrive one by one, and none beyond the frame before it has been delivered.
    struct Bytes(Receiver<u8>);
    impl Read for Bytes {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.recv_timeout(Wait::from_secs(10)) {
                Ok(byte) => buffer[0] = byte,
                Err(_) => panic!("a read for a byte that is not needed"),
            }
            Ok(1)
        }
    }
    let (sender, bytes) = unbounded();
    silent_frame(0).into_iter().for_each(|byte| sender.send(byte).unwrap());
    let source = Box::new(ReadOnlySource::new(Bytes(bytes)));
    let mss = MediaSourceStream::new(source, Default::default());
    let mut reader = FlacReader::try_new(mss, FormatOptions::default()).unwrap();
    assert_eq!(reader.next_packet().unwrap().unwrap().dur.get(), 4096);
    for index in 1..20 {
        silent_frame(index).into_iter().for_each(|byte| sender.send(byte).unwrap());
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!(packet.pts.get(), i64::from(index) * 4096);
    }
}

#[test]
fn a_stream_that_was_joined_in_the_middle_is_synchronized() {
    // As delivered by Icecast 2.4 for a content type other than Ogg.
    let (bytes, samples) = encoded(2.0, 44_100, 2, &["--no-padding", "--blocksize=4096"]);
    let first = first_frame(&bytes);
    for cut in [0, 1, 2, 100, 5000, 20_000, 60_000] {
        let rest = bytes[first + cut..].to_vec();
        let found = demuxed(rest.clone());
        // Complete frames are lost at the start only.
        let lost = samples - found.samples;
        assert_eq!(found, whole(found.samples), "{cut}");
        assert!(lost.is_multiple_of(4096) && lost <= (cut as u64).div_ceil(8000) * 4096, "{cut}: {lost}");
        let source = Box::new(ReadOnlySource::new(Cursor::new(rest)));
        let score = FlacReader::score(ScopedStream::new(
            &mut MediaSourceStream::new(source, Default::default()),
            16_384,
        ));
        assert_eq!(matches!(score.unwrap(), Score::Supported(_)), cut == 0, "{cut}");
    }
    assert!(open(bytes[first + 5..first + 4000].to_vec()).is_err(), "no frame");
}

#[test]
fn tags_behind_the_audio_are_no_part_of_it() {
    let (bytes, samples) = encoded(1.0, 44_100, 2, &[]);
    let id3v1 = [b"TAG".as_slice(), &[b'x'; 125]].concat();
    let ape = [b"APETAGEX".as_slice(), &2000_u32.to_le_bytes(), &[0x20; 20], b"\xff\xf8\xc9\x18"].concat();
    let lyrics = [b"LYRICSBEGIN".as_slice(), &[0xff; 300], b"000311LYRICS200"].concat();
    let (silence, half) = ([0; 5000], silent_frame(9)[..12].to_vec());
    for tail in
        [&id3v1[..], &ape, &lyrics, &[&lyrics[..], &ape, &id3v1].concat(), &silence, &half, b"fLaC", b"f"]
    {
        assert_eq!(demuxed([&bytes[..], tail].concat()), whole(samples), "{:?}", &tail[..tail.len().min(8)]);
    }
}

#[test]
fn metadata_blocks_that_are_not_needed_may_be_broken() {
    let (bytes, samples) = encoded(1.0, 44_100, 2, &["--no-padding", "--no-seektable"]);
    let (info, audio) = (bytes[4..42].to_vec(), &bytes[first_frame(&bytes)..]);
    let block = |kind: u8, content: &[u8]| {
        [&[kind, 0, (content.len() >> 8) as u8, content.len() as u8], content].concat()
    };
    let first = |is_last: bool| [&[u8::from(is_last) << 7], &info[1..]].concat();
    let file = |blocks: &[&[u8]]| [MARKER, &blocks.concat(), audio].concat();
    let last = |mut block: Vec<u8>| {
        block[0] |= 0x80;
        block
    };
    let mut cue_sheet = vec![0; 396];
    (cue_sheet[136], cue_sheet[395]) = (0x80, 1);
    for kind in 1..=126 {
        for content in [&[][..], &[0xff; 7], &[0; 40], &cue_sheet] {
            let broken = file(&[&first(false), &last(block(kind, content))]);
            assert_eq!(demuxed(broken), whole(samples), "type {kind}, {} bytes", content.len());
        }
    }
    // A second STREAMINFO, and one that is not the first block.
    let other = block(0, &[7; 34]);
    assert_eq!(demuxed(file(&[&first(false), &last(other)])), whole(samples));
    assert_eq!(demuxed(file(&[&block(4, b"xx"), &first(true)])), whole(samples));
    // Without any STREAMINFO, with the last-block flag in the wrong place, and without that flag.
    assert_eq!(demuxed(file(&[&last(block(1, &[0; 9]))])), whole(samples));
    assert_eq!(demuxed(file(&[&first(true), &block(6, &[0xff; 3000])])), whole(samples));
    assert_eq!(demuxed(file(&[&first(false)])), whole(samples));
    // A length beyond the end of the file.
    let picture = block(6, &[1; 500]);
    assert_eq!(demuxed(file(&[&first(false), &[0x86, 0xff, 0xff, 0xff], &picture[4..]])), whole(samples));
}

#[test]
fn wrong_parameters_in_stream_info_give_way_to_the_frames() {
    let (bytes, samples) = encoded(1.0, 44_100, 2, &["--blocksize=4096"]);
    // Block sizes, frame sizes, rate, channels and bits per sample, total samples, checksum.
    let fields: [(usize, &[u8]); 8] = [
        (0, &[0x10, 0, 0x10, 0]),
        (0, &[0, 16, 0, 16]),
        (4, &[0, 0, 1, 0, 0, 2]),
        (10, &[0x0b, 0xb8, 0x02, 0xf0]),
        (10, &[0, 0, 0, 0]),
        (10, &[0x0a, 0xc4, 0x4e, 0x70]),
        (13, &[0xf0, 0, 0, 0, 1]),
        (13, &[0xff, 0xff, 0xff, 0xff, 0xff]),
    ];
    for (at, field) in fields {
        let mut wrong = bytes.clone();
        wrong[8 + at..8 + at + field.len()].copy_from_slice(field);
        wrong[26..42].fill(0);
        assert_eq!(demuxed(wrong), whole(samples), "{at}: {field:02x?}");
    }
}

#[test]
fn damage_is_reported_and_its_length_is_known() {
    let (bytes, samples) = encoded(2.0, 44_100, 2, &["--blocksize=4096"]);
    let middle = bytes.len() / 2;
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        demuxed(bytes)
    };
    let one_lost = DemuxSummary { samples: samples - 4096, damage: 1, ..whole(samples) };
    for at in [middle, middle + 1, middle + 777] {
        assert_eq!(flipped(at), one_lost, "at {at}");
    }
    // Missing and inserted bytes; between frames they cause no loss.
    let missing = demuxed([&bytes[..middle], &bytes[middle + 100..]].concat());
    assert_eq!(missing, one_lost);
    let inserted = [&bytes[..middle], &[0xff; 10_000], &bytes[middle..]].concat();
    assert_eq!(demuxed(inserted), one_lost);
    let first = first_frame(&bytes);
    let silence: Vec<u8> = (0..3).flat_map(silent_frame).collect();
    let junk = [b"junk".as_slice(), &[0xff, 0xf8, 0xc9, 0x18, 0, 0], &[0x55; 3000]].concat();
    let between = [&bytes[..first], &silence, &junk, &silent_frame(3)].concat();
    assert_eq!(demuxed(between), DemuxSummary { damage: 1, ..whole(4 * 4096) });
    // A truncated file ends with its last complete frame.
    assert_eq!(demuxed(bytes[..bytes.len() - 1].to_vec()), whole(samples / 4096 * 4096));
}

#[test]
fn concatenated_streams_are_demuxed_in_order() {
    let (first, count) = encoded(1.0, 44_100, 2, &[]);
    let (second, more) = encoded(1.0, 48_000, 1, &[]);
    let tag = [b"TAG".as_slice(), &[0; 125]].concat();
    for between in [&[][..], &tag] {
        let same = demuxed([&first[..], between, &first].concat());
        assert_eq!(same, DemuxSummary { resets: 1, ..whole(2 * count) });
        let other = demuxed([&first[..], between, &second].concat());
        assert_eq!(other, DemuxSummary { resets: 1, rate: 48_000, ..whole(count + more) });
    }
    // Without a header of its own, as after a restart of the encoder behind a server.
    let frames = [&first[..], &second[first_frame(&second)..]].concat();
    assert_eq!(demuxed(frames), DemuxSummary { resets: 1, rate: 48_000, ..whole(count + more) });
}

#[test]
fn headers_in_vain_take_no_quadratic_time() {
    // Each header announces a frame of verbatim subframes that spans all that follow.
    let mut header = vec![0xff, 0xf8, 0x79, 0x78, 0, 0xff, 0xfe];
    let mut crc8 = Crc8Ccitt::new(0);
    crc8.process_buf_bytes(&header);
    header.extend([crc8.crc(), 0x02]);
    let hostile = [header.repeat(1 << 18), silent_frame(0)].concat();
    let started = Instant::now();
    let _ = open(hostile);
    assert!(started.elapsed() < Wait::from_secs(60), "{:?}", started.elapsed());
}

/// Decoded samples equal the encoded ones, up to 32 bits with a difference of 33 bits.
#[test]
fn samples_of_any_width_are_those_that_were_encoded() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as i32
    };
    let frames: Vec<[i32; 2]> = (0..30_000)
        .map(|at| {
            let wave = (f64::from(at) * 0.05).sin() * 1.9e9;
            let noise = noise() >> 12;
            match at / 6000 {
                // Equal, opposite, unrelated and extreme channels, and a constant one.
                0 => [wave as i32, (wave as i32).saturating_add(noise)],
                1 => [wave as i32, -(wave as i32) + noise],
                2 => [noise << 6, wave as i32],
                3 => [i32::MAX - (at & 1), i32::MIN + noise.abs()],
                _ => [-5, noise >> 4],
            }
        })
        .collect();
    for bits in [8, 16, 24, 32] {
        let (shift, bytes) = (32 - bits, bits as usize / 8);
        let expected: Vec<i32> = frames.iter().flatten().map(|sample| sample >> shift << shift).collect();
        let pcm: Vec<u8> =
            expected.iter().flat_map(|x| (x >> shift).to_le_bytes()[..bytes].to_vec()).collect();
        for options in [&["-0"][..], &["-5"], &["-8"], &["-3", "-m"], &["-0", "-m"]] {
            let width = format!("--bps={bits}");
            let options = [&[width.as_str(), "--channels=2", "--sample-rate=44100"], options];
            assert!(decoded(run_flac(pcm.clone(), &options.concat())) == expected, "{options:?}");
        }
    }
}
