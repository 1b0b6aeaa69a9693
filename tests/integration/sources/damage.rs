//! Truncated and damaged files.

use super::*;

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
