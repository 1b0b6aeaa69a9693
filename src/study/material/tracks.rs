//! Labelled embeddings of tracks.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::Array2;

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

impl Material {
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
