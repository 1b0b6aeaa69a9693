//! From what was typed to what will run.
//!
//! A component's section is the component's own type; this file finds the file, expands
//! `${VAR}`, puts the sections together and fills in what was left out.

mod document;
mod encoding;
mod explain;
mod fault;
mod place;
mod placeholder;
mod raw;
mod sources;
mod syntax;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::decision::{DeadAirConfig, DecisionConfig, FormatMonitorConfig, SilenceConfig};
use crate::model::ModelConfig;
#[cfg(feature = "log")]
use crate::sink::asrun::LogConfig;
#[cfg(feature = "corrections")]
use crate::sink::corrections::CorrectionsConfig;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::MqttConfig;
use crate::sink::slug::topic_name;
use crate::sink::topics::valid_name;
use crate::source::SourceConfig;

use document::Document;
pub use explain::nearest;
use fault::Fault;
pub use place::{Place, SYSTEM_RUNTIME_DIR, SYSTEM_STATE_DIR, default_runtime_dir};
use raw::{RawConfig, RawSource};

/// What is wrong with the configuration; the message names the file and the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("{}: {error}; name another with `-c`, or leave it out for the defaults", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file that does not say what it should.
    #[error("{origin}: {fault}")]
    Invalid {
        /// The file, or where else it came from.
        origin: String,
        /// The fault, with its line.
        fault: String,
    },
}

impl ConfigError {
    fn invalid(origin: &str, fault: Fault) -> Self {
        Self::Invalid { origin: origin.into(), fault: fault.to_string() }
    }
}

/// What a run prints on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Nothing.
    #[default]
    None,
    /// A line a patch, for people.
    Text,
    /// One JSON object a line.
    Jsonl,
}

/// A source with what the stages after it need to know.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntry {
    /// Where its sound comes from.
    pub source: SourceConfig,
    /// When it counts as silent.
    pub silence: SilenceConfig,
    /// What else counts as dead air.
    pub dead_air: DeadAirConfig,
    /// Whether its true peak is measured.
    pub true_peak: bool,
    /// What it is expected to sound like.
    pub watch: FormatMonitorConfig,
    /// How long no audio may arrive before it counts as lost.
    pub lost_after: Duration,
}

/// The daemon's configuration, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that it was read from; `None` for the defaults.
    pub file: Option<PathBuf>,
    /// Warning that `node` in topics differs from what was typed.
    node_warning: Option<String>,
    /// Line of each key in the file, by its path.
    lines: HashMap<String, usize>,
    /// Name in topics.
    pub node: String,
    /// Whether it was configured, so that no other may take its place.
    pub node_is_fixed: bool,
    /// What is kept over restarts is kept in a folder below this one.
    pub state_dir: PathBuf,
    /// Folder of the trace socket.
    pub runtime_dir: PathBuf,
    /// Seconds between patches, 0.25 to 3.
    pub hop: f64,
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
    /// What goes to standard output.
    pub output: Output,
    /// Whether JSON lines hold every scored patch.
    pub output_windows: bool,
    /// At least one.
    pub sources: Vec<SourceEntry>,
}

impl Config {
    /// Reads the configuration that `-c`, `GENRED_CONFIG`, `~/.config` or `/etc` name, in this order; the
    /// defaults if none does. `uris` from the command line take the place of the configured sources.
    ///
    /// # Errors
    /// When a named file is missing, or anything in it does not fit.
    pub fn load(named: Option<&Path>, uris: &[String]) -> Result<Self, ConfigError> {
        let Some(path) = config_path(named) else { return Self::from_toml("", "the defaults", uris) };
        let bytes = read(&path)?;
        let origin = path.display().to_string();
        let text = encoding::decode(&bytes).map_err(|fault| ConfigError::invalid(&origin, fault))?;
        Ok(Self { file: Some(path), ..Self::from_toml(text, &origin, uris)? })
    }

    /// The configuration that `text` describes; `origin` names it in errors.
    ///
    /// # Errors
    /// When anything in it does not fit.
    pub fn from_toml(text: &str, origin: &str, uris: &[String]) -> Result<Self, ConfigError> {
        raw::parse(text)
            .and_then(|(raw, document)| resolve(raw, &document, uris))
            .map_err(|fault| ConfigError::invalid(origin, fault))
    }

