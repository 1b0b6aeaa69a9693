//! Result of the detection.

use crate::source::decode::refusal::Unsupported;

/// Container that `pcm.rs` opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source::decode) enum PcmContainer {
    /// WAVE in RIFF, RIFX, RF64 or BW64.
    Wave,
    Aiff,
    Au,
    Caf,
    Wave64,
}

/// Format of a source, which selects its demuxer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source::decode) enum DetectedFormat {
    /// Format that is not decoded.
    Unsupported(Unsupported),
    /// Container of uncompressed audio.
    Pcm(PcmContainer),
    /// QuickTime and MP4.
    Mp4,
    Ogg,
    Matroska,
    Flac,
    /// AAC in ADTS, whose parameters may change.
    Adts,
    /// MPEG audio that symphonia's demuxer rejects, from this byte on.
    Mpeg {
        start: usize,
    },
    /// MPEG audio of the usual bit rates, and formats without a signature.
    Other,
}
