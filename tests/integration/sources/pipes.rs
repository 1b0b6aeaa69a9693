//! Formats through a pipe.

use super::*;

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
