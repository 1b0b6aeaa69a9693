//! The folder of what outlives the process, and what is kept in it beside the MQTT sink's.

use crate::config::Config;
use crate::sink::Sink;
use crate::state::{StateError, StateFolder};

use super::EngineError;

/// The node's folder, where anything is to be kept; the daemon does without where it cannot be had. It is held for as long as the
/// process runs.
///
/// # Errors
/// When the configured node is another daemon's.
pub fn claim(config: &Config) -> Result<Option<StateFolder>, EngineError> {
    let lost = match (is_published(config), is_logged(config)) {
        (false, false) => return Ok(None),
        (true, false) => "events that wait for the broker are lost with the process",
        (false, true) => "without `log.path` there is no as-run log",
        (true, true) => {
            "events that wait for the broker are lost with the process, and without `log.path` there is no as-run log"
        }
    };
    match StateFolder::claim(&config.state_dir, &config.node, config.node_is_fixed) {
        Ok(folder) => {
            if folder.node() != config.node {
                tracing::info!(
                    node = folder.node(),
                    "another genred runs here as `{}`; this one takes another name",
                    config.node
                );
            }
            Ok(Some(folder))
        }
        Err(error @ StateError::Taken { .. }) => Err(EngineError::Sink(error.to_string())),
        Err(error @ StateError::Unusable { .. }) => {
            tracing::warn!("{error}; {lost}");
            Ok(None)
        }
    }
}

#[cfg(feature = "mqtt")]
fn is_published(config: &Config) -> bool {
    config.mqtt.enabled
}

#[cfg(not(feature = "mqtt"))]
fn is_published(_: &Config) -> bool {
    false
}

#[cfg(feature = "log")]
fn is_logged(config: &Config) -> bool {
    config.log.enabled
}

#[cfg(not(feature = "log"))]
fn is_logged(_: &Config) -> bool {
    false
}

/// The as-run log, where it is configured and has a place.
#[cfg(feature = "log")]
pub fn log(config: &Config, folder: Option<&StateFolder>) -> Option<Box<dyn Sink>> {
    use crate::sink::asrun::{AsRunSink, FILE};
    let path = config.log.path.clone().or_else(|| folder.map(|folder| folder.path().join(FILE)));
    let path = path.filter(|_| config.log.enabled)?;
    tracing::info!("the as-run log is `{}`", path.display());
    Some(Box::new(AsRunSink::new(path, config.log.retention_days)))
}

/// This build keeps none.
#[cfg(not(feature = "log"))]
pub fn log(_: &Config, _: Option<&StateFolder>) -> Option<Box<dyn Sink>> {
    None
}
