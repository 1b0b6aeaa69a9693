//! Floor 1: fitting heads and judging answers. Pure: numbers in, numbers out.

mod bootstrap;
mod calibration;
mod folds;
mod lbfgs;
mod logistic;
mod metrics;
mod reliability;

pub use bootstrap::{Bootstrap, Interval};
pub use calibration::{TEMPERATURES, fit_temperature, smooth_targets};
pub use folds::{FoldError, stratified_group_folds};
pub use lbfgs::Stop;
pub use logistic::{Fit, FitError, Labelling, Sample, balanced_weights, log_loss, posteriors};
pub use metrics::{Answers, Figure, LabelCounts, MultiLabel, SingleLabel, top_label};
pub use reliability::{BINS, Bin, Reliability};
