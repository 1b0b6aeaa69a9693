//! The thread that owns the session: gathers what waits, scores it in one run, sends it on in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::feature::{Note, Work};
use crate::audio::{Patch, SourceId};
use crate::model::{Classifier, Scores};
use crate::stats::{InferenceCounters, SourceCounters};

/// What the director gets, in the order in which each source sent it.
#[derive(Debug)]
pub enum Judged {
    /// A scored patch.
    Scored {
        /// The patch, its buffer already handed back.
        patch: Patch,
        /// Its scores.
        scores: Scores,
        /// When the block that completed it had been read.
        arrived: Instant,
    },
    /// Something about the source itself.
    Note(SourceId, Note),
}

/// Everything the thread owns.
pub struct Infer<C> {
    /// The model.
    pub classifier: C,
    /// Most patches a run.
    pub max_batch: usize,
    /// What it gets.
    pub work: Receiver<Work>,
    /// Where buffers go back to, by source.
    pub buffers: Vec<Sender<Vec<f32>>>,
    /// What it counts, by source.
    pub counters: Vec<Arc<SourceCounters>>,
    /// What it counts of itself.
    pub inference: Arc<InferenceCounters>,
    /// Where it sends.
    pub judged: Sender<Judged>,
}

/// Repeated failures are said at most this often.
const SAY_EVERY: Duration = Duration::from_secs(30);

impl<C: Classifier> Infer<C> {
    /// Runs until every source's thread has ended and the queue is empty.
    pub fn run(mut self) {
        let mut batch: Vec<(Patch, Instant)> = Vec::with_capacity(self.max_batch);
        let mut log_mel = Vec::new();
        let mut scores = Vec::with_capacity(self.max_batch);
        let mut said: Option<Instant> = None;
        while let Ok(first) = self.work.recv() {
            // A note closes the batch: what its source sent before it must be scored before it.
            let mut note = None;
            let mut next = Some(first);
            while let Some(work) = next.take() {
                match work {
                    Work::Patch { patch, arrived } => batch.push((patch, arrived)),
                    Work::Note(source, what) => note = Some((source, what)),
                }
                if note.is_none() && batch.len() < self.max_batch {
                    next = self.work.try_recv().ok();
                }
            }
            if !batch.is_empty() {
                self.score(&mut batch, &mut log_mel, &mut scores, &mut said);
            }
            if let Some((source, what)) = note {
                let _ = self.judged.send(Judged::Note(source, what));
            }
        }
    }

    fn score(
        &mut self,
        batch: &mut Vec<(Patch, Instant)>,
        log_mel: &mut Vec<f32>,
        scores: &mut Vec<Scores>,
        said: &mut Option<Instant>,
    ) {
        log_mel.clear();
        batch.iter().for_each(|(patch, _)| log_mel.extend_from_slice(&patch.log_mel));
        scores.clear();
        let began = Instant::now();
        let result = self.classifier.score(log_mel, batch.len(), scores);
        self.inference.busy_ns.add(began.elapsed().as_nanos() as u64);
        if let Err(error) = &result
            && said.is_none_or(|at| at.elapsed() > SAY_EVERY)
        {
            *said = Some(Instant::now());
            tracing::error!(patches = batch.len(), "{error}; the patches count as dropped");
        }
        let mut answers = scores.drain(..);
        for (mut patch, arrived) in batch.drain(..) {
            let SourceId(index) = patch.source;
            let _ = self.buffers[index].send(std::mem::take(&mut patch.log_mel));
            match answers.next() {
                Some(scores) if result.is_ok() => {
                    self.counters[index].scored.add(1);
                    self.inference.patches.add(1);
                    let _ = self.judged.send(Judged::Scored { patch, scores, arrived });
                }
                _ => self.counters[index].dropped.add(1),
            }
        }
    }
}
