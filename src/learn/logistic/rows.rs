//! Rows that a head is fitted to.

use std::sync::Arc;

use ndarray::Array2;

use super::standard::Standard;
use crate::learn::loss::Labelling;

/// Standardised features with their targets and weights.
#[derive(Debug, Clone)]
pub(super) struct StandardRows {
    pub(super) labelling: Labelling,
    /// Standardised, `[rows, dim + directions]`.
    pub(super) features: Array2<f64>,
    /// 0 to 1, `[rows, units]`.
    pub(super) targets: Array2<f64>,
    /// Sum to 1.
    pub(super) weights: Vec<f64>,
    pub(super) standard: Arc<Standard>,
}
