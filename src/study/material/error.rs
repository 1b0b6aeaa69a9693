//! Faults that make a data set useless for training.

use std::sync::Arc;

/// Fault that makes a data set useless for training.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// Nothing of a label is left.
    #[error(
        "nothing of `{label}` can be used: its {files} files are unreadable, silent, or also under another label; \
         put others there, or remove it"
    )]
    Nothing {
        /// The label.
        label: Arc<str>,
        /// Its files.
        files: usize,
    },
    /// A label that cannot be held out and learned at once.
    #[error(
        "`{label}` has too little to hold some out (usable tracks: {tracks}, groups: {groups}); at least 2 groups, which are artists \
         or single tracks, are needed: one to learn from and one to check with"
    )]
    TooFew {
        /// The label.
        label: Arc<str>,
        /// Its tracks.
        tracks: usize,
        /// Its groups.
        groups: usize,
    },
    /// Shares of labels that exclude each other and do not sum to 1.
    #[error(
        "track `{track}` of `{set}` has shares of labels that sum to {sum}, not 1; correct them, or use --multi-label"
    )]
    Shares {
        /// The set of embeddings.
        set: String,
        /// The track.
        track: Arc<str>,
        /// Their sum, with two decimals.
        sum: String,
    },
    /// An embedding of another trunk.
    #[error("`{set}` holds embeddings of {size} values; this bundle's have {dim}")]
    Size {
        /// The set of embeddings.
        set: String,
        /// Its embeddings' values.
        size: usize,
        /// The bundle's.
        dim: usize,
    },
    /// Nothing to tell apart.
    #[error("there is only the label `{label}`; there must be at least two")]
    OneLabel {
        /// The label.
        label: Arc<str>,
    },
    /// A label that says nothing.
    #[error("`{label}` is on all tracks, so nothing can be learned about it; leave it out")]
    Everywhere {
        /// The label.
        label: Arc<str>,
    },
}
