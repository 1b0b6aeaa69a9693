//! The strength of a prior, by cross-validation.
//!
//! A coordinate search over a small grid. With the directions at their usual strength, penalties are tried from the
//! strongest to weaker ones, with the prior mean and without; under the best of these the directions are tried
//! weaker and stronger.

use ndarray::{Array2, Axis};

use super::{FINE, Fitted, Set};
use crate::learn::{Fit, FitError, Prior, Sample, Stop, Strength, log_loss};

/// Penalties to choose from, strongest first: half a decade apart.
const PENALTIES: [f64; 13] =
    [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.000_3, 0.000_1];

/// The weakest penalty where labels are kept without recordings: held-out recordings cannot tell what of those is
/// forgotten, and would always ask for less.
const KEPT_PENALTY: f64 = 30.0;

/// Precision of new labels' weights where others are kept, relative to that of the kept ones: what is not known must be
/// learned, by an L2 of 0.3 at least.
const UNKNOWN: f64 = 0.01;

/// Factors on the prior mean to choose from.
const MEANS: [f64; 2] = [1.0, 0.0];

/// Deviations of weights on known logits to choose from after the usual one, 1.
const DIRECTIONS: [f64; 2] = [0.1, 3.0];

/// Precision of known labels' biases, relative to that of the weights. Between 0.3 and 3 nothing changes.
const BIAS: f64 = 1.0;

/// Penalty where a label is in too few groups to choose one by holding some out: strong, as fits little material.
const UNCHOSEN: f64 = 0.3;

/// The same with a prior mean, which is the safe answer.
const UNCHOSEN_WITH_MEAN: f64 = 10.0;

/// A penalty that is worse than the best so far this many times in a row ends the search: smaller ones fit the
/// tracks by heart.
const PATIENCE: usize = 2;

/// Patches of a track by which penalties are compared, evenly spread. Patches overlap, and those of one track are
/// alike: ten say nearly what hundreds do, in a fraction of the time. The fits that answer and the one that is
/// kept have all of them.
pub(super) const SEARCH_PATCHES: usize = 10;

/// Precision while penalties are compared.
const COARSE: Stop = Stop { gradient: 1e-4, steps: 300 };

/// Unit of comparison of strengths: a fold, and the tracks that are not in it.
struct Part {
    sample: Sample,
    held: Vec<usize>,
    features: Array2<f32>,
    targets: Array2<f64>,
    weights: Vec<f64>,
    fit: Option<Fit>,
}

/// The strength where nothing can be held out.
pub(super) fn unchosen(prior: &Prior) -> Strength {
    match prior.mean {
        Some(_) => strength(UNCHOSEN_WITH_MEAN, 1.0, 1.0),
        None => strength(UNCHOSEN, 0.0, 1.0),
    }
}

fn strength(l2: f64, mean: f64, directions: f64) -> Strength {
    Strength { l2, mean, directions, unknown: 1.0, bias: if mean > 0.0 { BIAS } else { 0.0 } }
}

