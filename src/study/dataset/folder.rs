//! A folder a label.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{DatasetError, Entry, without_extension};

/// What lies beside recordings and is none. Everything else is tried, and said if it cannot be decoded.
const COMPANIONS: [&str; 27] = [
    "jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff", "svg", "pdf", "txt", "md", "nfo", "log",
    "cue", "m3u", "m3u8", "pls", "lrc", "csv", "json", "xml", "html", "htm", "ini", "db", "npy",
];

/// The recordings under `root`, sorted by path, and the files that were passed over.
pub(super) fn read(root: &Path) -> Result<(Vec<Entry>, Vec<PathBuf>), DatasetError> {
    let (mut entries, mut ignored) = (Vec::new(), Vec::new());
    let mut classes: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let walk = WalkDir::new(root).follow_links(true).sort_by_file_name().min_depth(1);
    for found in walk.into_iter().filter_entry(|entry| !is_hidden(entry)) {
        let found = found.map_err(|error| DatasetError::Unreadable {
            path: error.path().unwrap_or(root).into(),
            what: error.into_io_error().map_or("it contains itself".into(), |error| error.to_string()),
        })?;
        let relative = found.path().strip_prefix(root).unwrap_or(found.path());
        let mut parts = relative.components();
        let class = parts.next().map(|part| part.as_os_str().to_owned()).unwrap_or_default();
        let is_in_class = parts.next().is_some();
        if found.file_type().is_dir() {
            if !is_in_class {
                classes.insert(class.into(), 0);
            }
        } else if !is_in_class || is_companion(found.path()) {
            ignored.push(found.into_path());
        } else {
            *classes.entry(PathBuf::from(&class)).or_default() += 1;
            entries.push(Entry {
                labels: vec![class.to_string_lossy().into_owned()],
                track: without_extension(relative),
                group: None,
                columns: BTreeMap::new(),
                path: found.into_path(),
            });
        }
    }
    if classes.is_empty() {
        return Err(DatasetError::NoClasses { path: root.into() });
    }
    match classes.iter().find(|(_, files)| **files == 0) {
        Some((class, _)) => Err(DatasetError::EmptyClass { path: root.join(class) }),
        None => Ok((entries, ignored)),
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn is_companion(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| COMPANIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}
