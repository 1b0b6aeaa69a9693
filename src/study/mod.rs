//! Layer 5: labelled recordings. `genred train` and `genred eval` are made of it.

mod augment;
mod cache;
mod card;
#[cfg(feature = "web")]
pub(crate) mod classify_service;
#[cfg(feature = "corrections")]
mod corrections;
mod dataset;
mod embedding_set;
mod evaluate;
mod export;
mod listen;
mod material;
mod music_statistics;
pub mod offline;
pub mod plot;
mod prior;
pub mod render;
mod replay;
mod report;
mod seen_recordings;
mod stream;
mod train;
mod vocabulary;

pub use augment::Alteration;
pub use cache::Cache;
pub use card::{About, card};
#[cfg(feature = "corrections")]
pub use corrections::{CORRECTIONS, Corrected, CorrectedTrack, CorrectionCounts};
pub use dataset::{Dataset, DatasetError, DatasetOptions, Filter, Item, Trust};
pub use embedding_set::{EmbeddingRow, EmbeddingSet, EmbeddingSetError};
pub use evaluate::{
    Evaluation, EvaluationError, EvaluationOptions, OnTrainingMaterial, Seen, evaluate, examples,
};
pub use export::{ExportError, NewHead, Place, Training, check_head_name, export};
pub use listen::{Listened, Task, listen};
pub use material::{Dominance, Gathering, LeftOut, Material, MaterialError, Track};
pub use music_statistics::music_statistics;
pub use prior::{Known, PriorOptions};
pub use replay::Replay;
pub use report::{
    Comparison, Figures, Judgement, LabelFigures, PatchPrediction, Predictions, Report, ReportError,
    TrackPredictions,
};
pub use seen_recordings::TrainingMaterial;
pub(crate) use stream::{
    DecidedStream, PlacedPiece, StreamFigures, StreamPiece, StreamPosteriors, TruthInterval, decide,
    score_stream,
};
pub use train::{ConfusionLimit, TrainError, TrainOptions, Trained, known_predictions, train};
pub use vocabulary::{Renaming, Vocabulary, VocabularyError, VocabularyOptions};
