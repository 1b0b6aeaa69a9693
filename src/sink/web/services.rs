//! Services that the server needs from layers above: implemented there, and handed over at start.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

/// Audio that a client wants classified.
#[derive(Debug)]
pub(crate) enum ClassifyInput {
    /// An uploaded file. It is deleted by its owner once the classification has ended.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Name of the file, as the client gave it; `upload` without one.
        name: String,
    },
    /// The next seconds of a network stream.
    Stream {
        /// Address, `http` or `https`.
        url: String,
        /// Length of audio, in seconds.
        seconds: f64,
        /// Accepts private, link-local and loopback addresses.
        any_address: bool,
    },
}

/// Reason for which a classification is not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClassifyRefusal {
    /// Too many classifications wait.
    Busy,
    /// The daemon is shutting down.
    Stopping,
}

/// Classifies audio for clients of the API.
pub(crate) trait Classifier: Send + Sync {
    /// Queues one classification. The channel yields the lines of its answer, one JSON object
    /// each without a line end, and closes after the last, whose `kind` is `verdict` or `error`.
    /// Dropping the receiver cancels it.
    ///
    /// # Errors
    /// The classification is not started.
    fn start(&self, input: ClassifyInput, hop_s: f64) -> Result<mpsc::Receiver<String>, ClassifyRefusal>;
}

/// All services; a missing one disables its routes.
#[derive(Clone, Default)]
pub(crate) struct WebServices {
    /// `POST /api/v1/classify`
    pub(crate) classifier: Option<Arc<dyn Classifier>>,
}

/// Longest part of a stream that is classified, in seconds.
pub(crate) const MAX_STREAM_S: f64 = 60.0;
