//! Mean and covariance of the embeddings of music. They describe music without storing any
//! recording, shape the penalty of a fit, and supply music to replay, so that a fit keeps its
//! accuracy on other music.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::prior::Linear;

/// Power of the covariance that weights vary with: a weight along a common direction of music is
/// expected to be smaller than one along a rare direction.
const WEIGHT_POWER: f64 = -0.25;

/// Least variance of a direction; below it there is rounding.
const LEAST_VARIANCE: f64 = 1e-3;

/// Mean and covariance of embeddings.
///
/// The covariance is that of the standardised embedding: `variances` along `axes`, and `rest` along
/// each direction that is orthogonal to all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct MusicStatistics {
    /// `[dim]`
    mean: Array1<f64>,
    /// `[dim]`, above 0.
    deviation: Array1<f64>,
    /// Orthonormal rows, `[rank, dim]`.
    axes: Array2<f64>,
    /// `[rank]`
    variances: Array1<f64>,
    rest: f64,
}

/// Values that are no statistics of music.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatisticsError {
    /// Sizes that differ.
    #[error(
        "a mean of {mean} values, {deviation} deviations and a factor of {rank} × {dim} do not fit each other"
    )]
    Sizes {
        /// Values of the mean.
        mean: usize,
        /// Number of deviations.
        deviation: usize,
        /// Rows of the factor.
        rank: usize,
        /// Columns of the factor.
        dim: usize,
    },
    /// A value that cannot be used.
    #[error("a value is not finite, or a deviation is not above 0")]
    Value,
    /// An axis without direction.
    #[error("a row of the factor is 0")]
    Axis,
}

impl MusicStatistics {
    /// Statistics with `factor` `[rank, dim]`, whose rows are principal axes scaled by the
    /// deviation along them. The variances of a standardised embedding sum to its size, which gives
    /// the variance along all other directions.
    ///
    /// # Errors
    /// Sizes differ, a value is not finite or a deviation not above 0; the message says which.
    pub fn new(
        mean: Array1<f64>,
        deviation: Array1<f64>,
        factor: Array2<f64>,
    ) -> Result<Self, StatisticsError> {
        let (rank, dim) = factor.dim();
        if mean.len() != dim || deviation.len() != dim || rank > dim {
            return Err(StatisticsError::Sizes { mean: mean.len(), deviation: deviation.len(), rank, dim });
        }
        let all = mean.iter().chain(&deviation).chain(&factor);
        if all.into_iter().any(|value| !value.is_finite()) || deviation.iter().any(|value| *value <= 0.0) {
            return Err(StatisticsError::Value);
        }
        let variances = factor.map_axis(Axis(1), |row| row.dot(&row));
        if variances.iter().any(|variance| *variance <= 0.0) {
            return Err(StatisticsError::Axis);
        }
        let axes = &factor / &variances.mapv(f64::sqrt).insert_axis(Axis(1));
        let rest = (dim as f64 - variances.sum()) / (dim - rank).max(1) as f64;
        Ok(Self {
            mean,
            deviation,
            axes,
            variances: variances.mapv(|variance| variance.max(LEAST_VARIANCE)),
            rest: rest.max(LEAST_VARIANCE),
        })
    }

    /// Size of an embedding.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Matrix `[dim, dim]` from embeddings to coordinates whose weights are expected to be equally
    /// large: `D⁻¹·q^½`, where `D` holds the deviations and `q = C^(−1/4)` has the trace `dim`.
    pub fn weight_scale(&self) -> Array2<f64> {
        let dim = self.dim();
        let others = (dim - self.axes.nrows()) as f64;
        let trace = self.variances.mapv(|variance| variance.powf(WEIGHT_POWER)).sum()
            + others * self.rest.powf(WEIGHT_POWER);
        let root = |variance: f64| (variance.powf(WEIGHT_POWER) * dim as f64 / trace).sqrt();
        let rest = root(self.rest);
        let along = self.variances.mapv(|variance| root(variance) - rest).insert_axis(Axis(1));
        let mut scale = self.axes.t().dot(&(&self.axes * &along));
        scale.diag_mut().mapv_inplace(|value| value + rest);
        scale / self.deviation.view().insert_axis(Axis(1))
    }

    /// The same map with each logit scaled and shifted to mean 0 and deviation 1 over music.
    pub fn standardised(&self, known: &Linear) -> Linear {
        let mut weight = known.weight.clone();
        let mut bias = Array1::zeros(known.bias.len());
        for (mut row, bias) in weight.rows_mut().into_iter().zip(&mut bias) {
            let deviation = self.logit_variance(row.view()).sqrt();
            row /= if deviation > 0.0 { deviation } else { 1.0 };
            *bias = -row.dot(&self.mean);
        }
        Linear { weight, bias }
    }

