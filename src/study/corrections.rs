//! Material from stored corrections: the later one counts, the embedding must fit,
//! and neighbours in time belong together. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::embedding_set::{EmbeddingRow, EmbeddingSet};
use crate::sink::corrections::{Stored, Summary};

/// Name of the data set, which precedes the names of corrections in a bundle's list of tracks.
pub const CORRECTIONS: &str = "corrections";

/// Corrections of one source that are closer in time than this are of one group: probably one
/// piece.
const ONE_PIECE_MS: i64 = 3 * 60 * 1000;

/// Patches of one correction that count.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectedTrack {
    /// Name of the correction, such as `radio-12`.
    pub id: Arc<str>,
    /// Name of the group, which is never on both sides of a split.
    pub group: Arc<str>,
    /// The genre that is right.
    pub genre: Arc<str>,
    /// `[patches, dim]`, row-major.
    pub embeddings: Vec<f32>,
}

/// Corrections that training uses, and what was left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Corrected {
    /// In the order of their requests.
    pub tracks: Vec<CorrectedTrack>,
    /// Corrections, patches and groups that are used, by genre.
    pub labels: BTreeMap<Arc<str>, CorrectionCounts>,
    /// Contradictions: numbers of an earlier and a later correction of the same time under
    /// different genres.
    pub contradictions: Vec<(i64, i64)>,
    /// Patches that a later correction gives another genre.
    pub contradicted_patches: usize,
    /// Patches that a later correction repeats with the same genre.
    pub repeated_patches: usize,
    /// Corrections for another embedding, by its identifier.
    pub other_embeddings: BTreeMap<String, usize>,
    /// Rows that cannot be read.
    pub damaged: usize,
}

/// Amount of material of a genre.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CorrectionCounts {
    /// Corrections.
    pub corrections: usize,
    /// Their patches.
    pub patches: usize,
    /// Their groups.
    pub groups: usize,
}

impl Corrected {
    /// Sorts out what was `stored`, oldest first, for a bundle whose embedding is `embedding_id`
    /// with `dim` values; `damaged` rows could not be read.
    pub fn new(stored: &[Stored], embedding_id: &str, dim: usize, damaged: usize) -> Self {
        let mut found = Self { damaged, ..Self::default() };
        let mut fitting: Vec<&Stored> = Vec::new();
        for row in stored {
            if row.summary.embedding_id == embedding_id && row.dim == dim {
                fitting.push(row);
            } else {
                *found.other_embeddings.entry(row.summary.embedding_id.clone()).or_default() += 1;
            }
        }
        let groups = groups(&fitting);
        // Newest first: what a later one covers does not count again.
        let mut later: Vec<&Summary> = Vec::new();
        for (row, group) in fitting.iter().zip(groups).rev() {
            if let Some(track) = found.uncovered(row, &later, group) {
                found.tracks.push(track);
            }
            later.push(&row.summary);
        }
        found.tracks.reverse();
        found.contradictions.sort_unstable();
        found.count(dim);
        found
    }

    /// Removes the corrections of new labels that are in one group only: none of them could be held
    /// out. `is_known` is true for labels that need no more. Returns the removed ones.
    pub fn take_lone_labels(&mut self, is_known: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let lone: Vec<Arc<str>> = self
            .labels
            .iter()
            .filter(|(label, counts)| counts.groups < 2 && !is_known(label))
            .map(|(label, _)| label.clone())
            .collect();
        self.tracks.retain(|track| !lone.contains(&track.genre));
        lone
    }

