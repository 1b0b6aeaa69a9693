//! Containers and codecs against ffmpeg's decoder: durations, losses, gains and names.

use std::path::{Path, PathBuf};

use genred::audio::SampleRate;
use genred::source::fuzz_api::decode_stream;

use super::{Heard, check_error, hear};
use crate::support::audio::{SECONDS, convert, correlation, decode_with_ffmpeg, encode};
use crate::support::tool;

/// Codecs by file, with arguments of ffmpeg and the sample rate.
const CODECS: [(&str, u32, &[&str]); 9] = [
    ("aac.m4a", 44_100, &["-c:a", "aac"]),
    ("mp3.mp3", 44_100, &["-c:a", "libmp3lame", "-b:a", "128k"]),
    ("low.mp3", 22_050, &["-c:a", "libmp3lame", "-b:a", "64k"]),
    ("layer.mp2", 44_100, &["-c:a", "mp2", "-b:a", "192k"]),
    ("alac.m4a", 44_100, &["-c:a", "alac"]),
    ("flac.flac", 44_100, &[]),
    ("vorbis.ogg", 44_100, &["-c:a", "libvorbis"]),
    ("pcm.wav", 44_100, &["-c:a", "pcm_s16le"]),
    #[cfg(feature = "opus")]
    ("opus.ogg", 48_000, &["-c:a", "libopus"]),
    #[cfg(not(feature = "opus"))]
    ("again.ogg", 48_000, &["-c:a", "libvorbis"]),
];

/// Reads a whole file as a stream without seeking.
fn streamed(path: &Path) -> Heard {
    let mut heard = Heard::default();
    let file = std::fs::File::open(path).unwrap();
    decode_stream(file, &mut |block, _| {
        if block.gap {
            heard.gaps.push(block.span.start);
        }
        heard.interleaved.extend_from_slice(&block.interleaved);
        (heard.rate, heard.channels, heard.end) = (block.rate.hertz(), block.channels, block.span.end);
        true
    })
    .unwrap();
    heard
}

/// Runs `mkvmerge ARGUMENTS -o OUTPUT INPUT`.
fn mkvmerge(input: &Path, output: &Path, arguments: &[&str]) {
    let run =
        tool("mkvmerge", "mkvtoolnix").args(arguments).arg("-o").arg(output).arg(input).output().unwrap();
    assert!(output.exists(), "{}: {}", input.display(), String::from_utf8_lossy(&run.stdout));
}

/// Compares a file, also through a pipe, with ffmpeg's decoder, up to `tolerance` samples at the
/// end.
fn as_ffmpeg(path: &Path, tolerance: u64) {
    alike(path, &decode_with_ffmpeg(path), tolerance);
}

/// Compares with the given samples of another decoder.
fn alike(path: &Path, theirs: &[f32], tolerance: u64) {
    for ours in [hear(path).unwrap(), streamed(path)] {
        let length = theirs.len() as u64 / u64::from(ours.channels);
        let alike = correlation(&ours.interleaved, theirs);
        println!("{}: {} samples, ffmpeg {length}, correlation {alike:.6}", path.display(), ours.end);
        assert!(ours.gaps.is_empty() && ours.corrupt == 0, "{}: {:?}", path.display(), ours.gaps);
        assert!(ours.end.abs_diff(length) <= tolerance, "{}: {} for {length}", path.display(), ours.end);
        assert!(alike > 0.99, "{}: correlation {alike}", path.display());
    }
}

/// Matroska with time stamps in samples or milliseconds, with and without lacing, from mkvmerge and
/// ffmpeg.
#[test]
fn timestamps_of_matroska_are_no_sample_counts() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rate, arguments) in CODECS {
        let input = encode(folder.path(), name, rate, 2, arguments);
        let named = |kind: &str| folder.path().join(format!("{kind}-{name}.mka"));
        let copied = named("copied");
        convert(&input, &copied, &["-map", "0:a", "-c", "copy"]);
        let tools: [(&str, &[&str]); 3] =
            [("laced", &[]), ("plain", &["--disable-lacing"]), ("coarse", &["--timestamp-scale", "1000000"])];
        let merged = tools.map(|(kind, arguments)| {
            mkvmerge(&input, &named(kind), arguments);
            named(kind)
        });
        for path in merged.iter().chain([&copied]) {
            as_ffmpeg(path, 2);
        }
    }
}

