//! Demultiplexed HLS segments, compared with the output of ffmpeg.

use std::fs;
use std::path::Path;

use crate::support::tool;
use genred::source::fuzz_api::{SegmentUnpacker, UnpackError};
use proptest::prelude::*;

/// Makes `name` from ten seconds of noise and pictures with ffmpeg; `arguments` precede the output.
fn make(folder: &Path, name: &str, arguments: &[&str]) {
    ffmpeg(
        folder,
        &[
            &["-f", "lavfi", "-i", "anoisesrc=r=44100:a=0.1:d=10:seed=7,aformat=channel_layouts=stereo"][..],
            &["-f", "lavfi", "-i", "testsrc=s=160x120:r=10:d=10"],
            arguments,
            &[name],
        ]
        .concat(),
    );
}

fn ffmpeg(folder: &Path, arguments: &[&str]) {
    let status = tool("ffmpeg", "ffmpeg")
        .current_dir(folder)
        .args(["-v", "error", "-y"])
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}");
}

/// Returns the audio that ffmpeg copies from `name`.
fn copied(folder: &Path, name: &str, format: &str) -> Vec<u8> {
    let mut arguments = vec!["-i", name, "-map", "0:a", "-c", "copy", "-f", format];
    if format == "mp3" {
        arguments.extend(["-write_xing", "0", "-id3v2_version", "0"]);
    }
    ffmpeg(folder, &[&arguments[..], &["copied"]].concat());
    fs::read(folder.join("copied")).unwrap()
}

/// Returns the audio of segments, all of which must be valid.
fn unpacked(init: Option<&[u8]>, segments: &[Vec<u8>]) -> Vec<u8> {
    let mut unpacker = SegmentUnpacker::default();
    if let Some(init) = init {
        unpacker.begin(init).unwrap();
    }
    let mut all = Vec::new();
    for segment in segments {
        let found = unpacker.unpack(segment).unwrap();
        assert_eq!((found.chunks.len(), found.damaged), (1, 0));
        assert!(!found.chunks[0].broken);
        all.extend_from_slice(&found.chunks[0].bytes);
    }
    all
}

/// Returns the segments `nameN`, in order.
fn segments(folder: &Path, name: &str, extension: &str) -> Vec<Vec<u8>> {
    let found: Vec<_> =
        (0..).map_while(|index| fs::read(folder.join(format!("{name}{index}.{extension}"))).ok()).collect();
    assert!(found.len() > 3, "{} segments of {name}", found.len());
    found
}

const PICTURES: [&str; 6] = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "20"];
const AAC: [&str; 4] = ["-c:a", "aac", "-b:a", "96k"];

#[test]
fn transport_streams() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let check = |name: &str, arguments: &[&str], format: &str| {
        make(folder, name, arguments);
        let bytes = fs::read(folder.join(name)).unwrap();
        let expected = copied(folder, name, format);
        assert!(expected.len() > 50_000);
        assert!(unpacked(None, &[bytes]) == expected, "{name} differs");
    };
    check("aac.ts", &[&["-map", "0"][..], &AAC].concat(), "adts");
    check("film.ts", &[&["-map", "1", "-map", "0"][..], &PICTURES, &AAC].concat(), "adts");
    check("mp3.ts", &["-map", "0", "-c:a", "libmp3lame", "-b:a", "128k"], "mp3");
    // Consecutive segments form one stream.
    make(
        folder,
        "cut.m3u8",
        &[&["-map", "0"][..], &AAC, &["-f", "hls", "-hls_time", "2", "-hls_list_size", "0"]].concat(),
    );
    let chunks = segments(folder, "cut", "ts");
    fs::write(folder.join("joined.ts"), chunks.concat()).unwrap();
    assert!(unpacked(None, &chunks) == copied(folder, "joined.ts", "adts"));
}

#[test]
fn what_transport_streams_may_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let check = |name: &str, arguments: &[&str], what: &str| {
        make(folder, name, &[&["-map", "0"], arguments].concat());
        let bytes = fs::read(folder.join(name)).unwrap();
        assert_eq!(SegmentUnpacker::default().unpack(&bytes).unwrap_err(), UnpackError::Refused(what.into()));
    };
    check("latm.ts", &[&AAC[..], &["-mpegts_flags", "latm"]].concat(), "AAC in LATM");
    check("ac3.ts", &["-c:a", "ac3"], "AC-3");
    check("eac3.ts", &["-c:a", "eac3"], "E-AC-3");
    check("opus.ts", &["-c:a", "libopus", "-ar", "48000"], "Opus");
}

