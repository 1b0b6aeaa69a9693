//! Error of offline analysis.

use std::path::PathBuf;

use crate::dsp::DspError;
use crate::model::ModelError;
use crate::source::SourceError;

/// Reason for which audio is not analysed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The audio cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The audio cannot be processed by the front end.
    #[error("`{}`: {error}", file.display())]
    Dsp {
        /// Name of the file.
        file: PathBuf,
        /// Error of the front end.
        error: DspError,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}
