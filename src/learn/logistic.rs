//! Logistic regression with an L2 penalty: softmax over labels that exclude each other, or one sigmoid a label.
//!
//! Minimised is `Σ wᵢ·lossᵢ / Σ wᵢ + l2/2 · ‖W‖²` over features that are standardised inside (weighted mean 0 and
//! deviation 1); biases go free. That is scikit-learn's objective with `C = 1 / (l2 · Σ wᵢ)`. It is convex, so the
//! answer is one; a softmax of free biases leaves their sum open, which stays 0.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::lbfgs::{Stop, minimise};

/// A deviation below this share of the feature's largest value is rounding: such a feature is constant.
const CONSTANT: f64 = 1e-6;

/// Whether labels exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labelling {
    /// One label a row: softmax.
    Single,
    /// Any number of labels a row: one sigmoid each.
    Multi,
}

/// Why nothing can be fitted.
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

/// Rows to learn from, standardised.
#[derive(Debug, Clone)]
pub struct Sample {
    labelling: Labelling,
    /// Standardised, `[rows, dim]`.
    features: Array2<f64>,
    /// 0 or 1, `[rows, units]`.
    targets: Array2<f64>,
    /// Sum to 1.
    weights: Vec<f64>,
    mean: Array1<f64>,
    scale: Array1<f64>,
}

impl Sample {
    /// From `features` `[rows, dim]`, `targets` `[rows, units]` of 0 and 1, and one weight a row.
    ///
    /// # Errors
    /// When the sizes differ, values are not finite, or a label is on all rows or on none.
    pub fn new(
        labelling: Labelling,
        features: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, f64>,
        weights: &[f64],
    ) -> Result<Self, FitError> {
        let rows = features.nrows();
        if targets.nrows() != rows || weights.len() != rows {
            return Err(FitError::Sizes { rows, targets: targets.nrows(), weights: weights.len() });
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
        for (label, column) in targets.columns().into_iter().enumerate() {
            let share: f64 = column.iter().zip(&weights).map(|(target, weight)| target * weight).sum();
            let known =
                |is: f64| column.iter().zip(&weights).any(|(target, weight)| *target == is && *weight > 0.0);
            if !(share > 0.0 && known(0.0) && known(1.0)) {
                return Err(FitError::Label(label));
            }
        }
        let mut features = features.mapv(f64::from);
        let (mean, scale) = standardise(&mut features, &weights);
        Ok(Self { labelling, features, targets: targets.to_owned(), weights, mean, scale })
    }

    /// Fits a head with the penalty `l2`; `start` is a fit to these or similar rows, and only saves steps.
    ///
    /// # Errors
    /// When the penalty is not a positive number.
    pub fn fit(&self, l2: f64, start: Option<&Fit>, stop: Stop) -> Result<Fit, FitError> {
        if !(l2.is_finite() && l2 > 0.0) {
            return Err(FitError::Penalty(l2));
        }
        let (units, dim) = (self.targets.ncols(), self.features.ncols());
        let start = match start {
            // Its weights as they are: the scales of two folds hardly differ.
            Some(fit) if fit.weight.dim() == (units, dim) => {
                fit.weight.iter().chain(&fit.bias).copied().collect()
            }
            _ => vec![0.0; units * (dim + 1)],
        };
        let mut logits = Array2::zeros((self.features.nrows(), units));
        let found = minimise(start, stop, |theta, gradient| self.objective(l2, theta, gradient, &mut logits));
        let weight = Array2::from_shape_fn((units, dim), |(unit, at)| found.point[unit * dim + at]);
        let bias = Array1::from_iter(found.point[units * dim..].iter().copied());
        Ok(Fit {
            weight,
            bias,
            mean: self.mean.clone(),
            scale: self.scale.clone(),
            gradient: found.gradient,
            steps: found.steps,
        })
    }

    /// Value and gradient at `theta`: weights `[units, dim]` row-major, then biases `[units]`. `logits` is
    /// scratch, `[rows, units]`.
    fn objective(&self, l2: f64, theta: &[f64], gradient: &mut [f64], logits: &mut Array2<f64>) -> f64 {
        let (units, dim) = (self.targets.ncols(), self.features.ncols());
        let (weight, bias) = theta.split_at(units * dim);
        let (to_weight, to_bias) = gradient.split_at_mut(units * dim);
        let (Ok(matrix), Ok(mut to_matrix)) = (
            ArrayView2::from_shape((units, dim), weight),
            ndarray::ArrayViewMut2::from_shape((units, dim), &mut *to_weight),
        ) else {
            return f64::NAN;
        };
        for mut row in logits.rows_mut() {
            row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit = *bias);
        }
        general_mat_mul(1.0, &self.features, &matrix.t(), 1.0, logits);
        let mut value = 0.0;
        to_bias.fill(0.0);
        for ((mut row, target), sample) in
            logits.rows_mut().into_iter().zip(self.targets.rows()).zip(&self.weights)
        {
            // From logits to `weight · (posterior − target)`, the gradient of the loss by the logits.
            value += sample * loss_and_posteriors(self.labelling, &mut row, &target);
            for ((posterior, target), to_bias) in row.iter_mut().zip(target).zip(&mut *to_bias) {
                *posterior = sample * (*posterior - target);
                *to_bias += *posterior;
            }
        }
        general_mat_mul(1.0, &logits.t(), &self.features, 0.0, &mut to_matrix);
        let mut squares = 0.0;
        for (slope, weight) in to_weight.iter_mut().zip(weight) {
            *slope += l2 * weight;
            squares += weight * weight;
        }
        value + 0.5 * l2 * squares
    }
}

