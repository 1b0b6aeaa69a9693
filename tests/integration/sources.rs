//! Sources: every codec, every kind of source and invalid input, against reference tools.

mod containers;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::audio::{SECONDS, convert, correlation, decode_with_ffmpeg, encode, signal, write_wav};
use crate::support::tool;
use genred::audio::{Block, SampleRate};
use genred::source::{self, Pacing, Read, Source, SourceConfig, SourceError, Uri};
use genred::thread::Stop;

/// Everything that a source returned.
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

/// Each codec against ffmpeg's decoder: the same number of samples, within one codec frame, and the
/// same samples at the same positions.
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
    check("sowt.aiff", &["-c:a", "pcm_s16le"], 0);
    check("float.aiff", &["-c:a", "pcm_f32be"], 0);
    check("rf64.wav", &["-c:a", "pcm_s24le", "-rf64", "always"], 0);
    check("s64.wav", &["-c:a", "pcm_s64le"], 0);
    check("a-law.wav", &["-c:a", "pcm_alaw"], 0);
    check("ima.wav", &["-c:a", "adpcm_ima_wav"], 0);
    check("ms.wav", &["-c:a", "adpcm_ms"], 0);
    check("mp3.wav", &["-c:a", "libmp3lame"], 0);
    check("x.w64", &["-c:a", "pcm_s24le"], 0);
    check("x.au", &["-c:a", "pcm_s16be"], 0);
    check("mu-law.au", &["-c:a", "pcm_mulaw"], 0);
    check("little.caf", &["-c:a", "pcm_f32le"], 0);
    check("big.caf", &["-c:a", "pcm_s24be"], 0);
    check("alac.caf", &["-c:a", "alac"], 0);
    for codec in
        ["u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "f64le", "mulaw"]
    {
        let codec = format!("pcm_{codec}");
        check(&format!("{codec}.mov"), &["-c:a", &codec], 0);
        let fragmented = ["-c:a", &codec, "-movflags", "+frag_keyframe+empty_moov"];
        check(&format!("{codec}-fragments.mov"), &fragmented, 0);
    }
    check("ima.mov", &["-c:a", "adpcm_ima_qt"], 0);
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
}

/// Drums over a rising tone, for which encoders switch between short and long blocks.
fn drums(rate: u32, seconds: f64) -> Vec<f32> {
    use std::f64::consts::TAU;
    let mut state = 0x2545_f491_u32;
    let sample = |index: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
        let time = f64::from(index) / f64::from(rate);
        let (kick, hat) = ((time * 2.3).fract() / 2.3, (time * 9.2 + 0.37).fract() / 9.2);
        let bend = 60.0 * kick + 8.0 * (1.0 - (-30.0 * kick).exp());
        let tone = 0.1 * (TAU * (200.0 + 5.0 * time) * time).sin();
        let value =
            0.5 * (TAU * bend).sin() * (-12.0 * kick).exp() + 0.35 * noise * (-60.0 * hat).exp() + tone;
        [value as f32, (0.8 * value) as f32]
    };
    (0..(seconds * f64::from(rate)) as u32).flat_map(sample).collect()
}

