//! Material with its targets and weights, from which heads are fitted.

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView2, Axis};

use super::options::{ConfusionLimit, TrainOptions};
use super::thinning::thinned;
use crate::learn::{
    Fit, FitError, FoldError, Labelling, Sample, StopCriterion, Strength, balanced_weights, bias_for_share,
    fit_temperature, smooth_targets, stratified_group_folds,
};
use crate::study::material::Material;
use crate::study::replay::Replay;

/// Precision of the fits that answer: a tenth of what scikit-learn stops at.
pub(super) const FINE: StopCriterion = StopCriterion { gradient: 1e-5, steps: 2_000 };

/// Tracks that each label counts more in [`TrainOptions::prior_shift`]: how many there are of a
/// label with few is chance.
const SHIFT_FLOOR: f64 = 5.0;

/// A head, and what cross-validation chose for it.
pub(super) struct FittedHead {
    pub(super) strength: Strength,
    pub(super) temperature: f64,
    /// Added to the biases for [`TrainOptions::prior_shift`] and [`TrainOptions::limits`].
    pub(super) shifts: Vec<f64>,
    pub(super) fit: Fit,
}

/// Material with its targets and weights.
pub(super) struct TrainingSet<'a> {
    pub(super) material: &'a Material,
    pub(super) options: &'a TrainOptions,
    pub(super) features: ArrayView2<'a, f32>,
    /// Smoothed where labels are noisy.
    pub(super) targets: Array2<f64>,
    pub(super) weights: Vec<f64>,
    /// In the comparison of strengths: 0 for patches that are left out, for which the others stand.
    pub(super) search_weights: Vec<f64>,
    /// The same without balance: confidences must be right for labels as common as they are.
    plain_weights: Vec<f64>,
    /// Labels that folds are stratified by: all but those that a prior knows and that are in one
    /// group only.
    spread: Vec<bool>,
    /// Added to each label's logits after a fit.
    pub(super) shift: Vec<f64>,
}

impl<'a> TrainingSet<'a> {
    pub(super) fn new(material: &'a Material, options: &'a TrainOptions) -> Self {
        let groups: Vec<usize> =
            material.track_of.iter().map(|track| material.tracks[*track].group).collect();
        let weights = balanced_weights(&material.weights, material.targets.view(), &groups, options.balance);
        let search_weights = thinned(&material.track_of, &material.learn_only, &weights);
        let plain_weights = thinned(&material.track_of, &material.learn_only, &material.weights);
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
    pub(super) fn rows(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.material.track_of.len()).filter(|row| wanted(self.material.track_of[*row])).collect()
    }

    /// At most `folds` folds of `tracks`: as many as every label can be spread over. The fold of
    /// each track of the material follows (of those that are not among `tracks`, `usize::MAX`).
    pub(super) fn split(&self, tracks: &[usize], folds: usize) -> Result<(usize, Vec<usize>), FoldError> {
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

    pub(super) fn sample(&self, rows: &[usize], weights: &[f64]) -> Result<Sample, FitError> {
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

    /// Adds the shift to held-out logits, then what the limits ask for, and returns what was added
    /// to each label's.
    pub(super) fn limit(&self, rows: &[usize], logits: &mut Array2<f64>) -> Vec<f64> {
        let mut shifts = self.shift.clone();
        for mut row in logits.rows_mut() {
            row.iter_mut().zip(&shifts).for_each(|(logit, by)| *logit += by);
        }
        for ConfusionLimit { truth, answer, share } in &self.options.limits {
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
    pub(super) fn temperature(&self, rows: &[usize], logits: &Array2<f64>) -> f64 {
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
