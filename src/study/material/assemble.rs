//! From recordings and sets of embeddings to rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::Array2;

use super::error::MaterialError;
use super::gathering::{Gathering, KeptFile, LeftOut};
use super::tracks::{Material, Track};
use crate::study::embedding_set::{EmbeddingRow, EmbeddingSet};

/// Tolerance of the sum of exclusive label shares around 1: single precision, and rounding
/// by their author.
const SHARES_TOLERANCE: f32 = 0.01;

/// A share from which a label counts as a track's, where a track may have several.
const PRESENT: f32 = 0.5;

/// A patch.
struct Row<'a> {
    track: usize,
    learn_only: bool,
    embedding: &'a [f32],
    /// Absent where the track's labels hold.
    targets: Option<&'a [(Arc<str>, f32)]>,
    weight: f64,
}

#[derive(Default)]
struct Assembly<'a> {
    labels: Vec<Arc<str>>,
    sources: Vec<Arc<str>>,
    groups: Vec<Arc<str>>,
    tracks: Vec<Track>,
    rows: Vec<Row<'a>>,
    group_numbers: BTreeMap<String, usize>,
    track_numbers: BTreeMap<(usize, Arc<str>), usize>,
}

/// Rows of the files that are used and of the sets, by track.
pub(super) fn assemble<'a>(
    from: &Gathering<'a>,
    kept: &[KeptFile<'a>],
    left_out: &mut LeftOut,
) -> Result<Material, MaterialError> {
    let of_sets = from.sets.iter().flat_map(|set| &set.rows).flat_map(|row| &row.targets);
    let labels: BTreeSet<Arc<str>> =
        from.dataset.labels.iter().chain(of_sets.map(|(label, _)| label)).chain(from.kept).cloned().collect();
    let mut assembly = Assembly {
        labels: labels.into_iter().collect(),
        sources: from.dataset.names.clone(),
        ..Assembly::default()
    };
    for kept in kept {
        assembly.add_file(from, kept, left_out);
    }
    for set in from.sets {
        assembly.add_set(set, from)?;
    }
    let mut pcm_sha256: Vec<String> = kept.iter().map(|kept| kept.heard.pcm_sha256.clone()).collect();
    pcm_sha256.sort();
    Ok(assembly.finish(from.dim, pcm_sha256))
}

impl<'a> Assembly<'a> {
    fn number_of(&self, label: &str) -> Option<usize> {
        self.labels.binary_search_by(|known| (**known).cmp(label)).ok()
    }

    /// A track that nobody grouped is a group of its own.
    fn group(&mut self, source: usize, track: &str, group: &Arc<str>) -> usize {
        let key = match **group == *track {
            true => format!("{source}:{group}"),
            false => format!("-:{group}"),
        };
        let next = self.groups.len();
        let number = *self.group_numbers.entry(key).or_insert(next);
        if number == next {
            self.groups.push(group.clone());
        }
        number
    }

    fn add_file(&mut self, from: &Gathering<'a>, kept: &KeptFile<'a>, left_out: &mut LeftOut) {
        let item = kept.item;
        let group = self.group(item.source, &item.track, &item.group);
        let labels = kept.labels.iter().filter_map(|label| self.number_of(from.dataset.labels.get(*label)?));
        let labels: Vec<usize> = labels.collect();
        let next = self.tracks.len();
        let number = *self.track_numbers.entry((item.source, item.track.clone())).or_insert(next);
        if number == next {
            let (id, source, weight) = (item.track.clone(), item.source, item.weight);
            self.tracks.push(Track { id, labels, group, source, weight });
        } else {
            let track = &mut self.tracks[number];
            track.labels.extend(labels);
            track.labels.sort_unstable();
            track.labels.dedup();
        }
        let hearings =
            std::iter::once((false, kept.heard)).chain(kept.altered.iter().map(|altered| (true, *altered)));
        for (is_altered, heard) in hearings {
            for (level, embedding) in heard.levels.iter().zip(heard.embeddings.chunks_exact(from.dim)) {
                if level.lufs_s >= from.silence_lufs {
                    self.rows.push(Row {
                        track: number,
                        learn_only: is_altered || item.is_doubtful,
                        embedding,
                        targets: None,
                        weight: 1.0,
                    });
                } else if !is_altered {
                    left_out.silent_patches += 1;
                }
            }
        }
    }

