//! Audio to the lines of an answer: windows as they are scored, and the verdict.

use std::path::PathBuf;
use std::sync::Arc;

use super::answer::{AnswerWriter, line};
use super::context::JobContext;
use super::failure::Failure;
use super::shared_model::HeldModel;
use crate::audio::Block;
use crate::dsp::DspError;
use crate::model::ModelError;
use crate::study::offline::{Classification, FileError, FileRecord, WindowRecord, WindowVerdict};

/// Classification whose results are sent as lines.
pub(super) struct ScoredAnswer<'a> {
    /// Name of the file, or redacted address of the stream.
    name: String,
    model: HeldModel<'a>,
    model_name: String,
    head_name: Arc<str>,
    labels: Vec<Arc<str>>,
    classification: Classification,
}

/// Input of one classification as the model sees it.
pub(super) struct ScoringParams {
    /// Index of the source.
    pub(super) source: usize,
    /// Interval between patches, in seconds.
    pub(super) hop_s: f64,
    /// Stretches per run of the model.
    pub(super) batch: usize,
}

impl<'a> ScoredAnswer<'a> {
    /// Begins the classification of the audio called `name`.
    pub(super) fn begin(
        context: &'a JobContext,
        name: String,
        params: &ScoringParams,
    ) -> Result<Self, Failure> {
        let ScoringParams { source, hop_s, batch } = *params;
        let model = context.model.hold();
        let begun = model.with(|model| {
            let classification = Classification::new(model, source, hop_s, batch, &context.silence)?;
            let labels = model.head().labels().to_vec();
            let names = (model.bundle().manifest.name.clone(), model.head().name().clone());
            Ok((classification, labels, names))
        });
        let begun: Result<_, DspError> = begun.map_err(|error| Failure::of_model(&error))?;
        let (classification, labels, (model_name, head_name)) =
            begun.map_err(|error| of_dsp(&name, error))?;
        Ok(Self { name, model, model_name, head_name, labels, classification })
    }

    /// Length of the audio so far, in seconds.
    pub(super) fn duration_s(&mut self) -> f64 {
        self.classification.duration_s()
    }

    /// Processes a block, and sends the windows that it completes.
    pub(super) fn push(&mut self, block: &Block, answer: &AnswerWriter<'_>) -> Result<(), Failure> {
        match self.classification.push(block).map_err(|error| of_dsp(&self.name, error))? {
            true => self.send_windows(answer),
            false => Ok(()),
        }
    }

    /// Ends the audio, and sends the last windows and the verdict.
    pub(super) fn finish(mut self, answer: &AnswerWriter<'_>) -> Result<(), Failure> {
        self.classification.end().map_err(|error| of_dsp(&self.name, error))?;
        self.send_windows(answer)?;
        let Self { name, model, model_name, head_name, labels, classification } = self;
        let found = flatten(model.with(|model| classification.finish(model)))?;
        let record = FileRecord::new(&name, &model_name, &head_name, &labels, &found);
        answer.send(line("verdict", &record)?)
    }

    fn send_windows(&mut self, answer: &AnswerWriter<'_>) -> Result<(), Failure> {
        let Self { model, classification, labels, .. } = self;
        let lines = flatten(model.with(|model| {
            let to_line = |window: &WindowVerdict| line("window", &WindowRecord::new(window, labels));
            Ok(classification.score(model)?.iter().map(to_line).collect::<Vec<_>>())
        }))?;
        lines.into_iter().try_for_each(|line| answer.send(line?))
    }
}

fn flatten<T>(result: Result<Result<T, ModelError>, ModelError>) -> Result<T, Failure> {
    result.and_then(|inner| inner).map_err(|error| Failure::of_model(&error))
}

fn of_dsp(name: &str, error: DspError) -> Failure {
    Failure::of_file(&FileError::Dsp { file: PathBuf::from(name), error })
}
