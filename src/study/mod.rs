//! Floor 5: labelled recordings. `genred train` and `genred eval` are made of it.

mod augment;
mod cache;
mod card;
mod dataset;
mod evaluate;
mod export;
mod listen;
mod material;
pub mod plot;
pub mod render;
mod report;
mod stream;
mod train;
mod training_material;
mod vocabulary;

pub use augment::Alteration;
pub use cache::Cache;
pub use card::{About, card};
pub use dataset::{Dataset, DatasetError, DatasetOptions, Filter, Item};
pub use evaluate::{
    Evaluation, EvaluationError, EvaluationOptions, OnTrainingMaterial, Seen, evaluate, examples,
};
pub use export::{ExportError, NewHead, Place, Training, check_head_name, export};
pub use listen::{Listened, Task, listen};
pub use material::{LeftOut, Material, MaterialError, Track};
pub use report::{
    Comparison, Figures, Judgement, LabelFigures, PatchPrediction, Predictions, Report, ReportError,
    TrackPredictions,
};
pub use stream::{
    Decided, Figures as StreamFigures, Piece, Played, PosteriorsError, StreamError, StreamPosteriors, Stretch,
    Timeline, decide, hear,
};
pub use train::{PENALTIES, TrainError, TrainOptions, Trained, train};
pub use training_material::TrainingMaterial;
pub use vocabulary::{Renaming, Vocabulary, VocabularyError, VocabularyOptions};
