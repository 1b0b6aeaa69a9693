//! `[corrections]`: corrections by listeners.

use std::path::PathBuf;

use serde::Deserialize;

use crate::limits::{ConfigError, Limit};

const MAX_MB: Limit = Limit::new("corrections.max_mb", 1.0, 100_000.0, "megabytes");

/// Name of the file in the node's state folder.
pub(crate) const FILE: &str = "corrections.sqlite";

/// Settings of the corrections store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrectionsConfig {
    /// Keeps the embeddings of the last minute in memory, so that `genred label` can store them.
    pub enabled: bool,
    /// Path of the database. Default: [`FILE`] in the node's state folder.
    pub path: Option<PathBuf>,
    /// Limit of the stored embeddings in megabytes, 1 to 100000. Beyond it the oldest corrections
    /// are deleted.
    pub max_mb: u32,
}

impl Default for CorrectionsConfig {
    fn default() -> Self {
        Self { enabled: true, path: None, max_mb: 100 }
    }
}

impl CorrectionsConfig {
    /// Checks limits.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        MAX_MB.check(self.max_mb.into())?;
        if self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(ConfigError::new(
                "corrections.path",
                "empty",
                "a path, or no such key for the state folder",
            ));
        }
        Ok(())
    }
}
