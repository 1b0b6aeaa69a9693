//! Logistic regression with a Gaussian prior: softmax over labels that exclude each other, or one
//! sigmoid per label.
//!
//! The objective is `Σ wᵢ·lossᵢ / Σ wᵢ + l2/2 · ‖W − M‖²` over features that are standardised
//! inside (weighted mean 0 and deviation 1). Without a prior `M` is 0 and biases are free, which is
//! scikit-learn's objective with `C = 1 / (l2 · Σ wᵢ)`. It is convex, so the minimum is unique; a
//! softmax with free biases leaves their sum open, which stays 0.
//!
//! A prior's mean enters as an offset of the logits, so that the search runs over the departure
//! from it. Its scale takes the place of the features' deviations. Its directions enter as further
//! features, the standardised logits of known heads, whose weights are penalised less. All are
//! linear in the embedding: a fit folds into one linear head.

use std::sync::Arc;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2};

use super::lbfgs::{StopCriterion, minimise};
use super::loss::{Labelling, loss_and_posteriors};
use super::prior::{Linear, Prior, Strength};

mod fit;
mod hidden;
mod rows;
mod standard;
#[cfg(test)]
mod tests;

pub use fit::Fit;
pub use hidden::HiddenLayer;
use rows::StandardRows;
use standard::Standard;

/// Reason for having no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The arrays do not belong together.
    #[error("{rows} rows of features, {targets} of targets and {weights} weights do not fit each other")]
    Sizes {
        /// Rows of features.
        rows: usize,
        /// Rows of targets.
        targets: usize,
        /// Weights.
        weights: usize,
    },
    /// The prior is for other labels or another embedding.
    #[error("the prior does not fit the rows: it has other labels or another embedding")]
    Prior,
    /// Nothing to learn from.
    #[error("no row has a weight above 0")]
    Empty,
    /// A feature or weight that is no number.
    #[error("row {0} holds a value that is not finite, or a negative weight")]
    NotFinite(usize),
    /// A label that all rows have, or none: no bias would be large enough.
    #[error("label {0} is on all rows or on none")]
    Label(usize),
    /// Without a penalty the answer may lie at infinity.
    #[error("the penalty is {0}, not a positive number")]
    Penalty(f64),
}

/// Standardised rows to learn from.
#[derive(Debug, Clone)]
pub struct Sample {
    rows: StandardRows,
    /// Logits of the prior mean, `[rows, units]`.
    offsets: Option<Array2<f64>>,
    /// Labels that all rows have, or none: they need a prior on their biases.
    one_sided: Vec<usize>,
    hidden: Option<HiddenLayer>,
}

impl Sample {
    /// From `features` `[rows, dim]`, `targets` `[rows, units]` of 0 to 1, and one weight per row.
    ///
    /// # Errors
    /// The sizes differ, or values are not finite.
    pub fn new(
        labelling: Labelling,
        features: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, f64>,
        weights: &[f64],
    ) -> Result<Self, FitError> {
        Self::with_prior(labelling, features, targets, weights, &Prior::default())
    }

    /// The same, with a prior over the head's weights.
    ///
    /// # Errors
    /// Those of [`Sample::new`], and a prior of other sizes.
    pub fn with_prior(
        labelling: Labelling,
        features: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, f64>,
        weights: &[f64],
        prior: &Prior,
    ) -> Result<Self, FitError> {
        let (rows, dim) = features.dim();
        if targets.nrows() != rows || weights.len() != rows {
            return Err(FitError::Sizes { rows, targets: targets.nrows(), weights: weights.len() });
        }
        let fits = |known: &Linear| known.weight.ncols() == dim && known.weight.nrows() == known.bias.len();
        let mean_fits = prior.mean.as_ref().is_none_or(|mean| {
            let units = targets.ncols();
            let network = &mean.logits;
            network.dim() == dim && network.output.bias.len() == units && mean.is_known.len() == units
        });
        let scale_fits = prior.scale.as_ref().is_none_or(|scale| scale.dim() == (dim, dim));
        if !mean_fits || !scale_fits || !prior.directions.as_ref().is_none_or(fits) {
            return Err(FitError::Prior);
        }
        let bad = |row: usize| {
            !(weights[row] >= 0.0 && weights[row].is_finite())
                || features.row(row).iter().any(|x| !x.is_finite())
        };
        if let Some(row) = (0..rows).find(|row| bad(*row)) {
            return Err(FitError::NotFinite(row));
        }
        let total: f64 = weights.iter().sum();
        if !(total.is_finite() && total > 0.0) {
            return Err(FitError::Empty);
        }
        let weights: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let is_one_sided = |label: &usize| {
            let share: f64 =
                targets.column(*label).iter().zip(&weights).map(|(target, weight)| target * weight).sum();
            !(share > 0.0 && share < 1.0 - 1e-12)
        };
        let one_sided = (0..targets.ncols()).filter(is_one_sided).collect();
        let offsets = prior.mean.as_ref().map(|mean| mean.logits.logits(features));
        let (standard, features) = Standard::new(features, prior, &weights);
        Ok(Self {
            rows: StandardRows {
                labelling,
                features,
                targets: targets.to_owned(),
                weights,
                standard: Arc::new(standard),
            },
            offsets,
            one_sided,
            hidden: None,
        })
    }

    /// The same rows for heads with a hidden layer, about which a prior says nothing.
    #[must_use]
    pub fn with_hidden(self, hidden: Option<HiddenLayer>) -> Self {
        Self { hidden, ..self }
    }

