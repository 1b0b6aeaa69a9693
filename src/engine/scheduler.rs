//! Round-robin scheduler between the source workers and the inference thread.
//!
//! Each source has a short queue of its own. A source with pending work holds at most one slot in
//! the ready queue and is served one item per turn: under overload every source gets its turn. When
//! a live source has no free job, its pending jobs are discarded, their patches count as dropped,
//! and it continues with the newest audio.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::job::{InferenceJob, WorkItem};

/// Events that a source may have in its queue beside its jobs.
const QUEUED_EVENTS: usize = 4;

/// Longest wait of an event for room in the queue, after which it is lost.
const EVENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sending end of one source's queue.
pub(super) struct WorkSender {
    queue: Sender<WorkItem>,
    /// Receiving end, for [`WorkSender::evict_pending`].
    pending: Receiver<WorkItem>,
    slot: ReadySlot,
    /// Number of sources that have not ended.
    open: Arc<AtomicUsize>,
}

/// Receiving end of all queues.
pub(super) struct FairScheduler {
    queues: Vec<Receiver<WorkItem>>,
    slots: Vec<ReadySlot>,
    ready: Receiver<usize>,
    open: Arc<AtomicUsize>,
}

/// A source's slot in the ready queue.
#[derive(Clone)]
struct ReadySlot {
    source: usize,
    /// True while the source is in the ready queue.
    queued: Arc<AtomicBool>,
    ready: Sender<usize>,
}

impl ReadySlot {
    fn enqueue(&self) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            // The ready queue has room for each source once.
            let _ = self.ready.try_send(self.source);
        }
    }
}

/// Creates the queues of `sources` sources, each of which owns `jobs` jobs.
pub(super) fn queues(sources: usize, jobs: usize) -> (Vec<WorkSender>, FairScheduler) {
    let (ready_tx, ready) = bounded(sources + 1);
    let open = Arc::new(AtomicUsize::new(sources));
    let mut scheduler = FairScheduler { queues: Vec::new(), slots: Vec::new(), ready, open: open.clone() };
    let senders = (0..sources).map(|source| {
        let (queue, pending) = bounded(jobs + QUEUED_EVENTS);
        let slot = ReadySlot { source, queued: Arc::new(AtomicBool::new(false)), ready: ready_tx.clone() };
        scheduler.queues.push(pending.clone());
        scheduler.slots.push(slot.clone());
        WorkSender { queue, pending, slot, open: open.clone() }
    });
    let senders = senders.collect();
    (senders, scheduler)
}

impl WorkSender {
    /// Enqueues an item. There is room for every job; an event waits up to [`EVENT_TIMEOUT`].
    pub(crate) fn send(&self, item: WorkItem) {
        if self.queue.send_timeout(item, EVENT_TIMEOUT).is_ok() {
            self.slot.enqueue();
        }
    }

    /// Removes the pending jobs, oldest first; events stay.
    pub(crate) fn evict_pending(&self, mut evicted: impl FnMut(InferenceJob)) {
        let mut events = Vec::new();
        while let Ok(item) = self.pending.try_recv() {
            match item {
                WorkItem::Job(job) => evicted(job),
                WorkItem::Event(..) => events.push(item),
            }
        }
        events.into_iter().for_each(|event| self.send(event));
    }
}

impl Drop for WorkSender {
    /// Enqueues the source a last time, so that the scheduler notices its end.
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.slot.enqueue();
    }
}

/// Result of [`FairScheduler::next`].
#[derive(Debug)]
pub(super) enum Scheduled {
    /// Oldest item of the source whose turn it is.
    Item(WorkItem),
    /// Nothing arrived before the deadline.
    TimedOut,
    /// All sources have ended, and all queues are empty.
    Ended,
}

impl FairScheduler {
    /// Waits for the next item until `deadline`; without one, until all sources have ended.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Scheduled {
        loop {
            // Checked before waiting: a source that ends after this enqueues itself.
            if self.open.load(Ordering::SeqCst) == 0 && self.queues.iter().all(Receiver::is_empty) {
                return Scheduled::Ended;
            }
            let source = match deadline {
                Some(deadline) => self.ready.recv_deadline(deadline),
                None => self.ready.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match source.map(|source| self.serve(source)) {
                Ok(Some(item)) => return Scheduled::Item(item),
                Ok(None) => {}
                Err(_) => return Scheduled::TimedOut,
            }
        }
    }

