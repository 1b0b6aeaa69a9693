//! Layer 3: configuration. Raw file → merged with the command line → validated.
//!
//! The type and the limits of a section live next to the component that it configures. This module
//! locates the file, expands `${VAR}`, combines the sections and fills in defaults.

mod document;
mod encoding;
mod explain;
mod fault;
mod location;
mod overrides;
mod placeholder;
mod raw;
mod sources;
mod syntax;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::decision::{DeadAirConfig, DecisionConfig, FormatMonitorConfig, SilenceConfig};
use crate::limits::{ConfigError, HOP_S};
use crate::model::ModelConfig;
#[cfg(feature = "log")]
use crate::sink::asrun::LogConfig;
#[cfg(feature = "corrections")]
use crate::sink::corrections::CorrectionsConfig;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::MqttConfig;
use crate::sink::slug::topic_name;
use crate::sink::topics::valid_name;
#[cfg(feature = "web")]
use crate::sink::web::WebConfig;
use crate::source::SourceConfig;

use document::Document;
pub(crate) use explain::nearest;
use fault::Fault;
#[cfg(feature = "log")]
pub(crate) use location::SYSTEM_STATE_DIR;
pub(crate) use location::{DaemonLocation, SYSTEM_RUNTIME_DIR, default_runtime_dir};
pub use overrides::Overrides;
use raw::{RawConfig, RawSource};

/// A configuration file that cannot be used. The message names the file, the line and the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("{}: {error}; name another with `-c`, or leave it out for the defaults", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        error: std::io::Error,
    },
    /// The file has a fault.
    #[error("{origin}: {fault}")]
    Invalid {
        /// Path of the file, or the origin of the text.
        origin: String,
        /// The fault, with its line.
        fault: String,
    },
}

impl ConfigFileError {
    fn invalid(origin: &str, fault: Fault) -> Self {
        Self::Invalid { origin: origin.into(), fault: fault.to_string() }
    }
}

/// Format of the results on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// No output.
    #[default]
    None,
    /// One line of text per patch.
    Text,
    /// One JSON object per line.
    Jsonl,
}

/// One validated `[[source]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntry {
    /// Origin and options of its audio.
    pub source: SourceConfig,
    /// Detection of silence.
    pub silence: SilenceConfig,
    /// Detection of other dead air.
    pub dead_air: DeadAirConfig,
    /// Enables the measurement of the true peak.
    pub true_peak: bool,
    /// Makes the daemon ready (`/ready`) only while this source is on air.
    pub required: bool,
    /// Expected genres, talk and balance.
    pub watch: FormatMonitorConfig,
    /// Time without audio until the source counts as lost.
    pub lost_after: Duration,
}

/// Validated configuration of the daemon. Never changed after [`Config::load`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Path of the file; `None` for the defaults.
    pub file: Option<PathBuf>,
    /// Warning that `node` in topics differs from what was typed.
    node_warning: Option<String>,
    /// Line of each key in the file, by its path.
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

/// Returns the path of the configuration file, if there is one.
fn config_path(named: Option<&Path>) -> Option<PathBuf> {
    let environment = std::env::var_os("GENRED_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.map(Path::to_path_buf).or(environment).or_else(standard_path)
}

/// Returns the paths at which a configuration is searched for, in order.
pub(crate) fn standard_paths() -> Vec<PathBuf> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".config")));
    let user = home.map(|folder| folder.join("genred/genred.toml"));
    user.into_iter().chain([PathBuf::from("/etc/genred/genred.toml")]).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigFileError> {
    std::fs::read(path).map_err(|error| ConfigFileError::Unreadable { path: path.to_owned(), error })
}

fn standard_path() -> Option<PathBuf> {
    standard_paths().into_iter().find(|path| path.exists())
}

/// Returns the state folder of the service manager, else that of the user.
fn standard_state_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd gives a list.
    let managed = variable("STATE_DIRECTORY").map(|list| match list.to_string_lossy().split_once(':') {
        Some((first, _)) => PathBuf::from(first),
        None => list,
    });
    managed
        .or_else(|| Some(variable("XDG_STATE_HOME")?.join("genred")))
        .or_else(|| Some(variable("HOME")?.join(".local/state/genred")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/genred"))
}

fn resolve(mut raw: RawConfig, document: &Document<'_>, overrides: &Overrides) -> Result<Config, Fault> {
    let locate = |error: ConfigError| Fault::new(document.line_of(&error.key), error.to_string());
    overrides.merge_into(&mut raw);
    let node_is_fixed = raw.node.is_some();
    let (node, node_warning) = node(raw.node).map_err(locate)?;
    HOP_S.check(raw.hop_s).map_err(locate)?;
    raw.model.validate().map_err(locate)?;
    raw.decision.validate().map_err(locate)?;
    #[cfg(feature = "log")]
    raw.log.validate().map_err(locate)?;
    #[cfg(feature = "corrections")]
    raw.corrections.validate().map_err(locate)?;
    #[cfg(feature = "mqtt")]
    let mqtt = raw.mqtt.resolve(&node).map_err(|error| {
        // The message begins with its key, in backticks.
        let message = error.to_string();
        Fault::new(document.line_of(first_key(&message)), message)
    })?;
    let lines = document.lines();
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

/// Returns the first text in backticks.
#[cfg(feature = "mqtt")]
fn first_key(message: &str) -> &str {
    message.split('`').nth(1).unwrap_or_default()
}

/// Returns the node's name in topics, and a warning where it differs from the configured one.
fn node(configured: Option<String>) -> Result<(String, Option<String>), ConfigError> {
    let Some(name) = configured else {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let host = if host.is_empty() { "genred".into() } else { topic_name(&host, "genred") };
        return Ok((host, None));
    };
    if valid_name(&name) {
        return Ok((name, None));
    }
    if name.trim().is_empty() || name.contains("__") || name.contains(['+', '#', '/', '$', '\0']) {
        let expected = "letters, digits, `_` and `-`, without `__`";
        return Err(ConfigError::new("node", format!("`{name}`"), expected));
    }
    let node = topic_name(&name, "node");
    let warning = format!("`node` is `{name}`; topics hold `{node}`: letters, digits, `_` and `-` alone");
    Ok((node, Some(warning)))
}

#[cfg(test)]
mod tests;