/// A fitted head, over features standardised as its sample was.
#[derive(Debug, Clone)]
pub struct Fit {
    /// `[units, dim]`, for standardised features.
    weight: Array2<f64>,
    bias: Array1<f64>,
    mean: Array1<f64>,
    scale: Array1<f64>,
    /// Largest absolute component of the gradient where the search ended.
    pub gradient: f64,
    /// Steps of the search.
    pub steps: usize,
}

impl Fit {
    /// Logits `[rows, units]` of `features` `[rows, dim]`.
    pub fn logits(&self, features: ArrayView2<'_, f32>) -> Array2<f64> {
        let mut rows = features.mapv(f64::from);
        for mut row in rows.rows_mut() {
            row -= &self.mean;
            row /= &self.scale;
        }
        let mut logits = rows.dot(&self.weight.t());
        logits += &self.bias;
        logits
    }

    /// Weights `[units, dim]` and biases `[units]` that take features as they are.
    pub fn folded(&self) -> (Array2<f64>, Array1<f64>) {
        let weight = &self.weight / &self.scale;
        let bias = &self.bias - &weight.dot(&self.mean);
        (weight, bias)
    }
}

/// Weights that let each label weigh the same, and within it each group; they sum to the number of rows.
///
/// `labels[row]` are the labels of a row, of `count`; `groups[row]` its group, of any numbers. A row of several
/// labels has the sum of its shares in them.
pub fn balanced_weights(labels: &[&[usize]], count: usize, groups: &[usize]) -> Vec<f64> {
    use std::collections::{BTreeMap, BTreeSet};
    let mut rows_of: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    let mut groups_of: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
    for (labels, group) in labels.iter().zip(groups) {
        for label in *labels {
            *rows_of.entry((*label, *group)).or_default() += 1.0;
            groups_of[*label].insert(*group);
        }
    }
    let share = |label: usize, group: usize| {
        let rows = rows_of.get(&(label, group)).copied().unwrap_or(1.0);
        1.0 / (groups_of[label].len() as f64 * rows)
    };
    let mut weights: Vec<f64> = labels
        .iter()
        .zip(groups)
        .map(|(labels, group)| labels.iter().map(|label| share(*label, *group)).sum())
        .collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight *= labels.len() as f64 / total);
    weights
}

