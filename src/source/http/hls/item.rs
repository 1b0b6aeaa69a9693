//! Messages of the fetching thread, and the state that it shares.

use std::time::Duration;

use crate::source::SourceError;

/// Polling interval for the loss of the reader.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Relation of fetched audio to the audio before it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum AudioJoin {
    /// The byte stream continues.
    #[default]
    Continues,
    /// Another codec or format begins; nothing is missing.
    Changes,
    /// Missing seconds; 0 if unknown.
    Lost(f64),
}

/// Contiguous frames of one segment.
#[derive(Debug)]
pub(super) struct FetchedAudio {
    pub(super) bytes: Vec<u8>,
    /// Duration in seconds according to the playlist.
    pub(super) seconds: f64,
    /// End in seconds of the programme.
    pub(super) end: f64,
    pub(super) join: AudioJoin,
    pub(super) title: Option<String>,
    /// Number of missing or damaged parts since the previous audio.
    pub(super) corrupt: u64,
}

impl Default for FetchedAudio {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            seconds: 0.0,
            end: 0.0,
            join: AudioJoin::Continues,
            title: None,
            corrupt: 0,
        }
    }
}

/// Message of the fetching thread.
pub(super) enum FetchItem {
    Audio(FetchedAudio),
    /// End of the stream.
    End(SourceError),
}

/// State of the playlist.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PlaylistProgress {
    /// End of the newest segment in seconds of the programme; `None` if nothing will follow.
    pub(super) edge: Option<f64>,
    /// Maximum segment duration in seconds.
    pub(super) target: f64,
}
