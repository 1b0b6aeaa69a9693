//! Options of a training.

use crate::learn::{Balance, HiddenLayer, Labelling, Prior};
use crate::study::replay::Replay;

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
    /// Added to the logits of labels after the fit, by index into [`Material::labels`](crate::study::Material::labels).
    pub shifts: Vec<(usize, f64)>,
    /// Precision of the prior; cross-validation chooses it where it is absent.
    pub l2: Option<f64>,
    /// Music that is learned from in every fit, so that it is not forgotten.
    pub replay: Option<Replay>,
    /// Limits on confusions between labels.
    pub limits: Vec<ConfusionLimit>,
    /// Prior of the head.
    pub prior: Prior,
    /// Threads, at least 1. Results do not depend on it.
    pub jobs: usize,
}

/// Limit on a confusion between two labels: the other's bias is set so that held-out patches are so
/// as often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfusionLimit {
    /// The true label, as an index into [`Material::labels`](crate::study::Material::labels).
    pub truth: usize,
    /// Label of the wrong answer.
    pub answer: usize,
    /// Share of its patches, by weight.
    pub share: f64,
}