#[test]
fn fragments_of_mp4() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // One file with its own initialization section, and addresses of three kinds.
    for (name, flags) in [
        ("moof.mp4", "frag_keyframe+empty_moov+default_base_moof"),
        ("cmaf.mp4", "frag_keyframe+cmaf"),
        ("omit.mp4", "frag_keyframe+empty_moov+omit_tfhd_offset"),
        ("apart.mp4", "frag_keyframe+empty_moov+default_base_moof+separate_moof"),
    ] {
        make(
            folder,
            name,
            &[&["-map", "1", "-map", "0"][..], &PICTURES, &AAC, &["-movflags", flags]].concat(),
        );
        let bytes = fs::read(folder.join(name)).unwrap();
        let expected = copied(folder, name, "adts");
        assert!(unpacked(None, &[bytes]) == expected, "{name} differs");
    }
    let hls = ["-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", "2", "-hls_list_size", "0"];
    make(folder, "cut.m3u8", &[&["-map", "0"][..], &AAC, &hls].concat());
    let init = fs::read(folder.join("init.mp4")).unwrap();
    let chunks = segments(folder, "cut", "m4s");
    fs::write(folder.join("joined.mp4"), [init.clone(), chunks.concat()].concat()).unwrap();
    assert!(unpacked(Some(&init), &chunks) == copied(folder, "joined.mp4", "adts"));
}

#[test]
fn packed_sound_with_tags() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cut = [
        "-f",
        "segment",
        "-segment_time",
        "2",
        "-segment_format",
        "adts",
        "-segment_format_options",
        "write_id3v2=1",
    ];
    make(folder, "cut%d.aac", &[&["-map", "0", "-metadata", "title=A title"][..], &AAC, &cut].concat());
    let chunks = segments(folder, "cut", "aac");
    assert!(chunks.iter().all(|chunk| chunk.starts_with(b"ID3")));
    assert_eq!(SegmentUnpacker::default().unpack(&chunks[0]).unwrap().title.as_deref(), Some("A title"));
    // The same encoder in one run; ffmpeg does not read the last segment of a few frames.
    make(folder, "whole.aac", &[&["-map", "0"][..], &AAC].concat());
    let expected = fs::read(folder.join("whole.aac")).unwrap();
    assert!(unpacked(None, &chunks) == expected);
}

/// Randomly damaged segments cause no panic, and no output much larger than the input.
#[test]
fn damage_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let flags = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    make(folder, "a.ts", &[&["-map", "1", "-map", "0", "-t", "1"][..], &PICTURES, &AAC].concat());
    make(folder, "a.mp4", &[&["-map", "1", "-map", "0", "-t", "1"][..], &PICTURES, &AAC, &flags].concat());
    let whole = ["a.ts", "a.mp4"].map(|name| fs::read(folder.join(name)).unwrap());
    let strategy = (
        0..2_usize,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..50),
    );
    proptest!(|((which, damage) in strategy)| {
        let mut bytes = whole[which].clone();
        for (at, byte, removes) in damage {
            // Headers have the most effect.
            let near = if byte % 2 == 0 { bytes.len() } else { bytes.len().min(2000) };
            let at = at.index(near);
            match removes {
                true => drop(bytes.remove(at)),
                false => bytes[at] = byte,
            }
        }
        if let Ok(found) = SegmentUnpacker::default().unpack(&bytes) {
            let sum: usize = found.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
            prop_assert!(sum <= 3 * bytes.len() + 16);
        }
    });
}

/// MP3 files begin with a silent frame of metadata (`Info`, `Xing`). Between segments it would be a
/// pause and cut off the beginning of the following audio.
#[test]
fn mp3_without_descriptions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mp3 = ["-map", "0", "-c:a", "libmp3lame"];
    let cut = ["-f", "segment", "-segment_time", "2", "-segment_format", "mp3"];
    for (rate, channels) in [("44100", "2"), ("44100", "1"), ("22050", "2"), ("22050", "1")] {
        let mp3 = [&mp3[..], &["-ar", rate, "-ac", channels]].concat();
        make(folder, "cut%d.mp3", &[&mp3[..], &cut].concat());
        let chunks = segments(folder, "cut", "mp3");
        let describes = |chunk: &Vec<u8>| {
            chunk.windows(4).any(|four| [b"Info", b"Xing"].contains(&four.try_into().unwrap()))
        };
        assert!(chunks.iter().all(describes), "ffmpeg wrote no descriptions");
        // The same encoder in one run.
        make(folder, "whole.mp3", &[&mp3[..], &["-write_xing", "0", "-id3v2_version", "0"]].concat());
        let expected = fs::read(folder.join("whole.mp3")).unwrap();
        let found = unpacked(None, &chunks);
        assert!(found == expected, "{rate} Hz, {channels} channels differ");
        let (found, gaps) = decoded(found);
        assert_eq!((found, gaps), (decoded(expected).0, 0), "{rate} Hz, {channels} channels");
    }
}

/// Number of decoded samples of a stream, and of its gaps.
fn decoded(stream: Vec<u8>) -> (u64, usize) {
    let (mut count, mut gaps) = (0, 0);
    let mut each = |block: &genred::audio::Block, _| {
        count += block.span.len();
        gaps += usize::from(block.gap);
        true
    };
    genred::source::fuzz_api::decode_stream(std::io::Cursor::new(stream), &mut each).unwrap();
    (count, gaps)
}
