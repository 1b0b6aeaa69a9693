//! Error of the `[mqtt]` section.

use std::path::{Path, PathBuf};

use crate::limits::ConfigError;

/// A setting of `[mqtt]` that cannot be used. No message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MqttConfigError {
    /// A value outside of what is accepted.
    #[error(transparent)]
    Value(#[from] ConfigError),
    /// A value that cannot be used for the stated fault.
    #[error("`{key}` {fault}; {remedy}")]
    Setting {
        /// Key with its section.
        key: &'static str,
        /// The fault; continues "`key` …".
        fault: String,
        /// Advice.
        remedy: String,
    },
    /// A file that cannot be used.
    #[error("`{key}` `{}` {fault}", file.display())]
    File {
        /// Key with its section.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The fault and advice; continues "`key` `file` …".
        fault: String,
    },
    /// One of two settings that belong together.
    #[error("`{key}` needs `{missing}`, {description}")]
    Incomplete {
        /// Key that is set.
        key: &'static str,
        /// Key that is not.
        missing: &'static str,
        /// Meaning of the missing key.
        description: &'static str,
    },
    /// A user name in the address, and another setting of it.
    #[error("both `mqtt.url` and `mqtt.username` give a user name; keep one")]
    SeveralUserNames,
    /// Several settings of the password.
    #[error(
        "more than one of `mqtt.url`, `mqtt.password` and `mqtt.password_file` gives a password; keep one"
    )]
    SeveralPasswords,
    /// A password without a user name.
    #[error("a password without a user name; add `mqtt.username`")]
    NoUserName,
    /// A certificate and a key of another one.
    #[error("`mqtt.client_cert` and `mqtt.client_key` do not fit together: {reason}")]
    KeyPair {
        /// Error of the TLS library.
        reason: String,
    },
    /// A system without trusted authorities.
    #[error(
        "the system trusts no authority; install `ca-certificates`, or give the broker's with `mqtt.ca_file`"
    )]
    NoAuthority,
    /// TLS does not start.
    #[error("TLS cannot be used: {reason}")]
    Tls {
        /// Error of the TLS library.
        reason: String,
    },
}

impl MqttConfigError {
    /// Creates a [`Setting`](Self::Setting) error.
    pub(crate) fn setting(key: &'static str, fault: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Setting { key, fault: fault.into(), remedy: remedy.into() }
    }

    /// Creates a [`File`](Self::File) error.
    pub(crate) fn file(key: &'static str, file: &Path, fault: impl Into<String>) -> Self {
        Self::File { key, file: file.to_owned(), fault: fault.into() }
    }

    /// Key to correct, with its section.
    pub fn key(&self) -> &str {
        match self {
            Self::Value(error) => &error.key,
            Self::Setting { key, .. } | Self::File { key, .. } | Self::Incomplete { key, .. } => key,
            Self::SeveralUserNames | Self::NoUserName => "mqtt.username",
            Self::SeveralPasswords => "mqtt.password",
            Self::KeyPair { .. } => "mqtt.client_cert",
            Self::NoAuthority => "mqtt.ca_file",
            Self::Tls { .. } => "mqtt.url",
        }
    }
}
