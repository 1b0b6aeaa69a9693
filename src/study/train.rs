//! From labelled embeddings to a head, with the answers that it would have given to tracks that it had not seen.
//!
//! A head is fitted to some tracks in three steps: cross-validation over them chooses the penalty; the held-out
//! logits under that penalty give the temperature; all of them give the weights. Cross-validation around all
//! three (it is nested) says what such a head is worth: each outer fold is answered by one that saw nothing of
//! its groups. The final head is fitted to all tracks.

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView2, Axis};

use super::listen::in_parallel;
use super::material::Material;
use super::report::{PatchPrediction, Predictions, TrackPredictions};
use crate::learn::{
    Fit, FitError, FoldError, Labelling, Sample, Stop, balanced_weights, fit_temperature, log_loss,
    posteriors, smooth_targets, stratified_group_folds,
};
use crate::model::HeadKind;

/// Penalties to choose from, strongest first: half a decade apart.
pub const PENALTIES: [f64; 11] = [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.000_3, 0.000_1];

/// Where a label is in too few groups to choose a penalty by holding some out: a strong one, as fits little material.
const UNCHOSEN: f64 = 0.3;

/// Folds in which a penalty is chosen within an outer fold.
const INNER_FOLDS: usize = 3;

/// A penalty that is worse than the best so far this many times in a row ends the search: smaller ones fit the
/// tracks by heart.
const PATIENCE: usize = 2;

/// Patches of a track by which penalties are compared, evenly spread. Patches overlap, and those of one track are
/// alike: ten say nearly what hundreds do, in a fraction of the time. The fits that answer and the one that is
/// kept have all of them.
const SEARCH_PATCHES: usize = 10;

/// Precision while penalties are compared.
const COARSE: Stop = Stop { gradient: 1e-4, steps: 300 };

/// Precision of the fits that answer: a tenth of what scikit-learn stops at.
const FINE: Stop = Stop { gradient: 1e-5, steps: 2_000 };

/// How to train.
#[derive(Debug, Clone, Copy)]
pub struct TrainOptions {
    /// Whether labels exclude each other.
    pub labelling: Labelling,
    /// Outer folds, at least 2; fewer are taken where a label is in fewer groups.
    pub folds: usize,
    /// Decides which groups go into which fold.
    pub seed: u64,
    /// Each label weighs the same, and within it each track; else each track, however long.
    pub balanced: bool,
    /// Threads, at least 1. Results do not depend on it.
    pub jobs: usize,
}

/// A head, and what held-out tracks say of it.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Fitted on all tracks.
    pub fit: Fit,
    /// Its penalty.
    pub penalty: f64,
    /// Its temperature.
    pub temperature: f64,
    /// Outer folds.
    pub folds: usize,
    /// The penalty of each outer fold.
    pub fold_penalties: Vec<f64>,
    /// Whether its labels exclude each other.
    pub kind: HeadKind,
    /// Calibrated posteriors `[patches, labels]` by heads that had not seen the patch's group.
    pub held_out: Array2<f64>,
}

impl Trained {
    /// What the heads that had not seen a track answered to it, for a report.
    pub fn predictions(&self, material: &Material) -> Predictions {
        let mut tracks: Vec<TrackPredictions> = material
            .tracks
            .iter()
            .map(|track| TrackPredictions {
                id: track.id.clone(),
                truth: track.labels.clone(),
                patches: Vec::new(),
            })
            .collect();
        let rows = self.held_out.rows().into_iter().zip(&material.track_of).zip(&material.is_altered);
        for ((row, track), _) in rows.filter(|(_, is_altered)| !**is_altered) {
            let posteriors = row.iter().map(|posterior| *posterior as f32).collect();
            tracks[*track].patches.push(PatchPrediction { posteriors, is_music: true });
        }
        Predictions { kind: self.kind, labels: material.labels.clone(), tracks }
    }
}

/// Why there is no head.
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
/// When the material cannot be split into two folds or fitted.
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
    let fold_penalties = fits.iter().map(|fitted| fitted.penalty).collect();
    let kind = match options.labelling {
        Labelling::Single => HeadKind::Single,
        Labelling::Multi => HeadKind::Multi,
    };
    let Fitted { penalty, temperature, fit } = last;
    Ok(Trained { kind, fit, penalty, temperature, folds, fold_penalties, held_out })
}

/// A head.
struct Fitted {
    penalty: f64,
    temperature: f64,
    fit: Fit,
}

/// Material with its targets and weights.
struct Set<'a> {
    material: &'a Material,
    options: &'a TrainOptions,
    features: ArrayView2<'a, f32>,
    targets: Array2<f64>,
    weights: Vec<f64>,
    /// In the comparison of penalties: 0 for patches that are left out, for which the others stand.
    search_weights: Vec<f64>,
}

