//! From labelled embeddings to a head, with the answers that it would have given to tracks that it
//! had not seen.
//!
//! A head is fitted to some tracks in three steps: cross-validation over them chooses the strength
//! of the prior; the held-out logits under that strength give the temperature; all of them give the
//! weights. Cross-validation around all three (it is nested) says what such a head is worth: each
//! outer fold is answered by one that saw nothing of its groups. The final head is fitted to all
//! tracks.

mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView2, Axis};

use super::listen::in_parallel;
use super::material::Material;
use super::replay::{NEVER, Replay};
use super::report::{PatchPrediction, Predictions, TrackPredictions};
use crate::learn::{
    Balance, Fit, FitError, FoldError, HiddenLayer, Labelling, Prior, Sample, Stop, Strength,
    balanced_weights, bias_for_share, fit_temperature, posteriors, smooth_targets, stratified_group_folds,
};
use crate::model::HeadKind;

/// Folds in which a strength is chosen within an outer fold.
const INNER_FOLDS: usize = 3;

/// Precision of the fits that answer: a tenth of what scikit-learn stops at.
const FINE: Stop = Stop { gradient: 1e-5, steps: 2_000 };

/// Tracks that each label counts more in [`TrainOptions::prior_shift`]: how many there are of a
/// label with few is chance.
const SHIFT_FLOOR: f64 = 5.0;

/// Options of a training.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Relation of labels: exclusive or not.
    pub labelling: Labelling,
    /// Outer folds, at least 2; fewer are taken where a label is in fewer groups.
    pub folds: usize,
    /// Decides which groups go into which fold.
    pub seed: u64,
    /// Balancing exponents for genres and for groups within them.
    pub balance: Balance,
    /// Share of labels that are taken to be wrong, 0 to 1: targets are smoothed by as much.
    pub label_noise: f64,
    /// A hidden layer, where a linear head is too little; a prior says nothing about such a head.
    pub hidden: Option<HiddenLayer>,
    /// Exponent of labels' shares of the tracks of the first source, with which posteriors are
    /// multiplied after the fit: 0 leaves the balance of the weights, 1 makes common labels as
    /// likely as they are there.
    pub prior_shift: f64,
    /// Added to the logits of labels after the fit, by index into [`Material::labels`].
    pub shifts: Vec<(usize, f64)>,
    /// Precision of the prior; cross-validation chooses it where it is absent.
    pub l2: Option<f64>,
    /// Music that is learned from in every fit, so that it is not forgotten.
    pub replay: Option<Replay>,
    /// Limits on confusions between labels.
    pub limits: Vec<Limit>,
    /// Prior of the head.
    pub prior: Prior,
    /// Threads, at least 1. Results do not depend on it.
    pub jobs: usize,
}

