//! What of a data set can be learned from, and what had to be left out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array2;

use super::dataset::{Dataset, Item};
use crate::engine::offline::{FileError, Heard};

/// One recording.
#[derive(Debug, Clone)]
pub struct Track {
    /// Its id within the data set.
    pub id: Arc<str>,
    /// Ascending indices into [`Material::labels`].
    pub labels: Vec<usize>,
    /// Tracks with the same number must not be separated.
    pub group: usize,
}

/// Labelled embeddings of tracks.
#[derive(Debug, Clone)]
pub struct Material {
    /// Names of the labels.
    pub labels: Vec<Arc<str>>,
    /// In the order of the data set.
    pub tracks: Vec<Track>,
    /// `[patches, dim]`
    pub embeddings: Array2<f32>,
    /// Index into `tracks`, one a patch, ascending.
    pub track_of: Vec<usize>,
    /// Of each patch, whether its sound was altered: such are learned from, and never judged. Within a track they
    /// come last.
    pub is_altered: Vec<bool>,
    /// Of the decoded PCM of each file that is used, sorted.
    pub pcm_sha256: Vec<String>,
}

/// A file that is used.
struct Kept<'a> {
    item: &'a Item,
    /// Its own and those of its copies.
    labels: Vec<usize>,
    heard: &'a Heard,
    altered: Vec<&'a Heard>,
}

/// What was left out, and why.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    /// Files that cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files in which no patch is loud enough.
    pub silent: Vec<PathBuf>,
    /// Patches of the other files that are not.
    pub silent_patches: usize,
    /// Files with the same sound as another with the same labels, which is kept: the copy, the other.
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

/// What makes a data set useless for training.
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
    /// What is held out could not be learned from the rest.
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
    /// A label that says nothing.
    #[error("`{label}` is on all tracks, so nothing can be learned about it; leave it out")]
    Everywhere {
        /// The label.
        label: Arc<str>,
    },
}

