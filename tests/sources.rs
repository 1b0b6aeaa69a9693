//! What goes in comes out: every codec, every way in, and bad input, against real tools.

mod support;

use std::path::Path;

use genred::audio::{Block, SampleRate};
use genred::source::{self, Read, Source, SourceError};
use support::audio::{SECONDS, correlation, decode_with_ffmpeg, encode};

/// All that a source brings.
#[derive(Debug, Default)]
struct Heard {
    interleaved: Vec<f32>,
    rate: u32,
    channels: u16,
    gaps: Vec<u64>,
    anchors: Vec<(u64, jiff::Timestamp)>,
    end: u64,
    idle: usize,
    corrupt: u64,
}

fn empty_block() -> Block {
    Block::with_capacity(SampleRate::new(1).unwrap(), 1, 0)
}

fn drain(source: &mut dyn Source) -> Result<Heard, SourceError> {
    let mut heard = Heard::default();
    let mut block = empty_block();
    loop {
        match source.read(&mut block)? {
            Read::Audio => {}
            Read::Idle => {
                heard.idle += 1;
                continue;
            }
            Read::End => break,
        }
        assert!(block.samples() > 0);
        assert_eq!(block.interleaved.len() as u64, block.span.len() * u64::from(block.channels));
        if block.gap {
            heard.gaps.push(block.span.start);
        } else {
            assert_eq!(block.span.start, heard.end, "a jump without a gap");
        }
        if let Some(anchor) = block.anchor {
            heard.anchors.push((block.span.start, anchor));
        }
        heard.interleaved.extend_from_slice(&block.interleaved);
        (heard.rate, heard.channels, heard.end) = (block.rate.hertz(), block.channels, block.span.end);
    }
    heard.corrupt = source.corrupt();
    Ok(heard)
}

fn hear(path: &Path) -> Result<Heard, SourceError> {
    drain(&mut *source::open_file(path)?)
}

/// Each codec against ffmpeg's decoder: the same number of samples, within one codec frame, and the same samples at the same places.
#[test]
fn every_codec_decodes_as_ffmpeg_does() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, arguments: &[&str], tolerance: u64| {
        let path = encode(folder.path(), name, 44_100, 2, arguments);
        let theirs = decode_with_ffmpeg(&path);
        let ours = hear(&path).unwrap();
        let length = theirs.len() as u64 / 2;
        let alike = correlation(&ours.interleaved, &theirs);
        println!("{name}: {} samples, ffmpeg {length}, correlation {alike:.6}", ours.end);
        assert_eq!(ours.channels, 2, "{name}");
        assert!(ours.gaps.is_empty() && ours.corrupt == 0, "{name}: {:?}", ours.gaps);
        assert!(ours.end.abs_diff(length) <= tolerance, "{name}: {} for {length}", ours.end);
        assert!(alike > 0.99, "{name}: correlation {alike}");
    };
    check("s16.wav", &["-c:a", "pcm_s16le"], 0);
    check("s24.wav", &["-c:a", "pcm_s24le"], 0);
    check("f32.wav", &["-c:a", "pcm_f32le"], 0);
    check("s16.aiff", &["-c:a", "pcm_s16be"], 0);
    check("x.flac", &[], 0);
    check("cbr.mp3", &["-c:a", "libmp3lame", "-b:a", "128k"], 0);
    check("vbr.mp3", &["-c:a", "libmp3lame", "-q:a", "3"], 0);
    check("x.ogg", &["-c:a", "libvorbis"], 0);
    check("flac.ogg", &["-c:a", "flac"], 0);
    check("x.m4a", &["-c:a", "aac"], 1024);
    check("fast.m4a", &["-c:a", "aac", "-movflags", "+faststart"], 1024);
    check("fragments.m4a", &["-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"], 1024);
    check("alac.m4a", &["-c:a", "alac"], 0);
    check("x.aac", &["-c:a", "aac"], 0);
    if cfg!(feature = "opus") {
        check("x.opus", &["-c:a", "libopus"], 0);
        check("x.webm", &["-c:a", "libopus"], 960);
    }
    assert!(SECONDS > 3.0);
}
