//! Where a daemon's trace socket and log are: all that `genred why` and `genred report` need of a configuration, so that what
//! else it holds need not be right, or readable, where they run.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::document::Document;
use super::fault::Fault;
use super::{ConfigFileError, config_path, encoding, raw, read};
use crate::limits::ConfigError;

/// The folder of the systemd unit (`RuntimeDirectory=genred`).
pub const SYSTEM_RUNTIME_DIR: &str = "/run/genred";

/// The folder of the systemd unit (`StateDirectory=genred`).
pub const SYSTEM_STATE_DIR: &str = "/var/lib/genred";

/// The keys of [`Place`]; a build without one of them leaves it unread.
const KEYS: [&str; 5] = ["node", "runtime_dir", "state_dir", "log", "corrections"];

/// Where to look for a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Its name, where it is configured.
    pub node: Option<String>,
    /// Its folder, where it is configured.
    pub runtime_dir: Option<PathBuf>,
    /// Its folder of what it keeps, where it is configured.
    pub state_dir: Option<PathBuf>,
    /// `[log]`
    #[cfg(feature = "log")]
    pub log: crate::sink::asrun::LogConfig,
    /// `[corrections]`
    #[cfg(feature = "corrections")]
    pub corrections: crate::sink::corrections::CorrectionsConfig,
}

impl Place {
    /// Reads the file that [`Config::load`](super::Config::load) would.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or these keys do not fit.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigFileError> {
        let Some(path) = config_path(named) else { return Ok(Self::default()) };
        let invalid = |fault| ConfigFileError::invalid(&path.display().to_string(), fault);
        Self::from_toml(encoding::decode(&read(&path)?).map_err(invalid)?).map_err(invalid)
    }

    fn from_toml(text: &str) -> Result<Self, Fault> {
        let mut document = Document::parse(text)?;
        document.retain(&KEYS);
        raw::expand(&mut document, &|name| std::env::var(name).ok())?;
        let mut place: Self = raw::read(&document)?;
        // The daemon's socket and folder have the name that stands in topics.
        if let Some(Ok((node, _))) = place.node.take().map(|node| super::node(Some(node))) {
            place.node = Some(node);
        }
        Ok(place)
    }

    /// The file of the as-run log, below `root` where no folder is configured, else below the user's.
    ///
    /// # Errors
    /// When the node's name does not fit.
    #[cfg(feature = "log")]
    pub fn log(&self, root: Option<&Path>) -> Result<PathBuf, ConfigFileError> {
        self.file(self.log.path.as_deref(), root, crate::sink::asrun::FILE)
    }

    /// The file of corrections: as it is configured, else in the user's folder, else in the system service's where only that
    /// exists.
    ///
    /// # Errors
    /// When the node's name does not fit.
    #[cfg(feature = "corrections")]
    pub fn corrections(&self) -> Result<PathBuf, ConfigFileError> {
        use crate::sink::corrections::FILE;
        let configured = self.corrections.path.as_deref();
        let own = self.file(configured, None, FILE)?;
        let system = self.file(configured, Some(Path::new(SYSTEM_STATE_DIR)), FILE)?;
        Ok(if !own.exists() && system.exists() { system } else { own })
    }

    /// A file of the daemon: as configured, else `name` in the node's folder below `state_dir`, `root` or the user's.
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
        let node = super::node(self.node.clone()).map_err(invalid)?.0;
        let root = self.state_dir.clone().or_else(|| root.map(Path::to_owned));
        Ok(root.unwrap_or_else(super::standard_state_dir).join(node).join(name))
    }
}

/// Where sockets are unless `runtime_dir` says otherwise: `$RUNTIME_DIRECTORY`, which systemd sets; else
/// `$XDG_RUNTIME_DIR/genred`; else `/tmp/genred-<uid>`.
pub fn default_runtime_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    // systemd separates several by colons, as `PATH` does.
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
        let expected = Place { node: Some("a".into()), runtime_dir: Some("/x".into()), ..Place::default() };
        assert_eq!(Place::from_toml(text), Ok(expected));
        assert_eq!(Place::from_toml(""), Ok(Place::default()));
        #[cfg(feature = "log")]
        {
            let log = |text| Place::from_toml(text).unwrap().log(Some(Path::new("/var"))).unwrap();
            assert_eq!(log("node = 'a'"), Path::new("/var/a/asrun.sqlite"));
            assert_eq!(log("node = 'a'\nstate_dir = '/x'"), Path::new("/x/a/asrun.sqlite"));
            assert_eq!(log("log = {path = '/y.sqlite'}"), Path::new("/y.sqlite"));
        }
        #[cfg(feature = "corrections")]
        {
            let file = |text| Place::from_toml(text).unwrap().corrections().unwrap();
            assert_eq!(file("node = 'a'\nstate_dir = '/x'"), Path::new("/x/a/corrections.sqlite"));
            assert_eq!(file("corrections = {path = '/y.sqlite'}"), Path::new("/y.sqlite"));
        }
        let error = Place::from_toml("runtime_dir = '${NOT_SET_ANYWHERE}/x'").unwrap_err().to_string();
        assert!(error.contains("`runtime_dir`") && error.contains("NOT_SET_ANYWHERE"), "{error}");
        assert!(Place::from_toml("node = 1").is_err() && Place::from_toml("node = ").is_err());
    }
}