    fn add_set(&mut self, set: &'a EmbeddingSet, from: &Gathering<'_>) -> Result<(), MaterialError> {
        let multi = from.multi;
        let source = self.sources.iter().position(|name| **name == *set.name).unwrap_or_else(|| {
            self.sources.push(set.name.as_str().into());
            self.sources.len() - 1
        });
        // Tracks of the set alone: weight of its rows, and how many.
        let mut own: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        for row in &set.rows {
            if row.embedding.len() != from.dim {
                let (set, size) = (set.name.clone(), row.embedding.len());
                return Err(MaterialError::Size { set, size, dim: from.dim });
            }
            let sum: f32 = row.targets.iter().map(|(_, share)| share).sum();
            if !multi && (sum - 1.0).abs() > SHARES_TOLERANCE {
                let (set, track) = (set.name.clone(), row.track.clone());
                return Err(MaterialError::Shares { set, track, sum: format!("{sum:.2}") });
            }
            let group = self.group(source, &row.track, &row.group);
            let labels = self.labels_of(row, multi);
            let next = self.tracks.len();
            let number = *self.track_numbers.entry((source, row.track.clone())).or_insert(next);
            if number == next {
                self.tracks.push(Track { id: row.track.clone(), labels, group, source, weight: 1.0 });
                own.insert(number, (0.0, 0));
            }
            if let Some((weight, count)) = own.get_mut(&number) {
                *weight += row.weight;
                *count += 1;
            }
            self.rows.push(Row {
                track: number,
                learn_only: !row.is_judged,
                embedding: &row.embedding,
                targets: Some(&row.targets),
                weight: row.weight,
            });
        }
        for (number, (weight, count)) in own {
            self.tracks[number].weight = weight / count as f64;
        }
        Ok(())
    }

    /// The label of a row, or all that are more likely than not.
    fn labels_of(&self, row: &EmbeddingRow, multi: bool) -> Vec<usize> {
        let mut labels: Vec<usize> = match multi {
            true => row
                .targets
                .iter()
                .filter(|(_, share)| *share >= PRESENT)
                .filter_map(|(label, _)| self.number_of(label))
                .collect(),
            false => row
                .targets
                .iter()
                .max_by(|(_, a), (_, b)| a.total_cmp(b))
                .and_then(|(label, _)| self.number_of(label))
                .into_iter()
                .collect(),
        };
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    fn finish(mut self, dim: usize, pcm_sha256: Vec<String>) -> Material {
        // Files of one track may lie apart.
        self.rows.sort_by_key(|row| (row.track, row.learn_only));
        let mut sums = vec![0.0; self.tracks.len()];
        self.rows.iter().for_each(|row| sums[row.track] += row.weight);
        let weights = self
            .rows
            .iter()
            .map(|row| row.weight / sums[row.track] * self.tracks[row.track].weight)
            .collect();
        let mut targets = Array2::zeros((self.rows.len(), self.labels.len()));
        for (row, mut target) in self.rows.iter().zip(targets.rows_mut()) {
            match row.targets {
                None => self.tracks[row.track].labels.iter().for_each(|label| target[*label] = 1.0),
                Some(shares) => {
                    for (label, share) in shares {
                        if let Some(label) = self.number_of(label) {
                            target[label] += f64::from(*share);
                        }
                    }
                }
            }
        }
        let rows = &self.rows;
        Material {
            embeddings: Array2::from_shape_fn((rows.len(), dim), |(row, at)| rows[row].embedding[at]),
            targets,
            weights,
            track_of: rows.iter().map(|row| row.track).collect(),
            learn_only: rows.iter().map(|row| row.learn_only).collect(),
            labels: self.labels,
            sources: self.sources,
            groups: self.groups,
            tracks: self.tracks,
            pcm_sha256,
        }
    }
}
