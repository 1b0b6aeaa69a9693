//! Labelled recordings: one folder per label, or a CSV file with one row per recording.
//!
//! A *track* is one recording, of which there may be several files (cuts, copies). Whatever is
//! drawn or split is drawn and split by tracks, never by files or patches. A *group* holds tracks
//! that must stay on one side of a split: an artist, an album.

mod entry;
mod error;
mod filter;
mod folder;
mod groups;
mod index;
mod shape;
#[cfg(test)]
mod tests;

use entry::Entry;
pub use error::DatasetError;
pub use filter::Filter;
pub(in crate::study) use index::Table;
pub use shape::Trust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::SourceState;

/// Options of reading a data set.
#[derive(Debug, Clone, Default)]
pub struct DatasetOptions {
    /// Rows of an index to keep: of filters on one column any must fit, and each column's must.
    pub filters: Vec<Filter>,
    /// A CSV file with the columns `group` or `artist`, and `track` or `path`.
    pub groups: Option<PathBuf>,
    /// Tracks of no known group are one group whose last numbers, divided by this and
    /// rounded down, are equal, and whose names before that number are.
    pub group_blocks: Option<u32>,
}

/// One file of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Path; nothing has opened it yet.
    pub path: PathBuf,
    /// Its labels, as ascending indices into [`Dataset::labels`]; at least one.
    pub labels: Vec<usize>,
    /// Recording that it is, or is a part of.
    pub track: Arc<str>,
    /// Group of tracks that must not be separated; the track itself where nothing is known.
    pub group: Arc<str>,
    /// The other columns of an index, by name.
    pub columns: BTreeMap<String, String>,
    /// Index into [`Dataset::names`].
    pub source: usize,
    /// Weight in training, above 0; 1 is usual.
    pub weight: f64,
    /// True if its label may be wrong: it is learned from and not judged.
    pub is_doubtful: bool,
}

/// Labelled files.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The folder or the index.
    pub path: PathBuf,
    /// Names of the data sets that it was joined of.
    pub names: Vec<Arc<str>>,
    /// All labels that occur, sorted.
    pub labels: Vec<Arc<str>>,
    /// In the order of the index, or of the paths in a folder.
    pub items: Vec<Item>,
    /// Files in a folder that are no recordings by their name (pictures, playlists), or lie in no
    /// class folder.
    pub ignored: Vec<PathBuf>,
    /// Rows of an index without a label, which are left out.
    pub unlabelled: usize,
    /// Tracks that `--groups` does not know.
    pub ungrouped: usize,
}

impl Dataset {
    /// Reads `path`: a folder with a folder a label (each searched through to its leaves), or a CSV
    /// file.
    ///
    /// The CSV file has a header and the columns `path` (relative to the file's own folder, or
    /// absolute) and `genre` or `label` (several labels are separated by `|` or `;`); `track`, and
    /// `group` or `artist`, may be there. A track is the path without its extension where no column
    /// says another, relative to the folder and with `/`.
    ///
    /// # Errors
    /// Unreadable files, a folder without classes or with an empty one, an index without its
    /// columns, filters that leave nothing, files of one track that contradict each other.
    pub fn open(path: &Path, options: &DatasetOptions) -> Result<Self, DatasetError> {
        let unreadable =
            |error: std::io::Error| DatasetError::Unreadable { path: path.into(), what: error.to_string() };
        let is_folder = std::fs::metadata(path).map_err(unreadable)?.is_dir();
        let (mut entries, ignored, unlabelled) = if is_folder {
            if let Some(filter) = options.filters.first() {
                let what = format!(
                    "`--where {}={}` chooses rows of an index, and this is a folder",
                    filter.column, filter.value
                );
                return Err(DatasetError::Index { path: path.into(), what });
            }
            let (entries, ignored) = folder::read(path)?;
            (entries, ignored, 0)
        } else {
            let (entries, unlabelled) = index::read(path, &options.filters)?;
            (entries, Vec::new(), unlabelled)
        };
        let root = if is_folder { path } else { path.parent().unwrap_or(Path::new("")) };
        let ungrouped = match &options.groups {
            Some(file) => groups::assign(file, root, &mut entries)?,
            None => 0,
        };
        if let Some(block) = options.group_blocks {
            groups::assign_blocks(block, &mut entries);
        }
        let dataset = number(path, entries, ignored, unlabelled, ungrouped);
        dataset.check_tracks()?;
        Ok(dataset)
    }