    /// Takes one item of a source and enqueues the source again if it has more.
    fn serve(&self, source: usize) -> Option<WorkItem> {
        // The flag is cleared before the queue is read: an item that is sent in between enqueues
        // the source again.
        self.slots[source].queued.store(false, Ordering::SeqCst);
        let item = self.queues[source].try_recv().ok()?;
        if !self.queues[source].is_empty() {
            self.slots[source].enqueue();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SourceId;
    use crate::engine::job::WorkerEvent;

    fn job(source: usize, number: u64) -> WorkItem {
        let mut job = InferenceJob::default();
        job.stretch.source = source;
        job.stretch.patches.push(number);
        WorkItem::Job(job)
    }

    /// Source and number of the next item; the number of an event is `None`.
    fn next(scheduler: &FairScheduler) -> Option<(usize, Option<u64>)> {
        match scheduler.next(Some(Instant::now())) {
            Scheduled::Item(WorkItem::Job(job)) => Some((job.stretch.source, Some(job.stretch.patches[0]))),
            Scheduled::Item(WorkItem::Event(SourceId(source), _)) => Some((source, None)),
            Scheduled::TimedOut | Scheduled::Ended => None,
        }
    }

    #[test]
    fn sources_are_served_in_turn() {
        let (senders, scheduler) = queues(3, 4);
        (0..4).for_each(|number| senders[0].send(job(0, number)));
        senders[1].send(job(1, 10));
        senders[2].send(job(2, 20));
        let order: Vec<_> = std::iter::from_fn(|| next(&scheduler)).collect();
        let expected = [(0, 0), (1, 10), (2, 20), (0, 1), (0, 2), (0, 3)];
        assert_eq!(order, expected.map(|(source, number)| (source, Some(number))));
    }

    #[test]
    fn jobs_are_evicted_and_events_stay() {
        let (senders, scheduler) = queues(1, 4);
        senders[0].send(job(0, 1));
        senders[0].send(WorkItem::Event(SourceId(0), WorkerEvent::Ended));
        senders[0].send(job(0, 2));
        let mut back = Vec::new();
        senders[0].evict_pending(|job| back.push(job.stretch.patches[0]));
        assert_eq!(back, [1, 2]);
        senders[0].send(job(0, 3));
        assert_eq!(
            [next(&scheduler), next(&scheduler), next(&scheduler)],
            [Some((0, None)), Some((0, Some(3))), None]
        );
    }

    #[test]
    fn it_ends_when_all_sources_have_ended_and_all_queues_are_empty() {
        let (mut senders, scheduler) = queues(2, 4);
        senders[1].send(job(1, 7));
        senders.pop();
        assert!(matches!(scheduler.next(None), Scheduled::Item(_)));
        assert!(matches!(scheduler.next(Some(Instant::now())), Scheduled::TimedOut));
        senders.pop();
        assert!(matches!(scheduler.next(None), Scheduled::Ended));
    }

    #[test]
    fn nothing_is_lost_or_reordered_between_threads() {
        const EACH: u64 = 5000;
        let (senders, scheduler) = queues(4, 8);
        let mut seen = [0_u64; 4];
        std::thread::scope(|scope| {
            for (source, sender) in senders.into_iter().enumerate() {
                scope.spawn(move || (0..EACH).for_each(|number| sender.send(job(source, number))));
            }
            loop {
                match scheduler.next(None) {
                    Scheduled::Item(WorkItem::Job(job)) => {
                        let source = job.stretch.source;
                        assert_eq!(job.stretch.patches[0], seen[source]);
                        seen[source] += 1;
                    }
                    Scheduled::Ended => break,
                    other => panic!("{other:?}"),
                }
            }
        });
        assert_eq!(seen, [EACH; 4]);
    }
}
