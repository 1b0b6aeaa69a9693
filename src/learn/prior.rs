//! Prior knowledge of a head.
//!
//! A Gaussian prior over the weights of a new head, made of heads that exist and of the statistics
//! of music. Its *mean* is the known head's rows for labels that the new head shares with it. Its
//! *covariance* has the shape that `scale` gives it, and is larger along `directions`, the rows of
//! known heads: genres are expected to differ there.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

/// A linear map from embeddings to logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// `[units, dim]`
    pub weight: Array2<f64>,
    /// `[units]`
    pub bias: Array1<f64>,
}

impl Linear {
    /// Logits `[rows, units]` of `features` `[rows, dim]`.
    pub fn logits(&self, features: ArrayView2<'_, f32>) -> Array2<f64> {
        features.mapv(f64::from).dot(&self.weight.t()) + &self.bias
    }
}

/// Far beyond the logits of any correction: a hidden unit that adds it to one never cuts it off.
const NEVER_CUT: f64 = 1024.0;

/// A head from embeddings to logits: a linear map, or one behind a hidden layer of ReLUs.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// `[hidden, dim]`
    pub hidden: Option<Linear>,
    /// `[units, dim]` or `[units, hidden]`.
    pub output: Linear,
}

impl Network {
    /// Logits `[rows, units]` of `features` `[rows, dim]`.
    pub fn logits(&self, features: ArrayView2<'_, f32>) -> Array2<f64> {
        let Some(hidden) = &self.hidden else { return self.output.logits(features) };
        let active = hidden.logits(features).mapv(|value| value.max(0.0));
        active.dot(&self.output.weight.t()) + &self.output.bias
    }

    /// Inputs of the network.
    pub fn dim(&self) -> usize {
        self.hidden.as_ref().unwrap_or(&self.output).weight.ncols()
    }

    /// `factor` times the logits of this network plus those of `correction`, as one network. Behind
    /// a hidden layer the correction passes through units of its own, one per label.
    pub fn corrected(&self, factor: f64, correction: &Linear) -> Self {
        let weight = &self.output.weight * factor;
        let bias = &self.output.bias * factor;
        let Some(hidden) = &self.hidden else {
            let output = Linear { weight: weight + &correction.weight, bias: bias + &correction.bias };
            return output.into();
        };
        let passed = Linear { weight: correction.weight.clone(), bias: &correction.bias + NEVER_CUT };
        let through = Array2::eye(bias.len());
        Self {
            hidden: Some(Linear {
                weight: stacked(Axis(0), &hidden.weight, &passed.weight),
                bias: hidden.bias.iter().chain(&passed.bias).copied().collect(),
            }),
            output: Linear { weight: stacked(Axis(1), &weight, &through), bias: bias - NEVER_CUT },
        }
    }
}

impl From<Linear> for Network {
    fn from(output: Linear) -> Self {
        Self { hidden: None, output }
    }
}

/// Product of two matrices. The sizes agree, so that it cannot fail.
fn stacked(axis: Axis, first: &Array2<f64>, second: &Array2<f64>) -> Array2<f64> {
    concatenate(axis, &[first.view(), second.view()]).unwrap_or_default()
}

/// Mean of a prior: a known head in the labels of the new one.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorMean {
    /// One unit per label of the new head; zeros where nothing is known.
    pub logits: Network,
    /// Labels that the known head has: their biases mean something, too.
    pub is_known: Vec<bool>,
}

/// Prior over a head's weights. Without any part it is the plain L2 penalty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prior {
    /// Matrix `[dim, dim]` from embeddings to coordinates whose weights are expected to be equally
    /// large. Without it each value of the embedding is divided by its deviation among the rows.
    pub scale: Option<Array2<f64>>,
    /// Known logits of an embedding, of any number.
    pub directions: Option<Linear>,
    /// Expected logits of the new head.
    pub mean: Option<PriorMean>,
}

/// Strength of the parts of a prior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strength {
    /// Precision of the weights around their mean, relative to the mean loss.
    pub l2: f64,
    /// Deviation of weights on standardised known logits, relative to that of weights on the
    /// embedding.
    pub directions: f64,
    /// Factor on the prior mean: 0 is no mean, 1 the known head as it is.
    pub mean: f64,
    /// Precision of the weights of labels that the prior mean does not know, relative to `l2`.
    pub unknown: f64,
    /// Precision of the biases of known labels around the prior's, relative to `l2`; 0 leaves them
    /// free.
    pub bias: f64,
}

impl Strength {
    /// A plain L2 penalty.
    pub fn plain(l2: f64) -> Self {
        Self { l2, directions: 1.0, mean: 0.0, unknown: 1.0, bias: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_correction_behind_a_hidden_layer_adds_its_logits() {
        let hidden = Linear { weight: array![[1.0, -1.0], [0.5, 2.0]], bias: array![0.1, -0.2] };
        let output = Linear { weight: array![[1.0, 2.0], [-1.0, 0.5]], bias: array![0.3, 0.4] };
        let correction = Linear { weight: array![[3.0, 0.0], [-40.0, 7.0]], bias: array![1.0, 2.0] };
        let features = array![[1.0_f32, 2.0], [-3.0, 0.5], [0.0, 0.0]];
        for hidden in [None, Some(hidden)] {
            let network = Network { hidden, output: output.clone() };
            let corrected = network.corrected(0.5, &correction);
            let expected = network.logits(features.view()) * 0.5 + correction.logits(features.view());
            let apart = corrected.logits(features.view()) - expected;
            assert!(apart.iter().all(|apart| apart.abs() < 1e-9), "{apart}");
            assert_eq!(corrected.dim(), 2);
        }
    }
}