impl<'a> Set<'a> {
    fn new(material: &'a Material, options: &'a TrainOptions) -> Self {
        let labels: Vec<&[usize]> = match options.balanced {
            true => material.track_of.iter().map(|track| &material.tracks[*track].labels[..]).collect(),
            // As if there were one label.
            false => vec![&[0]; material.track_of.len()],
        };
        let weights = balanced_weights(&labels, material.labels.len(), &material.track_of);
        let search_weights = thinned(&material.track_of, &material.is_altered, &weights);
        Self {
            material,
            options,
            features: material.embeddings.view(),
            targets: material.targets(),
            weights,
            search_weights,
        }
    }

    /// Indices of the patches whose track is wanted.
    fn rows(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.material.track_of.len()).filter(|row| wanted(self.material.track_of[*row])).collect()
    }

    /// At most `folds` folds of `tracks`: as many as every label can be spread over. The fold of each track of
    /// the material follows (of those that are not among `tracks`, `usize::MAX`).
    fn split(&self, tracks: &[usize], folds: usize) -> Result<(usize, Vec<usize>), FoldError> {
        let of = |track: &usize| &self.material.tracks[*track];
        let labels: Vec<&[usize]> = tracks.iter().map(|track| &of(track).labels[..]).collect();
        let groups: Vec<usize> = tracks.iter().map(|track| of(track).group).collect();
        let mut folds = folds;
        loop {
            let found = stratified_group_folds(
                &labels,
                self.material.labels.len(),
                &groups,
                folds,
                self.options.seed,
            );
            match found {
                Ok(found) => {
                    let mut fold_of = vec![usize::MAX; self.material.tracks.len()];
                    tracks.iter().zip(found).for_each(|(track, fold)| fold_of[*track] = fold);
                    return Ok((folds, fold_of));
                }
                Err(_) if folds > 2 => folds -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn sample(&self, rows: &[usize], weights: &[f64]) -> Result<Sample, FitError> {
        let weights: Vec<f64> = rows.iter().map(|row| weights[*row]).collect();
        Sample::new(
            self.options.labelling,
            self.features.select(Axis(0), rows).view(),
            self.targets.select(Axis(0), rows).view(),
            &weights,
        )
    }

    /// A head for `tracks`, with what cross-validation over them in `folds` folds chooses.
    fn fit(&self, tracks: &[usize], folds: usize) -> Result<Fitted, FitError> {
        let chosen =
            self.split(tracks, folds).ok().and_then(|(folds, fold_of)| self.choose(folds, &fold_of).ok());
        let (penalty, temperature, start) = match chosen {
            Some(Fitted { penalty, temperature, fit }) => (penalty, temperature, Some(fit)),
            None => (UNCHOSEN, 1.0, None),
        };
        let mut seen = vec![false; self.material.tracks.len()];
        tracks.iter().for_each(|track| seen[*track] = true);
        let sample = self.sample(&self.rows(|track| seen[track]), &self.weights)?;
        let fit = sample.fit(penalty, start.as_ref(), FINE)?;
        tracing::debug!("penalty {penalty}: {} steps, gradient {:.1e}", fit.steps, fit.gradient);
        Ok(Fitted { penalty, temperature, fit })
    }

    /// The penalty whose fits have the least log loss on what they did not see, the temperature of their logits
    /// there, and one of these fits.
    fn choose(&self, folds: usize, fold_of: &[usize]) -> Result<Fitted, FitError> {
        let mut parts = (0..folds)
            .map(|fold| {
                let rows = |wanted: &dyn Fn(usize) -> bool| {
                    let mut rows = self.rows(wanted);
                    rows.retain(|row| self.search_weights[*row] > 0.0);
                    rows
                };
                let mut held = rows(&|track| fold_of[track] == fold);
                held.retain(|row| !self.material.is_altered[*row]);
                let seen = rows(&|track| fold_of[track] != fold && fold_of[track] != usize::MAX);
                Ok(Part {
                    sample: self.sample(&seen, &self.search_weights)?,
                    features: self.features.select(Axis(0), &held),
                    targets: self.targets.select(Axis(0), &held),
                    weights: held.iter().map(|row| self.search_weights[*row]).collect(),
                    held,
                    fit: None,
                })
            })
            .collect::<Result<Vec<_>, FitError>>()?;
        let (mut best, mut worse) = ((f64::INFINITY, PENALTIES[0]), 0);
        for penalty in PENALTIES {
            let (mut loss, mut weight, mut steps) = (0.0, 0.0, 0);
            for part in &mut parts {
                let fit = part.sample.fit(penalty, part.fit.as_ref(), COARSE)?;
                let logits = fit.logits(part.features.view());
                let weighs: f64 = part.weights.iter().sum();
                loss += weighs
                    * log_loss(self.options.labelling, logits.view(), part.targets.view(), &part.weights);
                weight += weighs;
                steps += fit.steps;
                part.fit = Some(fit);
            }
            let loss = loss / weight;
            tracing::debug!("penalty {penalty}: log loss {loss:.4}, {steps} steps");
            if loss < best.0 {
                (best, worse) = ((loss, penalty), 0);
            } else {
                worse += 1;
                if worse == PATIENCE {
                    break;
                }
            }
        }
        let penalty = best.1;
        let mut rows = Vec::new();
        let mut logits = Array2::zeros((0, self.targets.ncols()));
        let mut last = None;
        for part in parts {
            let fit = part.sample.fit(penalty, part.fit.as_ref(), FINE)?;
            // Of the same width, so that it cannot fail.
            let _ = logits.append(Axis(0), fit.logits(part.features.view()).view());
            rows.extend(part.held);
            last = Some(fit);
        }
        let temperature = self.temperature(&rows, &logits);
        tracing::debug!("penalty {penalty}: temperature {temperature:.3}");
        last.map(|fit| Fitted { penalty, temperature, fit }).ok_or(FitError::Empty)
    }

    /// Fitted to the held-out logits of the rows that penalties are compared by. Patches of a track are alike:
    /// tracks count as observations.
    fn temperature(&self, rows: &[usize], logits: &Array2<f64>) -> f64 {
        let tracks: BTreeSet<usize> = rows.iter().map(|row| self.material.track_of[*row]).collect();
        let targets = self.targets.select(Axis(0), rows);
        let weights: Vec<f64> = rows.iter().map(|row| self.search_weights[*row]).collect();
        fit_temperature(
            self.options.labelling,
            logits.view(),
            smooth_targets(self.options.labelling, targets.view(), tracks.len()).view(),
            &weights,
        )
    }
}

/// What penalties are compared by: a fold, and the tracks that are not in it.
struct Part {
    sample: Sample,
    held: Vec<usize>,
    features: Array2<f32>,
    targets: Array2<f64>,
    weights: Vec<f64>,
    fit: Option<Fit>,
}

/// Weights of which each track keeps [`SEARCH_PATCHES`], and as many altered ones, with as much weight together
/// as all of them have.
fn thinned(track_of: &[usize], is_altered: &[bool], weights: &[f64]) -> Vec<f64> {
    let kinds: Vec<(&usize, &bool)> = track_of.iter().zip(is_altered).collect();
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::study::Track;

    /// Numbers without any pattern, −1 to 1.
    fn draw(index: usize) -> f64 {
        let wave = ((index + 1) as f64 * 12.9898).sin() * 43_758.545_3;
        2.0 * (wave - wave.floor()) - 1.0
    }

    /// `groups` groups of three tracks of four patches; `place` gives a patch's four features by its group, track
    /// and number, and `label` a group's label.
    fn material(
        groups: usize,
        label: impl Fn(usize) -> Vec<usize>,
        place: impl Fn(usize, usize, usize) -> [f64; 4],
    ) -> Material {
        let tracks: Vec<Track> = (0..groups * 3)
            .map(|track| Track {
                id: format!("track {track}").into(),
                labels: label(track / 3),
                group: track / 3,
            })
            .collect();
        let track_of: Vec<usize> = (0..tracks.len() * 4).map(|row| row / 4).collect();
        let embeddings =
            Array2::from_shape_fn((track_of.len(), 4), |(row, at)| place(row / 12, row / 4, row)[at] as f32);
        let labels: Vec<Arc<str>> = vec!["one".into(), "other".into()];
        let is_altered = vec![false; track_of.len()];
        Material { labels, tracks, embeddings, track_of, is_altered, pcm_sha256: Vec::new() }
    }

    fn options() -> TrainOptions {
        TrainOptions { labelling: Labelling::Single, folds: 5, seed: 1, balanced: false, jobs: 2 }
    }

    /// Share of patches whose true label is the best.
    fn accuracy(material: &Material, trained: &Trained) -> f64 {
        let right = trained
            .held_out
            .rows()
            .into_iter()
            .zip(&material.track_of)
            .filter(|(row, track)| (row[1] > row[0]) == (material.tracks[**track].labels == [1]));
        right.count() as f64 / material.track_of.len() as f64
    }

    #[test]
    fn what_can_be_told_apart_is_and_posteriors_are_probabilities() {
        let label = |group: usize| vec![group % 2];
        let apart = material(20, label, |group, _, row| {
            let side = if group % 2 == 0 { 1.0 } else { -1.0 };
            [side + 0.9 * draw(row), draw(row + 9_000), 100.0 + draw(row + 20_000), 7.0]
        });
        let trained = train(&apart, &options()).unwrap();
        assert!(accuracy(&apart, &trained) > 0.97, "{}", accuracy(&apart, &trained));
        assert!(trained.held_out.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-12));
        assert_eq!((trained.folds, trained.fold_penalties.len()), (5, 5));
        let predictions = trained.predictions(&apart);
        assert_eq!((predictions.tracks.len(), predictions.tracks[7].patches.len()), (60, 4));
        assert_eq!(predictions.tracks[7].truth, [0]);
        assert_eq!(predictions.tracks[7].patches[1].posteriors[0], trained.held_out[[29, 0]] as f32);
    }

    /// Features that say which group it is, and nothing of the label, which is drawn by group: whoever has tracks
    /// of a group on both sides would be right nearly always. Across groups there is nothing to be right by, and
    /// a calibrated head says so.
    #[test]
    fn nothing_leaks_from_a_group_to_its_own_answers() {
        let drawn = |group: usize| vec![usize::from(draw(group + 500) > 0.0)];
        let leaky = material(40, drawn, |group, _, row| {
            std::array::from_fn(|at| 10.0 * draw(group * 4 + at) + 0.1 * draw(row * 4 + at + 3_000))
        });
        let trained = train(&leaky, &options()).unwrap();
        let right = accuracy(&leaky, &trained);
        // 40 coins: 0.5 ± 2.6 deviations of 0.079.
        assert!((0.3..0.7).contains(&right), "{right}");
        let sure = trained.held_out.iter().filter(|posterior| **posterior > 0.8).count();
        assert!(sure < leaky.track_of.len() / 20, "{sure} of {}", leaky.track_of.len());
    }

    #[test]
    fn threads_change_nothing_and_few_groups_mean_few_folds() {
        let label = |group: usize| vec![usize::from(group > 2)];
        let small = material(8, label, |group, _, row| {
            [draw(row), if group > 2 { 1.0 } else { 0.0 } + draw(row + 77), draw(row + 999), 0.0]
        });
        let answers = |jobs: usize| train(&small, &TrainOptions { jobs, ..options() }).unwrap();
        let (one, four) = (answers(1), answers(4));
        assert_eq!(one.folds, 3);
        assert_eq!(one.held_out, four.held_out);
        assert_eq!((one.temperature, one.penalty), (four.temperature, four.penalty));
        let lone = material(3, |group| vec![usize::from(group > 0)], |_, _, row| [draw(row); 4]);
        let error = train(&lone, &options()).unwrap_err();
        assert_eq!(error, TrainError::Folds(FoldError::Label { label: 0, groups: 1, folds: 2 }));
    }

    #[test]
    fn long_tracks_are_thinned_without_losing_weight() {
        let track_of: Vec<usize> = std::iter::repeat_n(0, 25).chain([1, 1, 2]).collect();
        let weights: Vec<f64> = track_of.iter().map(|track| 1.0 + *track as f64).collect();
        let thin = thinned(&track_of, &[false; 28], &weights);
        assert_eq!(thin[..25].iter().filter(|weight| **weight > 0.0).count(), SEARCH_PATCHES);
        assert!((thin[..25].iter().sum::<f64>() - 25.0).abs() < 1e-12 && thin[0] > 0.0 && thin[22] > 0.0);
        assert_eq!(thin[25..], [2.0, 2.0, 3.0]);
        let is_altered: Vec<bool> = (0..28).map(|row| (12..25).contains(&row)).collect();
        let thin = thinned(&track_of, &is_altered, &weights);
        assert_eq!(thin[..12].iter().filter(|weight| **weight > 0.0).count(), SEARCH_PATCHES);
        assert!((thin[..12].iter().sum::<f64>() - 12.0).abs() < 1e-12);
    }

    /// Six tracks a genre, all answered right by far: still not quite sure.
    #[test]
    fn few_tracks_leave_doubt() {
        let few = material(
            4,
            |group| vec![group % 2],
            |group, _, row| [if group % 2 == 0 { 50.0 } else { -50.0 } + draw(row), 0.0, 0.0, 0.0],
        );
        let trained = train(&few, &options()).unwrap();
        assert_eq!(accuracy(&few, &trained), 1.0);
        // Twelve tracks: the rule of succession says 13 of 14.
        let logits = trained.fit.logits(few.embeddings.view()) / trained.temperature;
        for row in logits.rows() {
            let posterior = 1.0 / (1.0 + (-(row[0] - row[1]).abs()).exp());
            assert!((0.85..0.97).contains(&posterior), "{posterior}");
        }
    }
}
