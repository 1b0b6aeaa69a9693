//! Selection of the strength of the prior, by cross-validation.
//!
//! A coordinate search over a small grid. Penalties are tried from the strongest to weaker ones,
//! with the prior mean and without; under the chosen one, weights along the directions are freed.

use ndarray::{Array2, Axis, s};

use super::training_set::{FINE, FittedHead, TrainingSet};
use crate::learn::{Fit, FitError, Sample, StopCriterion, Strength, log_loss};

/// Penalties to choose from, strongest first: half a decade apart.
const PENALTIES: [f64; 13] =
    [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.000_3, 0.000_1];

/// The weakest penalty where labels are kept without recordings and no music is replayed: held-out
/// recordings cannot tell what of those is forgotten, and would always ask for less.
const KEPT_PENALTY: f64 = 30.0;

/// Precision of the prior where music is replayed, in units of one track's loss.
const KEPT_PRECISION: f64 = 450.0;

/// Precision of new labels' weights where others are kept, relative to that of the kept ones: what
/// is not known must be learned.
const UNKNOWN: f64 = 0.03;

/// Deviation of weights on known logits, relative to that of weights on the embedding, where the L2
/// is given.
const USUAL_DIRECTIONS: f64 = 2.0;

/// Deviations to choose from where it is not, the first as good as none.
const NO_DIRECTIONS: f64 = 0.2;
const DIRECTIONS: [f64; 2] = [1.0, 3.0];

/// Precision of known labels' biases, relative to that of the weights. Between 0.3 and 3 nothing
/// changes.
const BIAS: f64 = 1.0;

/// Penalty where a label is in too few groups to choose one by holding some out: strong, as fits
/// little material.
const UNCHOSEN: f64 = 0.3;

/// The same with a prior mean, which is the safe answer.
const UNCHOSEN_WITH_MEAN: f64 = 10.0;

/// A penalty that is worse than the best so far this many times in a row ends the search: smaller
/// ones fit the tracks by heart.
const PATIENCE: usize = 2;

/// Precision while penalties are compared.
const COARSE: StopCriterion = StopCriterion { gradient: 1e-4, steps: 300 };

/// Unit of comparison of strengths: a fold, and the tracks that are not in it.
struct Part {
    sample: Sample,
    held: Vec<usize>,
    features: Array2<f32>,
    targets: Array2<f64>,
    weights: Vec<f64>,
    fit: Option<Fit>,
}

fn strength(l2: f64, mean: f64) -> Strength {
    let bias = if mean > 0.0 { BIAS } else { 0.0 };
    Strength { l2, mean, directions: USUAL_DIRECTIONS, unknown: 1.0, bias }
}