/// Limit on a confusion between two labels: the other's bias is set so that held-out patches are so
/// as often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The true label, as an index into [`Material::labels`].
    pub truth: usize,
    /// Label of the wrong answer.
    pub answer: usize,
    /// Share of its patches, by weight.
    pub share: f64,
}

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
    let set = Set::new(material, options);
    let everything: Vec<usize> = (0..material.tracks.len()).collect();
    let (folds, fold_of) = set.split(&everything, options.folds)?;
    // The first task is the final head, which takes longest.
    let fits = in_parallel(options.jobs, folds + 1, |task| match task {
        0 => set.fit(&everything, folds),
        task => {
            let seen: Vec<usize> =
                everything.iter().copied().filter(|track| fold_of[*track] != task - 1).collect();
            set.fit(&seen, INNER_FOLDS)
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
    let Fitted { strength, temperature, fit, .. } = last;
    Ok(Trained { kind: kind(options.labelling), fit, strength, temperature, folds, fold_strengths, held_out })
}

/// A head.
struct Fitted {
    strength: Strength,
    temperature: f64,
    /// Added to the biases for [`TrainOptions::prior_shift`] and [`TrainOptions::limits`].
    shifts: Vec<f64>,
    fit: Fit,
}

/// Material with its targets and weights.
struct Set<'a> {
    material: &'a Material,
    options: &'a TrainOptions,
    features: ArrayView2<'a, f32>,
    /// Smoothed where labels are noisy.
    targets: Array2<f64>,
    weights: Vec<f64>,
    /// In the comparison of strengths: 0 for patches that are left out, for which the others stand.
    search_weights: Vec<f64>,
    /// The same without balance: confidences must be right for labels as common as they are.
    plain_weights: Vec<f64>,
    /// Labels that folds are stratified by: all but those that a prior knows and that are in one
    /// group only.
    spread: Vec<bool>,
    /// Added to each label's logits after a fit.
    shift: Vec<f64>,
}

impl<'a> Set<'a> {
    fn new(material: &'a Material, options: &'a TrainOptions) -> Self {
        let groups: Vec<usize> =
            material.track_of.iter().map(|track| material.tracks[*track].group).collect();
        let weights = balanced_weights(&material.weights, material.targets.view(), &groups, options.balance);
        let search_weights = search::thinned(&material.track_of, &material.learn_only, &weights);
        let plain_weights = search::thinned(&material.track_of, &material.learn_only, &material.weights);
        // A label in one group only is there because the prior knows it.
        let spread = (0..material.labels.len())
            .map(|label| options.prior.mean.is_none() || material.groups_of(label) > 1);
        Self {
            material,
            options,
            features: material.embeddings.view(),
            targets: smoothed(options.labelling, &material.targets, options.label_noise),
            weights,
            search_weights,
            plain_weights,
            spread: spread.collect(),
            shift: shift(material, options),
        }
    }

    /// Indices of the patches whose track is wanted.
    fn rows(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.material.track_of.len()).filter(|row| wanted(self.material.track_of[*row])).collect()
    }

    /// At most `folds` folds of `tracks`: as many as every label can be spread over. The fold of
    /// each track of the material follows (of those that are not among `tracks`, `usize::MAX`).
    fn split(&self, tracks: &[usize], folds: usize) -> Result<(usize, Vec<usize>), FoldError> {
        let of = |track: &usize| &self.material.tracks[*track];
        // Labels without any track among these, and those that a prior stands for, are no reason
        // for fewer folds.
        let mut present: Vec<usize> = tracks.iter().flat_map(|track| &of(track).labels).copied().collect();
        present.sort_unstable();
        present.dedup();
        present.retain(|label| self.spread[*label]);
        let labels: Vec<Vec<usize>> = tracks
            .iter()
            .map(|track| {
                of(track).labels.iter().filter_map(|label| present.binary_search(label).ok()).collect()
            })
            .collect();
        let labels: Vec<&[usize]> = labels.iter().map(Vec::as_slice).collect();
        let groups: Vec<usize> = tracks.iter().map(|track| of(track).group).collect();
        let mut folds = folds;
        loop {
            let found = stratified_group_folds(&labels, present.len(), &groups, folds, self.options.seed);
            match found {
                Ok(found) => {
                    let mut fold_of = vec![usize::MAX; self.material.tracks.len()];
                    tracks.iter().zip(found).for_each(|(track, fold)| fold_of[*track] = fold);
                    return Ok((folds, fold_of));
                }
                Err(_) if folds > 2 => folds -= 1,
                // By its number in the material.
                Err(FoldError::Label { label, groups, folds }) => {
                    let label = present.get(label).copied().unwrap_or(label);
                    return Err(FoldError::Label { label, groups, folds });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn sample(&self, rows: &[usize], weights: &[f64]) -> Result<Sample, FitError> {
        let mut weights: Vec<f64> = rows.iter().map(|row| weights[*row]).collect();
        let mut features = self.features.select(Axis(0), rows);
        let mut targets = self.targets.select(Axis(0), rows);
        if let Some(Replay { embeddings, targets: answers, tracks }) = &self.options.replay {
            let seen: BTreeSet<usize> = rows.iter().map(|row| self.material.track_of[*row]).collect();
            let total = weights.iter().sum::<f64>() * tracks / seen.len().max(1) as f64;
            let each = total / embeddings.nrows() as f64;
            weights.resize(weights.len() + embeddings.nrows(), each);
            // Of the same widths, so that it cannot fail.
            let _ = features.append(Axis(0), embeddings.view());
            let _ = targets.append(Axis(0), answers.view());
        }
        Sample::with_prior(
            self.options.labelling,
            features.view(),
            targets.view(),
            &weights,
            &self.options.prior,
        )
        .map(|sample| sample.with_hidden(self.options.hidden))
    }

    /// A head for `tracks`, with what cross-validation over them in `folds` folds chooses.
    fn fit(&self, tracks: &[usize], folds: usize) -> Result<Fitted, FitError> {
        let chosen =
            self.split(tracks, folds).ok().and_then(|(folds, fold_of)| self.choose(folds, &fold_of).ok());
        let (strength, temperature, shifts, start) = match chosen {
            Some(Fitted { strength, temperature, shifts, fit }) => (strength, temperature, shifts, Some(fit)),
            None => (self.unchosen(), 1.0, self.shift.clone(), None),
        };
        let mut seen = vec![false; self.material.tracks.len()];
        tracks.iter().for_each(|track| seen[*track] = true);
        let sample = self.sample(&self.rows(|track| seen[track]), &self.weights)?;
        let fit = sample.fit(strength, start.as_ref(), FINE)?;
        tracing::debug!("{strength:?}: {} steps, gradient {:.1e}", fit.steps, fit.gradient);
        let fit = shifts.iter().enumerate().fold(fit, |fit, (unit, by)| fit.shifted(unit, *by));
        Ok(Fitted { strength, temperature, shifts, fit })
    }

    /// Adds the shift to held-out logits, then what the limits ask for, and returns what was added
    /// to each label's.
    fn limit(&self, rows: &[usize], logits: &mut Array2<f64>) -> Vec<f64> {
        let mut shifts = self.shift.clone();
        for mut row in logits.rows_mut() {
            row.iter_mut().zip(&shifts).for_each(|(logit, by)| *logit += by);
        }
        for Limit { truth, answer, share } in &self.options.limits {
            let of: Vec<usize> =
                (0..rows.len()).filter(|at| self.material.targets[[rows[*at], *truth]] > 0.5).collect();
            let weights: Vec<f64> = of.iter().map(|at| self.search_weights[rows[*at]]).collect();
            let shift = bias_for_share(logits.select(Axis(0), &of).view(), &weights, *answer, *share);
            logits.column_mut(*answer).mapv_inplace(|logit| logit + shift);
            shifts[*answer] += shift;
        }
        shifts
    }

    /// Fitted to the held-out logits of the rows that strengths are compared by. Patches of a track
    /// are alike: tracks count as observations.
    fn temperature(&self, rows: &[usize], logits: &Array2<f64>) -> f64 {
        let tracks: BTreeSet<usize> = rows.iter().map(|row| self.material.track_of[*row]).collect();
        let targets = self.material.targets.select(Axis(0), rows);
        let weights: Vec<f64> = rows.iter().map(|row| self.plain_weights[*row]).collect();
        fit_temperature(
            self.options.labelling,
            logits.view(),
            smooth_targets(self.options.labelling, targets.view(), tracks.len()).view(),
            &weights,
        )
    }
}

/// Shift of each label's logits: [`TrainOptions::prior_shift`] times the logarithm of its tracks in
/// the first source, less the mean of all labels, and [`TrainOptions::shifts`].
fn shift(material: &Material, options: &TrainOptions) -> Vec<f64> {
    let mut counts = vec![SHIFT_FLOOR; material.labels.len()];
    for track in material.tracks.iter().filter(|track| track.source == 0) {
        track.labels.iter().for_each(|label| counts[*label] += track.weight);
    }
    let mean = counts.iter().map(|count| count.ln()).sum::<f64>() / counts.len() as f64;
    let mut shift: Vec<f64> = counts.iter().map(|count| options.prior_shift * (count.ln() - mean)).collect();
    options.shifts.iter().for_each(|(label, by)| shift[*label] += by);
    shift
}

/// Targets of which a share of `noise` is spread evenly over the other labels, or of sigmoids over
/// yes and no.
fn smoothed(labelling: Labelling, targets: &Array2<f64>, noise: f64) -> Array2<f64> {
    let others = match labelling {
        Labelling::Single => (targets.ncols().max(2) - 1) as f64,
        Labelling::Multi => 1.0,
    };
    targets.mapv(|target| target * (1.0 - noise) + (1.0 - target) * noise / others)
}
