//! Head that a new bundle receives.

use std::sync::Arc;

use crate::learn::{Fit, Labelling};

/// Head that a bundle receives.
#[derive(Debug)]
pub struct NewHead<'a> {
    /// Name.
    pub name: &'a str,
    /// Names of the labels.
    pub labels: &'a [Arc<str>],
    /// Relation of the labels: exclusive or not.
    pub labelling: Labelling,
    /// Weights.
    pub fit: &'a Fit,
    /// Divisor of the logits.
    pub temperature: f64,
    /// Keys and values of its `[provenance]`.
    pub provenance: Vec<(&'static str, String)>,
}
