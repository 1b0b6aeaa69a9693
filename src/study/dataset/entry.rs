//! Files of a data set before their labels are numbered.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A file with its labels in words, before they are numbered.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) labels: Vec<String>,
    pub(super) track: String,
    /// Absent where nothing is known.
    pub(super) group: Option<String>,
    pub(super) columns: BTreeMap<String, String>,
}

/// `path` without its extension, with `/` between its parts.
pub(super) fn without_extension(path: &Path) -> String {
    let parts: Vec<_> = path
        .with_extension("")
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    parts.join("/")
}
