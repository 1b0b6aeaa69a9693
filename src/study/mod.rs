//! Floor 5: labelled recordings. `genred train` and `genred eval` are made of it.

mod dataset;
mod evaluate;
pub mod plot;
pub mod render;
mod report;
mod training_material;
mod vocabulary;

pub use dataset::{Dataset, DatasetError, DatasetOptions, Filter, Item};
pub use evaluate::{
    Evaluation, EvaluationError, EvaluationOptions, OnTrainingMaterial, Seen, evaluate, examples,
};
pub use report::{
    Comparison, Figures, Judgement, LabelFigures, PatchPrediction, Predictions, Report, ReportError,
    TrackPredictions,
};
pub use training_material::TrainingMaterial;
pub use vocabulary::{Renaming, Vocabulary, VocabularyError, VocabularyOptions};
