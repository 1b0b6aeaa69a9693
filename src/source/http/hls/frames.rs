//! Frame synchronisation for ADTS and MPEG audio in a stream that is cut at arbitrary positions.

use super::mpeg;
use crate::source::decode::adts;

/// Number of bytes searched for the start of a frame.
const MAX_SEARCHED: usize = 64 * 1024;

/// Codec of bare frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameCodec {
    /// AAC in ADTS.
    Adts,
    /// MPEG audio of any layer.
    Mpeg,
}

/// Codec of `bytes`, which begin with a frame.
pub(super) fn at_start(bytes: &[u8]) -> Option<FrameCodec> {
    [FrameCodec::Adts, FrameCodec::Mpeg].into_iter().find(|codec| begins(bytes, *codec))
}

/// Finds the first frame of `bytes`; returns its offset and codec. The codec is `wanted` if that is
/// given.
///
/// Requires two consecutive frames, to avoid false matches.
pub(super) fn first(bytes: &[u8], wanted: Option<FrameCodec>) -> Option<(usize, FrameCodec)> {
    let codecs = [FrameCodec::Adts, FrameCodec::Mpeg];
    let candidates = || codecs.into_iter().filter(|codec| wanted.is_none_or(|wanted| wanted == *codec));
    let most = bytes.len().min(MAX_SEARCHED);
    (0..most).find_map(|at| {
        let rest = &bytes[at..];
        (rest[0] == 0xff).then(|| candidates().find(|codec| follow(rest, *codec)))?.map(|codec| (at, codec))
    })
}

/// Returns true if `bytes` begin with a frame that is followed by another one or by the end of
/// `bytes`.
fn begins(bytes: &[u8], codec: FrameCodec) -> bool {
    header(bytes, codec)
        .is_some_and(|(what, length)| next(bytes, codec, length).is_none_or(|next| next == Some(what)))
}

/// Returns true if `bytes` begin with two frames of the same parameters.
fn follow(bytes: &[u8], codec: FrameCodec) -> bool {
    header(bytes, codec).is_some_and(|(what, length)| next(bytes, codec, length) == Some(Some(what)))
}

/// Header after a frame of `length` bytes; `None` if the bytes end before it.
fn next(bytes: &[u8], codec: FrameCodec, length: usize) -> Option<Option<u32>> {
    const LONGEST: usize = adts::HEAD;
    let rest = bytes.get(length..).filter(|rest| rest.len() >= LONGEST)?;
    Some(header(rest, codec).map(|(what, _)| what))
}

/// Parameters and length of the frame at the start of `bytes`.
fn header(bytes: &[u8], codec: FrameCodec) -> Option<(u32, usize)> {
    match codec {
        FrameCodec::Adts => adts::header(bytes)
            .map(|([third, fourth], length)| (u32::from(third) << 8 | u32::from(fourth), length)),
        FrameCodec::Mpeg => mpeg::header(bytes),
    }
}