/// After transcoding from Ogg, page times deviate by up to one block. That is neither loss nor
/// padding.
#[test]
fn ogg_pages_that_wander_lose_nothing() {
    const RATE: u32 = 44_100;
    const LENGTH: f64 = 30.0;
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("drums.wav");
    write_wav(&wav, RATE, 2, &drums(RATE, LENGTH));
    let first = folder.path().join("first.ogg");
    convert(&wav, &first, &["-c:a", "libvorbis"]);
    let check = |name: &str, codec: &str, rate: u32| {
        let again = folder.path().join(name);
        convert(&first, &again, &["-c:a", codec]);
        for path in [&again, &folder.path().join("chain.ogg")] {
            let links = if path == &again { 1 } else { 2 };
            if links == 2 {
                std::fs::write(path, std::fs::read(&again).unwrap().repeat(2)).unwrap();
            }
            let ours = hear(path).unwrap();
            let theirs = decode_with_ffmpeg(&again).repeat(links);
            let alike = correlation(&ours.interleaved, &theirs);
            println!("{name} x{links}: {} samples, gaps {:?}, correlation {alike:.6}", ours.end, ours.gaps);
            // The boundary between two links of a chained stream is the only gap.
            let length = (LENGTH * f64::from(rate)) as u64;
            assert_eq!(ours.gaps, vec![length; links - 1], "{name} x{links}");
            assert_eq!(ours.end, theirs.len() as u64 / 2, "{name} x{links}");
            assert_eq!((ours.end, ours.corrupt), (length * links as u64, 0), "{name} x{links}");
            assert!(alike > 0.99, "{name} x{links}: {alike}");
        }
    };
    check("again.ogg", "libvorbis", RATE);
    check("flac.ogg", "flac", RATE);
    if cfg!(feature = "opus") {
        check("again.opus", "libopus", 48_000);
    }
}

/// Sample rates and channel counts, with the actual duration.
#[test]
fn any_rate_and_channel_count() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["wav", "flac"] {
        for (rate, channels) in [(8_000, 1), (16_000, 1), (48_000, 6), (44_100, 8), (192_000, 2)] {
            let path = encode(folder.path(), &format!("{rate}-{channels}.{extension}"), rate, channels, &[]);
            let heard = hear(&path).unwrap();
            assert_eq!((heard.rate, heard.channels), (rate, channels), "{}", path.display());
            assert_eq!(heard.end, (SECONDS * f64::from(rate)).round() as u64, "{}", path.display());
            let alike = correlation(&heard.interleaved, &signal(rate, channels, SECONDS));
            assert!(alike > 0.999, "{}: {alike}", path.display());
        }
    }
}

#[test]
fn not_a_number_passes_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.wav");
    write_wav(&path, 8000, 1, &[0.5, f32::NAN, f32::INFINITY, -0.5]);
    let heard = hear(&path).unwrap();
    assert_eq!(heard.interleaved.len(), 4);
    assert!(heard.interleaved[1].is_nan() && heard.interleaved[2].is_infinite());
}

/// Checks an error message: it names the file or device, starts in lower case and has no full stop.
fn check_error(result: Result<Heard, SourceError>, name: &str, expected: &str) {
    let error = result.expect_err(name);
    let message = error.to_string();
    println!("{message}");
    assert!(!error.is_transient(), "{message}");
    assert!(message.contains(name) && message.contains(expected), "{message} lacks {name} or {expected}");
    assert!(!message.ends_with('.') && !message.starts_with(char::is_uppercase), "{message}");
}

#[test]
fn what_is_no_sound_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, content: Option<&[u8]>, expected: &str| {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        check_error(hear(&path), name, expected);
    };
    check("missing.wav", None, "does not exist");
    check("empty.wav", Some(b""), "is empty (0 bytes)");
    check("one.wav", Some(b"R"), "known are wav, aiff, au");
    check("text.mp3", Some("no sound here, only words\n".repeat(500).as_bytes()), "known are wav, aiff, au");
    check("zeros.flac", Some(&[0; 70_000]), "known are wav, aiff, au");
    std::fs::create_dir(folder.path().join("album.flac")).unwrap();
    check("album.flac", None, "is a directory");
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.wav")).unwrap();
    check("zero.wav", None, "neither a regular file nor a pipe");

    let path = folder.path().join("header.wav");
    write_wav(&path, 8000, 1, &[]);
    check("header.wav", None, "holds no sound");
    for (offset, absurd) in [(22, [0xff, 0xff, 0xff, 0xff]), (24, [1, 0, 0, 0]), (24, [0xff; 4])] {
        write_wav(&path, 8000, 1, &[0.0; 100]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[offset..offset + 4].copy_from_slice(&absurd);
        check("header.wav", Some(&bytes), "header.wav");
    }
}

