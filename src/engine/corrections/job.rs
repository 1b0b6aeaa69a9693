//! Corrections on their way to the writer, and their outcomes.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::command::CommandRequest;
use crate::event::StoredCorrection;
use crate::sink::corrections::Correction;

/// Correction to be stored.
#[derive(Debug)]
#[cfg_attr(not(feature = "corrections"), allow(dead_code))]
pub(crate) struct CorrectionJob {
    pub(crate) correction: Correction,
    /// The answer; the writer fills in the values that depend on the file.
    pub(crate) answer: StoredCorrection,
    pub(crate) request: CommandRequest,
}

/// Outcome of a [`CorrectionJob`].
#[derive(Debug)]
pub(crate) struct CorrectionOutcome {
    /// The answer, or the fault of the file.
    pub(crate) result: Result<StoredCorrection, String>,
    pub(crate) request: CommandRequest,
}

/// The director's end of the writer.
#[derive(Debug)]
pub(crate) struct Corrections {
    pub(crate) jobs: Sender<CorrectionJob>,
    pub(crate) outcomes: Receiver<CorrectionOutcome>,
    /// Identifier of the model's embedding.
    pub(crate) embedding_id: Arc<str>,
}