    /// Groups of the corrections that are used.
    pub fn groups(&self) -> usize {
        let mut groups: Vec<&str> = self.tracks.iter().map(|track| &*track.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }

    /// The corrections that are used, as material: a correction is a track.
    pub fn set(&self, dim: usize) -> EmbeddingSet {
        let mut set = EmbeddingSet::new(CORRECTIONS);
        for CorrectedTrack { id, group, genre, embeddings } in &self.tracks {
            for embedding in embeddings.chunks_exact(dim.max(1)) {
                set.push(EmbeddingRow::labelled(embedding.to_vec(), genre, id, group));
            }
        }
        set
    }

    /// The patches of a correction that no later one covers; `None` where there are none.
    fn uncovered(&mut self, row: &Stored, later: &[&Summary], group: Arc<str>) -> Option<CorrectedTrack> {
        let Stored { summary, ends_ms, dim, embeddings } = row;
        let length = ends_ms.first().map_or(0, |end| end - summary.start_ms);
        let mut kept = Vec::new();
        for (end, embedding) in ends_ms.iter().zip(embeddings.chunks_exact(*dim)) {
            let middle = end - length / 2;
            let covers =
                |of: &&&Summary| of.source == summary.source && (of.start_ms..=of.end_ms).contains(&middle);
            match later.iter().find(covers) {
                None => kept.extend_from_slice(embedding),
                Some(of) if of.genre == summary.genre => self.repeated_patches += 1,
                Some(of) => {
                    self.contradicted_patches += 1;
                    let pair = (summary.id, of.id);
                    if !self.contradictions.contains(&pair) {
                        self.contradictions.push(pair);
                    }
                }
            }
        }
        (!kept.is_empty()).then(|| CorrectedTrack {
            id: format!("{}-{}", summary.source, summary.id).into(),
            group,
            genre: summary.genre.as_str().into(),
            embeddings: kept,
        })
    }

    fn count(&mut self, dim: usize) {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for track in &self.tracks {
            let counts = self.labels.entry(track.genre.clone()).or_default();
            counts.corrections += 1;
            counts.patches += track.embeddings.len() / dim.max(1);
            let of = groups.entry(&track.genre).or_default();
            if !of.contains(&&*track.group) {
                of.push(&track.group);
                counts.groups += 1;
            }
        }
    }
}

/// The group of each row: corrections of one source without a pause of [`ONE_PIECE_MS`] between
/// them. It is called by the source and the number of its first correction.
fn groups(rows: &[&Stored]) -> Vec<Arc<str>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| {
        let of = &rows[*at].summary;
        (&of.source, of.start_ms, of.id)
    });
    let mut names = vec![Arc::from(""); rows.len()];
    let mut last: Option<(&str, i64, Arc<str>)> = None;
    for at in order {
        let Summary { id, source, start_ms, end_ms, .. } = &rows[at].summary;
        let (end, name) = match last {
            Some((of, end, name)) if of == source && start_ms - end < ONE_PIECE_MS => {
                (end.max(*end_ms), name)
            }
            _ => (*end_ms, format!("{source}-{id}").into()),
        };
        names[at] = Arc::clone(&name);
        last = Some((source, end, name));
    }
    names
}

impl fmt::Display for Corrected {
    /// A line for each genre, and one for each kind of what is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.labels.keys().map(|label| label.chars().count()).max().unwrap_or_default();
        for (label, CorrectionCounts { corrections, patches, groups }) in &self.labels {
            writeln!(
                f,
                "{label:width$}  {corrections:>4} corrections  {patches:>5} patches  {groups:>4} groups"
            )?;
        }
        if self.contradicted_patches > 0 {
            let pairs: Vec<String> = self
                .contradictions
                .iter()
                .map(|(earlier, later)| format!("{later} over {earlier}"))
                .collect();
            writeln!(
                f,
                "contradictions: {} ({} patches; the later correction counts: {})",
                pairs.len(),
                self.contradicted_patches,
                shortened(&pairs)
            )?;
        }
        if self.repeated_patches > 0 {
            writeln!(f, "patches that a later correction repeats: {}", self.repeated_patches)?;
        }
        for (id, count) in &self.other_embeddings {
            writeln!(f, "left out, made for the embedding `{id}`: {count} corrections")?;
        }
        if self.damaged > 0 {
            writeln!(f, "left out, damaged: {} corrections", self.damaged)?;
        }
        Ok(())
    }
}

