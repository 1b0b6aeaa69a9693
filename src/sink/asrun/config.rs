//! `[log]`: the as-run log.

use std::path::PathBuf;

use serde::Deserialize;

use crate::limits::{ConfigError, Limit};

const RETENTION_DAYS: Limit = Limit::new("log.retention_days", 1.0, 36_500.0, "days");

/// Name of the file in the node's state folder.
pub(crate) const FILE: &str = "asrun.sqlite";

/// Settings of the as-run log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Enables the log.
    pub enabled: bool,
    /// Path of the database. Default: [`FILE`] in the node's state folder.
    pub path: Option<PathBuf>,
    /// Retention of rows, in days, 1 to 36500.
    pub retention_days: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { enabled: true, path: None, retention_days: 400 }
    }
}

impl LogConfig {
    /// Checks limits.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        RETENTION_DAYS.check(self.retention_days.into())?;
        if self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(ConfigError::new("log.path", "empty", "a path, or no such key for the state folder"));
        }
        Ok(())
    }
}
