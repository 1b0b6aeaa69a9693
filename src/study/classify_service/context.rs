//! Model, settings and bounds that all classifications share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::shared_model::SharedModel;
use crate::decision::SilenceConfig;
use crate::model::ModelConfig;
use crate::source::{Source, SourceError};
use crate::thread::Stop;

/// Bounds of the service.
#[derive(Debug, Clone)]
pub(crate) struct ClassifyLimits {
    /// Longest audio of a file, in seconds.
    pub(crate) max_audio_s: f64,
    /// Longest classification of a file, without its wait.
    pub(crate) max_duration: Duration,
    /// Maximum number of files that wait.
    pub(crate) max_waiting: usize,
    /// Maximum number of streams at once.
    pub(crate) max_streams: usize,
    /// Time without use after which the model is freed.
    pub(crate) idle: Duration,
}

impl Default for ClassifyLimits {
    fn default() -> Self {
        Self {
            max_audio_s: 1800.0,
            max_duration: Duration::from_secs(300),
            max_waiting: 16,
            max_streams: 4,
            idle: Duration::from_secs(60),
        }
    }
}

/// Opens an uploaded file under its name.
pub(super) type OpenUpload = fn(&Path, &Path, &Stop) -> Result<Box<dyn Source>, SourceError>;

/// State that all classifications share.
pub(super) struct JobContext {
    pub(super) model: SharedModel,
    pub(super) silence: SilenceConfig,
    pub(super) stop: Stop,
    /// True once the service ends.
    pub(super) closing: AtomicBool,
    pub(super) limits: ClassifyLimits,
    pub(super) open_upload: OpenUpload,
}

impl JobContext {
    pub(super) fn new(
        model: ModelConfig,
        silence: SilenceConfig,
        stop: Stop,
        limits: ClassifyLimits,
        open_upload: OpenUpload,
    ) -> Self {
        let closing = AtomicBool::new(false);
        Self { model: SharedModel::new(model), silence, stop, closing, limits, open_upload }
    }

    /// Returns true once the daemon or the service ends.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_set() || self.closing.load(Ordering::Relaxed)
    }
}
