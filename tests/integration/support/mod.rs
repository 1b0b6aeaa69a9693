//! Helpers of the integration tests.
#![allow(dead_code)]

pub(crate) mod audio;
pub(crate) mod broker;
#[cfg(feature = "mqtt")]
pub(crate) mod brokers;
pub(crate) mod bundle;
pub(crate) mod clips;
pub(crate) mod daemon;
pub(crate) mod faults;
pub(crate) mod files;
pub(crate) mod flaky;
pub(crate) mod gate;
#[cfg(feature = "web")]
pub(crate) mod http;
pub(crate) mod icecast;
pub(crate) mod log;
#[cfg(feature = "mqtt")]
pub(crate) mod messages;
pub(crate) mod music;
pub(crate) mod proxy;
pub(crate) mod pulse;
#[cfg(feature = "net")]
pub(crate) mod site;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns a command that a test requires. Its absence fails the test, naming the Debian package.
pub(crate) fn tool(program: &str, package: &str) -> Command {
    let mut command = Command::new(path_of(program, package));
    command.stdin(Stdio::null());
    command
}

/// Returns the path of `program`, from `PATH` or the folder of `scripts/setup.sh`.
///
/// # Panics
/// Panics if it is at neither place.
pub(crate) fn path_of(program: &str, package: &str) -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/sound/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([unpacked])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("`{program}` is missing: run `scripts/setup.sh --tests`, or install `{package}`")
        })
}
