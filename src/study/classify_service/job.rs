//! One classification, isolated from the others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::mpsc;

use super::answer::send_error;
use super::context::JobContext;
use super::failure::Failure;
use super::{file, stream};
use crate::sink::web::services::ClassifyInput;
use crate::thread;

/// A classification that a client has started.
pub(super) struct Job {
    pub(super) input: ClassifyInput,
    /// Interval between patches, in seconds.
    pub(super) hop_s: f64,
    pub(super) sender: mpsc::Sender<String>,
}

/// Runs `job`, which the model knows as `source`, and ends its answer.
pub(super) fn run(context: &JobContext, job: Job, source: usize) {
    let Job { input, hop_s, sender } = job;
    // Decoders warn of damage in what they decode; the client's data must not fill the log.
    let result = thread::silently(|| {
        catch_unwind(AssertUnwindSafe(|| match &input {
            ClassifyInput::File { path, name } => file::classify(context, path, name, hop_s, &sender),
            ClassifyInput::Stream { url, seconds, any_address } => {
                stream::classify(context, url, *seconds, *any_address, hop_s, source, &sender)
            }
        }))
    });
    match result.unwrap_or_else(|_| Err(Failure::internal())) {
        Ok(()) | Err(Failure::Cancelled) => {}
        Err(Failure::Failed { code, error }) => {
            tracing::debug!(code, error, "a classification for the API failed");
            send_error(&sender, code, &error);
        }
    }
}