#[test]
fn what_cannot_be_opened_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.wav");
    write_wav(&path, 8000, 1, &[0.0; 100]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root can read it in spite of its permissions.
    if std::fs::File::open(&path).is_err() {
        check_error(hear(&path), "secret.wav", "permission denied");
    }
}

/// A truncated file is decoded to its end; a tenth of a second is enough.
#[test]
fn a_truncated_file_gives_what_decodes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in CODECS {
        let path = encode(folder.path(), name, 44_100, 2, arguments);
        let whole = hear(&path).unwrap().end;
        let bytes = std::fs::read(&path).unwrap();
        let cut = folder.path().join(format!("cut-{name}"));
        std::fs::write(&cut, &bytes[..bytes.len() * 6 / 10]).unwrap();
        let part = hear(&cut).unwrap_or_else(|error| panic!("{error}")).end;
        let share = part as f64 / whole as f64;
        println!("{name}: {share:.3}");
        // Ogg pages are lost as a whole, and these hold up to one second.
        assert!((0.25..0.8).contains(&share), "{name}: {share}");
    }
}

/// Damage in the middle loses the affected packets and is reported: a gap, and a position at the
/// end that includes the lost samples.
#[test]
fn garbage_in_the_middle_costs_only_what_it_hits() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in CODECS {
        let path = encode(folder.path(), name, 44_100, 2, arguments);
        let whole = hear(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        let mut state = 1_u32;
        for byte in &mut bytes[middle..middle + 3000] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        let damaged = folder.path().join(format!("damaged-{name}"));
        std::fs::write(&damaged, bytes).unwrap();
        let heard = hear(&damaged).unwrap_or_else(|error| panic!("{error}"));
        let share = heard.interleaved.len() as f64 / whole.interleaved.len() as f64;
        println!("{name}: {share:.3} heard, {} corrupt, gaps at {:?}", heard.corrupt, heard.gaps);
        assert!(share > 0.6 && share < 1.05, "{name}: {share}");
        // Containers with time stamps reveal the amount of lost audio.
        if ["x.flac", "x.ogg", "x.m4a", "x.opus"].contains(name) {
            assert!(!heard.gaps.is_empty(), "{name}");
            assert!(heard.end.abs_diff(whole.end) < 4410, "{name}: {} for {}", heard.end, whole.end);
        }
    }
}

/// Random damage causes errors, but no panics and no endless loops.
#[test]
fn damaged_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 7_u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below.max(1)
    };
    for (name, arguments) in CODECS {
        let path = encode(folder.path(), name, 22_050, 1, arguments);
        let bytes = std::fs::read(&path).unwrap();
        let damaged = folder.path().join(format!("damaged-{name}"));
        for round in 0..40 {
            let mut bytes = bytes.clone();
            // Half of the rounds damage the first kilobyte, since headers have the most effect.
            let reach = if round % 2 == 0 { bytes.len().min(1024) } else { bytes.len() };
            for _ in 0..=random(20) {
                let at = random(reach);
                bytes[at] = random(256) as u8;
            }
            std::fs::write(&damaged, bytes).unwrap();
            let _ = hear(&damaged);
        }
    }
}

