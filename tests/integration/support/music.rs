//! Recorded music from `scripts/fetch_audio.sh`.

use std::path::{Path, PathBuf};

use super::audio::convert;

/// A whole song, 44.1 kHz stereo: `metal`, `classical` or `electronic`.
pub(crate) fn song(name: &str) -> PathBuf {
    recording(&format!("{name}.ogg"))
}

/// A clip of 5 s, 16 kHz mono.
pub(crate) fn clip(name: &str) -> PathBuf {
    recording(&format!("clips/{name}.wav"))
}

/// Cuts `seconds` from position `from` out of a song. The name of `output` determines its format.
pub(crate) fn cut(name: &str, from: f64, seconds: f64, output: &Path, arguments: &[&str]) {
    let (from, seconds) = (from.to_string(), seconds.to_string());
    let arguments = [&["-ss", &from, "-t", &seconds], arguments].concat();
    convert(&song(name), output, &arguments);
}

fn recording(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/test-audio").join(name);
    assert!(path.exists(), "`{}` is missing: run `scripts/fetch_audio.sh`", path.display());
    path
}