impl Material {
    /// Puts together what was heard of a data set's items, in their order.
    ///
    /// `heard` may go on with the same items again, as often as they were heard altered. Left out are files that
    /// could not be heard, patches quieter than `silence_lufs`, copies, and, if `multi` is not set, files whose
    /// sound is also under another label. If it is, such a file's labels are joined. `dim` is the size of an
    /// embedding.
    ///
    /// # Errors
    /// When a label keeps no track, or its tracks are in one group only, or all tracks have it.
    pub fn gather(
        dataset: &Dataset,
        heard: &[Result<Heard, FileError>],
        dim: usize,
        silence_lufs: f32,
        multi: bool,
    ) -> Result<(Self, LeftOut), MaterialError> {
        let mut left_out = LeftOut::default();
        let (heard, altered) = heard.split_at(dataset.items.len().min(heard.len()));
        let mut by_sound: BTreeMap<&str, Vec<(usize, &Item, &Heard)>> = BTreeMap::new();
        for (index, (item, heard)) in dataset.items.iter().zip(heard).enumerate() {
            match heard {
                Err(error) => left_out.unreadable.push((item.path.clone(), error.to_string())),
                Ok(heard) if heard.levels.iter().all(|level| level.lufs_s < silence_lufs) => {
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
            if !multi && labels != first.labels {
                left_out.contradictions.push(paths.collect());
                continue;
            }
            left_out.copies.extend(paths.skip(1).map(|copy| (copy, first.path.clone())));
            let altered =
                altered.chunks(dataset.items.len().max(1)).filter_map(|copy| copy.get(index)?.as_ref().ok());
            kept.push(Kept { item: first, labels, heard, altered: altered.collect() });
        }
        let material = Self::new(dataset, &kept, dim, silence_lufs, &mut left_out);
        material.check(dataset)?;
        Ok((material, left_out))
    }

    fn new(
        dataset: &Dataset,
        kept: &[Kept<'_>],
        dim: usize,
        silence_lufs: f32,
        left_out: &mut LeftOut,
    ) -> Self {
        let mut tracks: Vec<Track> = Vec::new();
        let (mut index_of, mut group_of) = (BTreeMap::new(), BTreeMap::new());
        for Kept { item, labels, .. } in kept {
            let groups = group_of.len();
            let group = *group_of.entry(&item.group).or_insert(groups);
            let index = *index_of.entry(&item.track).or_insert(tracks.len());
            if index == tracks.len() {
                tracks.push(Track { id: item.track.clone(), labels: labels.clone(), group });
            } else {
                tracks[index].labels.extend(labels);
                tracks[index].labels.sort_unstable();
                tracks[index].labels.dedup();
            }
        }
        let mut rows: Vec<(usize, bool, &[f32])> = Vec::new();
        for Kept { item, heard, altered, .. } in kept {
            let hearings =
                std::iter::once((false, *heard)).chain(altered.iter().map(|altered| (true, *altered)));
            for (is_altered, heard) in hearings {
                for (level, row) in heard.levels.iter().zip(heard.embeddings.chunks_exact(dim)) {
                    if level.lufs_s >= silence_lufs {
                        rows.push((index_of[&item.track], is_altered, row));
                    } else if !is_altered {
                        left_out.silent_patches += 1;
                    }
                }
            }
        }
        // Files of one track may lie apart.
        rows.sort_by_key(|(track, is_altered, _)| (*track, *is_altered));
        let embeddings = Array2::from_shape_fn((rows.len(), dim), |(row, at)| rows[row].2[at]);
        let mut pcm_sha256: Vec<String> = kept.iter().map(|kept| kept.heard.pcm_sha256.clone()).collect();
        pcm_sha256.sort();
        Self {
            labels: dataset.labels.clone(),
            track_of: rows.iter().map(|(track, ..)| *track).collect(),
            is_altered: rows.iter().map(|(_, is_altered, _)| *is_altered).collect(),
            tracks,
            embeddings,
            pcm_sha256,
        }
    }

    fn check(&self, dataset: &Dataset) -> Result<(), MaterialError> {
        for (index, label) in self.labels.iter().enumerate() {
            let (label, of) = (label.clone(), self.tracks_of(index));
            if of.is_empty() {
                let files = dataset.items.iter().filter(|item| item.labels.contains(&index)).count();
                return Err(MaterialError::Nothing { label, files });
            }
            let groups = self.groups_of(index);
            if groups < 2 {
                return Err(MaterialError::TooFew { label, tracks: of.len(), groups });
            }
            if of.len() == self.tracks.len() {
                return Err(MaterialError::Everywhere { label });
            }
        }
        Ok(())
    }

    /// The tracks that have a label.
    pub fn tracks_of(&self, label: usize) -> Vec<&Track> {
        self.tracks.iter().filter(|track| track.labels.contains(&label)).collect()
    }

    /// Number of groups that have a label.
    pub fn groups_of(&self, label: usize) -> usize {
        let mut groups: Vec<usize> = self.tracks_of(label).iter().map(|track| track.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }

    /// Number of patches, as they were recorded.
    pub fn patches(&self) -> usize {
        self.is_altered.iter().filter(|is_altered| !**is_altered).count()
    }

    /// Number of these that have a label.
    pub fn patches_of(&self, label: usize) -> usize {
        let rows = self.track_of.iter().zip(&self.is_altered);
        rows.filter(|(track, is_altered)| !**is_altered && self.tracks[**track].labels.contains(&label))
            .count()
    }

    /// 0 or 1: `[patches, labels]`.
    pub fn targets(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.track_of.len(), self.labels.len()), |(row, label)| {
            f64::from(u8::from(self.tracks[self.track_of[row]].labels.contains(&label)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::{Level, PatchSpan};

    /// A file with its labels, track and group.
    fn item(path: &str, labels: &[usize], track: &str, group: &str) -> Item {
        Item {
            path: path.into(),
            labels: labels.to_vec(),
            track: track.into(),
            group: group.into(),
            columns: BTreeMap::new(),
        }
    }

    fn dataset(items: Vec<Item>) -> Dataset {
        Dataset {
            path: "data".into(),
            labels: vec!["jazz".into(), "rock".into()],
            items,
            ignored: Vec::new(),
            unlabelled: 0,
            ungrouped: 0,
        }
    }

    /// Patches of one value and loudness each.
    fn heard(sound: &str, patches: &[(f32, f32)]) -> Result<Heard, FileError> {
        Ok(Heard {
            duration_s: 3.0,
            pcm_sha256: sound.into(),
            spans: vec![PatchSpan { start: 0.0, end: 3.0 }; patches.len()],
            levels: patches.iter().map(|(_, lufs_s)| Level::of_loudness(*lufs_s)).collect(),
            embeddings: patches.iter().map(|(value, _)| *value).collect(),
        })
    }

    fn ids(material: &Material) -> Vec<&str> {
        material.tracks.iter().map(|track| &*track.id).collect()
    }

    #[test]
    fn cuts_of_a_track_are_joined_and_silence_is_dropped() {
        let data = dataset(vec![
            item("1", &[0], "a", "x"),
            item("2", &[1], "b", "y"),
            item("3", &[0], "a", "x"),
            item("4", &[0], "c", "z"),
            item("5", &[1], "d", "d"),
        ]);
        let sounds = [
            heard("s1", &[(1.0, -20.0), (2.0, -65.0)]),
            heard("s2", &[(3.0, -20.0)]),
            heard("s3", &[(4.0, -20.0)]),
            heard("s4", &[(5.0, -60.0)]),
            heard("s0", &[(6.0, -20.0)]),
        ];
        let (material, left_out) = Material::gather(&data, &sounds, 1, -60.0, false).unwrap();
        assert_eq!(ids(&material), ["a", "b", "c", "d"]);
        assert_eq!(material.track_of, [0, 0, 1, 2, 3]);
        assert_eq!(material.embeddings.iter().copied().collect::<Vec<f32>>(), [1.0, 4.0, 3.0, 5.0, 6.0]);
        assert_eq!(material.pcm_sha256, ["s0", "s1", "s2", "s3", "s4"]);
        assert_eq!(material.targets().column(0).to_vec(), [1.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!((material.patches_of(0), material.groups_of(0), left_out.silent_patches), (3, 2, 1));
    }

    /// Heard again altered: more patches of the same tracks, which count as nothing else.
    #[test]
    fn altered_hearings_add_patches_to_their_tracks() {
        let data = dataset(vec![
            item("1", &[0], "a", "a"),
            item("2", &[1], "b", "b"),
            item("3", &[0], "c", "c"),
            item("4", &[1], "d", "d"),
        ]);
        let first = ["s1", "s2", "s3", "s4"].map(|sound| heard(sound, &[(1.0, -20.0), (2.0, -20.0)]));
        let again = ["s1", "s2", "s3", "s4"].map(|sound| heard(sound, &[(3.0, -20.0), (4.0, -65.0)]));
        let lost = FileError::Model(crate::model::ModelError::Run("lost".into()));
        let third = [heard("s1", &[(5.0, -20.0)]), Err(lost), heard("s3", &[]), heard("s4", &[])];
        let all: Vec<_> = first.into_iter().chain(again).chain(third).collect();
        let (material, left_out) = Material::gather(&data, &all, 1, -60.0, false).unwrap();
        assert_eq!(material.track_of, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        let values: Vec<f32> = material.embeddings.iter().copied().collect();
        assert_eq!(values, [1.0, 2.0, 3.0, 5.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_eq!(material.is_altered[..5], [false, false, true, true, false]);
        assert_eq!((material.patches(), material.patches_of(0), left_out.silent_patches), (8, 4, 0));
        assert_eq!(material.pcm_sha256.len(), 4);
    }

    /// Two files of one sound: in one genre a copy; in two genres a contradiction, or both genres where that may be.
    #[test]
    fn one_sound_counts_once() {
        let data = dataset(vec![
            item("jazz/1", &[0], "j1", "j1"),
            item("jazz/2", &[0], "j2", "j2"),
            item("jazz/3", &[0], "j3", "j3"),
            item("rock/1", &[1], "r1", "r1"),
            item("rock/2", &[1], "r2", "r2"),
            item("rock/3", &[1], "r3", "r3"),
        ]);
        let sounds = ["a", "b", "c", "c", "d", "e"].map(|sound| heard(sound, &[(0.0, -20.0)]));
        let (material, left_out) = Material::gather(&data, &sounds, 1, -60.0, false).unwrap();
        assert_eq!(ids(&material), ["j1", "j2", "r2", "r3"]);
        assert_eq!(left_out.contradictions, [vec![Path::new("jazz/3"), Path::new("rock/1")]]);
        assert_eq!(left_out.to_string(), "files whose sound is under several genres: 2");
        let (material, left_out) = Material::gather(&data, &sounds, 1, -60.0, true).unwrap();
        assert_eq!(ids(&material), ["j1", "j2", "j3", "r2", "r3"]);
        assert_eq!(material.tracks[2].labels, [0, 1]);
        assert_eq!(left_out.copies, [("rock/1".into(), "jazz/3".into())]);
    }

    #[test]
    fn a_label_that_cannot_be_learned_is_an_error() {
        let rock = || [item("r1", &[1], "r1", "r1"), item("r2", &[1], "r2", "r2")];
        let check = |jazz: Vec<Item>, loudness: f32, multi: bool, expected: MaterialError| {
            let count = jazz.len();
            let data = dataset(jazz.into_iter().chain(rock()).collect());
            let sounds: Vec<_> = (0..count + 2)
                .map(|at| heard(&at.to_string(), &[(0.0, if at < count { loudness } else { -20.0 })]))
                .collect();
            assert_eq!(Material::gather(&data, &sounds, 1, -60.0, multi).unwrap_err(), expected);
        };
        let jazz = || vec![item("j1", &[0], "j1", "one"), item("j2", &[0], "j2", "one")];
        let label: Arc<str> = "jazz".into();
        check(jazz(), -70.0, false, MaterialError::Nothing { label: label.clone(), files: 2 });
        check(jazz(), -20.0, false, MaterialError::TooFew { label, tracks: 2, groups: 1 });
        let both = vec![item("j1", &[0, 1], "j1", "j1"), item("j2", &[0, 1], "j2", "j2")];
        check(both, -20.0, true, MaterialError::Everywhere { label: "rock".into() });
    }
}
