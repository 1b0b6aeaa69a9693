//! Coded audio declared as PCM: IEC 61937 (S/PDIF) bursts, and DTS in WAV.
//!
//! Discs of DTS audio and recordings of digital outputs are stored like this; as PCM it is noise.

use symphonia::core::io::{MediaSource, MediaSourceStream};

use super::super::refusal::{DecodeRefusal, Unsupported, failed};
use super::super::stream_start::peek;
use super::reader::{AudioCoding, AudioFormat};

/// Numbers of bytes searched: an AC-3 burst comes every 6,144. Only the first applies to streams,
/// unless they begin with silence.
const SEARCHED: [usize; 3] = [256, 2048, 8192];

/// Sync words in the byte order of WAV, and the formats they begin.
const SYNC: &[(&[u8], Unsupported)] = &[
    (b"\x72\xf8\x1f\x4e", Unsupported::audio("coded audio in S/PDIF bursts (IEC 61937) in WAV")),
    (b"\xf8\x72\x4e\x1f", Unsupported::audio("coded audio in S/PDIF bursts (IEC 61937) in WAV")),
    (b"\x00\x72\xf8\x00\x1f\x4e", Unsupported::audio("coded audio in S/PDIF bursts (IEC 61937) in WAV")),
    (b"\xa5\xf8\x96\xe1\x54\x4e", Unsupported::audio("Dolby E or another code of SMPTE 337 in WAV")),
    (b"\xfe\x7f\x01\x80", Unsupported::audio("DTS in WAV")),
    (b"\x7f\xfe\x80\x01", Unsupported::audio("DTS in WAV")),
    (b"\xff\x1f\x00\xe8", Unsupported::audio("DTS in WAV")),
    (b"\x1f\xff\xe8\x00", Unsupported::audio("DTS in WAV")),
    (b"\x77\x0b", Unsupported::audio("AC-3 in WAV")),
    (b"\x0b\x77", Unsupported::audio("AC-3 in WAV")),
];

/// Rejects a `stream`, positioned at the first byte of audio, that is declared as PCM but is not.
///
/// # Errors
/// The audio is coded, or reading fails.
pub(super) fn refuse(stream: &mut MediaSourceStream<'_>, format: &AudioFormat) -> Result<(), DecodeRefusal> {
    let AudioCoding::Pcm(_) = format.coding else { return Ok(()) };
    for count in SEARCHED {
        let audio = peek(stream, count).map_err(failed)?;
        if let Some(unsupported) = find(&audio) {
            return Err(unsupported.into());
        }
        let is_silent = audio.iter().rev().skip(8).all(|byte| *byte == 0);
        if !stream.is_seekable() && !is_silent {
            break;
        }
    }
    Ok(())
}

/// Name of coded audio, if the first bytes are not PCM.
///
/// A sync word must be the first data after silence, or occur twice. Words of two bytes must be at
/// the very start and occur twice.
fn find(audio: &[u8]) -> Option<Unsupported> {
    let begin = audio.iter().position(|byte| *byte != 0)?;
    // A word may begin with a zero byte.
    let heads = begin.saturating_sub(1)..=begin;
    let is_coded = |sync: &[u8]| {
        let count = audio.windows(sync.len()).filter(|window| window == &sync).take(2).count();
        let leads = heads.clone().any(|at| audio[at..].starts_with(sync));
        if sync.len() > 2 { leads || count == 2 } else { audio.starts_with(sync) && count == 2 }
    };
    SYNC.iter().find(|(sync, _)| is_coded(sync)).map(|(_, format)| format.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(audio: &[u8]) -> Option<String> {
        find(audio).map(|format| format.name.into_owned())
    }

    #[test]
    fn bursts_differ_from_samples() {
        // IEC 61937-1, 6.1: Pa F872, Pb 4E1F, Pc 0001 (AC-3); as words of 16 bits, little-endian.
        let burst = [b"\x72\xf8\x1f\x4e\x01\0\0\x30".as_slice(), &[1; 600]].concat();
        assert_eq!(name(&burst).as_deref(), Some("coded audio in S/PDIF bursts (IEC 61937) in WAV"));
        assert_eq!(name(&[&[0; 512], &burst[..]].concat()), name(&burst));
        // Joined within a burst.
        assert_eq!(name(&[&[1; 512], &burst[..], &burst[..]].concat()), name(&burst));
        assert_eq!(name(&[&[1; 512], &burst[..]].concat()), None);
        assert_eq!(name(b"\xfe\x7f\x01\x80\xfc\x3c").as_deref(), Some("DTS in WAV"));
        assert_eq!(name(b"\x77\x0b\x12\x34\x14\x40"), None);
        assert_eq!(name(&[0; 100]), None);
        assert_eq!(name(b""), None);
    }
}
