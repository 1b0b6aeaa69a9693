//! Layer 4: the daemon. [`run`] builds the pipeline, runs it until it ends, and shuts it down in
//! order.
//!
//! ```text
//! SourceWorker ─ WorkItem ─▶ FairScheduler ─▶ InferenceWorker ─ InferenceResult ─▶ Director ─ Message ─▶ sinks
//! ```
//!
//! `topology` connects the threads, `build_*` make what runs on them.

mod admission;
mod build_model;
#[cfg(feature = "mqtt")]
mod build_mqtt;
mod build_sinks;
mod build_sources;
mod build_trace;
mod corrections;
mod director;
mod fanout;
mod inference;
mod job;
mod live_settings;
mod pace;
mod persistence;
mod scheduler;
mod source_worker;
mod supervisor;
mod systemd;
#[cfg(test)]
mod tests;
mod threads;
mod topology;
pub(crate) mod usage;

use std::sync::Arc;

use crate::config::Config;
use crate::counters::SourceCounters;
use crate::model::ModelError;
use crate::thread::Stop;

pub(crate) use build_model::source_identity;

/// Error that keeps the daemon from starting or running.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The parameters of the front end.
    #[error("{0}")]
    FrontEnd(String),
    /// The settings of a source do not fit the model.
    #[error("source `{0}`: {1}")]
    Source(String, String),
    /// A sink cannot be built, or has ended the daemon.
    #[error("{0}")]
    Sink(String),
    /// A stage ended before its sources.
    #[error("the {0} stage ended unexpectedly; please report it with the lines of the log above")]
    StageDied(&'static str),
    /// The system refuses a thread or a descriptor.
    #[error("the system refused a resource: {0}")]
    System(#[from] std::io::Error),
}

/// Outcome of a run.
#[derive(Debug, Default)]
pub(crate) struct RunOutcome {
    /// Display name of each source that failed for good, with the reason.
    pub(crate) failed: Vec<(Arc<str>, String)>,
    /// Counters of each source.
    pub(crate) counters: Vec<Arc<SourceCounters>>,
}

/// Runs the daemon until every source has ended or failed, or `stop` is set and the pipeline is
/// drained.
///
/// # Errors
/// The daemon cannot start, or a stage or sink has ended it. A failing source ends nothing but
/// itself.
pub(crate) fn run(config: &Config, stop: &Stop) -> Result<RunOutcome, EngineError> {
    topology::run(config, stop)
}
