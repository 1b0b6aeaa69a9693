//! A listener's correction: from the request to its answer.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::TrySendError;
use jiff::Timestamp;

use super::Director;
use crate::audio::Patch;
use crate::engine::control::Refused;
use crate::engine::corrections::{Done, Job, LabelRequest, spelled};
use crate::sink::corrections::Correction;
use crate::sink::{Asker, Message, Request, payload};

impl Director {
    /// Keeps the embedding of a scored patch for a correction, where corrections are taken.
    pub(super) fn remember(&mut self, index: usize, patch: &Patch, embedding: &[f32]) {
        if self.corrections.is_some() {
            let desk = &mut self.desks[index];
            let is_quiet = patch.level.lufs_s < desk.fixed.settings.silence.threshold_lufs;
            desk.recent.push(patch, embedding, is_quiet, Instant::now());
        }
    }

    /// Hands what was heard last to the thread that stores it, or says why not.
    pub(super) fn label(&mut self, index: usize, request: &Request, text: &[u8]) {
        match self.job(index, request, text) {
            Ok(job) => {
                let Some(corrections) = &self.corrections else { return };
                let message = match corrections.jobs.try_send(job) {
                    Ok(()) => return,
                    Err(TrySendError::Full(_)) => "too many corrections wait for the disk; try again",
                    Err(TrySendError::Disconnected(_)) => "the thread that stores corrections has ended",
                };
                self.refuse(request, None, message.to_owned());
            }
            Err(Refused { key, message }) => self.refuse(request, key, message),
        }
    }

    fn job(&self, index: usize, request: &Request, text: &[u8]) -> Result<Job, Refused> {
        let about_all = |message: String| Refused { key: None, message };
        let Some(corrections) = &self.corrections else {
            return Err(about_all("corrections are not enabled (`corrections.enabled`)".into()));
        };
        let LabelRequest { genre, last_s } = LabelRequest::parse(text)?;
        let (genre, known, nearest) = spelled(genre, &self.constants.labels);
        let desk = &self.desks[index];
        let recent = desk.recent.last(last_s, Instant::now());
        let (quiet, patches) = (recent.quiet, recent.patches);
        let now = Timestamp::now();
        let verdict = desk.fixed.decider.verdict();
        let published = desk.fixed.decider.genre(verdict);
        let correction = Correction {
            at: now,
            source: desk.fixed.name.clone(),
            genre: genre.clone(),
            published: published.clone(),
            confidence: verdict.confidence,
            model: self.constants.model.clone(),
            head: self.constants.head.clone(),
            embedding_id: corrections.embedding_id.clone(),
            patches,
        };
        let Some((start_ms, end_ms)) = correction.span_ms() else {
            return Err(about_all(match quiet {
                0 => "no patch was heard lately; the first comes after three seconds of audio".into(),
                quiet => {
                    format!("all {quiet} patches of that time are quieter than `silence.threshold_lufs`")
                }
            }));
        };
        let time = |ms| Timestamp::from_millisecond(ms).unwrap_or(now);
        let answer = payload::Labelled {
            run: self.constants.run.clone(),
            ts: now,
            id: 0,
            genre,
            known,
            nearest,
            patches: correction.patches.len(),
            quiet,
            start: time(start_ms),
            end: time(end_ms),
            published,
            confidence: verdict.confidence,
            contradicts: 0,
            evicted: 0,
        };
        Ok(Job { correction, answer, request: request.clone() })
    }

    /// Answers a request whose correction was stored, or could not be.
    pub(super) fn labelled(&mut self, done: Done) {
        let Done { result, request } = done;
        let answer = match result {
            Ok(answer) => answer,
            Err(message) => return self.refuse(&request, None, message),
        };
        let payload::Labelled { id, genre, patches, published, .. } = &answer;
        tracing::info!(
            source = &*request.source,
            id,
            patches,
            "correction stored: {genre} (published: {published})"
        );
        let (source, payload) = (request.source, Arc::new(answer));
        self.fanout.send(match request.from {
            Asker::Subscriber => Message::Labelled { source, payload },
            Asker::Client(client) => {
                Message::Answer { client, source, payload: payload::Answer::Labelled(payload) }
            }
        });
    }

    /// Answers a command that is not taken.
    pub(super) fn refuse(&mut self, request: &Request, key: Option<String>, message: String) {
        let source = request.source.clone();
        tracing::warn!(source = &*source, key, "a message changes nothing: {message}");
        let refusal =
            payload::Refusal { run: self.constants.run.clone(), ts: Timestamp::now(), key, message };
        let payload = Arc::new(refusal);
        self.fanout.send(match request.from {
            Asker::Subscriber => Message::Refusal { source, payload },
            Asker::Client(client) => {
                Message::Answer { client, source, payload: payload::Answer::Refused(payload) }
            }
        });
    }
}
