//! Corrections by listeners: from the command to its answer.

use std::time::Instant;

use crossbeam_channel::TrySendError;
use jiff::Timestamp;

use super::Director;
use crate::audio::Patch;
use crate::command::{CommandRequest, LabelCommand, Rejection};
use crate::engine::corrections::{CorrectionJob, CorrectionOutcome, spelled};
use crate::event::StoredCorrection;
use crate::sink::CommandAnswer;
use crate::sink::corrections::Correction;

impl Director {
    /// Keeps the embedding of a scored patch, if corrections are on.
    pub(super) fn keep_embedding(&mut self, index: usize, patch: &Patch, embedding: &[f32]) {
        if self.corrections.is_some() {
            let source = &mut self.sources[index];
            let is_quiet = patch.level.lufs_s < source.settings.silence.threshold_lufs;
            source.recent.push(patch, embedding, is_quiet, Instant::now());
        }
    }

    /// Sends the newest embeddings to the corrections store, or refuses the command.
    pub(super) fn on_label(
        &mut self,
        index: usize,
        request: &CommandRequest,
        command: &Result<LabelCommand, Rejection>,
    ) {
        match self.correction_job(index, request, command) {
            Ok(job) => {
                let Some(corrections) = &self.corrections else { return };
                let message = match corrections.jobs.try_send(job) {
                    Ok(()) => return,
                    Err(TrySendError::Full(_)) => "too many corrections wait for the disk; try again",
                    Err(TrySendError::Disconnected(_)) => "the thread that stores corrections has ended",
                };
                self.refuse(request, Rejection::of_message(message));
            }
            Err(rejection) => self.refuse(request, rejection),
        }
    }

    fn correction_job(
        &self,
        index: usize,
        request: &CommandRequest,
        command: &Result<LabelCommand, Rejection>,
    ) -> Result<CorrectionJob, Rejection> {
        let Some(corrections) = &self.corrections else {
            return Err(Rejection::of_message("corrections are not enabled (`corrections.enabled`)"));
        };
        let LabelCommand { genre, last_s } = command.clone()?;
        let (genre, known, nearest) = spelled(genre, &self.context.labels);
        let source = &self.sources[index];
        let recent = source.recent.last(last_s, Instant::now());
        let (quiet, patches) = (recent.quiet, recent.patches);
        let now = Timestamp::now();
        let published = source.decider.named(source.decider.verdict());
        let correction = Correction {
            at: now,
            source: source.name.clone(),
            genre: genre.clone(),
            published: published.genre.clone(),
            confidence: published.confidence,
            model: self.context.model.clone(),
            head: self.context.head.clone(),
            embedding_id: corrections.embedding_id.clone(),
            patches,
        };
        let Some((start_ms, end_ms)) = correction.span_ms() else {
            return Err(Rejection::of_message(match quiet {
                0 => "no patch was scored lately; the first comes after three seconds of audio".to_owned(),
                quiet => {
                    format!("all {quiet} patches of that time are quieter than `silence.threshold_lufs`")
                }
            }));
        };
        let time = |ms| Timestamp::from_millisecond(ms).unwrap_or(now);
        let answer = StoredCorrection {
            run: self.context.run.clone(),
            at: now,
            id: 0,
            genre,
            known,
            nearest,
            patches: correction.patches.len(),
            quiet,
            start: time(start_ms),
            end: time(end_ms),
            published: published.genre,
            confidence: published.confidence,
            contradicts: 0,
            evicted: 0,
        };
        Ok(CorrectionJob { correction, answer, request: request.clone() })
    }

    /// Answers a command whose correction was stored, or could not be.
    pub(super) fn on_correction(&mut self, outcome: CorrectionOutcome) {
        let CorrectionOutcome { result, request } = outcome;
        match result {
            Ok(stored) => {
                let StoredCorrection { id, genre, patches, published, .. } = &stored;
                let source = &*request.source;
                tracing::info!(source, id, patches, "correction stored: {genre} (published: {published})");
                self.answer(&request, CommandAnswer::Stored(stored));
            }
            Err(message) => self.refuse(&request, Rejection::of_message(message)),
        }
    }
}
