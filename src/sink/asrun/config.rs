//! `[log]`

use std::path::PathBuf;

use serde::Deserialize;

/// Name of the file in the node's state folder.
pub const FILE: &str = "asrun.sqlite";

/// Whether a log is kept, where, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Whether it is kept.
    pub enabled: bool,
    /// The file; [`FILE`] in the node's state folder where it is left out.
    pub path: Option<PathBuf>,
    /// How long rows are kept, 1 to 36500.
    pub retention_days: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { enabled: false, path: None, retention_days: 400 }
    }
}

impl LogConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// What does not fit.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=36_500).contains(&self.retention_days) {
            return Err(format!("`log.retention_days` is {}, not 1 to 36500", self.retention_days));
        }
        if self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err("`log.path` is empty; leave it out for the state folder".into());
        }
        Ok(())
    }
}