impl Set<'_> {
    /// The strength whose fits have the least log loss on what they did not see, the temperature of their logits
    /// there, and one of these fits.
    pub(super) fn choose(&self, folds: usize, fold_of: &[usize], shift: &[f64]) -> Result<Fitted, FitError> {
        let mut parts =
            (0..folds).map(|fold| self.part(fold, fold_of)).collect::<Result<Vec<_>, FitError>>()?;
        let prior = &self.options.prior;
        let keeps = (0..self.material.labels.len()).any(|label| self.material.tracks_of(label).is_empty());
        // Without the mean, labels that are kept without recordings would be forgotten.
        let means: &[f64] = match &prior.mean {
            Some(_) if keeps => &MEANS[..1],
            Some(_) => &MEANS,
            None => &[0.0],
        };
        let weakest = if keeps { KEPT_PENALTY } else { 0.0 };
        let mut best: Option<(f64, Strength)> = None;
        let mut failed = None;
        for mean in means {
            let (mut least, mut worse) = (f64::INFINITY, 0);
            parts.iter_mut().for_each(|part| part.fit = None);
            for penalty in PENALTIES.into_iter().filter(|penalty| *penalty >= weakest) {
                let unknown = if keeps { UNKNOWN } else { 1.0 };
                let strength = Strength { unknown, ..strength(penalty, *mean, 1.0) };
                let loss = match self.loss(&mut parts, strength) {
                    Ok(loss) => loss,
                    // A label without rows in some fold has no fit without the prior mean.
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                if best.is_none_or(|(least, _)| loss < least) {
                    best = Some((loss, strength));
                }
                worse = if loss < least { 0 } else { worse + 1 };
                least = least.min(loss);
                if worse == PATIENCE {
                    break;
                }
            }
        }
        let Some((mut least, mut strength)) = best else { return Err(failed.unwrap_or(FitError::Empty)) };
        if prior.directions.is_some() {
            // Kept labels would be forgotten along free directions.
            for directions in DIRECTIONS.into_iter().filter(|directions| !keeps || *directions < 1.0) {
                let tried = Strength { directions, ..strength };
                let loss = self.loss(&mut parts, tried)?;
                if loss < least {
                    (least, strength) = (loss, tried);
                }
            }
        }
        let mut rows = Vec::new();
        let mut logits = Array2::zeros((0, self.targets.ncols()));
        let mut last = None;
        for part in parts {
            let fit = part.sample.fit(strength, part.fit.as_ref(), FINE)?;
            // Of the same width, so that it cannot fail.
            let _ = logits.append(Axis(0), fit.logits(part.features.view()).view());
            rows.extend(part.held);
            last = Some(fit);
        }
        let shifts = self.limit(&rows, &mut logits, shift);
        let temperature = self.temperature(&rows, &logits);
        tracing::debug!("{strength:?}: log loss {least:.4}, temperature {temperature:.3}");
        last.map(|fit| Fitted { strength, temperature, shifts, fit }).ok_or(FitError::Empty)
    }

    fn part(&self, fold: usize, fold_of: &[usize]) -> Result<Part, FitError> {
        let rows = |wanted: &dyn Fn(usize) -> bool| {
            let mut rows = self.rows(wanted);
            rows.retain(|row| self.search_weights[*row] > 0.0);
            rows
        };
        let mut held = rows(&|track| fold_of[track] == fold);
        held.retain(|row| !self.material.learn_only[*row]);
        let seen = rows(&|track| fold_of[track] != fold && fold_of[track] != usize::MAX);
        Ok(Part {
            sample: self.sample(&seen, &self.search_weights)?,
            features: self.features.select(Axis(0), &held),
            targets: self.material.targets.select(Axis(0), &held),
            weights: held.iter().map(|row| self.search_weights[*row]).collect(),
            held,
            fit: None,
        })
    }

    /// Log loss of all folds together.
    fn loss(&self, parts: &mut [Part], strength: Strength) -> Result<f64, FitError> {
        let (mut loss, mut weight, mut steps) = (0.0, 0.0, 0);
        for part in parts.iter_mut().filter(|part| !part.held.is_empty()) {
            let fit = part.sample.fit(strength, part.fit.as_ref(), COARSE)?;
            let logits = fit.logits(part.features.view());
            let weighs: f64 = part.weights.iter().sum();
            loss +=
                weighs * log_loss(self.options.labelling, logits.view(), part.targets.view(), &part.weights);
            weight += weighs;
            steps += fit.steps;
            part.fit = Some(fit);
        }
        tracing::debug!("{strength:?}: log loss {:.4}, {steps} steps", loss / weight);
        Ok(loss / weight)
    }
}

/// Weights of which each track keeps [`SEARCH_PATCHES`], and as many that are learned from only, with as much weight
/// together as all of them have.
pub(super) fn thinned(track_of: &[usize], learn_only: &[bool], weights: &[f64]) -> Vec<f64> {
    let kinds: Vec<(&usize, &bool)> = track_of.iter().zip(learn_only).collect();
    let mut thin = vec![0.0; weights.len()];
    let mut start = 0;
    for rows in kinds.chunk_by(|a, b| a == b) {
        let total: f64 = weights[start..start + rows.len()].iter().sum();
        let kept = rows.len().min(SEARCH_PATCHES);
        for index in 0..kept {
            thin[start + index * rows.len() / kept] = total / kept as f64;
        }
        start += rows.len();
    }
    thin
}