/// A missing cluster is a gap of its duration; nothing else is lost.
#[test]
fn a_missing_cluster_is_a_gap() {
    const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];
    let folder = tempfile::tempdir().unwrap();
    for (name, rate, arguments) in CODECS {
        let input = encode(folder.path(), name, rate, 2, arguments);
        let path = folder.path().join(format!("{name}.mka"));
        convert(&input, &path, &["-map", "0:a", "-c", "copy", "-cluster_time_limit", "500"]);
        let whole = hear(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let starts: Vec<_> = (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == CLUSTER).collect();
        assert!(starts.len() > 3, "{name}: {} clusters", starts.len());
        // Replaced by a `Void` element (RFC 8794, section 11.3.2).
        let (start, end) = (starts[2], starts[3]);
        bytes[start + 1..start + 9].copy_from_slice(&((end - start - 9) as u64 | 1 << 56).to_be_bytes());
        bytes[start] = 0xec;
        std::fs::write(&path, &bytes).unwrap();
        let cut = hear(&path).unwrap();
        let lost = whole.interleaved.len() - cut.interleaved.len();
        let lost = lost as f64 / f64::from(cut.channels) / f64::from(rate);
        assert_eq!(cut.gaps.len(), 1, "{name}: {:?}", cut.gaps);
        assert!((0.4..0.8).contains(&lost), "{name}: {lost} s are missing");
        let off = SampleRate::new(rate).unwrap().seconds(cut.end.abs_diff(whole.end));
        assert!(off < 0.003, "{name}: {off} s off");
    }
}

/// MPEG layers I and II match ffmpeg, also at bit rates that MPEG-1 forbids and MPEG-2 allows.
#[test]
fn layer_two_of_every_rate_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let rates: [(u32, u16, &str); 7] = [
        (44_100, 2, "192k"),
        (48_000, 1, "64k"),
        (32_000, 2, "64k"),
        (24_000, 2, "64k"),
        (24_000, 2, "32k"),
        (22_050, 2, "56k"),
        (16_000, 1, "32k"),
    ];
    for (rate, channels, bit_rate) in rates {
        let name = format!("{rate}-{channels}-{bit_rate}.mp2");
        let path = encode(folder.path(), &name, rate, channels, &["-c:a", "mp2", "-b:a", bit_rate]);
        as_ffmpeg(&path, 0);
    }
    // MP4 does not state the layer.
    let path = encode(
        folder.path(),
        "x.mp4",
        44_100,
        2,
        &["-c:a", "mp2", "-b:a", "192k", "-movflags", "+faststart"],
    );
    as_ffmpeg(&path, 1152);
}

/// Sets the bit-rate index of frames of equal length to free format (ISO/IEC 11172-3, 2.4.2.3).
fn freed(mp3: &[u8], length: usize) -> Vec<u8> {
    let mut freed = mp3[mp3.windows(2).position(|sync| sync == [0xff, 0xfb]).unwrap()..].to_vec();
    for frame in freed.chunks_exact_mut(length) {
        assert_eq!(frame[..2], [0xff, 0xfb], "frames are of one length");
        frame[2] &= 0x0f;
    }
    freed
}

/// The same frames with and without a bit rate decode to the same audio.
#[test]
fn free_format_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    for (bit_rate, length) in [("128k", 384), ("320k", 960)] {
        let arguments = ["-c:a", "libmp3lame", "-b:a", bit_rate, "-write_xing", "0", "-id3v2_version", "0"];
        let path = encode(folder.path(), &format!("{bit_rate}.mp3"), 48_000, 2, &arguments);
        let theirs = decode_with_ffmpeg(&path);
        let free = freed(&std::fs::read(&path).unwrap(), length);
        let tag = [&b"ID3\x04\0\0\0\0\x02\0"[..], &[0; 256]].concat();
        let path = folder.path().join("free.mp3");
        for before in [&[][..], &tag] {
            std::fs::write(&path, [before, &free].concat()).unwrap();
            for ours in [hear(&path).unwrap(), streamed(&path)] {
                // ffmpeg removes the decoder delay, 1105 samples, which the LAME header would
                // state.
                let off = (ours.interleaved.len() - theirs.len()) / 2;
                assert!(off <= 1105, "{bit_rate}: {off} samples more");
                let alike = correlation(&ours.interleaved[2 * off..], &theirs);
                assert!(alike > 0.99 && ours.gaps.is_empty(), "{bit_rate}: {alike}");
            }
        }
    }
}