const CODECS: &[(&str, &[&str])] = &[
    ("s16.wav", &["-c:a", "pcm_s16le"]),
    ("x.aiff", &["-c:a", "pcm_s16be"]),
    ("x.flac", &[]),
    ("x.mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
    ("x.ogg", &["-c:a", "libvorbis"]),
    ("x.m4a", &["-c:a", "aac", "-movflags", "+faststart"]),
    ("x.aac", &["-c:a", "aac"]),
    #[cfg(feature = "opus")]
    ("x.opus", &["-c:a", "libopus"]),
];

/// In concatenated files, the second one is decoded after a gap, even if rate and channels change.
#[test]
fn files_put_end_to_end_are_all_heard() {
    let folder = tempfile::tempdir().unwrap();
    for (extension, arguments) in [("mp3", &["-c:a", "libmp3lame"][..]), ("ogg", &["-c:a", "libvorbis"][..])]
    {
        for (rate, channels) in [(44_100, 2), (22_050, 1)] {
            let first = encode(folder.path(), &format!("first.{extension}"), 44_100, 2, arguments);
            let second = encode(folder.path(), &format!("second.{extension}"), rate, channels, arguments);
            let both = folder.path().join(format!("both.{extension}"));
            std::fs::write(&both, [std::fs::read(first).unwrap(), std::fs::read(second).unwrap()].concat())
                .unwrap();
            let heard = hear(&both).unwrap();
            let seconds = heard.end as f64 / f64::from(heard.rate);
            println!("{extension} + {rate}: {seconds} s, gaps {:?}, {} corrupt", heard.gaps, heard.corrupt);
            assert_eq!((heard.rate, heard.channels), (rate, channels), "{extension}");
            assert!((seconds - 2.0 * SECONDS).abs() < 0.2, "{extension}: {seconds}");
            assert!((1..=3).contains(&heard.gaps.len()), "{extension}: {:?}", heard.gaps);
        }
    }
}

/// The core of an HE-AAC file is decoded. The test file is AAC-LC with a header that announces SBR.
#[test]
fn the_core_of_he_aac_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let path = encode(folder.path(), "x.m4a", 22_050, 2, &["-c:a", "aac"]);
    let plain = hear(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|config| config == [0x13, 0x90, 0x56, 0xe5, 0x00]).unwrap();
    bytes[at..at + 5].copy_from_slice(&[0x2b, 0x92, 0x08, 0x00, 0x00]);
    std::fs::write(&path, bytes).unwrap();
    let heard = hear(&path).unwrap();
    assert_eq!((heard.rate, heard.end), (22_050, plain.end));
    assert_eq!(heard.interleaved, plain.interleaved);
}

fn config(uri: &str, pacing: Pacing) -> SourceConfig {
    SourceConfig {
        display_name: "test".into(),
        name: "test".into(),
        uri: Uri::parse(uri).unwrap(),
        pacing,
        start: None,
        repeat: false,
        reconnect_max: Duration::from_secs(60),
        piece: Duration::ZERO,
    }
}

/// Opens standard input, redirected from the output of `command`.
fn piped(uri: &str, shell: &str, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
    let mut child = tool("sh", "dash").args(["-c", shell]).stdout(Stdio::piped()).spawn().unwrap();
    let pipe = OwnedFd::from(child.stdout.take().unwrap());
    std::thread::spawn(move || child.wait());
    source::open_stdin(&config(uri, Pacing::Realtime), pipe, stop)
}

#[test]
fn containers_come_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    tool("ffmpeg", "ffmpeg");
    let flac = encode(folder.path(), "x.flac", 44_100, 2, &[]);
    let check = |shell: String| {
        let heard = drain(&mut *piped("-", &shell, &stop).unwrap()).unwrap();
        // The same bytes, decoded by ffmpeg.
        let kept = folder.path().join("kept");
        let keep = format!("({shell}) > {}", kept.display());
        assert!(tool("sh", "dash").args(["-c", &keep]).status().unwrap().success());
        let theirs = decode_with_ffmpeg(&kept);
        let alike = correlation(&heard.interleaved, &theirs);
        println!("{shell}: {} samples, ffmpeg {}, correlation {alike:.5}", heard.end, theirs.len() / 2);
        assert!(heard.end.abs_diff(theirs.len() as u64 / 2) <= 1152, "{shell}: {}", heard.end);
        assert!(alike > 0.99 && heard.gaps.is_empty(), "{shell}: {alike}");
        assert_eq!(heard.anchors[0].0, 0);
    };
    tool("sox", "sox");
    let flac = flac.display();
    check(format!("ffmpeg -v error -i {flac} -f wav -"));
    check(format!("ffmpeg -v error -i {flac} -f wav -c:a pcm_f32le - | cat"));
    check(format!("cat {flac}"));
    check(format!("ffmpeg -v error -i {flac} -f mp3 -b:a 256k -"));
    check(format!("ffmpeg -v error -i {flac} -f adts -c:a aac -"));
    check(format!("ffmpeg -v error -i {flac} -f ogg -c:a libvorbis -"));
    check(format!("ffmpeg -v error -i {flac} -f mp4 -movflags +frag_keyframe+empty_moov -c:a aac -"));
    check(format!("sox {flac} -t wav -"));
    if cfg!(feature = "opus") {
        check(format!("ffmpeg -v error -i {flac} -f ogg -c:a libopus -"));
    }
}

