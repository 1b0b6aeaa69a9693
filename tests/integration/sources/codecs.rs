//! Codecs, sample rates and concatenated files, against ffmpeg.

use super::*;

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
