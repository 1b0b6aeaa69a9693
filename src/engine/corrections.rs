//! Corrections by listeners: the newest embeddings of each source, and the thread that stores
//! corrections.

mod job;
mod recent;
mod spelling;
#[cfg(feature = "corrections")]
mod writer;

pub(super) use job::{CorrectionJob, CorrectionOutcome, Corrections};
pub(super) use recent::Recent;
pub(super) use spelling::spelled;
#[cfg(feature = "corrections")]
pub(super) use writer::start;

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
