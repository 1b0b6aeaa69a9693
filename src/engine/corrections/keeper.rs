//! The thread that stores corrections.

use std::path::PathBuf;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Corrections, Done, Job, WAITING};
use crate::config::Config;
use crate::model::Model;
use crate::sink::corrections::{self, FILE};
use crate::sink::payload;
use crate::state::StateFolder;

/// Starts the thread, where corrections are enabled. It ends when the director's end is dropped,
/// after what waits is stored.
///
/// # Errors
/// When the system refuses a thread.
pub fn start(
    config: &Config,
    folder: Option<&StateFolder>,
    model: &mut Model,
) -> std::io::Result<Option<(Corrections, JoinHandle<()>)>> {
    if !config.corrections.enabled {
        return Ok(None);
    }
    // The folder need not be claimed: nothing is written before there is a correction, and SQLite
    // locks.
    let state = folder.map_or_else(|| config.state_dir.join(&config.node), |folder| folder.path().to_owned());
    let path = config.corrections.path.clone().unwrap_or_else(|| state.join(FILE));
    let ((jobs, waiting), (results, done)) = (bounded(WAITING), bounded(WAITING));
    let limit = u64::from(config.corrections.max_mb) * 1_000_000;
    let keeper = Keeper { path, limit, waiting, results };
    let thread = crate::thread::spawn("corrections", move || keeper.run())?;
    model.keep_embeddings();
    let embedding_id = model.bundle().manifest.embedding.id.as_str().into();
    Ok(Some((Corrections { jobs, done, embedding_id }, thread)))
}

struct Keeper {
    path: PathBuf,
    limit: u64,
    waiting: Receiver<Job>,
    results: Sender<Done>,
}

impl Keeper {
    fn run(self) {
        for Job { correction, answer, request } in self.waiting {
            let result = match corrections::add(&self.path, self.limit, &correction) {
                Ok(added) => {
                    if let Some(damage) = added.damage {
                        tracing::warn!(
                            "the file of corrections `{}` was damaged: {damage}",
                            self.path.display()
                        );
                    }
                    Ok(payload::Labelled {
                        id: added.id,
                        contradicts: added.contradicts,
                        evicted: added.evicted,
                        ..answer
                    })
                }
                Err(error) => Err(format!("`{}` cannot be written: {error}", self.path.display())),
            };
            if self.results.send(Done { result, request }).is_err() {
                // The director has ended; what waits is stored all the same.
                tracing::debug!("a stored correction is not answered: the daemon ends");
            }
        }
    }
}
