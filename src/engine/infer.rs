//! The thread that owns the session: gathers what waits, scores it in one run, sends it on in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::batcher::{Next, Outlet};
use super::feature::{Note, Parcel, Work};
use crate::audio::{Patch, SourceId};
use crate::model::{Classifier, Scores, Stretch};
use crate::stats::{InferenceCounters, SourceCounters};
use crate::thread::Stop;

/// What the director gets, in the order in which each source sent it.
#[derive(Debug)]
pub enum Judged {
    /// A scored patch.
    Scored {
        /// The patch.
        patch: Patch,
        /// Its scores.
        scores: Scores,
        /// When the block with the last sample that it needs had been read.
        arrived: Instant,
    },
    /// Something about the source itself.
    Note(SourceId, Note),
}

/// Everything the thread owns.
pub struct Infer<C> {
    /// The model.
    pub classifier: C,
    /// Most parcels a run.
    pub max_batch: usize,
    /// How long a run waits for more parcels than there are.
    pub max_wait: Duration,
    /// Once it is set, what waits is scored for a moment more, and then counts as dropped.
    pub stop: Stop,
    /// What it gets.
    pub work: Outlet,
    /// Where parcels go back to, by source.
    pub parcels: Vec<Sender<Parcel>>,
    /// What it counts, by source.
    pub counters: Vec<Arc<SourceCounters>>,
    /// What it counts of itself.
    pub inference: Arc<InferenceCounters>,
    /// Where it sends.
    pub judged: Sender<Judged>,
}

/// How long what waits is still scored when all is to stop.
const LAST: Duration = Duration::from_millis(250);

/// Repeated failures are said at most this often.
const SAY_EVERY: Duration = Duration::from_secs(30);

impl<C: Classifier> Infer<C> {
    /// Runs until every source's thread has ended and the queues are empty.
    pub fn run(mut self) {
        let mut batch = Vec::with_capacity(self.max_batch);
        let mut scores = Vec::with_capacity(self.max_batch);
        let mut said: Option<Instant> = None;
        let mut last: Option<Instant> = None;
        loop {
            let mut next = self.work.next(None);
            if matches!(next, Next::Ended) {
                return;
            }
            let deadline = Instant::now() + self.max_wait;
            // A note closes the batch: what its source sent before it must be scored before it.
            let note = loop {
                match next {
                    Next::Work(Work::Parcel(parcel)) => match self.is_late(&parcel) {
                        true => self.drop_late(parcel),
                        false => batch.push(parcel),
                    },
                    Next::Work(Work::Note(source, what)) => break Some((source, what)),
                    Next::Nothing | Next::Ended => break None,
                }
                if batch.len() >= self.max_batch {
                    break None;
                }
                next = self.work.next(Some(deadline));
            };
            if self.stop.is_set() {
                last.get_or_insert_with(|| Instant::now() + LAST);
            }
            if last.is_some_and(|last| Instant::now() >= last) {
                self.hand_on(&mut batch, std::iter::empty());
            } else if !batch.is_empty() {
                self.score(&mut batch, &mut scores, &mut said);
            }
            if let Some((source, what)) = note {
                let _ = self.judged.send(Judged::Note(source, what));
            }
        }
    }

    /// Returns true if the time by which `parcel` had to be scored is over.
    fn is_late(&self, parcel: &Parcel) -> bool {
        let oldest = parcel.patches.first().map(|(_, needed_at)| needed_at.elapsed());
        self.inference.delay_ns.raise(oldest.unwrap_or_default().as_nanos() as u64);
        parcel.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }

    fn drop_late(&mut self, parcel: Parcel) {
        self.hand_on(&mut vec![parcel], std::iter::empty());
    }

    fn score(
        &mut self,
        batch: &mut Vec<Parcel>,
        scores: &mut Vec<Option<Scores>>,
        said: &mut Option<Instant>,
    ) {
        scores.clear();
        let stretches: Vec<&Stretch> = batch.iter().map(|parcel| &parcel.stretch).collect();
        let began = Instant::now();
        let result = self.classifier.score(&stretches, scores);
        self.inference.busy_ns.add(began.elapsed().as_nanos() as u64);
        if let Err(error) = &result {
            scores.clear();
            if said.is_none_or(|at| at.elapsed() > SAY_EVERY) {
                *said = Some(Instant::now());
                let patches: usize = batch.iter().map(|parcel| parcel.patches.len()).sum();
                tracing::error!(patches, "{error}; the patches count as dropped");
            }
        }
        self.hand_on(batch, scores.drain(..));
    }

    /// Sends patches on with their `answers`; those for which there is none count as dropped.
    fn hand_on(&mut self, batch: &mut Vec<Parcel>, mut answers: impl Iterator<Item = Option<Scores>>) {
        for mut parcel in batch.drain(..) {
            let index = parcel.stretch.source;
            for (patch, arrived) in std::mem::take(&mut parcel.patches) {
                match answers.next().flatten() {
                    Some(scores) => {
                        self.counters[index].scored.add(1);
                        self.inference.patches.add(1);
                        let _ = self.judged.send(Judged::Scored { patch, scores, arrived });
                    }
                    None => {
                        self.counters[index].dropped.add(1);
                        parcel.failed = true;
                    }
                }
            }
            let _ = self.parcels[index].send(parcel);
        }
    }
}
