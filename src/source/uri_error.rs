//! Error of parsing a source address.

/// Unusable source address. The message names it and states the accepted forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UriError(pub String);