/// Writers to a pipe do not know the duration, and state 0 or a maximum.
#[test]
fn headers_without_a_length_come_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    for (name, package) in
        [("ffmpeg", "ffmpeg"), ("sox", "sox"), ("mpg123", "mpg123"), ("opusdec", "opus-tools")]
    {
        tool(name, package);
    }
    let check = |shell: &str, into_file: &str| {
        let shell = format!("cd {} && {shell}", folder.path().display());
        let heard = drain(&mut *piped("-", &shell, &stop).unwrap()).unwrap();
        let into_file = format!("cd {} && {into_file}", folder.path().display());
        assert!(tool("sh", "dash").args(["-c", &into_file]).status().unwrap().success());
        let theirs = decode_with_ffmpeg(&folder.path().join("kept.wav"));
        let alike = correlation(&heard.interleaved, &theirs);
        println!("{shell}: {} samples, {} in a file, correlation {alike:.6}", heard.end, theirs.len() / 2);
        assert_eq!(heard.interleaved.len(), theirs.len(), "{shell}");
        assert!(alike > 0.999 && heard.gaps.is_empty() && heard.corrupt == 0, "{shell}: {alike}");
    };
    encode(folder.path(), "x.flac", 44_100, 2, &[]);
    encode(folder.path(), "x.mp3", 44_100, 2, &["-c:a", "libmp3lame"]);
    let plain = "ffmpeg -v error -y -i x.flac kept.wav";
    for (format, codecs) in [
        ("wav", &["pcm_u8", "pcm_s16le", "pcm_f64le"][..]),
        ("wav -rf64 always", &["pcm_s24le"]),
        ("w64", &["pcm_s16le", "pcm_f32le"]),
        ("aiff", &["pcm_s16be", "pcm_s16le", "pcm_f32be"]),
        ("au", &["pcm_s16be", "pcm_f32be"]),
        ("caf", &["pcm_s16be", "pcm_f32le"]),
    ] {
        for codec in codecs {
            check(&format!("ffmpeg -v error -i x.flac -c:a {codec} -f {format} -"), plain);
        }
    }
    for format in ["wav", "aiff", "aifc", "au"] {
        check(&format!("sox x.flac -t {format} - | cat"), plain);
    }
    // RIFF size 36 and data size 0; then 2^31 - 1 for both.
    check("mpg123 -q -w - x.mp3", "mpg123 -q -w kept.wav x.mp3");
    if cfg!(feature = "opus") {
        encode(folder.path(), "x.opus", 48_000, 2, &["-c:a", "libopus"]);
        check("opusdec --quiet --force-wav x.opus -", "opusdec --quiet --force-wav x.opus kept.wav");
    }
}