/// Weighted mean of the rows' losses, in nats: `logits` and `targets` are `[rows, units]`. Of several sigmoids,
/// their sum.
pub fn log_loss(
    labelling: Labelling,
    logits: ArrayView2<'_, f64>,
    targets: ArrayView2<'_, f64>,
    weights: &[f64],
) -> f64 {
    let mut rows = logits.to_owned();
    let (mut sum, mut total) = (0.0, 0.0);
    for ((mut row, target), weight) in rows.rows_mut().into_iter().zip(targets.rows()).zip(weights) {
        sum += weight * loss_and_posteriors(labelling, &mut row, &target);
        total += weight;
    }
    sum / total
}

/// Turns the logits of one row into posteriors.
pub fn posteriors(labelling: Labelling, row: &mut ndarray::ArrayViewMut1<'_, f64>) {
    let nothing = Array1::zeros(row.len());
    loss_and_posteriors(labelling, row, &nothing.view());
}

/// The loss of one row, whose logits become posteriors. Never overflows.
pub(super) fn loss_and_posteriors(
    labelling: Labelling,
    row: &mut ndarray::ArrayViewMut1<'_, f64>,
    target: &ndarray::ArrayView1<'_, f64>,
) -> f64 {
    match labelling {
        Labelling::Single => {
            let top = row.fold(f64::NEG_INFINITY, |top, logit| top.max(*logit));
            let hit: f64 = row.iter().zip(target).map(|(logit, target)| target * (logit - top)).sum();
            row.mapv_inplace(|logit| (logit - top).exp());
            let sum = row.sum();
            row.mapv_inplace(|power| power / sum);
            sum.ln() - hit
        }
        Labelling::Multi => {
            let mut loss = 0.0;
            for (logit, target) in row.iter_mut().zip(target) {
                let power = (-logit.abs()).exp();
                loss += power.ln_1p() + logit.max(0.0) - target * *logit;
                *logit = if *logit >= 0.0 { 1.0 / (1.0 + power) } else { power / (1.0 + power) };
            }
            loss
        }
    }
}

