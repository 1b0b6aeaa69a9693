//! Error of loading or running a model.

use std::path::PathBuf;

use super::config::Provider;

/// Error of loading or running a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No bundle of that name.
    #[error(
        "no model `{name}`; tried {tried}; give a path, or set GENRED_MODELS to the folder that holds it"
    )]
    NotFound {
        /// Requested name or path.
        name: String,
        /// Folders without a manifest.
        tried: String,
    },
    /// A manifest that cannot be read or does not fit.
    #[error("{}: {what}", file.display())]
    Manifest {
        /// Path of the manifest.
        file: PathBuf,
        /// Description of the fault.
        what: String,
    },
    /// A head that cannot be read or does not fit.
    #[error("head {}: {what}", file.display())]
    Head {
        /// Path of the head's TOML file.
        file: PathBuf,
        /// Description of the fault.
        what: String,
    },
    /// ONNX Runtime is missing or does not start.
    #[error("{0}")]
    Runtime(String),
    /// An execution provider cannot be used.
    #[error("execution provider `{provider}` cannot be used: {reason}")]
    Provider {
        /// The provider.
        provider: Provider,
        /// Error of the runtime, in one line.
        reason: String,
    },
    /// The model file contradicts the manifest.
    #[error("{0}")]
    Mismatch(String),
    /// An inference run failed.
    #[error("inference failed: {0}")]
    Run(String),
}
