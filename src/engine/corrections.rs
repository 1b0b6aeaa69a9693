//! Corrections by listeners: the recent embeddings of each source, the request, and the thread that
//! stores them.

#[cfg(feature = "corrections")]
mod keeper;
mod recent;
mod request;

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::sink::corrections::Correction;
use crate::sink::{Request, payload};

#[cfg(feature = "corrections")]
pub use keeper::start;
pub use recent::Recent;
pub use request::{LabelRequest, spelled};

/// Corrections that may wait for the disk.
#[cfg(feature = "corrections")]
const WAITING: usize = 16;

/// A correction on its way to the disk.
#[derive(Debug)]
#[cfg_attr(not(feature = "corrections"), allow(dead_code))]
pub struct Job {
    /// The correction.
    pub correction: Correction,
    /// The answer, but for the keys that only the file can tell.
    pub answer: payload::Labelled,
    /// The request that is answered.
    pub request: Request,
}

/// Outcome of a [`Job`].
#[derive(Debug)]
pub struct Done {
    /// The answer, or what the disk said.
    pub result: Result<payload::Labelled, String>,
    /// The request that is answered.
    pub request: Request,
}

/// The director's ends of the thread that stores, and what each correction says of the model.
#[derive(Debug)]
pub struct Corrections {
    /// Corrections to store.
    pub jobs: Sender<Job>,
    /// Their outcomes.
    pub done: Receiver<Done>,
    /// Identifier of the embedding.
    pub embedding_id: Arc<str>,
}

/// This build stores none.
#[cfg(not(feature = "corrections"))]
pub fn start(
    _: &crate::config::Config,
    _: Option<&crate::state::StateFolder>,
    _: &mut crate::model::Model,
) -> std::io::Result<Option<(Corrections, std::thread::JoinHandle<()>)>> {
    Ok(None)
}
