//! Error of the `[mqtt]` section.

use crate::limits::ConfigError;

/// An invalid setting. The message names the key and the accepted values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MqttConfigError(pub String);

impl From<ConfigError> for MqttConfigError {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}
