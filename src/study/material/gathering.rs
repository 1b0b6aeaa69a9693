//! Sources of the material, and the list of what is not used.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::study::dataset::{Dataset, Item};
use crate::study::embedding_set::EmbeddingSet;
use crate::study::offline::{EmbeddedAudio, FileError};

/// Sources of the material.
#[derive(Debug)]
pub struct Gathering<'a> {
    /// Labelled files.
    pub dataset: &'a Dataset,
    /// Their embeddings, in their order; then the same files again, as often as they were heard
    /// altered.
    pub heard: &'a [Result<EmbeddedAudio, FileError>],
    /// Labelled embeddings beside them.
    pub sets: &'a [EmbeddingSet],
    /// Size of an embedding.
    pub dim: usize,
    /// Patches quieter than this are left out.
    pub silence_lufs: f32,
    /// True if a track may have several labels.
    pub multi: bool,
    /// Labels about which a prior knows something: a single group of such a label is enough.
    pub known: &'a [Arc<str>],
    /// Labels that the head keeps, whether there is material for them or not.
    pub kept: &'a [Arc<str>],
}

/// A file that is used.
pub(super) struct KeptFile<'a> {
    pub(super) item: &'a Item,
    /// Its own and those of its copies.
    pub(super) labels: Vec<usize>,
    pub(super) heard: &'a EmbeddedAudio,
    pub(super) altered: Vec<&'a EmbeddedAudio>,
}

/// Parts of a data set that were left out, by reason.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    /// Files that cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files in which no patch is loud enough.
    pub silent: Vec<PathBuf>,
    /// Patches of the other files that are not.
    pub silent_patches: usize,
    /// Files with the same sound as another with the same labels, which is kept: the copy, the
    /// other.
    pub copies: Vec<(PathBuf, PathBuf)>,
    /// Files with the same sound as another under another label: none of them is used.
    pub contradictions: Vec<Vec<PathBuf>>,
}

impl fmt::Display for LeftOut {
    /// The counts of what there is, in one line; nothing where nothing was left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_contradiction = self.contradictions.iter().map(Vec::len).sum();
        let counts = [
            (self.unreadable.len(), "unreadable files"),
            (self.silent.len(), "silent files"),
            (self.copies.len(), "copies"),
            (in_contradiction, "files whose sound is under several genres"),
            (self.silent_patches, "silent patches in other files"),
        ];
        let parts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{what}: {count}"))
            .collect();
        f.write_str(&parts.join(", "))
    }
}
