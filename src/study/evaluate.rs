//! Predictions of heads for a data set, with an account of everything that was left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::dataset::{Dataset, Item};
use super::offline::{self, EmbeddedAudio, FileError};
use super::report::{Predictions, TrackPredictions};
use super::seen_recordings::TrainingMaterial;
use super::vocabulary::Vocabulary;
use crate::decision::SilenceConfig;
use crate::event::SourceState;
use crate::model::{Gate, Head, HeadKind, Model, ModelError};

/// Most examples that a message lists.
const EXAMPLES: usize = 5;

/// Reason for having no predictions.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// Recordings that the weights were fitted to.
    #[error(
        "{} of {tracks} tracks are training material of the model ({found}), and figures on them say nothing about other recordings; leave them out with `--exclude-training-material`, or keep them with `--include-training-material`, and the report will say so",
        found.tracks()
    )]
    TrainingMaterial {
        /// Its name.
        found: Seen,
        /// Number of tracks in the data set.
        tracks: usize,
    },
    /// Everything was left out.
    #[error("nothing is left to judge of {files} files: {why}")]
    NothingLeft {
        /// Number of files in the data set.
        files: usize,
        /// Their counts, by reason.
        why: String,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Treatment of training material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTrainingMaterial {
    /// No report.
    Refuse,
    /// It is evaluated with the rest.
    Include,
    /// It is left out.
    Exclude,
}

/// Options of an evaluation.
#[derive(Debug, Clone)]
pub struct EvaluationOptions {
    /// Seconds between patches.
    pub hop_seconds: f64,
    /// Loudness below which a patch is silent.
    pub silence: SilenceConfig,
    /// Treatment of training material.
    pub on_training_material: OnTrainingMaterial,
}

/// Training material among the tracks.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Seen {
    /// Tracks that are listed by an id: their own and the listed one.
    pub by_id: BTreeMap<Arc<str>, String>,
    /// Other tracks that are listed by the hash of their sound.
    pub by_sound: BTreeSet<Arc<str>>,
}

/// Predictions, and what is not in them.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// One per head, all of the same tracks and patches.
    pub predictions: Vec<Predictions>,
    /// Files that are in them.
    pub files: usize,
    /// Their decoded length together, in seconds.
    pub seconds: f64,
    /// Training material that was found, and evaluated or left out as configured.
    pub seen: Seen,
    /// Files that could not be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files whose labels the head does not know.
    pub unknown: usize,
    /// Files with exactly the sound of another, which is evaluated instead: the copy, the other.
    pub copies: Copies,
    /// Files with exactly the same sound under different labels: none of them is evaluated.
    pub contradictions: Contradictions,
}

impl Seen {
    /// Number of tracks.
    pub fn tracks(&self) -> usize {
        self.by_id.len() + self.by_sound.len()
    }

    fn contains(&self, track: &Arc<str>) -> bool {
        self.by_id.contains_key(track) || self.by_sound.contains(track)
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.by_id.iter().map(|(id, listed)| match listed.ends_with(&**id) {
            true => format!("`{id}`"),
            false => format!("`{id}` (listed as `{listed}`)"),
        });
        let sounds = self.by_sound.iter().map(|id| format!("`{id}`"));
        let mut parts = Vec::new();
        if !self.by_id.is_empty() {
            parts.push(format!("{} by their id: {}", self.by_id.len(), examples(ids)));
        }
        if !self.by_sound.is_empty() {
            parts.push(format!("{} by their sound: {}", self.by_sound.len(), examples(sounds)));
        }
        f.write_str(&parts.join("; "))
    }
}

