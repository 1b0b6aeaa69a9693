//! A hidden layer of ReLUs between the embedding and the labels, for heads that a linear map is too
//! little for.
//!
//! The objective is that of a linear head with the penalty on both layers' weights. It is not
//! convex: the minimum that is found depends on the seeded start, and is the same for the same
//! rows. Priors say nothing about such a head.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};

use super::fit::Fit;
use super::rows::StandardRows;
use crate::learn::lbfgs::{StopCriterion, minimise};
use crate::learn::loss::loss_and_posteriors;
use crate::learn::prior::Linear;

/// Size of a hidden layer, and the seed of its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HiddenLayer {
    /// Units, at least 1.
    pub units: usize,
    /// Of the random weights that the search begins with.
    pub seed: u64,
}

/// Parameters side by side: first weights, first biases, second weights, second biases.
pub(super) struct Shape {
    pub(super) inputs: usize,
    pub(super) hidden: usize,
    pub(super) units: usize,
}

impl Shape {
    fn first(&self) -> usize {
        self.hidden * self.inputs
    }

    fn second(&self) -> usize {
        self.units * self.hidden
    }

    fn len(&self) -> usize {
        self.first() + self.hidden + self.second() + self.units
    }

    /// Random weights of the usual size: deviation √(2 / inputs).
    pub(super) fn start(&self, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut uniform = || {
            // SplitMix64 (Steele, Lea and Flood, 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
        };
        let mut point = vec![0.0; self.len()];
        let first = (6.0 / self.inputs as f64).sqrt();
        point[..self.first()].iter_mut().for_each(|weight| *weight = first * uniform());
        let second = (6.0 / self.hidden as f64).sqrt();
        let from = self.first() + self.hidden;
        point[from..from + self.second()].iter_mut().for_each(|weight| *weight = second * uniform());
        point
    }
}

/// Fits a head with a hidden layer; `start` only saves steps.
pub(super) fn fit(
    rows: &StandardRows,
    layer: HiddenLayer,
    l2: f64,
    start: Option<&Fit>,
    stop: StopCriterion,
) -> Fit {
    let shape = Shape { inputs: rows.features.ncols(), hidden: layer.units, units: rows.targets.ncols() };
    let start = match start.and_then(|fit| fit.hidden.as_ref().map(|hidden| (fit, hidden))) {
        Some((fit, hidden)) if hidden.weight.dim() == (shape.hidden, shape.inputs) => {
            hidden.weight.iter().chain(&hidden.bias).chain(&fit.weight).chain(&fit.bias).copied().collect()
        }
        _ => shape.start(layer.seed),
    };
    let count = rows.features.nrows();
    let mut scratch = (Array2::zeros((count, shape.hidden)), Array2::zeros((count, shape.units)));
    let found =
        minimise(start, stop, |theta, gradient| objective(rows, &shape, l2, theta, gradient, &mut scratch));
    let (first, rest) = found.point.split_at(shape.first());
    let (first_bias, rest) = rest.split_at(shape.hidden);
    let (second, second_bias) = rest.split_at(shape.second());
    let matrix = |rows: usize, columns: usize, values: &[f64]| {
        Array2::from_shape_fn((rows, columns), |(row, at)| values[row * columns + at])
    };
    Fit {
        hidden: Some(Linear {
            weight: matrix(shape.hidden, shape.inputs, first),
            bias: Array1::from(first_bias.to_vec()),
        }),
        weight: matrix(shape.units, shape.hidden, second),
        bias: Array1::from(second_bias.to_vec()),
        mean_factor: 0.0,
        standard: rows.standard.clone(),
        gradient: found.gradient,
        steps: found.steps,
    }
}

/// Value and gradient at `theta`. `scratch` holds the hidden layer `[rows, hidden]` and the
/// logits.
pub(super) fn objective(
    rows: &StandardRows,
    shape: &Shape,
    l2: f64,
    theta: &[f64],
    gradient: &mut [f64],
    scratch: &mut (Array2<f64>, Array2<f64>),
) -> f64 {
    let (active, logits) = scratch;
    let (first, rest) = theta.split_at(shape.first());
    let (first_bias, rest) = rest.split_at(shape.hidden);
    let (second, second_bias) = rest.split_at(shape.second());
    let (to_first, rest) = gradient.split_at_mut(shape.first());
    let (to_first_bias, rest) = rest.split_at_mut(shape.hidden);
    let (to_second, to_second_bias) = rest.split_at_mut(shape.second());
    let (Ok(w1), Ok(w2), Ok(mut g1), Ok(mut g2)) = (
        ArrayView2::from_shape((shape.hidden, shape.inputs), first),
        ArrayView2::from_shape((shape.units, shape.hidden), second),
        ArrayViewMut2::from_shape((shape.hidden, shape.inputs), &mut *to_first),
        ArrayViewMut2::from_shape((shape.units, shape.hidden), &mut *to_second),
    ) else {
        return f64::NAN;
    };
    fill(active, first_bias);
    general_mat_mul(1.0, &rows.features, &w1.t(), 1.0, active);
    active.mapv_inplace(|value| value.max(0.0));
    fill(logits, second_bias);
    general_mat_mul(1.0, active, &w2.t(), 1.0, logits);
    let mut value = 0.0;
    let each = logits.rows_mut().into_iter().zip(rows.targets.rows()).zip(&rows.weights);
    for ((mut row, target), weight) in each {
        value += weight * loss_and_posteriors(rows.labelling, &mut row, &target);
        row.zip_mut_with(&target, |posterior, target| *posterior = weight * (*posterior - target));
    }
    general_mat_mul(1.0, &logits.t(), active, 0.0, &mut g2);
    copy(&logits.sum_axis(Axis(0)), to_second_bias);
    // Back through the layer: nothing where it is off.
    let mut back = logits.dot(&w2);
    back.zip_mut_with(active, |slope, active| {
        if *active <= 0.0 {
            *slope = 0.0;
        }
    });
    general_mat_mul(1.0, &back.t(), &rows.features, 0.0, &mut g1);
    copy(&back.sum_axis(Axis(0)), to_first_bias);
    let mut squares = 0.0;
    for (slope, weight) in to_first.iter_mut().zip(first).chain(to_second.iter_mut().zip(second)) {
        *slope += l2 * weight;
        squares += weight * weight;
    }
    value + 0.5 * l2 * squares
}

fn fill(rows: &mut Array2<f64>, bias: &[f64]) {
    for mut row in rows.rows_mut() {
        row.iter_mut().zip(bias).for_each(|(value, bias)| *value = *bias);
    }
}

fn copy(from: &Array1<f64>, to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}
