//! From what was typed to what will run.
//!
//! A component's section is the component's own type; this file finds the file, expands
//! `${VAR}`, puts the sections together and fills in what was left out.

mod place;
mod raw;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::decision::{DeadAirConfig, DecisionConfig, SilenceConfig, WatchConfig};
use crate::model::ModelConfig;
#[cfg(feature = "log")]
use crate::sink::asrun::LogConfig;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::MqttConfig;
use crate::sink::topics::{sanitise, valid_name};
use crate::source::{NEEDS_COMMAND, Pacing, SourceConfig, Uri, redact};

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
    #[error("{origin}: {what}")]
    Invalid {
        /// The file, or where else it came from.
        origin: String,
        /// What is wrong.
        what: String,
    },
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
    pub watch: WatchConfig,
    /// How long no audio may arrive before it counts as lost.
    pub lost_after: Duration,
}

/// The daemon's configuration, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
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
        Self::from_toml(&read(&path)?, &path.display().to_string(), uris)
    }

    /// The configuration that `text` describes; `origin` names it in errors.
    ///
    /// # Errors
    /// When anything in it does not fit.
    pub fn from_toml(text: &str, origin: &str, uris: &[String]) -> Result<Self, ConfigError> {
        let raw = raw::parse(text).map_err(|what| ConfigError::Invalid { origin: origin.into(), what })?;
        resolve(raw, uris).map_err(|what| ConfigError::Invalid { origin: origin.into(), what })
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

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })
}

fn standard_path() -> Option<PathBuf> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".config")));
    let user = home.map(|folder| folder.join("genred/genred.toml"));
    user.into_iter().chain([PathBuf::from("/etc/genred/genred.toml")]).find(|path| path.exists())
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

fn resolve(raw: RawConfig, uris: &[String]) -> Result<Config, String> {
    let node_is_fixed = raw.node.is_some();
    let node = node(raw.node)?;
    if !(0.25..=3.0).contains(&raw.hop) {
        return Err(format!("`hop` is {}, not 0.25 to 3 seconds", raw.hop));
    }
    raw.model.validate()?;
    raw.decision.validate()?;
    #[cfg(feature = "log")]
    raw.log.validate()?;
    let typed: Vec<RawSource> = uris.iter().map(|uri| RawSource::from_uri(uri)).collect();
    let mut raw_sources = if typed.is_empty() { raw.source } else { typed };
    if raw_sources.is_empty() {
        raw_sources.push(RawSource::from_uri("device:default"));
    }
    Ok(Config {
        runtime_dir: raw.runtime_dir.unwrap_or_else(default_runtime_dir),
        hop: raw.hop,
        model: raw.model,
        decision: raw.decision,
        #[cfg(feature = "mqtt")]
        mqtt: raw.mqtt.resolve(&node).map_err(|error| error.to_string())?,
        #[cfg(feature = "log")]
        log: raw.log,
        output: raw.output.unwrap_or_default(),
        output_windows: raw.output_windows,
        sources: sources(raw_sources)?,
        node,
        node_is_fixed,
        state_dir: raw.state_dir.unwrap_or_else(standard_state_dir),
    })
}

fn node(configured: Option<String>) -> Result<String, String> {
    match configured {
        Some(name) if valid_name(&name) => Ok(name),
        Some(name) => Err(format!("`node` is `{name}`; use letters, digits, `_` and `-`, without `__`")),
        None => {
            let host = sanitise(&gethostname::gethostname().to_string_lossy());
            Ok(if host.is_empty() { "genred".into() } else { host })
        }
    }
}

fn sources(raw: Vec<RawSource>) -> Result<Vec<SourceEntry>, String> {
    let mut entries: Vec<SourceEntry> = Vec::with_capacity(raw.len());
    let mut taken = HashSet::new();
    for source in raw {
        let named = source.name.is_some();
        let mut entry = source_entry(source)?;
        let SourceConfig { name, display_name, .. } = &mut entry.source;
        if taken.contains(name) {
            if named {
                return Err(format!(
                    "two sources are called `{name}` (of `{display_name}`); names must differ"
                ));
            }
            // Derived from an address: `song`, `song-2`, …
            let base = name.clone();
            *name = (2..).map(|n| format!("{base}-{n}")).find(|name| !taken.contains(name)).unwrap_or(base);
            display_name.clone_from(name);
        }
        taken.insert(name.clone());
        entries.push(entry);
    }
    let readers = entries.iter().filter(|entry| matches!(entry.source.uri, Uri::Stdin(_))).count();
    if readers > 1 {
        return Err(format!("{readers} sources read standard input; one can"));
    }
    Ok(entries)
}

