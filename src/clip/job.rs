//! Jobs of the writer, sent by the planners.

use jiff::Timestamp;

use crate::audio::SourceId;
use crate::event::{ClipFileName, EventType};

/// Job for one source. Times are in seconds of the source.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ClipJob {
    /// Writes or extends a clip.
    Record(ClipRecord),
    /// Ends a clip at the end that is known: no further event will extend it.
    Close(SourceId, ClipFileName),
    /// Completes the clips of a source with the audio that there is: none follows for now.
    Cut(SourceId),
}

/// Clip to write, or to extend if it is being written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClipRecord {
    pub(super) source: SourceId,
    pub(super) file: ClipFileName,
    pub(super) event_type: EventType,
    /// Wall-clock time of the event.
    pub(super) at: Timestamp,
    pub(super) event_s: f64,
    pub(super) until_s: f64,
}
