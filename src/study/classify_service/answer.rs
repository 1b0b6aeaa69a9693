//! Lines of an answer: JSON objects, of which progress may be omitted and all others arrive.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::failure::Failure;
use crate::thread::Stop;

/// Minimum interval between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Longest wait for a reader that accepts no line.
const READER_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval at which a full queue is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// One line of an answer.
#[derive(Serialize)]
struct AnswerLine<'a, P> {
    kind: &'static str,
    #[serde(flatten)]
    payload: &'a P,
}

#[derive(Serialize)]
struct ProgressPayload {
    decoded_s: f64,
    duration_s: Option<f64>,
}

#[derive(Serialize)]
struct ErrorPayload<'a> {
    error: &'a str,
    code: &'a str,
}

/// Serializes one line without a line end.
pub(super) fn line(kind: &'static str, payload: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(&AnswerLine { kind, payload }).map_err(|_| Failure::internal())
}

/// Writes the lines of one answer, and tells when to give up.
pub(super) struct AnswerWriter<'a> {
    pub(super) sender: &'a mpsc::Sender<String>,
    pub(super) stop: &'a Stop,
    /// True once the service ends.
    pub(super) closing: &'a AtomicBool,
    /// Latest end of the classification.
    deadline: Instant,
    /// Earliest time of the next progress.
    next_progress: Instant,
}

impl<'a> AnswerWriter<'a> {
    /// Creates the writer of a classification that may take `longest`.
    pub(super) fn new(
        sender: &'a mpsc::Sender<String>,
        stop: &'a Stop,
        closing: &'a AtomicBool,
        longest: Duration,
    ) -> Self {
        let now = Instant::now();
        Self { sender, stop, closing, deadline: now + longest, next_progress: now }
    }

    /// Checks that the classification may continue.
    ///
    /// # Errors
    /// The reader is gone, the daemon stops, or time is up.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.sender.is_closed() {
            return Err(Failure::Cancelled);
        }
        if self.stop.is_set() || self.closing.load(Ordering::Relaxed) {
            return Err(Failure::stopping());
        }
        match Instant::now() >= self.deadline {
            true => Err(Failure::new("timeout", "the classification took too long; try a shorter file")),
            false => Ok(()),
        }
    }

    /// Reports progress, unless the last report is recent or lines are waiting.
    pub(super) fn progress(&mut self, decoded_s: f64, duration_s: Option<f64>) -> Result<(), Failure> {
        let now = Instant::now();
        if now < self.next_progress {
            return Ok(());
        }
        self.next_progress = now + PROGRESS_INTERVAL;
        let rounded = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        let payload = ProgressPayload { decoded_s: rounded(decoded_s), duration_s: duration_s.map(rounded) };
        let _ = self.sender.try_send(line("progress", &payload)?);
        Ok(())
    }

    /// Sends a line; waits while the queue is full.
    ///
    /// # Errors
    /// See [`AnswerWriter::check`]; cancelled if the reader accepts nothing for ten seconds.
    pub(super) fn send(&self, mut line: String) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            match self.sender.try_send(line) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(Failure::Cancelled),
                Err(TrySendError::Full(unsent)) => line = unsent,
            }
            self.check()?;
            if started.elapsed() >= READER_TIMEOUT {
                return Err(Failure::Cancelled);
            }
            self.stop.wait(RETRY_INTERVAL);
        }
    }
}

/// Ends an answer with an error. A reader that has accepted nothing for a while gets none.
pub(super) fn send_error(sender: &mpsc::Sender<String>, code: &str, error: &str) {
    let Ok(line) = line("error", &ErrorPayload { error, code }) else { return };
    for _ in 0..10 {
        match sender.try_send(line.clone()) {
            Err(TrySendError::Full(_)) => std::thread::sleep(RETRY_INTERVAL),
            _ => return,
        }
    }
}
