//! Prior knowledge of a head.
//!
//! A Gaussian prior over the weights of a new head, made of heads that exist. Its *mean* is the known head's rows
//! for labels that the new head shares with it. Its *covariance* is larger along `directions`, the rows of known
//! heads: genres are expected to differ there.

use ndarray::{Array1, Array2, ArrayView2};

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

/// Mean of a prior: a known head in the labels of the new one.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorMean {
    /// One unit per label of the new head; zeros where nothing is known.
    pub logits: Linear,
    /// Labels that the known head has.
    pub is_known: Vec<bool>,
}

/// Prior over a head's weights. Without either part it is the plain L2 penalty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prior {
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
    /// Deviation of weights on standardised known logits, relative to that of weights on the embedding.
    pub directions: f64,
    /// Factor on the prior mean: 0 is no mean, 1 the known head as it is.
    pub mean: f64,
    /// Precision of the weights of labels that the prior mean does not know, relative to `l2`.
    pub unknown: f64,
    /// Precision of the biases of known labels around the prior's, relative to `l2`; 0 leaves them free.
    pub bias: f64,
}

impl Strength {
    /// A plain L2 penalty.
    pub fn plain(l2: f64) -> Self {
        Self { l2, directions: 1.0, mean: 0.0, unknown: 1.0, bias: 0.0 }
    }
}
