//! The clips of `scripts/fetch_audio.sh`: ten of five seconds, 16 kHz, mono, 16 bit.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The samples of a clip.
pub(crate) fn read_clip(name: &str) -> Vec<i16> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/test-audio/clips");
    let path: PathBuf = folder.join(name).with_extension("wav");
    let bytes = fs::read(&path)
        .unwrap_or_else(|e| panic!("`{}`: {e}; run scripts/fetch_audio.sh first", path.display()));
    pcm_of(&bytes, &path).as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Returns the SHA-256 of the little-endian samples.
pub(crate) fn digest(pcm: &[i16]) -> Vec<u8> {
    let bytes: Vec<u8> = pcm.iter().flat_map(|x| x.to_le_bytes()).collect();
    Sha256::digest(bytes).to_vec()
}

/// Returns the data chunk of a WAV file.
fn pcm_of<'a>(bytes: &'a [u8], path: &Path) -> &'a [u8] {
    let mut at = 12;
    while let Some(header) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if &header[..4] == b"data" {
            return &bytes[at + 8..at + 8 + length];
        }
        at += 8 + length.next_multiple_of(2);
    }
    panic!("`{}` holds no data chunk; delete it and run scripts/fetch_audio.sh", path.display())
}
