//! Data sets in a folder: one folder or one playlist per label.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::entry::{Entry, without_extension};
use super::error::DatasetError;
use crate::source::folder::{FileClass, FolderEntry, classify, walk};
use crate::source::playlist::local;

/// The recordings under `root`, sorted by path, and the files that were passed over.
///
/// Names of playlists are the labels where there is no class folder.
pub(super) fn read(root: &Path) -> Result<(Vec<Entry>, Vec<PathBuf>), DatasetError> {
    let (mut entries, mut ignored) = (Vec::new(), Vec::new());
    let mut classes: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for found in walk(root) {
        let path = match found {
            // Hidden files were never counted, nor what lies in hidden folders.
            FolderEntry::Hidden(_) => continue,
            FolderEntry::Unreadable(path, what) => return Err(DatasetError::Unreadable { path, what }),
            FolderEntry::Folder(path) => {
                let class = relative(&path, root);
                if class.components().count() == 1 {
                    classes.insert(class.into(), 0);
                }
                continue;
            }
            FolderEntry::File(path) => path,
        };
        let name = relative(&path, root);
        let class: PathBuf = name.components().take(1).collect();
        // Whatever is not known to be none is tried, and said if it cannot be decoded.
        if name.components().count() < 2 || classify(&path) == FileClass::Companion {
            ignored.push(path);
            continue;
        }
        *classes.entry(class.clone()).or_default() += 1;
        entries.push(entry(class.to_string_lossy().into_owned(), without_extension(name), path.clone()));
    }
    if classes.is_empty() {
        return lists(root, ignored);
    }
    match classes.iter().find(|(_, files)| **files == 0) {
        Some((class, _)) => Err(DatasetError::EmptyClass { path: root.join(class) }),
        None => Ok((entries, ignored)),
    }
}

/// The recordings that the playlists among `files` name; their names are the labels.
fn lists(root: &Path, files: Vec<PathBuf>) -> Result<(Vec<Entry>, Vec<PathBuf>), DatasetError> {
    let (mut entries, mut ignored) = (Vec::new(), Vec::new());
    for list in files {
        let found = local::files(&list)
            .map_err(|error| DatasetError::Index { path: list.clone(), what: error.to_string() })?;
        let Some(found) = found else {
            ignored.push(list);
            continue;
        };
        let label = list.file_stem().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
        let mut seen = BTreeSet::new();
        for path in found.paths.into_iter().filter(|path| seen.insert(path.clone())) {
            let track = without_extension(relative(&path, root));
            entries.push(entry(label.clone(), track, path));
        }
    }
    match entries.is_empty() {
        true => Err(DatasetError::NoClasses { path: root.into() }),
        false => Ok((entries, ignored)),
    }
}

fn relative<'a>(path: &'a Path, root: &Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

fn entry(label: String, track: String, path: PathBuf) -> Entry {
    Entry { labels: vec![label], track, group: None, columns: BTreeMap::new(), path }
}