/// Recognized but unsupported formats cause an error that names the format and a command to convert
/// it, for files and pipes.
#[test]
fn formats_that_are_not_decoded_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    let check = |name: &str, arguments: &[&str], expected: &str| {
        let path = encode(folder.path(), name, 48_000, 2, arguments);
        let expected = format!("is {expected}, which genred does not decode; use `uri = \"process:\"`");
        check_error(hear(&path), name, &expected);
        let piped = drain(&mut *piped("-", &format!("cat {}", path.display()), &stop).unwrap());
        check_error(piped, "standard input", &expected);
    };
    check("x.wv", &["-c:a", "wavpack"], "WavPack");
    check("x.tta", &["-c:a", "tta"], "TTA (True Audio)");
    check("x.spx", &["-c:a", "libspeex", "-ar", "16000"], "Speex in Ogg");
    check("x.ac3", &["-c:a", "ac3"], "AC-3 (Dolby Digital)");
    check("x.dts", &["-c:a", "dca", "-strict", "-2"], "DTS");
    check("x.ts", &["-c:a", "aac"], "an MPEG transport stream (MPEG-TS)");
    check("x.m2ts", &["-c:a", "aac", "-mpegts_m2ts_mode", "1"], "an MPEG transport stream (MPEG-TS)");
    check("x.mpg", &["-c:a", "mp2", "-f", "mpeg"], "an MPEG program stream");
    check("x.latm", &["-c:a", "aac"], "AAC in LATM/LOAS");
    check("x.wma", &["-c:a", "wmav2"], "ASF (WMA)");
    check("x.flv", &["-c:a", "aac", "-ar", "44100"], "Flash video (FLV)");
    check("x.avi", &["-c:a", "mp3"], "AVI");
    check("x.voc", &["-c:a", "pcm_u8"], "Creative Voice (VOC)");
    check("ac3.wav", &["-c:a", "ac3"], "AC-3 in WAV");
    check("flac.caf", &["-c:a", "flac"], "FLAC in CAF");
    let spdif = encode(folder.path(), "x.spdif", 48_000, 2, &["-c:a", "ac3", "-f", "spdif"]);
    let wav = folder.path().join("spdif.wav");
    write_wav(&wav, 48_000, 2, &[]);
    // Like a recording of a digital output: 16-bit integers instead of floats.
    let mut bytes = std::fs::read(&wav).unwrap();
    (bytes[20], bytes[32], bytes[34]) = (1, 4, 16);
    std::fs::write(&wav, [bytes, std::fs::read(spdif).unwrap()].concat()).unwrap();
    check_error(hear(&wav), "spdif.wav", "coded audio in S/PDIF bursts (IEC 61937) in WAV");
}

#[test]
fn a_redirected_file_may_need_seeking() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    // The index is at the end, so that a pipe cannot be decoded.
    let path = encode(folder.path(), "x.m4a", 44_100, 2, &["-c:a", "aac"]);
    let file = std::fs::File::open(&path).unwrap();
    let mut source = source::open_stdin(&config("-", Pacing::Realtime), file.into(), &stop).unwrap();
    assert_eq!(drain(&mut *source).unwrap().end, hear(&path).unwrap().end);

    let result = drain(&mut *piped("-", &format!("cat {}", path.display()), &stop).unwrap());
    check_error(result, "standard input", "cannot be decoded");
}

#[test]
fn raw_pcm_comes_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    let path = encode(folder.path(), "x.flac", 16_000, 2, &[]);
    let reference = hear(&path).unwrap();
    for (format, tolerance) in [("s16le", 4e-5), ("s24le", 4e-5), ("s32le", 4e-5), ("f32le", 4e-5)] {
        let shell = format!("ffmpeg -v error -i {} -f {format} -c:a pcm_{format} -", path.display());
        // A partial last sample is dropped.
        let shell = format!("{shell}; printf abc");
        let uri = format!("stdin:?format={format}&rate=16000&channels=2");
        let heard = drain(&mut *piped(&uri, &shell, &stop).unwrap()).unwrap();
        assert_eq!((heard.end, heard.rate, heard.channels), (reference.end, 16_000, 2), "{format}");
        let worst = heard.interleaved.iter().zip(&reference.interleaved);
        let worst = worst.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance, "{format}: {worst}");
        // ffmpeg writes faster than real time. The clock is read often enough that no time stamp is
        // in the future.
        assert!(heard.anchors.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1));
        assert!(heard.anchors.len() > 1 && heard.anchors[0].0 == 0, "{:?}", heard.anchors);
    }
}

