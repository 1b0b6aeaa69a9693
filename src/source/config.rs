//! Configuration of one source.

use std::time::Duration;

use super::uri::Uri;

/// One validated source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// Configured or derived name, for display.
    pub display_name: String,
    /// Name in topics: `[A-Za-z0-9_-]+` without `__`.
    pub name: String,
    /// Address of the audio.
    pub uri: Uri,
    /// Read speed of a file.
    pub pacing: Pacing,
    /// Wall-clock time of the first sample, if the user states it (a recording).
    pub start: Option<jiff::Timestamp>,
    /// True to restart a file from the beginning when it ends.
    pub repeat: bool,
    /// Longest pause between two attempts to re-open the source, 1 to 3600 s.
    pub reconnect_max: Duration,
    /// Minimum audio per read of a file that is played in real time.
    pub min_read: Duration,
}

impl SourceConfig {
    /// Returns true if audio arrives at its own pace, so that a late reader loses audio.
    pub fn is_live(&self) -> bool {
        match self.uri {
            Uri::Device { .. } | Uri::Http(_) | Uri::Process(_) => true,
            Uri::File(_) => self.pacing == Pacing::Realtime,
            // A pipe applies back-pressure to its writer.
            Uri::Stdin(_) => false,
        }
    }

    /// Returns true if the source must be re-opened when no audio arrives. Other sources report
    /// by themselves that they need it.
    pub fn reopens_when_silent(&self) -> bool {
        matches!(self.uri, Uri::Http(_) | Uri::Process(_))
    }
}

/// Read speed of a file. Live sources are always real-time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pacing {
    /// Playback speed.
    #[default]
    Realtime,
    /// Inference speed: reads block, and nothing is dropped.
    Fast,
}
