//! Usable part of a data set, and the list of the rest.

mod assemble;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array2;

use super::dataset::{Dataset, Item};
use super::embedding_set::EmbeddingSet;
use super::offline::{FileError, Heard};

/// Tracks that a label must have before one of its groups is said to dominate it.
const DOMINATED_FROM: usize = 3;

/// One recording.
#[derive(Debug, Clone)]
pub struct Track {
    /// Its id within its data set.
    pub id: Arc<str>,
    /// Ascending indices into [`Material::labels`].
    pub labels: Vec<usize>,
    /// Index into [`Material::groups`]. Tracks of a group must not be separated.
    pub group: usize,
    /// Index into [`Material::sources`].
    pub source: usize,
    /// Weight in training, 1 being usual.
    pub weight: f64,
}

/// Labelled embeddings of tracks.
#[derive(Debug, Clone)]
pub struct Material {
    /// Names of the labels, sorted.
    pub labels: Vec<Arc<str>>,
    /// Names of the data sets and sets of embeddings.
    pub sources: Vec<Arc<str>>,
    /// Names of the groups.
    pub groups: Vec<Arc<str>>,
    /// In the order of the data set.
    pub tracks: Vec<Track>,
    /// `[patches, dim]`
    pub embeddings: Array2<f32>,
    /// Shares of labels, 0 to 1, `[patches, labels]`.
    pub targets: Array2<f64>,
    /// Of each patch; those of a track sum to the track's.
    pub weights: Vec<f64>,
    /// Index into `tracks`, one per patch, ascending.
    pub track_of: Vec<usize>,
    /// Patches that are learned from and never judged: altered sound, doubtful labels. Within a
    /// track they come last.
    pub learn_only: Vec<bool>,
    /// Of the decoded PCM of each file that is used, sorted.
    pub pcm_sha256: Vec<String>,
}

/// Sources of the material.
#[derive(Debug)]
pub struct Gathering<'a> {
    /// Labelled files.
    pub dataset: &'a Dataset,
    /// Their embeddings, in their order; then the same files again, as often as they were heard
    /// altered.
    pub heard: &'a [Result<Heard, FileError>],
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

/// A group that has more than half of the weight of a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Dominance {
    /// The label.
    pub label: Arc<str>,
    /// The group: an artist.
    pub group: Arc<str>,
    /// Its share of the label's weight, 0 to 1.
    pub share: f64,
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

impl Material {
    /// Puts together what was heard of a data set's items, in their order, and the sets of
    /// embeddings.
    ///
    /// Left out are files that could not be heard, silent patches, copies, and, if labels exclude
    /// each other, files whose sound is also under another label. If they do not, such a file's
    /// labels are joined.
    ///
    /// # Errors
    /// A label keeps no track, or its tracks are in one group only, or all tracks have it.
    pub fn gather(from: &Gathering<'_>) -> Result<(Self, LeftOut), MaterialError> {
        let dataset = from.dataset;
        let mut left_out = LeftOut::default();
        let (heard, altered) = from.heard.split_at(dataset.items.len().min(from.heard.len()));
        let mut by_sound: BTreeMap<&str, Vec<(usize, &Item, &Heard)>> = BTreeMap::new();
        for (index, (item, heard)) in dataset.items.iter().zip(heard).enumerate() {
            match heard {
                Err(error) => left_out.unreadable.push((item.path.clone(), error.to_string())),
                Ok(heard) if heard.levels.iter().all(|level| level.lufs_s < from.silence_lufs) => {
                    left_out.silent.push(item.path.clone());
                }
                Ok(heard) => by_sound.entry(&heard.pcm_sha256).or_default().push((index, item, heard)),
            }
        }
        // Into the data set's order: that of the hashes would change with every bit of a recording.
        let mut sounds: Vec<_> = by_sound.into_values().collect();
        sounds.sort_by_key(|copies| copies[0].0);
        let mut kept: Vec<Kept<'_>> = Vec::new();
        for copies in sounds {
            let (index, first, heard) = copies[0];
            let paths = copies.iter().map(|(_, item, _)| item.path.clone());
            let mut labels: Vec<usize> =
                copies.iter().flat_map(|(_, item, _)| &item.labels).copied().collect();
            labels.sort_unstable();
            labels.dedup();
            if !from.multi && labels != first.labels {
                left_out.contradictions.push(paths.collect());
                continue;
            }
            left_out.copies.extend(paths.skip(1).map(|copy| (copy, first.path.clone())));
            let altered =
                altered.chunks(dataset.items.len().max(1)).filter_map(|copy| copy.get(index)?.as_ref().ok());
            kept.push(Kept { item: first, labels, heard, altered: altered.collect() });
        }
        let material = assemble::assemble(from, &kept, &mut left_out)?;
        material.check(from)?;
        Ok((material, left_out))
    }