#[test]
fn a_pipe_that_brings_nothing_says_so() {
    let stop = Stop::new().unwrap();
    for uri in ["-", "stdin:?format=s16le&rate=16000&channels=1"] {
        check_error(drain(&mut *piped(uri, "true", &stop).unwrap()), "standard input", "nothing came in");
    }
    let words = "yes these are words | head -c 100000";
    check_error(drain(&mut *piped("-", words, &stop).unwrap()), "standard input", "known are");
}

/// A pausing writer makes the source idle, not ended; the stop token ends it at once.
#[test]
fn a_stalled_pipe_is_idle_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = encode(folder.path(), "s16.wav", 16_000, 1, &["-c:a", "pcm_s16le"]);
    let bytes = std::fs::read(path).unwrap();
    for uri in ["-", "stdin:?format=s16le&rate=16000&channels=1"] {
        let stop = Stop::new().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut source = source::open_stdin(&config(uri, Pacing::Realtime), reader.into(), &stop).unwrap();
        let mut block = empty_block();
        assert_eq!(source.read(&mut block).unwrap(), Read::Idle, "{uri}");
        writer.write_all(&bytes[..32_000]).unwrap();
        let (mut samples, begun) = (0, Instant::now());
        loop {
            match source.read(&mut block).unwrap() {
                Read::Audio => samples += block.samples(),
                Read::Idle if samples >= 13_000 || begun.elapsed() > Duration::from_secs(60) => break,
                Read::Idle => {}
                Read::End => panic!("{uri}: ended"),
            }
        }
        assert!((13_000..=16_000).contains(&samples), "{uri}: {samples}");
        let stopper = stop.clone();
        let handle = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            stopper.set();
            Instant::now()
        });
        while source.read(&mut block).unwrap() != Read::End {}
        assert!(handle.join().unwrap().elapsed() < Duration::from_secs(5), "{uri}");
    }
}

#[test]
fn a_named_pipe_is_read_as_it_fills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(tool("mkfifo", "coreutils").arg(&path).status().unwrap().success());
    let stop = Stop::new().unwrap();
    let flac = encode(folder.path(), "x.flac", 16_000, 1, &[]);
    let mut source = source::open(&config(path.to_str().unwrap(), Pacing::Realtime), &stop).unwrap();
    assert_eq!(source.read(&mut empty_block()).unwrap(), Read::Idle);
    let shell = format!("cat {} > {}", flac.display(), path.display());
    let mut writer = tool("sh", "dash").args(["-c", &shell]).spawn().unwrap();
    assert_eq!(drain(&mut *source).unwrap().end, 52_800);
    writer.wait().unwrap();
}

/// Real-time pacing takes at least the duration of the file. On a busy machine there is no upper
/// bound.
#[test]
fn realtime_takes_its_time_and_fast_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    let path = encode(folder.path(), "x.flac", 16_000, 1, &[]);
    let path = path.to_str().unwrap();

    let begun = Instant::now();
    let wall = jiff::Timestamp::now();
    let mut live = source::open(&config(path, Pacing::Realtime), &stop).unwrap();
    let heard = drain(&mut *live).unwrap();
    assert!(begun.elapsed().as_secs_f64() >= SECONDS - 0.001, "{:?}", begun.elapsed());
    assert_eq!(heard.end, 52_800);
    assert_eq!(heard.anchors.len(), 1);
    let off = heard.anchors[0].1.duration_since(wall).as_secs_f64();
    assert!((-0.05..2.0).contains(&off), "{off}");

    let begun = Instant::now();
    let mut fast = source::open(&config(path, Pacing::Fast), &stop).unwrap();
    assert_eq!(drain(&mut *fast).unwrap().interleaved, heard.interleaved);
    assert!(begun.elapsed().as_secs_f64() < SECONDS);

    let start: jiff::Timestamp = "2024-02-29T23:59:59Z".parse().unwrap();
    let mut dated = config(path, Pacing::Fast);
    dated.start = Some(start);
    assert_eq!(drain(&mut *source::open(&dated, &stop).unwrap()).unwrap().anchors, [(0, start)]);
}