fn source_entry(raw: RawSource) -> Result<SourceEntry, String> {
    let uri = Uri::parse(&raw.uri);
    // An address that is wrong may hold a secret anywhere.
    let shown = match raw.uri.split_once("://") {
        Some((scheme, _)) if uri.is_err() => format!("{scheme}://…"),
        _ => redact(&raw.uri),
    };
    let label = raw.name.clone().unwrap_or(shown);
    let mut uri = uri.map_err(|error| format!("source `{label}`: {error}"))?;
    match (&mut uri, raw.command) {
        (Uri::Process(process), Some(command))
            if command.first().is_some_and(|program| !program.is_empty()) =>
        {
            process.command = command;
        }
        (Uri::Process(_), _) => {
            return Err(format!("source `{label}`: `uri = \"process:\"` {NEEDS_COMMAND}"));
        }
        (_, Some(_)) => return Err(format!("source `{label}`: `command` is for `uri = \"process:\"`")),
        _ => {}
    }
    let checked = [raw.silence.validate(), raw.dead_air.validate(), raw.imbalance.validate()];
    checked.into_iter().collect::<Result<(), _>>().map_err(|what| format!("source `{label}`: {what}"))?;
    if !(0.5..=86_400.0).contains(&raw.lost_after) {
        return Err(format!(
            "source `{label}`: `lost_after` is {}, not 0.5 to 86400 seconds",
            raw.lost_after
        ));
    }
    if !(1.0..=3600.0).contains(&raw.reconnect_max) {
        return Err(format!(
            "source `{label}`: `reconnect_max` is {}, not 1 to 3600 seconds",
            raw.reconnect_max
        ));
    }
    if !(1.0..=86_400.0).contains(&raw.off_format_after) {
        return Err(format!(
            "source `{label}`: `off_format_after` is {}, not 1 to 86400 seconds",
            raw.off_format_after
        ));
    }
    if let Some(share) = raw.talk_limit.filter(|share| !(0.001..=1.0).contains(share)) {
        return Err(format!(
            "source `{label}`: `talk_limit` is {share}, not 0.001 to 1 (a share of an hour)"
        ));
    }
    let watch = WatchConfig {
        format: raw.format,
        off_format_after: raw.off_format_after,
        talk_limit: raw.talk_limit,
        imbalance: raw.imbalance,
    };
    let display_name = raw.name.unwrap_or_else(|| derived_name(&uri));
    let name = sanitise(&display_name);
    if name.is_empty() || display_name.contains("__") {
        return Err(format!("source `{label}`: a name needs letters, digits, `_` or `-`, and no `__`"));
    }
    let pacing = raw.pacing.unwrap_or(Pacing::Realtime);
    if raw.repeat && !matches!(uri, Uri::File(_)) {
        return Err(format!("source `{label}`: `repeat` is for files"));
    }
    let source = SourceConfig {
        display_name,
        name,
        uri,
        pacing,
        start: raw.start,
        repeat: raw.repeat,
        reconnect_max: Duration::from_secs_f64(raw.reconnect_max),
        piece: Duration::ZERO,
    };
    Ok(SourceEntry {
        source,
        silence: raw.silence,
        dead_air: raw.dead_air,
        true_peak: raw.true_peak,
        watch,
        lost_after: Duration::from_secs_f64(raw.lost_after),
    })
}

fn derived_name(uri: &Uri) -> String {
    let name = match uri {
        Uri::Device { name, .. } => sanitise(name),
        Uri::File(path) => sanitise(&path.file_stem().unwrap_or_default().to_string_lossy()),
        Uri::Stdin(_) => "stdin".into(),
        Uri::Http(address) => sanitise(address.label()),
        Uri::Process(process) => sanitise(
            &process
                .command
                .first()
                .and_then(|program| Path::new(program).file_name())
                .unwrap_or_default()
                .to_string_lossy(),
        ),
    };
    if name.is_empty() { "source".into() } else { name }
}

#[cfg(test)]
mod tests;