    fn check(&self, from: &Gathering<'_>) -> Result<(), MaterialError> {
        if let [label] = self.labels.as_slice() {
            return Err(MaterialError::OneLabel { label: label.clone() });
        }
        for (index, label) in self.labels.iter().enumerate() {
            let (label, of) = (label.clone(), self.tracks_of(index));
            if of.is_empty() {
                if from.kept.contains(&label) {
                    continue;
                }
                let names = &from.dataset.labels;
                let is_it = |number: &usize| names.get(*number) == Some(&label);
                let files = from.dataset.items.iter().filter(|item| item.labels.iter().any(is_it)).count();
                return Err(MaterialError::Nothing { label, files });
            }
            let groups = self.groups_of(index);
            if groups < 2 && !from.known.contains(&label) {
                return Err(MaterialError::TooFew { label, tracks: of.len(), groups });
            }
            if of.len() == self.tracks.len() && !from.known.contains(&label) {
                return Err(MaterialError::Everywhere { label });
            }
        }
        Ok(())
    }

    /// The tracks that have a label.
    pub fn tracks_of(&self, label: usize) -> Vec<&Track> {
        self.tracks.iter().filter(|track| track.labels.contains(&label)).collect()
    }

    /// True where the head keeps a label that no track has.
    pub fn lacks_labels(&self) -> bool {
        (0..self.labels.len()).any(|label| self.tracks_of(label).is_empty())
    }

    /// Number of groups that have a label.
    pub fn groups_of(&self, label: usize) -> usize {
        let mut groups: Vec<usize> = self.tracks_of(label).iter().map(|track| track.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }

    /// Groups that have more than half of the weight of a label, and several of its tracks.
    pub fn dominated(&self) -> Vec<Dominance> {
        let of_label = |index: usize| {
            let tracks = self.tracks_of(index);
            let total: f64 = tracks.iter().map(|track| track.weight).sum();
            let mut sizes: BTreeMap<usize, (usize, f64)> = BTreeMap::new();
            for track in &tracks {
                let size = sizes.entry(track.group).or_default();
                *size = (size.0 + 1, size.1 + track.weight);
            }
            let (group, (_, weight)) = sizes
                .into_iter()
                .find(|(_, (count, weight))| *count > 1 && *weight > 0.5 * total)
                .filter(|_| tracks.len() >= DOMINATED_FROM)?;
            let (label, group) = (self.labels[index].clone(), self.groups[group].clone());
            Some(Dominance { label, group, share: weight / total })
        };
        (0..self.labels.len()).filter_map(of_label).collect()
    }

    /// Number of patches that are judged.
    pub fn patches(&self) -> usize {
        self.learn_only.iter().filter(|learn_only| !**learn_only).count()
    }

    /// Number of these that have a label.
    pub fn patches_of(&self, label: usize) -> usize {
        let rows = self.track_of.iter().zip(&self.learn_only);
        rows.filter(|(track, learn_only)| !**learn_only && self.tracks[**track].labels.contains(&label))
            .count()
    }
}

/// A file that is used.
struct Kept<'a> {
    item: &'a Item,
    /// Its own and those of its copies.
    labels: Vec<usize>,
    heard: &'a Heard,
    altered: Vec<&'a Heard>,
}
