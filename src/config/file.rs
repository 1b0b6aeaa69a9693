//! Location and reading of the configuration file.

use std::path::{Path, PathBuf};

use super::fault::Fault;

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
        /// Path of the file, or the origin of the text; the command line if it gave the value.
        origin: String,
        /// The fault, with its line.
        fault: String,
    },
}

impl ConfigFileError {
    /// Creates the error for `fault` in the text from `origin`, or in the command line.
    pub(super) fn invalid(origin: &str, fault: Fault) -> Self {
        let origin = if fault.is_of_command_line() { "the command line" } else { origin };
        Self::Invalid { origin: origin.into(), fault: fault.to_string() }
    }
}

/// Returns the path of the configuration file, if there is one.
pub(super) fn config_path(named: Option<&Path>) -> Option<PathBuf> {
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

pub(super) fn read(path: &Path) -> Result<Vec<u8>, ConfigFileError> {
    std::fs::read(path).map_err(|error| ConfigFileError::Unreadable { path: path.to_owned(), error })
}

fn standard_path() -> Option<PathBuf> {
    standard_paths().into_iter().find(|path| path.exists())
}
