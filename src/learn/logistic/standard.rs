//! Standardised coordinates in which a fit runs.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};

use super::super::prior::{Linear, Prior};

/// Share of the feature's largest value below which its deviation is rounding: the feature is
/// constant.
const CONSTANT: f64 = 1e-6;

/// Least deviation that a feature is divided by, as a share of the median one. Within one piece
/// many features of an embedding hardly vary; divided by their own deviation, those of another
/// piece would be thousands.
const LEAST_DEVIATION: f64 = 0.05;

/// Affine map from embeddings to standardised features, and the prior that it depends on.
#[derive(Debug)]
pub(super) struct Standard {
    pub(super) prior: Prior,
    /// Features that stand for the embedding; those after them are the directions' logits.
    pub(super) dim: usize,
    mean: Array1<f64>,
    scale: Array1<f64>,
}

impl Standard {
    /// The map for `features` `[rows, dim]` of these weights, and the mapped rows.
    pub(super) fn new(features: ArrayView2<'_, f32>, prior: &Prior, weights: &[f64]) -> (Self, Array2<f64>) {
        let mut rows = extended(features, prior);
        let (mean, mut scale) = standardise(&mut rows, weights);
        if prior.scale.is_some() {
            // Coordinates and logits that are on the scale of the prior.
            rows *= &scale;
            scale.fill(1.0);
        }
        (Self { prior: prior.clone(), dim: features.ncols(), mean, scale }, rows)
    }

    /// Standardised features `[rows, dim + directions]` of embeddings.
    pub(super) fn rows(&self, features: ArrayView2<'_, f32>) -> Array2<f64> {
        (extended(features, &self.prior) - &self.mean) / &self.scale
    }

    /// A layer over standardised features as one that takes embeddings as they are.
    pub(super) fn folded(&self, weight: &Array2<f64>, bias: &Array1<f64>) -> Linear {
        let scaled = weight / &self.scale;
        let mut bias = bias - &scaled.dot(&self.mean);
        let of_embedding = scaled.slice(s![.., ..self.dim]);
        let mut weight = match &self.prior.scale {
            Some(scale) => of_embedding.dot(&scale.t()),
            None => of_embedding.to_owned(),
        };
        if let Some(directions) = &self.prior.directions {
            let along = scaled.slice(s![.., self.dim..]);
            weight += &along.dot(&directions.weight);
            bias += &along.dot(&directions.bias);
        }
        Linear { weight, bias }
    }
}

/// Embeddings in the prior's coordinates, and after them their logits by the known heads.
fn extended(features: ArrayView2<'_, f32>, prior: &Prior) -> Array2<f64> {
    let mut rows = features.mapv(f64::from);
    if let Some(scale) = &prior.scale {
        rows = rows.dot(scale);
    }
    let Some(directions) = &prior.directions else { return rows };
    let known = directions.logits(features);
    // Of the same number of rows, so that it cannot fail.
    concatenate(Axis(1), &[rows.view(), known.view()]).unwrap_or(rows)
}

/// Takes mean and deviation out of each column, and returns them; a constant column keeps the scale
/// 1.
pub(super) fn standardise(features: &mut Array2<f64>, weights: &[f64]) -> (Array1<f64>, Array1<f64>) {
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
    let deviations = ndarray::Zip::from(&variance).and(&largest).map_collect(|variance, largest| {
        let deviation = variance.sqrt();
        if deviation > CONSTANT * largest { deviation } else { 0.0 }
    });
    let mut varying: Vec<f64> = deviations.iter().copied().filter(|deviation| *deviation > 0.0).collect();
    varying.sort_by(f64::total_cmp);
    let least = varying.get(varying.len() / 2).map_or(1.0, |median| LEAST_DEVIATION * median);
    let scale = deviations.mapv(|deviation| deviation.max(least));
    for mut row in features.axis_iter_mut(Axis(0)) {
        row /= &scale;
    }
    (mean, scale)
}
