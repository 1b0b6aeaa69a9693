//! From labelled embeddings to a head, with the answers that it would have given to tracks that it
//! had not seen.
//!
//! A head is fitted to some tracks in three steps: cross-validation over them chooses the strength
//! of the prior; the held-out logits under that strength give the temperature; all of them give the
//! weights. Cross-validation around all three (it is nested) says what such a head is worth: each
//! outer fold is answered by one that saw nothing of its groups. The final head is fitted to all
//! tracks.

mod options;
mod search;
#[cfg(test)]
mod tests;
mod thinning;
mod training_set;

pub use options::{ConfusionLimit, TrainOptions};
use training_set::{FINE, FittedHead, TrainingSet};

use ndarray::{Array2, ArrayView2, Axis};

use super::listen::in_parallel;
use super::material::Material;
use super::replay::NEVER;
use super::report::{PatchPrediction, Predictions, TrackPredictions};
use crate::learn::{Fit, FitError, FoldError, Labelling, Strength, posteriors};
use crate::model::HeadKind;

/// Folds in which a strength is chosen within an outer fold.
const INNER_FOLDS: usize = 3;

/// A head, and what held-out tracks say of it.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Fitted on all tracks.
    pub fit: Fit,
    /// Strength of its prior.
    pub strength: Strength,
    /// Its temperature.
    pub temperature: f64,
    /// Outer folds.
    pub folds: usize,
    /// The strength of each outer fold.
    pub fold_strengths: Vec<Strength>,
    /// Relation of its labels: exclusive or not.
    pub kind: HeadKind,
    /// Calibrated posteriors `[patches, labels]` by heads that had not seen the patch's group.
    pub held_out: Array2<f64>,
}

impl Trained {
    /// Answers to tracks by heads that had not seen them, for a report; of all tracks, or those of
    /// one source.
    pub fn predictions(&self, material: &Material, source: Option<usize>) -> Predictions {
        predictions(material, source, self.kind, self.held_out.view())
    }
}

/// Answers of the prior's head to the tracks of a source, in the material's labels. Where it lacks
/// one of them there are none, but for a head that `is_corrected`: it answers a label that it lacks
/// with 0.
pub fn known_predictions(
    material: &Material,
    source: Option<usize>,
    options: &TrainOptions,
    is_corrected: bool,
) -> Option<Predictions> {
    let mean = options.prior.mean.as_ref()?;
    if mean.is_known.contains(&false) && !is_corrected {
        return None;
    }
    let mut answers = mean.logits.logits(material.embeddings.view());
    for (label, _) in mean.is_known.iter().enumerate().filter(|(_, is_known)| !**is_known) {
        answers.column_mut(label).fill(NEVER);
    }
    answers.rows_mut().into_iter().for_each(|mut row| posteriors(options.labelling, &mut row));
    Some(predictions(material, source, kind(options.labelling), answers.view()))
}

fn predictions(
    material: &Material,
    source: Option<usize>,
    kind: HeadKind,
    answers: ArrayView2<'_, f64>,
) -> Predictions {
    let mut tracks: Vec<TrackPredictions> = material
        .tracks
        .iter()
        .map(|track| TrackPredictions {
            id: track.id.clone(),
            truth: track.labels.clone(),
            patches: Vec::new(),
        })
        .collect();
    let rows = answers.rows().into_iter().zip(&material.track_of).zip(&material.learn_only);
    for ((row, track), _) in rows.filter(|(_, learn_only)| !**learn_only) {
        let posteriors = row.iter().map(|posterior| *posterior as f32).collect();
        tracks[*track].patches.push(PatchPrediction { posteriors, is_music: true });
    }
    let mut of = material.tracks.iter().map(|track| source.is_none_or(|source| track.source == source));
    tracks.retain(|track| of.next().unwrap_or(false) && !track.patches.is_empty());
    Predictions { kind, labels: material.labels.clone(), tracks }
}

fn kind(labelling: Labelling) -> HeadKind {
    match labelling {
        Labelling::Single => HeadKind::Single,
        Labelling::Multi => HeadKind::Multi,
    }
}

/// Reason for having no head.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// The tracks cannot be split.
    #[error("the tracks cannot be split for cross-validation: {0}")]
    Folds(#[from] FoldError),
    /// Nothing can be fitted.
    #[error("the head cannot be fitted: {0}")]
    Fit(#[from] FitError),
}

/// Cross-validates and fits a head.
///
/// # Errors
/// The material cannot be split into two folds or fitted.
pub fn train(material: &Material, options: &TrainOptions) -> Result<Trained, TrainError> {
    let set = TrainingSet::new(material, options);
    let everything: Vec<usize> = (0..material.tracks.len()).collect();
    let (folds, fold_of) = set.split(&everything, options.folds)?;
    // The first task is the final head, which takes longest.
    let fits = in_parallel(options.jobs, folds + 1, |task| match task {
        0 => fit(&set, &everything, folds),
        task => {
            let seen: Vec<usize> =
                everything.iter().copied().filter(|track| fold_of[*track] != task - 1).collect();
            fit(&set, &seen, INNER_FOLDS)
        }
    });
    let mut fits = fits.into_iter().collect::<Result<Vec<_>, _>>()?;
    let last = fits.remove(0);
    let mut held_out = Array2::zeros(set.targets.dim());
    for (fold, fitted) in fits.iter().enumerate() {
        let rows = set.rows(|track| fold_of[track] == fold);
        let mut answers = fitted.fit.logits(set.features.select(Axis(0), &rows).view()) / fitted.temperature;
        for (row, mut answer) in rows.iter().zip(answers.rows_mut()) {
            posteriors(options.labelling, &mut answer);
            held_out.row_mut(*row).assign(&answer);
        }
    }
    let fold_strengths = fits.iter().map(|fitted| fitted.strength).collect();
    let FittedHead { strength, temperature, fit, .. } = last;
    Ok(Trained { kind: kind(options.labelling), fit, strength, temperature, folds, fold_strengths, held_out })
}

/// A head for `tracks`, with what cross-validation over them in `folds` folds chooses.
fn fit(set: &TrainingSet<'_>, tracks: &[usize], folds: usize) -> Result<FittedHead, FitError> {
    let chosen = set.split(tracks, folds).ok().and_then(|(folds, fold_of)| set.choose(folds, &fold_of).ok());
    let (strength, temperature, shifts, start) = match chosen {
        Some(FittedHead { strength, temperature, shifts, fit }) => (strength, temperature, shifts, Some(fit)),
        None => (set.unchosen(), 1.0, set.shift.clone(), None),
    };
    let mut seen = vec![false; set.material.tracks.len()];
    tracks.iter().for_each(|track| seen[*track] = true);
    let sample = set.sample(&set.rows(|track| seen[track]), &set.weights)?;
    let fit = sample.fit(strength, start.as_ref(), FINE)?;
    tracing::debug!("{strength:?}: {} steps, gradient {:.1e}", fit.steps, fit.gradient);
    let fit = shifts.iter().enumerate().fold(fit, |fit, (unit, by)| fit.shifted(unit, *by));
    Ok(FittedHead { strength, temperature, shifts, fit })
}