#[test]
fn stop_interrupts_a_paced_file() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    let path = encode(folder.path(), "x.flac", 16_000, 1, &[]);
    let mut source = source::open(&config(path.to_str().unwrap(), Pacing::Realtime), &stop).unwrap();
    let mut block = empty_block();
    assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
    let begun = Instant::now();
    stop.set();
    assert_eq!(source.read(&mut block).unwrap(), Read::End);
    assert!(begun.elapsed().as_secs_f64() < SECONDS / 2.0);
}

/// The decoder searches gigabytes of zeros for the next packet; the stop token interrupts it.
#[test]
fn stop_interrupts_a_search_for_sound() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(encode(folder.path(), "x.mp3", 44_100, 2, &["-c:a", "libmp3lame"])).unwrap();
    let path = folder.path().join("hollow.mp3");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(8 << 30).unwrap();
    let by_name = |stop: &Stop| source::open(&config(path.to_str().unwrap(), Pacing::Fast), stop);
    let redirected = |stop: &Stop| {
        let file = std::fs::File::open(&path).unwrap();
        source::open_stdin(&config("-", Pacing::Fast), file.into(), stop)
    };
    let opens: [&dyn Fn(&Stop) -> Result<Box<dyn Source>, SourceError>; 2] = [&by_name, &redirected];
    for open in opens {
        let stop = Stop::new().unwrap();
        let mut source = open(&stop).unwrap();
        let stopper = stop.clone();
        let (heard, enough) = std::sync::mpsc::channel();
        let handle = std::thread::spawn(move || {
            // Half of the audio has been read; the search follows.
            enough.recv().unwrap();
            std::thread::sleep(Duration::from_millis(300));
            stopper.set();
            Instant::now()
        });
        let mut block = empty_block();
        let mut samples = 0;
        loop {
            match source.read(&mut block).unwrap() {
                Read::Audio => samples += block.samples(),
                Read::Idle => {}
                Read::End => break,
            }
            if samples > 40_000 {
                // Not read: a second one is not needed.
                let _ = heard.send(());
            }
        }
        drop(heard);
        let late = handle.join().unwrap().elapsed();
        println!("{samples} samples, ended after {late:?}");
        assert!(stop.is_set() && samples > 40_000, "{samples}");
        assert!(late < Duration::from_secs(5), "{late:?}");
    }
}

/// A repeated file continues without a gap, in blocks of the requested size regardless of its
/// packets.
#[test]
fn a_repeated_file_goes_on_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    // A third of a second: more than two rounds per second.
    let path = encode(folder.path(), "x.mp3", 44_100, 2, &["-t", "0.35"]);
    let once = hear(&path).unwrap();
    let stop = Stop::new().unwrap();
    let uri = format!("file:{}", path.display());
    let config =
        SourceConfig { repeat: true, piece: Duration::from_millis(100), ..config(&uri, Pacing::Realtime) };
    let mut source = source::open(&config, &stop).unwrap();
    let (mut block, mut heard, mut end) = (empty_block(), Vec::new(), 0);
    while end < 5 * once.end / 2 {
        if source.read(&mut block).unwrap() == Read::Audio {
            assert_eq!(block.span.start, end, "no hole");
            assert!(!block.gap && block.samples() >= 4410, "{} samples", block.samples());
            end = block.span.end;
            heard.extend_from_slice(&block.interleaved);
        }
    }
    let again = &heard[once.interleaved.len()..2 * once.interleaved.len()];
    assert!(heard.starts_with(&once.interleaved) && again == once.interleaved);
    stop.set();
    assert_eq!(source.read(&mut block).unwrap(), Read::End);
}
