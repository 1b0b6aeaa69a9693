//! The model's input.

use super::{Level, SourceId};

/// Where a patch lies in its source: `start` and `end` in seconds since the
/// source's first sample, lost samples included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchSpan {
    /// Time of the first frame, in seconds.
    pub start: f64,
    /// Time after the last frame, in seconds.
    pub end: f64,
}

/// One sliding window of log-mel frames, which are kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patch {
    /// The source that it was cut from.
    pub source: SourceId,
    /// Counts the patches that were produced for the source in this run, dropped ones included, from 0.
    pub index: u64,
    /// Where it lies in the source.
    pub span: PatchSpan,
    /// Wall-clock time of its end by the source's last anchor; before any anchor, counted from the Unix epoch.
    pub ends_at: jiff::Timestamp,
    /// Loudness at its end.
    pub level: Level,
}
