//! Warnings about settings that only some brokers support.

use super::config::MqttConfig;
use super::prefix;

impl MqttConfig {
    /// Warnings about settings that only some brokers support.
    pub fn warnings(&self) -> Vec<String> {
        if !self.enabled {
            return Vec::new();
        }
        [("prefix", &self.prefix, "genred"), ("discovery_prefix", &self.discovery_prefix, "homeassistant")]
            .into_iter()
            .filter_map(|(key, prefix, example)| {
                let why = prefix::trouble(prefix)?;
                Some(format!(
                    "`mqtt.{key}` is `{prefix}`, which {why}; topic levels such as `{example}` work everywhere"
                ))
            })
            .collect()
    }
}
