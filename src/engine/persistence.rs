//! State folder of the daemon.

use crate::config::Config;
use crate::state_dir::{StateError, StateFolder};

use super::clips;
use super::error::EngineError;

/// Claims the node's state folder, if anything is to be stored. The daemon runs without it if it
/// cannot be used. The claim lasts as long as the process.
///
/// # Errors
/// The configured node belongs to another daemon.
pub(super) fn claim(config: &Config) -> Result<Option<StateFolder>, EngineError> {
    let consequence = match (is_published(config), is_logged(config)) {
        (false, false) if !clips::are_stored(config) => return Ok(None),
        (false, false) => "there are no clips without `clip.folder`",
        (true, false) => "events that wait for the broker are lost with the process",
        (false, true) => "without `log.path` there is no as-run log",
        (true, true) => {
            "events that wait for the broker are lost with the process, and without `log.path` there \
             is no as-run log"
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
            tracing::warn!("{error}; {consequence}");
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