/// The first few of some things, and how many more there are.
pub fn examples(things: impl ExactSizeIterator<Item = String>) -> String {
    let more = things.len().saturating_sub(EXAMPLES);
    let mut text = things.take(EXAMPLES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Copies, each with the file that it sounds exactly as.
pub(super) type Copies = Vec<(PathBuf, PathBuf)>;

/// Files that sound exactly alike.
pub(super) type Contradictions = Vec<Vec<PathBuf>>;

/// A decoded file.
struct Answered<'a> {
    item: &'a Item,
    pcm_sha256: String,
    duration_s: f64,
    /// True labels, by head.
    truths: Vec<Vec<usize>>,
    /// Answers to its patches, by head.
    answers: Vec<Vec<super::report::PatchPrediction>>,
}

/// Scores every patch of `dataset` with `heads`, each with its vocabulary of `dataset`. `begin` is
/// called with each file before it is decoded.
///
/// # Errors
/// Training material is found and refused, nothing is left, or the model fails. What is wrong
/// with a file is counted.
pub fn evaluate(
    dataset: &Dataset,
    model: &mut Model,
    heads: &[(&Head, &Vocabulary)],
    material: &TrainingMaterial,
    options: &EvaluationOptions,
    mut begin: impl FnMut(&Path),
) -> Result<Evaluation, EvaluationError> {
    let policy = options.on_training_material;
    let truths =
        |item: &Item| heads.iter().map(|(_, words)| words.truth(&item.labels)).collect::<Vec<Vec<usize>>>();
    let (known, unknown): (Vec<_>, Vec<_>) = dataset
        .items
        .iter()
        .map(|item| (item, truths(item)))
        .partition(|(_, truths)| truths.iter().all(|truth| !truth.is_empty()));
    let listed = |item: &Item| Some((item.track.clone(), material.lists_track(&item.track)?.to_owned()));
    let mut seen =
        Seen { by_id: known.iter().filter_map(|(item, _)| listed(item)).collect(), ..Seen::default() };
    let tracks = known.iter().map(|(item, _)| &item.track).collect::<BTreeSet<_>>().len();
    // The id is known at once, the sound only after the file has been decoded.
    refuse(policy, &seen, tracks)?;

    let (mut heard, mut unreadable) = (Vec::new(), Vec::new());
    for (item, truths) in known {
        if policy == OnTrainingMaterial::Exclude && seen.contains(&item.track) {
            continue;
        }
        begin(&item.path);
        match offline::embed_file(&item.path, model, options.hop_seconds) {
            Ok(found) => {
                if material.lists_sound(&found.pcm_sha256) && !seen.contains(&item.track) {
                    seen.by_sound.insert(item.track.clone());
                }
                heard.push(answer(item, truths, found, heads, model.gate(), &options.silence));
            }
            Err(FileError::Model(error)) => return Err(error.into()),
            Err(error) => unreadable.push((item.path.clone(), error.to_string())),
        }
    }
    refuse(policy, &seen, tracks)?;
    if policy == OnTrainingMaterial::Exclude {
        heard.retain(|file| !seen.contains(&file.item.track));
    }
    let is_single = heads.iter().any(|(head, _)| head.kind() == HeadKind::Single);
    let (heard, copies, contradictions) = without_copies(heard, is_single);
    let evaluation = Evaluation {
        predictions: heads
            .iter()
            .enumerate()
            .map(|(at, (head, words))| Predictions {
                kind: head.kind(),
                labels: words.labels.clone(),
                tracks: by_track(&heard, at),
            })
            .collect(),
        files: heard.len(),
        seconds: heard.iter().map(|file| file.duration_s).sum(),
        seen,
        unreadable,
        unknown: unknown.len(),
        copies,
        contradictions,
    };
    match heard.is_empty() {
        true => Err(EvaluationError::NothingLeft { files: dataset.items.len(), why: why(&evaluation) }),
        false => Ok(evaluation),
    }
}

fn refuse(policy: OnTrainingMaterial, seen: &Seen, tracks: usize) -> Result<(), EvaluationError> {
    match policy == OnTrainingMaterial::Refuse && seen.tracks() > 0 {
        true => Err(EvaluationError::TrainingMaterial { found: seen.clone(), tracks }),
        false => Ok(()),
    }
}

fn answer<'a>(
    item: &'a Item,
    truths: Vec<Vec<usize>>,
    found: EmbeddedAudio,
    heads: &[(&Head, &Vocabulary)],
    gate: Option<&Gate>,
    silence: &SilenceConfig,
) -> Answered<'a> {
    let answers = heads.iter().map(|(head, words)| {
        // The gate itself is evaluated on all patches.
        let gate = gate.filter(|gate| gate.head().name() != head.name());
        let windows = offline::score_patches(&found, head, gate, silence);
        windows
            .iter()
            .map(|window| words.answer(&window.posteriors, window.verdict.state == SourceState::Music))
            .collect()
    });
    Answered {
        item,
        truths,
        answers: answers.collect(),
        duration_s: found.duration_s,
        pcm_sha256: found.pcm_sha256,
    }
}

/// Keeps one of the files that sound exactly alike; where labels exclude each other and theirs
/// differ, none of them. A head of several labels takes all of theirs for true.
fn without_copies(heard: Vec<Answered<'_>>, is_single: bool) -> (Vec<Answered<'_>>, Copies, Contradictions) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut alike: Vec<Vec<Answered<'_>>> = Vec::new();
    for file in heard {
        match places.get(&file.pcm_sha256) {
            Some(place) => alike[*place].push(file),
            None => {
                places.insert(file.pcm_sha256.clone(), alike.len());
                alike.push(vec![file]);
            }
        }
    }
    let (mut kept, mut copies, mut contradictions) = (Vec::new(), Vec::new(), Vec::new());
    for files in alike {
        let paths: Vec<PathBuf> = files.iter().map(|file| file.item.path.clone()).collect();
        let mut files = files.into_iter();
        let Some(mut first) = files.next() else { continue };
        let mut agree = true;
        for other in files {
            agree &= other.truths == first.truths;
            for (truth, more) in first.truths.iter_mut().zip(other.truths) {
                truth.extend(more);
                truth.sort_unstable();
                truth.dedup();
            }
        }
        if is_single && !agree {
            contradictions.push(paths);
            continue;
        }
        copies.extend(paths.iter().skip(1).map(|copy| (copy.clone(), paths[0].clone())));
        kept.push(first);
    }
    (kept, copies, contradictions)
}

/// The files of a track together, in the order of their first ones.
fn by_track(heard: &[Answered<'_>], head: usize) -> Vec<TrackPredictions> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tracks: Vec<TrackPredictions> = Vec::new();
    for file in heard {
        let place = *places.entry(&file.item.track).or_insert(tracks.len());
        if place == tracks.len() {
            tracks.push(TrackPredictions {
                id: file.item.track.clone(),
                truth: Vec::new(),
                patches: Vec::new(),
            });
        }
        let track = &mut tracks[place];
        track.truth.extend(&file.truths[head]);
        track.truth.sort_unstable();
        track.truth.dedup();
        track.patches.extend(file.answers[head].iter().cloned());
    }
    tracks
}

fn why(evaluation: &Evaluation) -> String {
    let contradictions = evaluation.contradictions.iter().map(Vec::len).sum();
    let mut parts: Vec<String> = [
        (evaluation.unknown, "with labels that the head does not know"),
        (contradictions, "that sound exactly alike under different labels"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if evaluation.seen.tracks() > 0 {
        parts.push(format!("training material, {}", evaluation.seen));
    }
    if let Some((_, error)) = evaluation.unreadable.first() {
        parts.push(format!("{} that cannot be read, the first: {error}", evaluation.unreadable.len()));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests;