/// Takes mean and deviation out of each column, and returns them; a constant column keeps the scale 1.
fn standardise(features: &mut Array2<f64>, weights: &[f64]) -> (Array1<f64>, Array1<f64>) {
    let dim = features.ncols();
    let mut mean = Array1::zeros(dim);
    let mut largest = Array1::<f64>::zeros(dim);
    for (row, weight) in features.rows().into_iter().zip(weights) {
        mean.scaled_add(*weight, &row);
        largest.zip_mut_with(&row, |largest, x| *largest = largest.max(x.abs()));
    }
    let mut variance = Array1::<f64>::zeros(dim);
    for (mut row, weight) in features.rows_mut().into_iter().zip(weights) {
        row -= &mean;
        variance.zip_mut_with(&row, |variance, x| *variance += weight * x * x);
    }
    let scale = ndarray::Zip::from(&variance).and(&largest).map_collect(|variance, largest| {
        let deviation = variance.sqrt();
        if deviation > CONSTANT * largest { deviation } else { 1.0 }
    });
    for mut row in features.axis_iter_mut(Axis(0)) {
        row /= &scale;
    }
    (mean, scale)
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayView1, array};
    use proptest::prelude::*;

    use super::*;

    /// Rows without any pattern, two labels or three.
    fn sample(labelling: Labelling, rows: usize, units: usize, seed: usize) -> Sample {
        let wave = |i: usize| ((i + seed * 7_919) as f64 * 12.9898).sin() * 43_758.545;
        let draw = |i: usize| wave(i) - wave(i).floor();
        let features = Array2::from_shape_fn((rows, 4), |(row, at)| {
            (draw(row * 4 + at) * [1.0, 10.0, 0.1, 1.0][at] + f64::from(u8::from(row % units == at))) as f32
        });
        let targets = Array2::from_shape_fn((rows, units), |(row, unit)| {
            let stray = labelling == Labelling::Multi && draw(9_000 + row * units + unit) < 0.2;
            f64::from(u8::from(row % units == unit || stray))
        });
        let weights: Vec<f64> = (0..rows).map(|row| 0.5 + draw(20_000 + row)).collect();
        Sample::new(labelling, features.view(), targets.view(), &weights).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Central differences, on points around the origin.
        #[test]
        fn the_gradient_is_the_slope_of_the_value(
            multi in any::<bool>(),
            seed in 0_usize..1_000,
            theta in proptest::collection::vec(-2.0_f64..2.0, 15),
        ) {
            let labelling = if multi { Labelling::Multi } else { Labelling::Single };
            let sample = sample(labelling, 30, 3, seed);
            let mut scratch = Array2::zeros((30, 3));
            let mut gradient = vec![0.0; 15];
            sample.objective(0.1, &theta, &mut gradient, &mut scratch);
            for at in 0..15 {
                let mut there = |step: f64| {
                    let mut theta = theta.clone();
                    theta[at] += step;
                    sample.objective(0.1, &theta, &mut [0.0; 15], &mut scratch)
                };
                let slope = (there(1e-5) - there(-1e-5)) / 2e-5;
                prop_assert!((slope - gradient[at]).abs() < 1e-8, "{at}: {slope} and {}", gradient[at]);
            }
        }

        /// The gradient vanishes, wherever the search begins; the function is convex, so this is the minimum.
        #[test]
        fn the_minimum_is_reached_from_anywhere(
            multi in any::<bool>(),
            seed in 0_usize..1_000,
            exponent in -4.0_f64..0.0,
        ) {
            let labelling = if multi { Labelling::Multi } else { Labelling::Single };
            let sample = sample(labelling, 40, 3, seed);
            // Near the minimum values that differ by less than their rounding cannot be told apart: below some 1e-8, the search
            // may come to rest.
            let stop = Stop { gradient: 1e-7, steps: 5_000 };
            let l2 = 10f64.powf(exponent);
            let cold = sample.fit(l2, None, stop).unwrap();
            let other = sample.fit(10.0, None, stop).unwrap();
            let warm = sample.fit(l2, Some(&other), stop).unwrap();
            for fit in [&cold, &warm] {
                let theta: Vec<f64> = fit.weight.iter().chain(&fit.bias).copied().collect();
                let mut gradient = vec![0.0; theta.len()];
                sample.objective(l2, &theta, &mut gradient, &mut Array2::zeros((40, 3)));
                prop_assert!(gradient.iter().all(|g| g.abs() <= 1e-7), "{gradient:?}");
            }
            // Strong convexity bounds the distance: both are within √15 · 1e-7 / l2 of the minimum.
            let apart = (&cold.weight - &warm.weight).mapv(f64::abs).iter().copied().fold(0.0, f64::max);
            prop_assert!(apart <= 2.0 * 15f64.sqrt() * 1e-7 / l2, "{apart}");
        }
    }

    #[test]
    fn folded_weights_give_the_same_logits() {
        let features = array![[1.0_f32, 200.0, 7.0], [2.0, 100.0, 7.0], [4.0, 150.0, 7.0], [3.0, 120.0, 7.0]];
        let targets = array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
        let sample = Sample::new(Labelling::Single, features.view(), targets.view(), &[1.0; 4]).unwrap();
        let fit = sample.fit(0.01, None, Stop::default()).unwrap();
        let (weight, bias) = fit.folded();
        let logits = fit.logits(features.view());
        for (row, logits) in features.rows().into_iter().zip(logits.rows()) {
            let by_hand = weight.dot(&row.mapv(f64::from)) + &bias;
            assert!((&by_hand - &logits).iter().all(|d| d.abs() < 1e-12), "{by_hand} and {logits}");
        }
        // The last feature never changes: it says nothing.
        assert!(weight.column(2).iter().all(|w| *w == 0.0), "{weight}");
    }

    /// A row of twice the weight is a row that is there twice.
    #[test]
    fn weights_count_rows() {
        let features = array![[1.0_f32], [2.0], [2.5], [0.5], [2.5]];
        let targets = array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]];
        let fit = |rows: usize, weights: &[f64]| {
            let (features, targets) =
                (features.slice(ndarray::s![..rows, ..]), targets.slice(ndarray::s![..rows, ..]));
            Sample::new(Labelling::Single, features, targets, weights)
                .unwrap()
                .fit(0.1, None, Stop::default())
                .unwrap()
                .folded()
        };
        let (twice, once) = (fit(5, &[1.0; 5]), fit(4, &[1.0, 1.0, 2.0, 1.0]));
        assert!((&twice.0 - &once.0).iter().chain(&(&twice.1 - &once.1)).all(|d: &f64| d.abs() < 1e-5));
    }

    #[test]
    fn balance_gives_labels_and_their_groups_the_same_weight() {
        // Label 0: group 0 with three rows, group 1 with one; label 1: group 2 with two rows.
        let labels: [&[usize]; 6] = [&[0], &[0], &[0], &[0], &[1], &[1]];
        let weights = balanced_weights(&labels, 2, &[0, 0, 0, 1, 2, 2]);
        let expected = [0.5, 0.5, 0.5, 1.5, 1.5, 1.5];
        assert!(weights.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{weights:?}");
        // Of two labels: a share from each. Before scaling, (1/2 + 1, 1/2) and so 3 : 1.
        let weights = balanced_weights(&[&[0, 1], &[0]], 2, &[0, 1]);
        assert!((weights[0] - 1.5).abs() < 1e-12 && (weights[1] - 0.5).abs() < 1e-12, "{weights:?}");
    }

    #[test]
    fn losses_and_posteriors_do_not_overflow() {
        let target = [1.0, 0.0];
        let target = ArrayView1::from(&target);
        let mut row = array![-1e6, 1e6];
        assert_eq!(loss_and_posteriors(Labelling::Single, &mut row.view_mut(), &target), 2e6);
        assert_eq!(row, array![0.0, 1.0]);
        let mut row = array![-1e6, 1e6];
        assert_eq!(loss_and_posteriors(Labelling::Multi, &mut row.view_mut(), &target), 2e6);
        assert_eq!(row, array![0.0, 1.0]);
        let mut row = array![0.0, 0.0];
        let loss = loss_and_posteriors(Labelling::Multi, &mut row.view_mut(), &target);
        assert!((loss - 2.0 * 2f64.ln()).abs() < 1e-15 && row == array![0.5, 0.5]);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let features = array![[1.0_f32], [2.0]];
        let targets = array![[1.0, 0.0], [0.0, 1.0]];
        let new = |features: &Array2<f32>, targets: &Array2<f64>, weights: &[f64]| {
            Sample::new(Labelling::Multi, features.view(), targets.view(), weights).map(|_| ()).unwrap_err()
        };
        assert_eq!(new(&features, &targets, &[1.0]), FitError::Sizes { rows: 2, targets: 2, weights: 1 });
        assert_eq!(new(&features, &targets, &[0.0, 0.0]), FitError::Empty);
        assert_eq!(new(&features, &targets, &[1.0, -1.0]), FitError::NotFinite(1));
        assert_eq!(new(&array![[f32::NAN], [1.0]], &targets, &[1.0, 1.0]), FitError::NotFinite(0));
        assert_eq!(new(&features, &array![[1.0, 0.0], [1.0, 1.0]], &[1.0, 1.0]), FitError::Label(0));
        assert_eq!(new(&features, &targets, &[1.0, 0.0]), FitError::Label(0));
        let sample = Sample::new(Labelling::Multi, features.view(), targets.view(), &[1.0, 1.0]).unwrap();
        assert_eq!(sample.fit(0.0, None, Stop::default()).unwrap_err(), FitError::Penalty(0.0));
    }
}
