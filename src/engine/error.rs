//! Errors of the engine.

use crate::model::ModelError;

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
