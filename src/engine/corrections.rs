//! Corrections by listeners: the newest embeddings of each source, and the thread that stores
//! corrections.

mod recent;
mod spelling;
#[cfg(feature = "corrections")]
mod writer;

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::command::CommandRequest;
use crate::event::StoredCorrection;
use crate::sink::corrections::Correction;

pub(super) use recent::Recent;
pub(super) use spelling::spelled;
#[cfg(feature = "corrections")]
pub(super) use writer::start;

/// Correction to be stored.
#[derive(Debug)]
#[cfg_attr(not(feature = "corrections"), allow(dead_code))]
pub(super) struct CorrectionJob {
    pub(crate) correction: Correction,
    /// The answer; the writer fills in the values that depend on the file.
    pub(crate) answer: StoredCorrection,
    pub(crate) request: CommandRequest,
}

/// Outcome of a [`CorrectionJob`].
#[derive(Debug)]
pub(super) struct CorrectionOutcome {
    /// The answer, or the fault of the file.
    pub(crate) result: Result<StoredCorrection, String>,
    pub(crate) request: CommandRequest,
}

/// The director's end of the writer.
#[derive(Debug)]
pub(super) struct Corrections {
    pub(crate) jobs: Sender<CorrectionJob>,
    pub(crate) outcomes: Receiver<CorrectionOutcome>,
    /// Identifier of the model's embedding.
    pub(crate) embedding_id: Arc<str>,
}

/// This build stores no corrections.
#[cfg(not(feature = "corrections"))]
pub(super) fn start(
    _: &crate::config::Config,
    _: Option<&crate::state_dir::StateFolder>,
    _: &mut crate::model::Model,
    _: &mut super::threads::ThreadGroup,
) -> std::io::Result<Option<Corrections>> {
    Ok(None)
}