/// The first few.
fn shortened(items: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = items.len().saturating_sub(SHOWN);
    let shown = items[..items.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "musicnn-msd-dense-pooled";

    /// Patches of 3 s at each second from `from` to `to`; the one value of an embedding is the
    /// patch's end.
    fn row(id: i64, source: &str, genre: &str, from: i64, to: i64) -> Stored {
        let ends: Vec<i64> = (from + 3..=to).collect();
        let summary = Summary {
            id,
            ts_ms: to * 1000,
            source: source.into(),
            genre: genre.into(),
            published: "rock".into(),
            confidence: None,
            model: "musicnn-msd".into(),
            head: "genres".into(),
            embedding_id: ID.into(),
            start_ms: from * 1000,
            end_ms: to * 1000,
            patches: ends.len(),
        };
        Stored {
            summary,
            ends_ms: ends.iter().map(|end| end * 1000).collect(),
            dim: 1,
            embeddings: ends.iter().map(|end| *end as f32).collect(),
        }
    }

    fn corrected(rows: &[Stored]) -> Corrected {
        Corrected::new(rows, ID, 1, 0)
    }

    fn counts(corrections: usize, patches: usize, groups: usize) -> CorrectionCounts {
        CorrectionCounts { corrections, patches, groups }
    }

    #[test]
    fn the_later_correction_counts_where_both_are() {
        let found = corrected(&[
            row(1, "fm1", "rock", 0, 30),
            row(2, "fm2", "rock", 0, 30),
            row(3, "fm1", "jazz", 20, 40),
        ]);
        // Of the first those go whose middle is at 20 s or later: they end at 22 to 30 s.
        assert_eq!(found.tracks[0].embeddings.last(), Some(&21.0));
        assert_eq!((found.contradictions, found.contradicted_patches), (vec![(1, 3)], 9));
        assert_eq!(found.labels["rock"], counts(2, 19 + 28, 2));
        assert_eq!(found.labels["jazz"], counts(1, 18, 1));
        assert_eq!(found.repeated_patches, 0);
    }

    #[test]
    fn one_that_is_covered_whole_is_gone() {
        let found = corrected(&[
            row(1, "fm1", "rock", 0, 30),
            row(2, "fm1", "jazz", 0, 30),
            row(3, "fm1", "jazz", 0, 30),
            row(4, "fm1", "rock", 0, 10),
        ]);
        let ids: Vec<&str> = found.tracks.iter().map(|track| &*track.id).collect();
        assert_eq!(ids, ["fm1-3", "fm1-4"]);
        // Of the third the first patches are rock again, after all.
        assert_eq!(found.contradictions, [(1, 3), (2, 4), (3, 4)]);
        assert_eq!(found.labels["rock"], counts(1, 8, 1));
        assert!(found.repeated_patches > 0);
        let shown = found.to_string();
        assert!(shown.contains("contradictions: 3 (") && shown.contains("3 over 1, 4 over 2"), "{shown}");
    }

    #[test]
    fn neighbours_in_time_are_one_group() {
        let found = corrected(&[
            row(1, "fm1", "rock", 0, 30),
            row(2, "fm2", "rock", 60, 90),
            row(3, "fm1", "jazz", 200, 230),
            // A chain: near the one before, far from the first.
            row(4, "fm1", "jazz", 400, 430),
            row(5, "fm1", "jazz", 611, 640),
            // Stored later, of an earlier time.
            row(6, "fm1", "blues", 100, 130),
        ]);
        let group = |at: usize| &*found.tracks[at].group;
        assert_eq!([0, 1, 2, 3, 4, 5].map(group), ["fm1-1", "fm2-2", "fm1-1", "fm1-1", "fm1-5", "fm1-1"]);
        assert_eq!(found.labels["jazz"], counts(3, 27 + 28 + 28, 2));
    }

    #[test]
    fn a_new_label_of_one_piece_is_taken_out() {
        let rows = [
            row(1, "fm1", "klezmer", 0, 10),
            row(2, "fm1", "klezmer", 60, 70),
            row(3, "fm2", "jazz", 0, 10),
            row(4, "fm2", "polka", 1000, 1010),
            row(5, "fm1", "polka", 2000, 2010),
        ];
        let mut found = corrected(&rows);
        assert_eq!(found.groups(), 4);
        assert_eq!(found.take_lone_labels(|label| label == "jazz"), vec![Arc::from("klezmer")]);
        assert_eq!(found.groups(), 3);
        let set = found.set(1);
        assert_eq!((set.name.as_str(), set.rows.len()), ("corrections", 24));
        let EmbeddingRow { embedding, targets, track, group, .. } = &set.rows[8];
        assert_eq!((&**track, &**group), ("fm2-4", "fm2-4"));
        assert_eq!((targets, embedding), (&vec![("polka".into(), 1.0)], &vec![1003.0]));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut other = row(2, "fm1", "rock", 0, 10);
        other.summary.embedding_id = "yamnet".into();
        let found = Corrected::new(&[row(1, "fm1", "jazz", 0, 10), other], ID, 1, 3);
        assert_eq!((found.tracks.len(), found.other_embeddings["yamnet"], found.damaged), (1, 1, 3));
        // The one for another trunk contradicts nothing.
        assert_eq!(found.contradictions, []);
        let shown = found.to_string();
        for part in [
            "jazz     1 corrections      8 patches     1 groups",
            "made for the embedding `yamnet`: 1 corrections",
            "damaged: 3",
        ] {
            assert!(shown.contains(part), "`{part}` is not in\n{shown}");
        }
        assert_eq!(Corrected::new(&[], ID, 1, 0), Corrected::default());
        assert_eq!(corrected(&[row(1, "fm1", "jazz", 0, 10)]).to_string().lines().count(), 1);
    }
}
