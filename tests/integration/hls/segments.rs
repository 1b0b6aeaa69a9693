//! Segments with discontinuities, and segments that are byte ranges.

use super::*;

/// A discontinuity before every segment announces a change, not a loss (RFC 8216, 4.3.2.3).
/// Segments may end within frames and packets. Each stream is decoded without a missing patch.
#[test]
fn nothing_is_missing_at_discontinuities_and_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let make = |arguments: &[&str]| {
        let status = tool("ffmpeg", "ffmpeg")
            .current_dir(folder.path())
            .args(["-v", "error", "-ss", "60", "-t", "60", "-i"])
            .arg(song("metal"))
            .args(["-map", "0:a", "-map_metadata", "-1"])
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    let mp3 = ["-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0"];
    let segment = ["-f", "segment", "-segment_time", "2", "-segment_format"];
    let hls = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0"];
    make(&[&AAC[..], &segment, &["adts", "adts%d.seg"]].concat());
    make(&[&mp3[..], &segment, &["mp3", "mp3%d.seg"]].concat());
    make(&[&AAC[..], &hls, &["-hls_segment_filename", "ts%d.seg", "ts.m3u8"]].concat());
    let fmp4 = ["-hls_segment_type", "fmp4", "-hls_segment_filename", "fmp4%d.seg", "fmp4.m3u8"];
    make(&[&AAC[..], &hls, &fmp4].concat());
    make(&[&mp3[..], &["whole.mp3"]].concat());
    make(&[&AAC[..], &["whole.ts"]].concat());
    // As `split -b` does. The first part also begins within a frame, and each has a tag in front.
    let tag = b"ID3\x04\0\0\0\0\0\x10PRIV\0\0\0\x06\0\0stamp\0";
    for (whole, name, tag) in [("whole.mp3", "cut", &tag[..]), ("whole.ts", "packets", &[][..])] {
        let bytes = fs::read(folder.path().join(whole)).unwrap();
        let length = (bytes.len() - 100) / 30;
        for (index, piece) in bytes[100..].chunks(length).enumerate() {
            fs::write(folder.path().join(format!("{name}{index}.seg")), [tag, piece].concat()).unwrap();
        }
    }
    let station = Station(Instant::now());
    let server = Files::start(folder.path(), move |path| {
        let Some(name) = path.strip_suffix(".m3u8") else { return Answer::File };
        station.playlist(0, |index| {
            let mut before = String::new();
            if !["cut", "packets"].contains(&name) {
                before.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if name == "fmp4" {
                before.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
            }
            format!("{before}#EXTINF:2,\n{name}{}.seg\n", index % 29)
        })
    });
    let names = ["adts", "mp3", "ts", "fmp4", "cut", "packets"];
    let daemon = daemon(folder.path(), &names.map(|name| (name, server.url(&format!("{name}.m3u8")))));
    for name in names {
        daemon.wait_until(name, || {
            genre(&daemon.json(), name).as_deref() == Some("metal") && scored(&daemon.json(), name) > 15
        });
    }
    // Restarted encoders publish another initialization section at the same address.
    assert!(server.requests("init.mp4").len() > 5);
    let ended = end(daemon);
    for name in names {
        let windows = ended.lines("window", Some(name));
        let patches: Vec<_> = windows.iter().map(|line| line["patch"].as_u64().unwrap()).collect();
        assert!(
            patches.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{name}: {patches:?} {}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("is skipped"), "{}", ended.stderr);
}

/// Segments that are byte ranges of one file, on servers with and without support for range
/// requests.
#[test]
fn parts_of_files_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, kind: &str| {
        let status = tool("ffmpeg", "ffmpeg")
            .current_dir(folder.path())
            .args(["-v", "error", "-ss", "60", "-t", "60", "-i"])
            .arg(song("metal"))
            .args(["-vn", "-map_metadata", "-1"])
            .args(AAC)
            .args(["-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-hls_flags", "single_file"])
            .args(["-hls_segment_type", kind, &format!("{name}.m3u8")])
            .status()
            .unwrap();
        assert!(status.success());
        let list = fs::read_to_string(folder.path().join(format!("{name}.m3u8"))).unwrap();
        assert!(list.matches("#EXT-X-BYTERANGE").count() > 20, "{list}");
    };
    make("parts", "fmp4");
    make("whole", "mpegts");
    let server = Files::start(folder.path(), |path| match path {
        "whole.ts" => Answer::Whole,
        _ => Answer::File,
    });
    let names = ["parts", "whole"];
    let daemon = daemon(folder.path(), &names.map(|name| (name, server.url(&format!("{name}.m3u8")))));
    for name in names {
        daemon.wait_until(name, || {
            genre(&daemon.json(), name).as_deref() == Some("metal") && scored(&daemon.json(), name) > 15
        });
    }
    for head in [server.requests("parts.m4s"), server.requests("whole.ts")].concat() {
        assert!(head.contains("\r\nRange: bytes="), "{head}");
    }
    assert!(server.requests("parts.m4s").len() > 5 && server.requests("whole.ts").len() > 5);
    let ended = end(daemon);
    assert!(!ended.stderr.contains("is skipped"), "{}", ended.stderr);
}