    /// Fits a head; `start` is a fit to these or similar rows, and only saves steps.
    ///
    /// # Errors
    /// The penalty is not a positive number, or a label is on all rows or on none and nothing
    /// holds its bias.
    pub fn fit(&self, strength: Strength, start: Option<&Fit>, stop: StopCriterion) -> Result<Fit, FitError> {
        if !(strength.l2.is_finite() && strength.l2 > 0.0) {
            return Err(FitError::Penalty(strength.l2));
        }
        if let Some(layer) = self.hidden {
            return match self.one_sided.first() {
                Some(label) => Err(FitError::Label(*label)),
                None => Ok(hidden::fit(&self.rows, layer, strength.l2, start, stop)),
            };
        }
        let penalty = self.penalty(&strength);
        if let Some(label) = self.one_sided.iter().find(|label| penalty.bias[**label] <= 0.0) {
            return Err(FitError::Label(*label));
        }
        let (units, dim) = (self.rows.targets.ncols(), self.rows.features.ncols());
        let start = match start {
            // Its weights as they are: the scales of two folds hardly differ.
            Some(fit) if fit.weight.dim() == (units, dim) => {
                fit.weight.iter().chain(&fit.bias).copied().collect()
            }
            _ => vec![0.0; units * (dim + 1)],
        };
        let mut logits = Array2::zeros((self.rows.features.nrows(), units));
        let found =
            minimise(start, stop, |theta, gradient| self.objective(&penalty, theta, gradient, &mut logits));
        let weight = Array2::from_shape_fn((units, dim), |(unit, at)| found.point[unit * dim + at]);
        let bias = Array1::from_iter(found.point[units * dim..].iter().copied());
        Ok(Fit {
            hidden: None,
            weight,
            bias,
            mean_factor: penalty.mean,
            standard: self.rows.standard.clone(),
            gradient: found.gradient,
            steps: found.steps,
        })
    }

    fn penalty(&self, strength: &Strength) -> Penalty {
        let dim = self.rows.standard.dim;
        let along = 1.0 / (strength.directions * strength.directions);
        let known = self.rows.standard.prior.mean.as_ref().map(|mean| &mean.is_known);
        let held = |unit: usize| known.is_some_and(|known| known[unit]);
        let precision = |unit: usize| match known.is_some() && !held(unit) {
            true => strength.l2 * strength.unknown,
            false => strength.l2,
        };
        let weight = (0..self.rows.targets.ncols())
            .flat_map(|unit| (0..self.rows.features.ncols()).map(move |at| (unit, at)))
            .map(|(unit, at)| precision(unit) * if at < dim { 1.0 } else { along })
            .collect();
        let bias = (0..self.rows.targets.ncols())
            .map(|unit| match held(unit) || known.is_some() && self.one_sided.contains(&unit) {
                true => strength.l2 * strength.bias,
                false => 0.0,
            })
            .collect();
        Penalty { weight, bias, mean: if known.is_some() { strength.mean } else { 0.0 } }
    }

    /// Value and gradient at `theta`: weights `[units, dim]` row-major, then biases `[units]`, both
    /// as departures from the prior mean. `logits` is scratch, `[rows, units]`.
    fn objective(
        &self,
        penalty: &Penalty,
        theta: &[f64],
        gradient: &mut [f64],
        logits: &mut Array2<f64>,
    ) -> f64 {
        let (units, dim) = (self.rows.targets.ncols(), self.rows.features.ncols());
        let (weight, bias) = theta.split_at(units * dim);
        let (to_weight, to_bias) = gradient.split_at_mut(units * dim);
        let (Ok(matrix), Ok(mut to_matrix)) = (
            ArrayView2::from_shape((units, dim), weight),
            ndarray::ArrayViewMut2::from_shape((units, dim), &mut *to_weight),
        ) else {
            return f64::NAN;
        };
        match &self.offsets {
            Some(offsets) => logits.zip_mut_with(offsets, |logit, offset| *logit = penalty.mean * offset),
            None => logits.fill(0.0),
        }
        for mut row in logits.rows_mut() {
            row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += *bias);
        }
        general_mat_mul(1.0, &self.rows.features, &matrix.t(), 1.0, logits);
        let mut value = 0.0;
        to_bias.fill(0.0);
        for ((mut row, target), sample) in
            logits.rows_mut().into_iter().zip(self.rows.targets.rows()).zip(&self.rows.weights)
        {
            // From logits to `weight · (posterior − target)`, the gradient of the loss by the
            // logits.
            value += sample * loss_and_posteriors(self.rows.labelling, &mut row, &target);
            for ((posterior, target), to_bias) in row.iter_mut().zip(target).zip(&mut *to_bias) {
                *posterior = sample * (*posterior - target);
                *to_bias += *posterior;
            }
        }
        general_mat_mul(1.0, &logits.t(), &self.rows.features, 0.0, &mut to_matrix);
        let mut squares = 0.0;
        for ((slope, weight), precision) in to_weight.iter_mut().zip(weight).zip(&penalty.weight) {
            *slope += precision * weight;
            squares += precision * weight * weight;
        }
        for ((slope, bias), precision) in to_bias.iter_mut().zip(bias).zip(&penalty.bias) {
            *slope += precision * bias;
            squares += precision * bias * bias;
        }
        value + 0.5 * squares
    }
}

/// A strength in numbers of one sample.
struct Penalty {
    /// Precision per unit and feature, row-major.
    weight: Vec<f64>,
    /// Precision per unit.
    bias: Vec<f64>,
    /// Factor on the offsets.
    mean: f64,
}
