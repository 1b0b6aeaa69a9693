//! `[corrections]`

use std::path::PathBuf;

use serde::Deserialize;

/// Name of the file in the node's state folder.
pub const FILE: &str = "corrections.sqlite";

/// Settings of the corrections store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrectionsConfig {
    /// Whether embeddings of the last minute are kept in memory, so that `genred label` can store
    /// them.
    pub enabled: bool,
    /// The file; [`FILE`] in the node's state folder where it is left out.
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
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Description of the fault.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=100_000).contains(&self.max_mb) {
            return Err(format!("`corrections.max_mb` is {}, not 1 to 100000", self.max_mb));
        }
        if self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err("`corrections.path` is empty; leave it out for the state folder".into());
        }
        Ok(())
    }
}
