//! Reasons for which a classification ends without a verdict.

use crate::model::ModelError;
use crate::source::SourceError;
use crate::study::offline::FileError;

/// End of a classification without a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The answer has no reader any more.
    Cancelled,
    /// The answer ends with an error.
    Failed {
        /// Kind, for programs.
        code: &'static str,
        /// Description, for people. It holds no path of the server and no secret.
        error: String,
    },
}

impl Failure {
    pub(super) fn new(code: &'static str, error: impl Into<String>) -> Self {
        Self::Failed { code, error: error.into() }
    }

    pub(super) fn stopping() -> Self {
        Self::new("stopping", "the daemon is shutting down; try again when it runs")
    }

    /// Failure of the program itself.
    pub(super) fn internal() -> Self {
        Self::new("internal", "the classification failed; the daemon's log may tell why")
    }

    /// Failure of a file. The message is that of `genred classify`.
    pub(super) fn of_file(error: &FileError) -> Self {
        match error {
            FileError::Model(error) => Self::of_model(error),
            error => Self::new("undecodable", error.to_string()),
        }
    }

    /// Failure of a stream.
    pub(super) fn of_stream(error: &SourceError) -> Self {
        let code = match error {
            SourceError::Refused(_) => "refused_address",
            SourceError::Unlikely(_) => "undecodable",
            SourceError::Transient(_) | SourceError::Permanent(_) => "stream_failed",
        };
        Self::new(code, error.to_string())
    }

    /// Failure of the model. Its messages name files of the server, so they go to the log only.
    pub(super) fn of_model(error: &ModelError) -> Self {
        tracing::debug!(%error, "the model of the classification service failed");
        Self::internal()
    }
}