impl TrainingSet<'_> {
    /// The strength where nothing can be held out.
    pub(super) fn unchosen(&self) -> Strength {
        self.given().unwrap_or_else(|| match self.options.prior.mean {
            Some(_) => strength(UNCHOSEN_WITH_MEAN, 1.0),
            None => strength(UNCHOSEN, 0.0),
        })
    }

    /// The strength where it is not chosen by what is held out.
    fn given(&self) -> Option<Strength> {
        let mean = if self.options.prior.mean.is_some() { 1.0 } else { 0.0 };
        let replay = self.options.replay.as_ref().map(|replay| {
            // What is held out does not tell what of other music is forgotten.
            let l2 = KEPT_PRECISION / (self.material.tracks.len() as f64 + replay.tracks);
            Strength { unknown: UNKNOWN, directions: NO_DIRECTIONS, ..strength(l2, mean) }
        });
        self.options.l2.map(|l2| strength(l2, mean)).or(replay)
    }

    /// The strength that is given, or the one that held-out log losses choose; the temperature of
    /// their logits there, and one of these fits.
    pub(super) fn choose(&self, folds: usize, fold_of: &[usize]) -> Result<FittedHead, FitError> {
        let mut parts: Vec<Part> =
            (0..folds).map(|fold| self.part(fold, fold_of)).collect::<Result<Vec<_>, FitError>>()?;
        let strength = match self.given() {
            Some(strength) => strength,
            None => self.search(&mut parts)?,
        };
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
        let shifts = self.limit(&rows, &mut logits);
        let temperature = self.temperature(&rows, &logits);
        tracing::debug!("{strength:?}: temperature {temperature:.3}");
        last.map(|fit| FittedHead { strength, temperature, shifts, fit }).ok_or(FitError::Empty)
    }

    /// The strongest prior that is not clearly worse than the best: by no more than one standard
    /// error of the paired difference over groups. Few groups cannot tell strengths apart, and then
    /// the prior stands.
    fn search(&self, parts: &mut [Part]) -> Result<Strength, FitError> {
        let prior = &self.options.prior;
        let keeps = self.material.lacks_labels();
        let unknown = if keeps { UNKNOWN } else { 1.0 };
        let start = |mean| Strength { unknown, directions: NO_DIRECTIONS, ..strength(1.0, mean) };
        let mut best = match &prior.mean {
            None => least(&self.penalties(parts, start(0.0))?).cloned().ok_or(FitError::Empty)?,
            Some(_) => strongest(&self.penalties(parts, start(1.0))?).cloned().ok_or(FitError::Empty)?,
        };
        // Labels without recordings would be forgotten.
        if keeps {
            return Ok(best.strength);
        }
        // Without the mean, a label without rows in some fold has no fit.
        if prior.mean.is_some()
            && let Ok(tried) = self.penalties(parts, start(0.0))
            && let Some(other) = strongest(&tried)
            && other.clearly_better(&best)
        {
            best = other.clone();
        }
        if prior.directions.is_some() {
            for directions in DIRECTIONS {
                let tried = self.loss(parts, Strength { directions, ..best.strength })?;
                if tried.clearly_better(&best) {
                    best = tried;
                }
            }
        }
        tracing::debug!("{:?}: log loss {:.4}", best.strength, best.mean());
        Ok(best.strength)
    }

    /// Held-out losses under each penalty, strongest first, until smaller ones are worse.
    fn penalties(&self, parts: &mut [Part], start: Strength) -> Result<Vec<Tried>, FitError> {
        parts.iter_mut().for_each(|part| part.fit = None);
        let weakest = if self.material.lacks_labels() { KEPT_PENALTY } else { 0.0 };
        let mut tried: Vec<Tried> = Vec::new();
        let mut worse = 0;
        for l2 in PENALTIES.into_iter().filter(|l2| *l2 >= weakest) {
            let next = self.loss(parts, Strength { l2, ..start })?;
            let is_best = least(&tried).is_none_or(|best| next.mean() < best.mean());
            worse = if is_best { 0 } else { worse + 1 };
            tried.push(next);
            if worse == PATIENCE {
                break;
            }
        }
        Ok(tried)
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

    /// Held-out log losses of all folds together.
    fn loss(&self, parts: &mut [Part], strength: Strength) -> Result<Tried, FitError> {
        let groups = self.material.groups.len();
        let (mut losses, mut weights) = (vec![0.0; groups], vec![0.0; groups]);
        for part in parts.iter_mut().filter(|part| !part.held.is_empty()) {
            let fit = part.sample.fit(strength, part.fit.as_ref(), COARSE)?;
            let logits = fit.logits(part.features.view());
            for (at, row) in part.held.iter().enumerate() {
                let group = self.material.tracks[self.material.track_of[*row]].group;
                let (logits, targets) = (logits.slice(s![at..=at, ..]), part.targets.slice(s![at..=at, ..]));
                losses[group] += part.weights[at] * log_loss(self.options.labelling, logits, targets, &[1.0]);
                weights[group] += part.weights[at];
            }
            part.fit = Some(fit);
        }
        let tried = Tried { strength, losses, weights };
        tracing::debug!("{strength:?}: log loss {:.4}", tried.mean());
        Ok(tried)
    }
}

/// Held-out log loss under a strength.
#[derive(Clone)]
struct Tried {
    strength: Strength,
    /// Weighted sums, by group.
    losses: Vec<f64>,
    /// Of the groups' rows.
    weights: Vec<f64>,
}

impl Tried {
    fn mean(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.weights.iter().sum::<f64>()
    }

    /// By more than one standard error of the difference over groups.
    fn clearly_better(&self, other: &Self) -> bool {
        let gain = other.mean() - self.mean();
        let held = self.weights.iter().filter(|weight| **weight > 0.0).count() as f64;
        let squares: f64 = self
            .losses
            .iter()
            .zip(&other.losses)
            .zip(&self.weights)
            .map(|((own, other), weight)| (other - own - gain * weight).powi(2))
            .sum();
        let error = (squares * held / (held - 1.0).max(1.0)).sqrt() / self.weights.iter().sum::<f64>();
        gain > error
    }
}

fn least(tried: &[Tried]) -> Option<&Tried> {
    tried.iter().min_by(|a, b| a.mean().total_cmp(&b.mean()))
}

/// The first that the best one is not clearly better than: strengths come strongest first.
fn strongest(tried: &[Tried]) -> Option<&Tried> {
    let best = least(tried)?;
    tried.iter().find(|one| !best.clearly_better(one))
}