    /// The labels of an item, in words.
    pub fn labels_of(&self, item: &Item) -> Vec<&str> {
        item.labels.iter().filter_map(|label| self.labels.get(*label)).map(AsRef::as_ref).collect()
    }

    /// Number of different tracks.
    pub fn tracks(&self) -> usize {
        self.items.iter().map(|item| &item.track).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// Refuses files with several labels, for heads whose labels exclude each other.
    ///
    /// # Errors
    /// [`DatasetError::SeveralLabels`], for the first such file.
    pub fn require_single(&self) -> Result<(), DatasetError> {
        match self.items.iter().find(|item| item.labels.len() > 1) {
            Some(item) => Err(DatasetError::SeveralLabels {
                file: item.path.clone(),
                labels: self.labels_of(item).join(", "),
            }),
            None => Ok(()),
        }
    }

    /// Refuses labels that are named like states (`silence`, `Music`).
    ///
    /// # Errors
    /// [`DatasetError::StateName`], for the first such label.
    pub fn require_genres(&self) -> Result<(), DatasetError> {
        let is_state = |index: &usize| SourceState::named(&self.labels[*index]).is_some();
        let Some(index) = (0..self.labels.len()).find(is_state) else { return Ok(()) };
        let file = self.items.iter().find(|item| item.labels.contains(&index)).map(|item| item.path.clone());
        Err(DatasetError::StateName {
            label: self.labels[index].clone(),
            file: file.unwrap_or_else(|| self.path.clone()),
            is_folder: self.path.is_dir(),
        })
    }

    /// Refuses a data set in which there is nothing to tell apart.
    ///
    /// # Errors
    /// [`DatasetError::OneLabel`].
    pub fn require_several_labels(&self) -> Result<(), DatasetError> {
        match self.labels.as_slice() {
            [label] => Err(DatasetError::OneLabel { path: self.path.clone(), label: label.clone() }),
            _ => Ok(()),
        }
    }

    /// All files of a track have the same labels and the same group.
    fn check_tracks(&self) -> Result<(), DatasetError> {
        let mut first: BTreeMap<&str, &Item> = BTreeMap::new();
        for item in &self.items {
            let known = *first.entry(&item.track).or_insert(item);
            let what = if known.labels != item.labels {
                "genre"
            } else if known.group != item.group {
                "group"
            } else {
                continue;
            };
            let says = |item: &Item| {
                let file = item.path.display();
                match what {
                    "genre" => format!("`{}` in `{file}`", self.labels_of(item).join("`, `")),
                    _ => format!("in group `{}` in `{file}`", item.group),
                }
            };
            let (one, other) = (says(known), says(item));
            return Err(DatasetError::Contradiction { track: item.track.clone(), what, one, other });
        }
        Ok(())
    }
}

/// Sorts the labels and numbers them.
fn number(
    path: &Path,
    entries: Vec<Entry>,
    ignored: Vec<PathBuf>,
    unlabelled: usize,
    ungrouped: usize,
) -> Dataset {
    let mut labels: Vec<Arc<str>> =
        entries.iter().flat_map(|entry| &entry.labels).map(|label| label.as_str().into()).collect();
    labels.sort();
    labels.dedup();
    let items = entries
        .into_iter()
        .map(|entry| {
            let track: Arc<str> = entry.track.into();
            let mut numbers: Vec<usize> = entry
                .labels
                .iter()
                .filter_map(|label| labels.binary_search_by(|known| (**known).cmp(label)).ok())
                .collect();
            numbers.sort_unstable();
            numbers.dedup();
            Item {
                path: entry.path,
                labels: numbers,
                group: entry.group.map_or_else(|| track.clone(), Into::into),
                track,
                columns: entry.columns,
                source: 0,
                weight: 1.0,
                is_doubtful: false,
            }
        })
        .collect();
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Dataset { path: path.into(), names: vec![name.into()], labels, items, ignored, unlabelled, ungrouped }
}
