//! MQTT topics and the names in them.

use std::sync::Arc;

/// Returns `name` with every character outside `[A-Za-z0-9_-]` replaced, for use in a topic.
///
/// Runs of replaced characters become one `_`, and `__`, which separates the node from
/// the source in identifiers, is shortened to one. The result may be empty.
pub(crate) fn sanitise(name: &str) -> String {
    let mut clean = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        if c != '_' || !clean.ends_with('_') {
            clean.push(c);
        }
    }
    let clean = clean.trim_end_matches('_');
    // A leading underscore of the name is kept, that of a replaced character is not.
    if name.starts_with('_') { clean.to_owned() } else { clean.trim_start_matches('_').to_owned() }
}

/// Returns true if `name` can be part of a topic: `[A-Za-z0-9_-]+` without `__`.
pub(crate) fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains("__")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The topics of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topics {
    prefix: Arc<str>,
    node: Arc<str>,
}

impl Topics {
    /// Topics under `<prefix>/<node>`.
    pub(crate) fn new(prefix: Arc<str>, node: Arc<str>) -> Self {
        Self { prefix, node }
    }

    /// The node.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Topics of another node.
    pub(crate) fn with_node(&self, node: &str) -> Self {
        Self { prefix: Arc::clone(&self.prefix), node: node.into() }
    }

    /// Source in `topic`, if it is `<prefix>/<node>/<source>/<leaf>`.
    pub(crate) fn source_of<'a>(&self, topic: &'a str, leaf: &str) -> Option<&'a str> {
        let rest = topic.strip_prefix(&*self.prefix)?.strip_prefix('/')?;
        let rest = rest.strip_prefix(&*self.node)?.strip_prefix('/')?;
        rest.strip_suffix(leaf)?.strip_suffix('/').filter(|source| !source.contains('/'))
    }

    /// Topic `status` of the node, with the payload `online` or `offline`; also that of the last
    /// will.
    pub(crate) fn status(&self) -> String {
        self.of_node("status")
    }

    /// `<prefix>/<node>/<leaf>`
    pub(crate) fn of_node(&self, leaf: &str) -> String {
        format!("{}/{}/{leaf}", self.prefix, self.node)
    }

    /// `<prefix>/<node>/<source>/<leaf>`
    pub(crate) fn of_source(&self, source: &str, leaf: &str) -> String {
        format!("{}/{}/{source}/{leaf}", self.prefix, self.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitised_names_are_valid_or_empty() {
        let cases = [
            ("studio1", "studio1"),
            ("Living Room", "Living_Room"),
            ("a__b", "a_b"),
            ("Küche/links", "K_che_links"),
            ("hw:0,0", "hw_0_0"),
            ("host.example.org", "host_example_org"),
            ("_hidden", "_hidden"),
            ("song (live).mp3", "song_live_mp3"),
            (" padded ", "padded"),
            ("+#", ""),
            ("", ""),
        ];
        for (name, expected) in cases {
            let clean = sanitise(name);
            assert_eq!(clean, expected, "of `{name}`");
            assert!(clean.is_empty() || valid_name(&clean), "`{clean}`");
            assert_eq!(sanitise(&clean), clean, "sanitising twice changes `{clean}`");
        }
        for name in ["", "a__b", "a b", "a/b", "ä", "a+"] {
            assert!(!valid_name(name), "`{name}`");
        }
    }

    #[test]
    fn topics_are_as_documented() {
        let topics = Topics::new("home/genred".into(), "studio1".into());
        assert_eq!(topics.status(), "home/genred/studio1/status");
        assert_eq!(topics.of_node("info"), "home/genred/studio1/info");
        assert_eq!(topics.of_source("fm1", "state"), "home/genred/studio1/fm1/state");
    }
}