/// AAC with changing frames is decoded to the end, from a file and a pipe.
#[test]
fn adts_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let encoded = |rate, channels| {
        let path = encode(folder.path(), &format!("{rate}-{channels}.aac"), rate, channels, &["-c:a", "aac"]);
        (
            std::fs::read(&path).unwrap(),
            decode_with_ffmpeg(&path).len() as f64 / f64::from(rate) / f64::from(channels),
        )
    };
    let (mono, stereo, low) = (encoded(44_100, 1), encoded(44_100, 2), encoded(22_050, 2));
    let surround = encode(folder.path(), "surround.aac", 48_000, 6, &["-c:a", "aac"]);
    let surround = (std::fs::read(surround).unwrap(), 0.0);
    let path = folder.path().join("x.aac");
    for parts in [[&mono, &stereo, &mono], [&stereo, &low, &mono], [&stereo, &surround, &mono]] {
        std::fs::write(&path, parts.map(|(bytes, _)| &bytes[..]).concat()).unwrap();
        let seconds: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
        for ours in [hear(&path).unwrap(), streamed(&path)] {
            let end = SampleRate::new(ours.rate).unwrap().seconds(ours.end);
            assert!((end - seconds).abs() < 0.03, "{end} s instead of {seconds}");
            assert_eq!(ours.channels, 1);
            assert!(!ours.gaps.is_empty());
        }
    }
}

/// Decodes `path` with ffmpeg and libopus; the native decoder of ffmpeg differs in quiet channels.
#[cfg(feature = "opus")]
fn decode_with_libopus(path: &Path) -> Vec<f32> {
    let arguments = ["-f", "f32le", "-c:a", "pcm_f32le", "-"];
    let run = tool("ffmpeg", "ffmpeg")
        .args(["-v", "fatal", "-c:a", "libopus", "-i"])
        .arg(path)
        .args(arguments)
        .output()
        .unwrap();
    run.stdout.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// Opus with any number of channels in every container, with the output gain, and at 48 kHz
/// regardless of the container's rate.
#[cfg(feature = "opus")]
#[test]
fn opus_is_decoded_by_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rms = |heard: &Heard| {
        let power: f32 = heard.interleaved.iter().map(|sample| sample * sample).sum();
        20.0 * (power / heard.interleaved.len() as f32).sqrt().log10()
    };
    for (channels, layout) in [(1, "mono"), (2, "stereo"), (6, "5.1"), (8, "7.1")] {
        let arguments =
            ["-c:a", "libopus", "-b:a", "256k", "-af", &format!("aformat=channel_layouts={layout}")];
        let ogg = encode(folder.path(), &format!("{channels}.ogg"), 48_000, channels, &arguments);
        alike(&ogg, &decode_with_libopus(&ogg), 0);
        for extension in ["mka", "webm"] {
            let copy = path(&format!("{channels}.{extension}"));
            convert(&ogg, &copy, &["-c", "copy"]);
            alike(&copy, &decode_with_libopus(&copy), 2);
        }
        // ffmpeg does not trim the end of MP4.
        let mp4 = path(&format!("{channels}.mp4"));
        convert(&ogg, &mp4, &["-c", "copy", "-movflags", "+faststart"]);
        alike(&mp4, &decode_with_libopus(&mp4), 960);
        assert_eq!(hear(&mp4).unwrap().end, hear(&ogg).unwrap().end, "{channels} channels");
    }
    let discrete =
        encode(folder.path(), "discrete.ogg", 48_000, 6, &["-c:a", "libopus", "-mapping_family", "255"]);
    // Channels without a layout are averaged, as for classification.
    let mean = |samples: &[f32]| samples.chunks(6).map(|all| all.iter().sum()).collect::<Vec<f32>>();
    let (ours, theirs) = (hear(&discrete).unwrap(), decode_with_libopus(&discrete));
    assert_eq!(ours.interleaved.len(), theirs.len());
    assert!(correlation(&mean(&ours.interleaved), &mean(&theirs)) > 0.99);
    // The output gain (RFC 7845, 5.1) in each container: −20 dB, in steps of 1/256 dB.
    let plain = rms(&hear(&path("2.webm")).unwrap());
    for (name, magic, at, gain) in [
        ("2.webm", &b"OpusHead"[..], 16, (-5120_i16).to_le_bytes()),
        ("2.mp4", b"dOps", 12, (-5120_i16).to_be_bytes()),
    ] {
        let mut bytes = std::fs::read(path(name)).unwrap();
        let head = bytes.windows(magic.len()).position(|window| window == magic).unwrap();
        bytes[head + at..head + at + 2].copy_from_slice(&gain);
        std::fs::write(path(name), bytes).unwrap();
        let quiet = rms(&hear(&path(name)).unwrap());
        assert!((plain - quiet - 20.0).abs() < 0.1, "{name}: {quiet} instead of {plain} dB");
    }
    // SamplingFrequency (0xb5) of the encoder's input.
    let mut bytes = std::fs::read(path("1.webm")).unwrap();
    let stated =
        bytes.windows(10).position(|field| field == [&[0xb5, 0x88][..], &48_000_f64.to_be_bytes()].concat());
    let stated = stated.unwrap() + 2;
    bytes[stated..stated + 8].copy_from_slice(&44_100_f64.to_be_bytes());
    std::fs::write(path("rate.webm"), bytes).unwrap();
    assert_eq!(hear(&path("rate.webm")).unwrap().interleaved, hear(&path("1.webm")).unwrap().interleaved);
}

