//! Elementary streams: frames without a container.

use super::format::DetectedFormat;
use super::sync::{ac3_frame, chain, loas_frame};
use crate::source::decode::mpeg::header;
use crate::source::decode::refusal::Unsupported;
use crate::source::decode::{aac, adts};

/// Searches for frames of an elementary stream; `None` if none were found so far.
///
/// Requires three consistent headers, or two if the source ends there (`ended`).
pub(super) fn kind(bytes: &[u8], ended: bool) -> Option<DetectedFormat> {
    for at in 0..bytes.len() {
        let rest = &bytes[at..];
        let &[first, second, ..] = rest else { break };
        if first == 0xff && second & 0xf6 == 0xf0 {
            if let Some((description, _)) = chain(rest, ended, adts::header) {
                // Only the first of several blocks in a frame would be decoded.
                return Some(match rest.get(6).is_some_and(|seventh| seventh & 3 != 0) {
                    true => DetectedFormat::Unsupported(Unsupported::audio(
                        "AAC with several blocks in each ADTS frame",
                    )),
                    false => of_adts(description),
                });
            }
        } else if first == 0xff && second & 0xe0 == 0xe0 && second & 0x06 != 0 {
            if chain(rest, ended, header::frame).is_some() {
                return Some(if header::is_refused(rest) {
                    DetectedFormat::Mpeg { start: at }
                } else {
                    DetectedFormat::Other
                });
            }
            if header::is_free(rest) {
                return Some(DetectedFormat::Mpeg { start: at });
            }
        } else if first == 0x56 && second & 0xe0 == 0xe0 && chain(rest, ended, loas_frame).is_some() {
            return Some(DetectedFormat::Unsupported(Unsupported::audio("AAC in LATM/LOAS")));
        } else if first == 0x0b && second == 0x77 && chain(rest, ended, ac3_frame).is_some() {
            return Some(DetectedFormat::Unsupported(Unsupported::audio("AC-3 (Dolby Digital)")));
        }
    }
    None
}

/// Classifies ADTS by profile and channels; unsupported ones are named.
pub(in crate::source::decode) fn of_adts([third, fourth]: adts::AdtsParameters) -> DetectedFormat {
    if let Some(name) = aac::refused_profile(third >> 6) {
        return DetectedFormat::Unsupported(Unsupported::audio(name));
    }
    match (third & 1) << 2 | fourth >> 6 {
        channels @ 3..=6 => DetectedFormat::Unsupported(aac::many_channels(u32::from(channels)).into()),
        7 => DetectedFormat::Unsupported(aac::many_channels(8).into()),
        _ => DetectedFormat::Adts,
    }
}
