//! What the integration tests share. Each test binary uses a part of it.
#![allow(dead_code)]

pub mod audio;
pub mod broker;
#[cfg(feature = "mqtt")]
pub mod brokers;
pub mod bundle;
pub mod clips;
pub mod daemon;
pub mod faults;
pub mod files;
pub mod flaky;
pub mod gate;
pub mod icecast;
pub mod log;
#[cfg(feature = "mqtt")]
pub mod messages;
pub mod music;
pub mod proxy;
pub mod pulse;
#[cfg(feature = "net")]
pub mod site;

use std::process::{Command, Stdio};

/// A command that a test cannot do without; its absence fails the test, naming the Debian package.
pub fn tool(program: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    assert!(found, "`{program}` is missing: `apt-get install {package}`");
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}
