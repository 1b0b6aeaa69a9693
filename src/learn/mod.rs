//! Layer 1: fitting heads and evaluating their answers. Pure: numbers in, numbers out.

mod balance;
mod bootstrap;
mod calibration;
mod folds;
mod label_counts;
mod lbfgs;
mod logistic;
mod loss;
mod metrics;
mod operating;
mod prior;
mod reliability;
mod statistics;

pub use balance::{Balance, balanced_weights};
pub use bootstrap::{Bootstrap, Interval};
pub use calibration::{TEMPERATURES, fit_temperature, smooth_targets};
pub use folds::{FoldError, stratified_group_folds};
pub use label_counts::LabelCounts;
pub use lbfgs::StopCriterion;
pub use logistic::{Fit, FitError, HiddenLayer, Sample};
pub use loss::{Labelling, log_loss, posteriors};
pub use metrics::{Answers, Figure, MultiLabel, SingleLabel, top_label};
pub use operating::bias_for_share;
pub use prior::{Linear, Network, Prior, PriorMean, Strength};
pub use reliability::{BINS, Bin, Reliability};
pub use statistics::{MusicStatistics, StatisticsError};
