//! Floor 5: labelled recordings. `genred train` and `genred eval` are made of it.

mod dataset;

pub use dataset::{Dataset, DatasetError, DatasetOptions, Filter, Item};