    /// Line of a key in the file, such as `model.head` or `source.0.uri`; `None` where it is not
    /// there.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.lines.get(path).copied()
    }

    /// Settings that work, and may not do what was meant.
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

    /// How often states are repeated.
    pub fn heartbeat(&self) -> Duration {
        #[cfg(feature = "mqtt")]
        return self.mqtt.heartbeat;
        #[cfg(not(feature = "mqtt"))]
        Duration::from_secs(10)
    }
}

/// The file that is read, if any is.
fn config_path(named: Option<&Path>) -> Option<PathBuf> {
    let environment = std::env::var_os("GENRED_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.map(Path::to_path_buf).or(environment).or_else(standard_path)
}

/// The places where a configuration is looked for, when none is named.
pub fn standard_paths() -> Vec<PathBuf> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".config")));
    let user = home.map(|folder| folder.join("genred/genred.toml"));
    user.into_iter().chain([PathBuf::from("/etc/genred/genred.toml")]).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })
}

fn standard_path() -> Option<PathBuf> {
    standard_paths().into_iter().find(|path| path.exists())
}

/// Where the service manager has it, else where users have theirs.
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

fn resolve(raw: RawConfig, document: &Document<'_>, uris: &[String]) -> Result<Config, Fault> {
    // Messages begin with their key, in backticks.
    let locate = |what: String| Fault::new(document.line_of(first_key(&what)), what);
    let node_is_fixed = raw.node.is_some();
    let (node, node_warning) = node(raw.node).map_err(locate)?;
    if !(0.25..=3.0).contains(&raw.hop) {
        return Err(locate(format!("`hop` is {}, not 0.25 to 3 seconds", raw.hop)));
    }
    raw.model.validate().map_err(locate)?;
    raw.decision.validate().map_err(locate)?;
    #[cfg(feature = "log")]
    raw.log.validate().map_err(locate)?;
    #[cfg(feature = "corrections")]
    raw.corrections.validate().map_err(locate)?;
    #[cfg(feature = "mqtt")]
    let mqtt = raw.mqtt.resolve(&node).map_err(|error| locate(error.to_string()))?;
    let typed: Vec<RawSource> = uris.iter().map(|uri| RawSource::from_uri(uri)).collect();
    let lines = document.lines();
    let (mut raw_sources, document) =
        if typed.is_empty() { (raw.source, Some(document)) } else { (typed, None) };
    if raw_sources.is_empty() {
        raw_sources.push(RawSource::from_uri("device:default"));
    }
    let sources = sources::resolve(raw_sources, document)?;
    Ok(Config {
        file: None,
        node_warning,
        lines,
        runtime_dir: raw.runtime_dir.unwrap_or_else(default_runtime_dir),
        hop: raw.hop,
        model: raw.model,
        decision: raw.decision,
        #[cfg(feature = "mqtt")]
        mqtt,
        #[cfg(feature = "log")]
        log: raw.log,
        #[cfg(feature = "corrections")]
        corrections: raw.corrections,
        output: raw.output.unwrap_or_default(),
        output_windows: raw.output_windows,
        sources,
        node,
        node_is_fixed,
        state_dir: raw.state_dir.unwrap_or_else(standard_state_dir),
    })
}

/// The first text in backticks.
fn first_key(what: &str) -> &str {
    what.split('`').nth(1).unwrap_or_default()
}

/// The node's name in topics, and a warning where it is not the configured one.
fn node(configured: Option<String>) -> Result<(String, Option<String>), String> {
    let Some(name) = configured else {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let host = if host.is_empty() { "genred".into() } else { topic_name(&host, "genred") };
        return Ok((host, None));
    };
    if valid_name(&name) {
        return Ok((name, None));
    }
    if name.trim().is_empty() || name.contains("__") || name.contains(['+', '#', '/', '$', '\0']) {
        return Err(format!("`node` is `{name}`; use letters, digits, `_` and `-`, without `__`"));
    }
    let node = topic_name(&name, "node");
    let warning = format!("`node` is `{name}`; topics hold `{node}`: letters, digits, `_` and `-` alone");
    Ok((node, Some(warning)))
}

#[cfg(test)]
mod tests;
