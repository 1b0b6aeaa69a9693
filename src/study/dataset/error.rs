//! Faults of data sets.

use std::path::PathBuf;
use std::sync::Arc;

/// Fault of a data set, found before any file is decoded.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A folder or an index that cannot be read.
    #[error("`{}` cannot be read: {what}", path.display())]
    Unreadable {
        /// Its name.
        path: PathBuf,
        /// Reason.
        what: String,
    },
    /// A folder without class folders.
    #[error(
        "`{}` holds no class folder; it needs one folder a genre, as in `rock/one.mp3`, or name an index, as in `--data index.csv`",
        path.display()
    )]
    NoClasses {
        /// The folder.
        path: PathBuf,
    },
    /// A class folder without sound files.
    #[error("the class folder `{}` holds no sound file; put some in it, or remove it", path.display())]
    EmptyClass {
        /// The folder.
        path: PathBuf,
    },
    /// An index that does not say what it must.
    #[error("`{}`: {what}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Fault, with its line where there is one.
        what: String,
    },
    /// Filters that let nothing through.
    #[error("`{}` has no labelled row with {filters}; check `--where`", path.display())]
    NothingLeft {
        /// The index.
        path: PathBuf,
        /// The filters.
        filters: String,
    },
    /// Files of one track that contradict each other.
    #[error(
        "track `{track}` is {one} and {other}; a track has the same {what} in all its files: correct one, or give them different tracks"
    )]
    Contradiction {
        /// The track.
        track: Arc<str>,
        /// Column that differs: `genre` or `group`.
        what: &'static str,
        /// Value of the first file, and its name.
        one: String,
        /// Value of another.
        other: String,
    },
    /// Several labels where one is wanted.
    #[error(
        "`{}` has {} labels ({labels}), and one is wanted; correct it, or use a head of several labels (`--multi-label` when training)",
        file.display(), labels.split(", ").count()
    )]
    SeveralLabels {
        /// The file.
        file: PathBuf,
        /// Its labels.
        labels: String,
    },
    /// A label that is the name of a state.
    #[error(
        "the label `{label}` (of `{}`) is the name of a state, which genres share a topic with; rename {}, for example to `{}-music`, or leave {} out: genred tells states by itself",
        file.display(), if *is_folder { "its folder" } else { "it" }, label.to_lowercase(), if *is_folder { "the folder" } else { "its rows" }
    )]
    StateName {
        /// The label.
        label: Arc<str>,
        /// A file that has it.
        file: PathBuf,
        /// True if labels are folders.
        is_folder: bool,
    },
    /// Nothing to tell apart.
    #[error("`{}` has only the label `{label}`; there must be at least two", path.display())]
    OneLabel {
        /// The data set.
        path: PathBuf,
        /// The label.
        label: Arc<str>,
    },
}
