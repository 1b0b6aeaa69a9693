//! Input of the model.

use super::block::Level;
use super::source_id::SourceId;

/// Position of a patch in its source, in seconds since the source's first sample, lost samples
/// included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchSpan {
    /// Time of the first frame, in seconds.
    pub start: f64,
    /// Time after the last frame, in seconds.
    pub end: f64,
}

/// Sliding window of log-mel frames. The frames themselves are stored elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patch {
    /// Source of the patch.
    pub source: SourceId,
    /// Number of the patch among all patches produced for the source in this run, dropped ones
    /// included, from 0.
    pub index: u64,
    /// Position in the source.
    pub span: PatchSpan,
    /// Wall-clock time of its end according to the source's last anchor; relative to the Unix epoch
    /// before the first anchor.
    pub ends_at: jiff::Timestamp,
    /// Level at its end.
    pub level: Level,
}