    /// Variance over music of the logit with these weights.
    fn logit_variance(&self, weight: ArrayView1<'_, f64>) -> f64 {
        let weight = &weight * &self.deviation;
        let along = self.axes.dot(&weight);
        let explained: f64 =
            along.iter().zip(&self.variances).map(|(along, variance)| variance * along * along).sum();
        explained + self.rest * (weight.dot(&weight) - along.dot(&along)).max(0.0)
    }

    /// Pseudo-random embeddings `[rows, dim]` with this mean and covariance, the same for a seed.
    pub fn draw(&self, rows: usize, seed: u64) -> Array2<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut normal = || {
            // Box and Muller, 1958.
            let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.f64()).cos()
        };
        let white = Array2::from_shape_simple_fn((rows, self.dim()), &mut normal);
        let rest = self.rest.sqrt();
        let along = white.dot(&self.axes.t()) * &self.variances.mapv(|variance| variance.sqrt() - rest);
        let standardised = white * rest + along.dot(&self.axes);
        (standardised * &self.deviation + &self.mean).mapv(|value| value as f32)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Variances 2.5 along the first axis, 1 along the second, 0.25 along the other two.
    fn statistics() -> MusicStatistics {
        let half = 0.5 * 2.5_f64.sqrt();
        let factor = array![[half, half, half, half], [0.5, -0.5, 0.5, -0.5]];
        MusicStatistics::new(array![1.0, 2.0, 3.0, 4.0], array![1.0, 2.0, 1.0, 0.5], factor).unwrap()
    }

    fn covariance(statistics: &MusicStatistics) -> Array2<f64> {
        let weights = Array2::<f64>::eye(4);
        // By polarisation, in standardised coordinates.
        Array2::from_shape_fn((4, 4), |(a, b)| {
            let logit = |row: Array1<f64>| statistics.logit_variance((row / &statistics.deviation).view());
            let (a, b) = (weights.row(a), weights.row(b));
            (logit(&a + &b) - logit(&a - &b)) / 4.0
        })
    }

    fn close(a: &Array2<f64>, b: &Array2<f64>, tolerance: f64) {
        assert!((a - b).iter().all(|apart| apart.abs() < tolerance), "{a}\n{b}");
    }

    #[test]
    fn the_scale_is_the_eighth_root_of_the_inverse_covariance() {
        let statistics = statistics();
        let covariance = covariance(&statistics);
        assert!((covariance.diag().sum() - 4.0).abs() < 1e-12, "{covariance}");
        let scale = &statistics.deviation.view().insert_axis(Axis(1)) * &statistics.weight_scale();
        // scale⁸ · covariance is a multiple of one.
        let fourth = scale.dot(&scale).dot(&scale.dot(&scale));
        let product = fourth.dot(&fourth).dot(&covariance);
        close(&(&product / product[[0, 0]]), &Array2::eye(4), 1e-12);
        let trace: f64 = scale.iter().map(|value| value * value).sum();
        assert!((trace - 4.0).abs() < 1e-12, "{trace}");
    }

    #[test]
    fn logits_are_standardised_over_music() {
        let statistics = statistics();
        let known = Linear { weight: array![[1.0, 0.0, 2.0, 0.0], [0.0; 4]], bias: array![5.0, 6.0] };
        let found = statistics.standardised(&known);
        assert!((statistics.logit_variance(found.weight.row(0)) - 1.0).abs() < 1e-12);
        assert!((found.weight.row(0).dot(&statistics.mean) + found.bias[0]).abs() < 1e-12);
        assert_eq!((found.weight.row(1).sum(), found.bias[1]), (0.0, 0.0));
    }

    #[test]
    fn drawn_rows_have_the_mean_and_the_covariance() {
        let statistics = statistics();
        let rows = statistics.draw(40_000, 1).mapv(f64::from);
        assert_eq!(statistics.draw(3, 1), statistics.draw(3, 1));
        let standardised = (&rows - &statistics.mean) / &statistics.deviation;
        let mean = standardised.mean_axis(Axis(0)).unwrap();
        assert!(mean.iter().all(|mean| mean.abs() < 0.03), "{mean}");
        close(&(standardised.t().dot(&standardised) / 40_000.0), &covariance(&statistics), 0.05);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let factor = array![[1.0, 0.0]];
        let new = |mean: Array1<f64>, deviation: Array1<f64>| {
            MusicStatistics::new(mean, deviation, factor.clone()).unwrap_err().to_string()
        };
        assert!(new(array![0.0], array![1.0, 1.0]).contains("a mean of 1 values"));
        assert!(new(array![0.0, 0.0], array![1.0, 0.0]).contains("not above 0"));
        assert!(new(array![0.0, f64::NAN], array![1.0, 1.0]).contains("not finite"));
        let empty = MusicStatistics::new(array![0.0], array![1.0], array![[0.0]]).unwrap_err().to_string();
        assert!(empty.contains("row of the factor"), "{empty}");
    }
}
