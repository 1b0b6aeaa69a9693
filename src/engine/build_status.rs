//! Builds the status of the daemon, which the parts built after it update.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::counters::{Moment, MqttCounters};
use crate::model::Model;
use crate::state_dir::StateFolder;
use crate::status::{DaemonStatus, SourceStatus};

/// Status of a daemon that is about to start.
pub(super) fn build(config: &Config, folder: Option<&StateFolder>, model: &Model) -> DaemonStatus {
    let sources = config.sources.iter().map(|entry| {
        let name = entry.source.name.as_str().into();
        Arc::new(SourceStatus::new(name, entry.required, entry.source.is_live()))
    });
    DaemonStatus {
        model: model.bundle().manifest.name.as_str().into(),
        sources: sources.collect(),
        inference: Arc::default(),
        deciding: Moment::default(),
        mqtt: mqtt(config),
        log: log_path(config, folder).map(|_| Arc::default()),
    }
}

#[cfg(feature = "mqtt")]
fn mqtt(config: &Config) -> Option<Arc<MqttCounters>> {
    config.mqtt.enabled.then(Arc::default)
}

/// This build has no MQTT.
#[cfg(not(feature = "mqtt"))]
fn mqtt(_: &Config) -> Option<Arc<MqttCounters>> {
    None
}

/// Path of the as-run log, if it is enabled and has a path.
#[cfg(feature = "log")]
pub(super) fn log_path(config: &Config, folder: Option<&StateFolder>) -> Option<PathBuf> {
    use crate::sink::asrun::FILE;
    let path = config.log.path.clone().or_else(|| folder.map(|folder| folder.path().join(FILE)));
    path.filter(|_| config.log.enabled)
}

/// This build has no as-run log.
#[cfg(not(feature = "log"))]
fn log_path(_: &Config, _: Option<&StateFolder>) -> Option<PathBuf> {
    None
}
