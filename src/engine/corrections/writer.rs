//! Thread that stores corrections.

use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::job::{CorrectionJob, CorrectionOutcome, Corrections};
use crate::config::Config;
use crate::engine::threads::{Stage, ThreadGroup};
use crate::event::StoredCorrection;
use crate::model::Model;
use crate::sink::corrections::{self, FILE};
use crate::state_dir::StateFolder;

/// Corrections that may wait for the disk.
const QUEUE_LENGTH: usize = 16;

/// Starts the thread, if corrections are enabled. It ends once the director has ended and pending
/// corrections are stored.
///
/// # Errors
/// The system refuses a thread.
pub(crate) fn start(
    config: &Config,
    folder: Option<&StateFolder>,
    model: &mut Model,
    threads: &mut ThreadGroup,
) -> std::io::Result<Option<Corrections>> {
    if !config.corrections.enabled {
        return Ok(None);
    }
    // The state folder need not be claimed: nothing is written before the first correction, and
    // SQLite locks the file.
    let state = folder.map_or_else(|| config.state_dir.join(&config.node), |folder| folder.path().to_owned());
    let path = config.corrections.path.clone().unwrap_or_else(|| state.join(FILE));
    let ((jobs, pending), (results, outcomes)) = (bounded(QUEUE_LENGTH), bounded(QUEUE_LENGTH));
    let limit_bytes = u64::from(config.corrections.max_mb) * 1_000_000;
    let writer = CorrectionWriter { path, limit_bytes, pending, results };
    threads.spawn(Stage::Corrections, "corrections", move || writer.run())?;
    model.keep_embeddings();
    let embedding_id = model.bundle().manifest.embedding.id.as_str().into();
    Ok(Some(Corrections { jobs, outcomes, embedding_id }))
}

struct CorrectionWriter {
    path: PathBuf,
    limit_bytes: u64,
    pending: Receiver<CorrectionJob>,
    results: Sender<CorrectionOutcome>,
}

impl CorrectionWriter {
    fn run(self) {
        for CorrectionJob { correction, answer, request } in self.pending {
            let result = match corrections::add(&self.path, self.limit_bytes, &correction) {
                Ok(added) => {
                    if let Some(damage) = added.damage {
                        let path = self.path.display();
                        tracing::warn!("the file of corrections `{path}` was damaged: {damage}");
                    }
                    Ok(StoredCorrection {
                        id: added.id,
                        contradicts: added.contradicts,
                        evicted: added.evicted,
                        ..answer
                    })
                }
                Err(error) => Err(format!("`{}` cannot be written: {error}", self.path.display())),
            };
            if self.results.send(CorrectionOutcome { result, request }).is_err() {
                // The director has ended. Pending corrections are still stored.
                tracing::debug!("a stored correction is not answered: the daemon is shutting down");
            }
        }
    }
}
