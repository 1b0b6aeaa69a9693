//! Classification for clients of the API: uploaded files, and the next seconds of a stream.
//!
//! Files wait in a bounded queue for one worker thread. A stream takes as long as it plays, so each
//! gets a thread of its own, of which there are few. All of them have a low priority and share one
//! model, which is loaded on first use and freed after a time without use. Input is untrusted:
//! time, memory and length are bounded, a panic ends only its classification, and the log stays
//! silent above the debug level.

mod answer;
mod context;
mod failure;
mod file;
mod job;
mod queue;
mod scored_answer;
mod shared_model;
mod stream;
#[cfg(test)]
#[cfg(feature = "net")]
mod stream_tests;
#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use self::context::{ClassifyLimits, JobContext, OpenUpload};
use self::job::{Job, run};
use self::queue::JobQueue;
use crate::decision::SilenceConfig;
use crate::model::ModelConfig;
use crate::sink::web::services::{Classifier, ClassifyInput, ClassifyRefusal};
use crate::source::open;
use crate::thread::{self, Stop};

/// Lines of an answer that wait for its reader.
const LINES: usize = 64;

/// Longest wait for the threads when the service is dropped.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Service behind `POST /api/v1/classify`.
pub(crate) struct ClassifyService {
    shared: Arc<Shared>,
    threads: Mutex<Threads>,
}

/// State of the service that its threads share.
struct Shared {
    context: JobContext,
    queue: JobQueue,
    /// For each possible stream, true while it plays.
    streams: Mutex<Vec<bool>>,
    idle: Duration,
}

#[derive(Default)]
struct Threads {
    worker: Option<JoinHandle<()>>,
    streams: Vec<JoinHandle<()>>,
}

impl ClassifyService {
    /// Creates the service with the daemon's bundle, trunk and head. Nothing is loaded and no
    /// thread is started before the first use.
    pub(crate) fn shared(model: &ModelConfig, silence: &SilenceConfig, stop: Stop) -> Arc<dyn Classifier> {
        Arc::new(Self::with(model, silence, stop, ClassifyLimits::default(), open::open_upload))
    }

    fn with(
        model: &ModelConfig,
        silence: &SilenceConfig,
        stop: Stop,
        limits: ClassifyLimits,
        open_upload: OpenUpload,
    ) -> Self {
        // The settings of `genred classify`, so that both give the same figures.
        let usual = ModelConfig::default();
        let model = ModelConfig { threads: usual.threads, min_run_s: usual.min_run_s, ..model.clone() };
        let shared = Shared {
            queue: JobQueue::new(limits.max_waiting),
            streams: Mutex::new(vec![false; limits.max_streams]),
            idle: limits.idle,
            context: JobContext::new(model, silence.clone(), stop, limits, open_upload),
        };
        Self { shared: Arc::new(shared), threads: Mutex::default() }
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the worker thread if it does not run yet.
    fn start_worker(&self) -> Result<(), ClassifyRefusal> {
        let mut threads = self.threads();
        if threads.worker.is_none() {
            let shared = self.shared.clone();
            let started = thread::spawn("classify", move || shared.work());
            threads.worker = Some(started.map_err(|_| ClassifyRefusal::Busy)?);
        }
        Ok(())
    }

    fn start_stream(&self, job: Job) -> Result<(), ClassifyRefusal> {
        let mut threads = self.threads();
        threads.streams.retain(|stream| !stream.is_finished());
        let slot = StreamSlot::take(&self.shared).ok_or(ClassifyRefusal::Busy)?;
        let started = thread::spawn("classify-url", move || {
            thread::step_far_back();
            // Slot 0 of the model belongs to files.
            run(&slot.shared.context, job, slot.index + 1);
            drop(slot);
        });
        threads.streams.push(started.map_err(|_| ClassifyRefusal::Busy)?);
        Ok(())
    }
}

impl Classifier for ClassifyService {
    fn start(&self, input: ClassifyInput, hop_s: f64) -> Result<mpsc::Receiver<String>, ClassifyRefusal> {
        if self.shared.context.is_stopping() {
            return Err(ClassifyRefusal::Stopping);
        }
        self.start_worker()?;
        let (sender, receiver) = mpsc::channel(LINES);
        let is_file = matches!(input, ClassifyInput::File { .. });
        let job = Job { input, hop_s, sender };
        match is_file {
            true => self.shared.queue.push(job)?,
            false => self.start_stream(job)?,
        }
        Ok(receiver)
    }
}

impl Drop for ClassifyService {
    fn drop(&mut self) {
        self.shared.context.closing.store(true, Ordering::Relaxed);
        self.shared.queue.wake();
        let deadline = Instant::now() + JOIN_TIMEOUT;
        let Threads { worker, streams } = std::mem::take(&mut *self.threads());
        for handle in worker.into_iter().chain(streams) {
            thread::join_by(handle, deadline);
        }
    }
}

impl Shared {
    /// Classifies files one after the other, and frees the idle model.
    fn work(&self) {
        thread::step_far_back();
        while !self.context.is_stopping() {
            match self.queue.pop() {
                Some(job) => run(&self.context, job, 0),
                None => self.queue.wait(&self.context.stop, self.context.model.free_if_idle(self.idle)),
            }
        }
        // Each remaining reader is told.
        while let Some(job) = self.queue.pop() {
            run(&self.context, job, 0);
        }
    }
}

/// Right to play one of the streams.
struct StreamSlot {
    shared: Arc<Shared>,
    index: usize,
}

impl StreamSlot {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let mut streams = shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let index = streams.iter().position(|is_taken| !is_taken)?;
        streams[index] = true;
        Some(Self { shared: shared.clone(), index })
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner)[self.index] = false;
        // The worker frees the model that the stream may have loaded.
        self.shared.queue.wake();
    }
}
