//! A fitted head, before and after its standardisation is folded into the weights.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2};

use super::standard::Standard;
use crate::learn::prior::{Linear, Network};

/// A fitted head, over features standardised as its sample was.
#[derive(Debug, Clone)]
pub struct Fit {
    /// On standardised features.
    pub(super) hidden: Option<Linear>,
    /// `[units, dim + directions]` for standardised features, or `[units, hidden]`.
    pub(super) weight: Array2<f64>,
    pub(super) bias: Array1<f64>,
    pub(super) mean_factor: f64,
    pub(super) standard: Arc<Standard>,
    /// Largest absolute component of the gradient where the search ended.
    pub gradient: f64,
    /// Steps of the search.
    pub steps: usize,
}

impl Fit {
    /// Logits `[rows, units]` of `features` `[rows, dim]`.
    pub fn logits(&self, features: ArrayView2<'_, f32>) -> Array2<f64> {
        self.folded().logits(features)
    }

    /// The same before anything is folded, which takes longer: what folding is checked by.
    pub fn standardised_logits(&self, features: ArrayView2<'_, f32>) -> Array2<f64> {
        let standard = &self.standard;
        let mut rows = standard.rows(features);
        if let Some(hidden) = &self.hidden {
            rows = (rows.dot(&hidden.weight.t()) + &hidden.bias).mapv(|value| value.max(0.0));
        }
        let mut logits = rows.dot(&self.weight.t());
        logits += &self.bias;
        if self.hidden.is_some() {
            return logits;
        }
        if let Some(mean) = &standard.prior.mean {
            logits.scaled_add(self.mean_factor, &mean.logits.logits(features));
        }
        logits
    }

    /// The same head with `by` added to the logit of a unit.
    #[must_use]
    pub fn shifted(mut self, unit: usize, by: f64) -> Self {
        self.bias[unit] += by;
        self
    }

    /// The head for embeddings as they are: prior mean and directions become part of the weights.
    pub fn folded(&self) -> Network {
        if let Some(hidden) = &self.hidden {
            let output = Linear { weight: self.weight.clone(), bias: self.bias.clone() };
            return Network { hidden: Some(self.standard.folded(&hidden.weight, &hidden.bias)), output };
        }
        let correction = self.standard.folded(&self.weight, &self.bias);
        match &self.standard.prior.mean {
            Some(mean) => mean.logits.corrected(self.mean_factor, &correction),
            None => correction.into(),
        }
    }
}