/// The configuration of AAC takes precedence over the container's fields.
#[test]
fn aac_is_decoded_by_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for rate in [96_000, 88_200, 8_000] {
        let path = encode(folder.path(), &format!("{rate}.m4a"), rate, 2, &["-c:a", "aac"]);
        let heard = hear(&path).unwrap();
        assert_eq!((heard.rate, heard.end), (rate, (SECONDS * f64::from(rate)).round() as u64));
    }
    let path = encode(folder.path(), "x.m4a", 44_100, 2, &["-c:a", "aac"]);
    let plain = hear(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|config| config == [0x12, 0x10, 0x56, 0xe5]).unwrap();
    // `dependsOnCoreCoder`, and the sample rate of the sample entry: 0.
    let mut core = bytes.clone();
    core[at + 1] |= 2;
    let entry = bytes.windows(4).rposition(|kind| kind == b"mp4a").unwrap();
    let mut rateless = bytes.clone();
    rateless[entry + 28..entry + 32].fill(0);
    for changed in [core, rateless] {
        std::fs::write(&path, changed).unwrap();
        assert_eq!(hear(&path).unwrap().interleaved, plain.interleaved);
    }
}

/// Unsupported codecs cause an error with a command to convert the file.
#[test]
fn undecoded_codecs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, expected: &str, rate: u32, channels: u16, arguments: &[&str]| {
        let path: PathBuf = encode(folder.path(), name, rate, channels, arguments);
        check_error(hear(&path), name, expected);
        let error = hear(&path).unwrap_err().to_string();
        assert!(error.contains("`uri = \"process:\"` with `command = [\"ffmpeg\""), "{error}");
    };
    check("x.mka", "AC-3", 48_000, 2, &["-c:a", "ac3"]);
    check("x.mp4", "E-AC-3", 48_000, 2, &["-c:a", "eac3"]);
    check("dts.mka", "DTS", 48_000, 2, &["-c:a", "dca", "-strict", "-2"]);
    check("true.mka", "TrueHD", 48_000, 2, &["-c:a", "truehd", "-strict", "-2"]);
    check("tta.mka", "TTA", 44_100, 2, &["-c:a", "tta"]);
    check("wavpack.mka", "WavPack", 44_100, 2, &["-c:a", "wavpack"]);
    check("acm.mka", "Windows ACM audio", 44_100, 2, &["-c:a", "adpcm_ms"]);
    check("speex.ogg", "Speex", 8_000, 1, &["-c:a", "libspeex"]);
    check("latm.aac", "LATM", 44_100, 2, &["-c:a", "aac", "-f", "latm"]);
    check("surround.m4a", "6 channels (5.1)", 48_000, 6, &["-c:a", "aac"]);
    check("surround.aac", "6 channels (5.1)", 48_000, 6, &["-c:a", "aac"]);
    check("main.m4a", "AAC Main", 44_100, 2, &["-c:a", "aac", "-profile:a", "aac_main"]);
    // A supported track takes precedence over the default one.
    let wav = folder.path().join("signal-48000-2.wav");
    let both = folder.path().join("both.mka");
    convert(&wav, &both, &["-map", "0:a", "-map", "0:a", "-c:a:0", "ac3", "-c:a:1", "flac"]);
    assert_eq!(hear(&both).unwrap().end, (SECONDS * 48_000.0) as u64);
}
