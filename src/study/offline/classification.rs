//! Classification of finite audio, block by block.

use std::path::Path;

use super::embedding::{FILE_BATCH, PatchEmbedder};
use super::error::FileError;
use super::files::{failure_of, for_each_block};
use super::verdict::{FileVerdict, WindowVerdict, score_patches, verdict_of};
use crate::audio::Block;
use crate::decision::SilenceConfig;
use crate::dsp::DspError;
use crate::model::{Model, ModelError};
use crate::source;

/// Classifies one file.
///
/// # Errors
/// The file cannot be read, is empty, or the model fails.
pub fn classify(
    file: &Path,
    model: &mut Model,
    hop_seconds: f64,
    silence: &SilenceConfig,
) -> Result<FileVerdict, FileError> {
    let failed = failure_of(file);
    let mut source = source::open::open_file(file)?;
    let mut classification =
        Classification::new(model, 0, hop_seconds, FILE_BATCH, silence).map_err(failed)?;
    for_each_block(source.as_mut(), |block| {
        if classification.push(block).map_err(failed)? {
            classification.score(model)?;
        }
        Ok(())
    })?;
    classification.end().map_err(failed)?;
    Ok(classification.finish(model)?)
}

/// Classification in progress. Patches are scored as soon as a batch is complete.
pub(crate) struct Classification {
    embedder: PatchEmbedder,
    silence: SilenceConfig,
    windows: Vec<WindowVerdict>,
}

impl Classification {
    /// Begins to classify audio that the model knows as `source`, with `batch` stretches per run.
    ///
    /// # Errors
    /// The hop is out of range.
    pub(crate) fn new(
        model: &mut Model,
        source: usize,
        hop_seconds: f64,
        batch: usize,
        silence: &SilenceConfig,
    ) -> Result<Self, DspError> {
        let embedder = PatchEmbedder::new(model, source, hop_seconds, batch)?;
        Ok(Self { embedder, silence: silence.clone(), windows: Vec::new() })
    }

    /// Processes a block. Returns true if a batch is complete; [`Classification::score`] is then
    /// due.
    ///
    /// # Errors
    /// The rate or channel count is not supported.
    pub(crate) fn push(&mut self, block: &Block) -> Result<bool, DspError> {
        self.embedder.push(block)
    }

    /// Length of the audio so far, in seconds.
    #[cfg_attr(not(feature = "web"), allow(dead_code, reason = "progress of the API"))]
    pub(crate) fn duration_s(&mut self) -> f64 {
        self.embedder.embedded().duration_s
    }

    /// Scores the pending patches and returns their verdicts.
    ///
    /// # Errors
    /// The model fails.
    pub(crate) fn score(&mut self, model: &mut Model) -> Result<&[WindowVerdict], ModelError> {
        self.embedder.embed(model)?;
        let (first, embedded) = (self.windows.len(), self.embedder.embedded());
        self.windows.extend(score_patches(embedded, model.head(), model.gate(), &self.silence));
        embedded.spans.clear();
        embedded.levels.clear();
        embedded.embeddings.clear();
        Ok(&self.windows[first..])
    }

    /// Ends the audio: completes its last patches, which still have to be scored.
    ///
    /// # Errors
    /// There was no audio.
    pub(crate) fn end(&mut self) -> Result<(), DspError> {
        self.embedder.end()
    }

    /// Scores the pending patches and returns the verdict on all of them.
    ///
    /// # Errors
    /// The model fails.
    pub(crate) fn finish(mut self, model: &mut Model) -> Result<FileVerdict, ModelError> {
        self.score(model)?;
        let (verdict, posteriors) = verdict_of(&self.windows, model.head().kind(), &self.silence);
        Ok(FileVerdict { duration_s: self.duration_s(), verdict, posteriors, windows: self.windows })
    }
}
