//! Token that identifies clients.

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::limits::ConfigError;

/// Fewest characters of a token.
const MIN_LENGTH: usize = 16;

/// Token of `web.token_file`. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// Reads a token from the first line of a file.
    ///
    /// # Errors
    /// The file cannot be read, or its token is too short to be safe.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let expected = "a readable file whose first line is a token of at least 16 characters, for example from \
                        `openssl rand -hex 16`";
        let wrong = |fault: String| {
            ConfigError::new("web.token_file", format!("`{}` ({fault})", path.display()), expected)
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.is_empty() {
            return Err(wrong("empty".into()));
        }
        if token.len() < MIN_LENGTH {
            return Err(wrong("too short".into()));
        }
        Ok(Self::of(token))
    }

    /// Token with this text.
    pub(crate) fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Returns true if `text` is the token. Hashes are compared, so that the time that this takes
    /// tells nothing about the token.
    pub(crate) fn matches(&self, text: &str) -> bool {
        *self == Self::of(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
