//! Location of a daemon's trace socket, as-run log and corrections.
//!
//! `genred why`, `genred label` and `genred report` read only these keys, so that they work
//! although other keys are invalid, or refer to files that their user cannot read.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::document::Document;
use super::fault::Fault;
use super::file::{ConfigFileError, config_path, read};
use super::{encoding, expand, node_name, raw};
#[cfg(any(feature = "log", feature = "corrections"))]
use crate::limits::ConfigError;

/// Runtime folder of the systemd unit (`RuntimeDirectory=genred`).
pub(crate) const SYSTEM_RUNTIME_DIR: &str = "/run/genred";

/// State folder of the systemd unit (`StateDirectory=genred`).
#[cfg(any(feature = "corrections", feature = "log"))]
pub(crate) const SYSTEM_STATE_DIR: &str = "/var/lib/genred";

/// Root keys of [`DaemonLocation`]. Builds without a feature ignore its key.
const KEYS: [&str; 5] = ["node", "runtime_dir", "state_dir", "log", "corrections"];

/// Location of a daemon's files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DaemonLocation {
    /// Configured node name.
    pub(crate) node: Option<String>,
    /// Configured folder of the trace socket.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// Configured folder of persistent state.
    #[cfg(any(feature = "corrections", feature = "log"))]
    pub(crate) state_dir: Option<PathBuf>,
    /// `[log]`
    #[cfg(feature = "log")]
    pub(crate) log: crate::sink::asrun::LogConfig,
    /// `[corrections]`
    #[cfg(feature = "corrections")]
    pub(crate) corrections: crate::sink::corrections::CorrectionsConfig,
}

impl DaemonLocation {
    /// Reads the same file as [`Config::load`](super::Config::load).
    ///
    /// # Errors
    /// The file cannot be read or is not TOML, or one of the keys is invalid.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, ConfigFileError> {
        let Some(path) = config_path(named) else { return Ok(Self::default()) };
        let invalid = |fault| ConfigFileError::invalid(&path.display().to_string(), fault);
        Self::from_toml(encoding::decode(&read(&path)?).map_err(invalid)?).map_err(invalid)
    }

    fn from_toml(text: &str) -> Result<Self, Fault> {
        let mut document = Document::parse(text)?;
        document.retain(&KEYS);
        expand::expand(&mut document, &|name| std::env::var(name).ok())?;
        let mut location: Self = raw::read(&document)?;
        // Socket and folder are named after the node name in topics.
        if let Some(Ok((node, _))) = location.node.take().map(|node| node_name::resolve(Some(node))) {
            location.node = Some(node);
        }
        Ok(location)
    }

    /// Returns the path of the as-run log. Without a configured folder it is below `root`, or below
    /// the user's state folder.
    ///
    /// # Errors
    /// The node name is invalid.
    #[cfg(feature = "log")]
    pub(crate) fn log(&self, root: Option<&Path>) -> Result<PathBuf, ConfigFileError> {
        self.file(self.log.path.as_deref(), root, crate::sink::asrun::FILE)
    }

    /// Returns the path of the corrections: the configured one, else that in the user's state
    /// folder, or that of the system service if only that exists.
    ///
    /// # Errors
    /// The node name is invalid.
    #[cfg(feature = "corrections")]
    pub(crate) fn corrections(&self) -> Result<PathBuf, ConfigFileError> {
        use crate::sink::corrections::FILE;
        let configured = self.corrections.path.as_deref();
        let own = self.file(configured, None, FILE)?;
        let system = self.file(configured, Some(Path::new(SYSTEM_STATE_DIR)), FILE)?;
        Ok(if !own.exists() && system.exists() { system } else { own })
    }

    /// Returns the `configured` path, else `name` in the node's folder below `state_dir`, `root` or
    /// the user's state folder.
    #[cfg(any(feature = "corrections", feature = "log"))]
    fn file(
        &self,
        configured: Option<&Path>,
        root: Option<&Path>,
        name: &str,
    ) -> Result<PathBuf, ConfigFileError> {
        if let Some(path) = configured {
            return Ok(path.to_owned());
        }
        let invalid = |error: ConfigError| {
            ConfigFileError::invalid("the configuration", Fault::new(None, error.to_string()))
        };
        let node = node_name::resolve(self.node.clone()).map_err(invalid)?.0;
        let root = self.state_dir.clone().or_else(|| root.map(Path::to_owned));
        Ok(root.unwrap_or_else(standard_state_dir).join(node).join(name))
    }
}

/// Returns the state folder of the service manager, else that of the user.
pub(super) fn standard_state_dir() -> PathBuf {
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

/// Returns the default of `runtime_dir`: `$RUNTIME_DIRECTORY`, which systemd sets, else
/// `$XDG_RUNTIME_DIR/genred`, else `/tmp/genred-<uid>`.
pub(crate) fn default_runtime_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    // systemd separates several folders by colons.
    let systemd = variable("RUNTIME_DIRECTORY").and_then(|value| std::env::split_paths(&value).next());
    systemd
        .or_else(|| Some(PathBuf::from(variable("XDG_RUNTIME_DIR")?).join("genred")))
        .unwrap_or_else(|| format!("/tmp/genred-{}", rustix::process::geteuid().as_raw()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_are_read_and_the_rest_may_be_wrong() {
        let text = "node = 'a'\nruntime_dir = '/x'\nhopp = 1\n[mqtt]\npassword = '${NOT_SET_ANYWHERE}'";
        let expected = DaemonLocation {
            node: Some("a".into()),
            runtime_dir: Some("/x".into()),
            ..DaemonLocation::default()
        };
        assert_eq!(DaemonLocation::from_toml(text), Ok(expected));
        assert_eq!(DaemonLocation::from_toml(""), Ok(DaemonLocation::default()));
        #[cfg(feature = "log")]
        {
            let log = |text| DaemonLocation::from_toml(text).unwrap().log(Some(Path::new("/var"))).unwrap();
            assert_eq!(log("node = 'a'"), Path::new("/var/a/asrun.sqlite"));
            assert_eq!(log("node = 'a'\nstate_dir = '/x'"), Path::new("/x/a/asrun.sqlite"));
            assert_eq!(log("log = {path = '/y.sqlite'}"), Path::new("/y.sqlite"));
        }
        #[cfg(feature = "corrections")]
        {
            let file = |text| DaemonLocation::from_toml(text).unwrap().corrections().unwrap();
            assert_eq!(file("node = 'a'\nstate_dir = '/x'"), Path::new("/x/a/corrections.sqlite"));
            assert_eq!(file("corrections = {path = '/y.sqlite'}"), Path::new("/y.sqlite"));
        }
        let error =
            DaemonLocation::from_toml("runtime_dir = '${NOT_SET_ANYWHERE}/x'").unwrap_err().to_string();
        assert!(error.contains("`runtime_dir`") && error.contains("NOT_SET_ANYWHERE"), "{error}");
        assert!(
            DaemonLocation::from_toml("node = 1").is_err() && DaemonLocation::from_toml("node = ").is_err()
        );
    }
}
