//! Layer 3: configuration. Raw file → merged with the command line → validated.
//!
//! The type and the limits of a section live next to the component that it configures. This module
//! locates the file, expands `${VAR}`, combines the sections and fills in defaults.

mod document;
mod encoding;
mod expand;
mod explain;
mod fault;
mod file;
mod location;
mod node_name;
mod output;
mod overrides;
mod placeholder;
mod raw;
mod sources;
mod syntax;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::decision::DecisionConfig;
use crate::limits::{ConfigError, HOP_S};
use crate::model::ModelConfig;
#[cfg(feature = "log")]
use crate::sink::asrun::LogConfig;
#[cfg(feature = "corrections")]
use crate::sink::corrections::CorrectionsConfig;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::MqttConfig;
#[cfg(feature = "web")]
use crate::sink::web::WebConfig;

use document::Document;
pub(crate) use explain::nearest;
use fault::Fault;
pub use file::ConfigFileError;
pub(crate) use file::standard_paths;
use file::{config_path, read};
#[cfg(feature = "log")]
pub(crate) use location::SYSTEM_STATE_DIR;
use location::standard_state_dir;
pub(crate) use location::{DaemonLocation, SYSTEM_RUNTIME_DIR, default_runtime_dir};
pub use output::Output;
pub use overrides::Overrides;
use raw::{RawConfig, RawSource};
pub use sources::SourceEntry;

/// Validated configuration of the daemon. Never changed after [`Config::load`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Path of the file; `None` for the defaults.
    pub file: Option<PathBuf>,
    /// Warning that `node` in topics differs from what was typed.
    node_warning: Option<String>,
    /// Line of each key in the file, by its path; without keys that the command line replaces.
    lines: HashMap<String, usize>,
    /// Name in topics.
    pub node: String,
    /// Set if the node name is configured; a name conflict is then an error.
    pub node_is_fixed: bool,
    /// Folder of persistent state; each node has a folder of its own in it.
    pub state_dir: PathBuf,
    /// Folder of the trace socket.
    pub runtime_dir: PathBuf,
    /// Seconds between patches, 0.25 to 3.
    pub hop_s: f64,
    /// `[model]`
    pub model: ModelConfig,
    /// `[decision]`
    pub decision: DecisionConfig,
    /// `[mqtt]`
    #[cfg(feature = "mqtt")]
    pub mqtt: MqttConfig,
    /// `[log]`
    #[cfg(feature = "log")]
    pub log: LogConfig,
    /// `[corrections]`
    #[cfg(feature = "corrections")]
    pub corrections: CorrectionsConfig,
    /// `[web]`
    #[cfg(feature = "web")]
    pub web: WebConfig,
    /// Format of the results on standard output.
    pub output: Output,
    /// Includes every scored patch in JSON lines.
    pub output_patches: bool,
    /// Sources; at least one.
    pub sources: Vec<SourceEntry>,
}

impl Config {
    /// Reads the file that `-c`, `GENRED_CONFIG`, `~/.config` or `/etc` name, in this order, merges
    /// `overrides` and validates the result. Without a file, the defaults take its place.
    ///
    /// # Errors
    /// A named file is missing, or a setting cannot be used.
    pub fn load(named: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigFileError> {
        let Some(path) = config_path(named) else {
            return Self::from_toml("", "the defaults", overrides);
        };
        let bytes = read(&path)?;
        let origin = path.display().to_string();
        let text = encoding::decode(&bytes).map_err(|fault| ConfigFileError::invalid(&origin, fault))?;
        Ok(Self { file: Some(path), ..Self::from_toml(text, &origin, overrides)? })
    }

    /// Parses `text`, merges `overrides` and validates the result. `origin` names the text in
    /// errors.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn from_toml(text: &str, origin: &str, overrides: &Overrides) -> Result<Self, ConfigFileError> {
        raw::parse(text)
            .and_then(|(raw, document)| resolve(raw, &document, overrides))
            .map_err(|fault| ConfigFileError::invalid(origin, fault))
    }

    /// Line of a key in the file, such as `model.head` or `source.0.uri`; `None` where it is not
    /// there.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.lines.get(path).copied()
    }

    /// Returns warnings about settings that are valid, but may not do what was intended.
    pub fn warnings(&self) -> Vec<String> {
        self.node_warning.iter().cloned().chain(self.mqtt_warnings()).collect()
    }

    #[cfg(not(feature = "mqtt"))]
    fn mqtt_warnings(&self) -> Vec<String> {
        Vec::new()
    }

    #[cfg(feature = "mqtt")]
    fn mqtt_warnings(&self) -> Vec<String> {
        let mut warnings = self.mqtt.warnings();
        if self.mqtt.enabled && self.mqtt.discovery != crate::sink::mqtt::DiscoveryStyle::Off {
            warnings.extend(sources::same_entities(&self.sources));
        }
        warnings
    }

    /// Returns the interval at which unchanged states are published.
    pub fn heartbeat(&self) -> Duration {
        #[cfg(feature = "mqtt")]
        return self.mqtt.heartbeat;
        #[cfg(not(feature = "mqtt"))]
        Duration::from_secs(10)
    }
}

fn resolve(mut raw: RawConfig, document: &Document<'_>, overrides: &Overrides) -> Result<Config, Fault> {
    let locate = |error: ConfigError| match overrides.replaces(&error.key) {
        true => Fault::of_command_line(error.to_string()),
        false => Fault::new(document.line_of(&error.key), error.to_string()),
    };
    overrides.merge_into(&mut raw);
    let node_is_fixed = raw.node.is_some();
    let (node, node_warning) = node_name::resolve(raw.node).map_err(locate)?;
    HOP_S.check(raw.hop_s).map_err(locate)?;
    raw.model.validate().map_err(locate)?;
    raw.decision.validate().map_err(locate)?;
    #[cfg(feature = "log")]
    raw.log.validate().map_err(locate)?;
    #[cfg(feature = "corrections")]
    raw.corrections.validate().map_err(locate)?;
    #[cfg(feature = "mqtt")]
    let mqtt = raw
        .mqtt
        .resolve(&node)
        .map_err(|error| Fault::new(document.line_of(error.key()), error.to_string()))?;
    let mut lines = document.lines();
    lines.retain(|key, _| !overrides.replaces(key));
    let mut raw_sources = raw.source;
    let document = overrides.uris.is_empty().then_some(document);
    if raw_sources.is_empty() {
        raw_sources.push(RawSource::from_uri("device:default"));
    }
    let sources = sources::resolve(raw_sources, document)?;
    Ok(Config {
        file: None,
        node_warning,
        lines,
        runtime_dir: raw.runtime_dir.unwrap_or_else(default_runtime_dir),
        hop_s: raw.hop_s,
        model: raw.model,
        decision: raw.decision,
        #[cfg(feature = "mqtt")]
        mqtt,
        #[cfg(feature = "log")]
        log: raw.log,
        #[cfg(feature = "corrections")]
        corrections: raw.corrections,
        #[cfg(feature = "web")]
        web: raw.web.resolve().map_err(locate)?,
        output: raw.output.unwrap_or_default(),
        output_patches: raw.output_patches,
        sources,
        node,
        node_is_fixed,
        state_dir: raw.state_dir.unwrap_or_else(standard_state_dir),
    })
}

#[cfg(test)]
mod tests;
