//! Name of the node in topics.

use crate::limits::ConfigError;
use crate::sink::slug::topic_name;
use crate::sink::topics::valid_name;

/// Returns the node's name in topics, and a warning where it differs from the configured one.
pub(super) fn resolve(configured: Option<String>) -> Result<(String, Option<String>), ConfigError> {
    let Some(name) = configured else {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let host = if host.is_empty() { "genred".into() } else { topic_name(&host, "genred") };
        return Ok((host, None));
    };
    if valid_name(&name) {
        return Ok((name, None));
    }
    if name.trim().is_empty() || name.contains("__") || name.contains(['+', '#', '/', '$', '\0']) {
        let expected = "letters, digits, `_` and `-`, without `__`";
        return Err(ConfigError::new("node", format!("`{name}`"), expected));
    }
    let node = topic_name(&name, "node");
    let warning = format!("`node` is `{name}`; topics hold `{node}`: letters, digits, `_` and `-` alone");
    Ok((node, Some(warning)))
}
