//! Floor 1: fitting heads and judging answers. Pure: numbers in, numbers out.

mod bootstrap;
mod metrics;
mod reliability;

pub use bootstrap::{Bootstrap, Interval};
pub use metrics::{Answers, Figure, LabelCounts, MultiLabel, SingleLabel, top_label};
pub use reliability::{BINS, Bin, Reliability};
