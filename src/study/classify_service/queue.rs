//! Bounded queue of files.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select};

use super::job::Job;
use crate::sink::web::services::ClassifyRefusal;
use crate::thread::Stop;

/// Files that wait for the worker. Cancelled ones do not count.
pub(super) struct JobQueue {
    jobs: Mutex<VecDeque<Job>>,
    capacity: usize,
    waker: Sender<()>,
    woken: Receiver<()>,
}

impl JobQueue {
    pub(super) fn new(capacity: usize) -> Self {
        let (waker, woken) = bounded(1);
        Self { jobs: Mutex::default(), capacity, waker, woken }
    }

    /// Appends a job and wakes the worker.
    ///
    /// # Errors
    /// The queue is full.
    pub(super) fn push(&self, job: Job) -> Result<(), ClassifyRefusal> {
        let mut jobs = self.jobs();
        jobs.retain(|job| !job.sender.is_closed());
        if jobs.len() >= self.capacity {
            return Err(ClassifyRefusal::Busy);
        }
        jobs.push_back(job);
        drop(jobs);
        self.wake();
        Ok(())
    }

    /// Removes the oldest job.
    pub(super) fn pop(&self) -> Option<Job> {
        self.jobs().pop_front()
    }

    /// Wakes the worker.
    pub(super) fn wake(&self) {
        // A full channel wakes it already.
        let _ = self.waker.try_send(());
    }

    /// Waits until woken, until `stop` is set, or for `timeout`.
    pub(super) fn wait(&self, stop: &Stop, timeout: Option<Duration>) {
        let timer = timeout.map_or_else(never, crossbeam_channel::after);
        select! {
            recv(self.woken) -> _ => {}
            recv(stop.channel()) -> _ => {}
            recv(timer) -> _ => {}
        }
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
