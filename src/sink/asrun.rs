//! As-run log: the state of each source over time, written on a thread of its own.
//!
//! A segment lasts while genre and title stay the same and the audio has no gap. It bears the
//! published verdict until the decision stage has a final one ([`open_segments`]). The start and
//! end of a segment and every event are committed at once. Segments that last are extended every
//! [`WRITE_INTERVAL`], so that a kill loses no more than that.

mod config;
#[cfg_attr(not(feature = "web"), allow(dead_code, reason = "used by the page"))]
mod event_rows;
mod open_segments;
mod pending_rows;
mod read;
mod schema;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::{Message, Sink, SinkFuture};
use crate::asrun::Ms;
use crate::counters::LogCounters;
use pending_rows::PendingRows;
use store::LogStore;

pub(crate) use config::{FILE, LogConfig};
#[cfg(feature = "web")]
pub(crate) use event_rows::LoggedEvent;
pub(crate) use read::LogReader;

/// Interval between extensions of rows that grow.
const WRITE_INTERVAL: Duration = Duration::from_secs(10);
/// Interval between attempts after a failed write.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// Interval between deletions of old rows.
const DELETE_INTERVAL: Duration = Duration::from_secs(86_400);
/// Messages that may wait for the thread, beyond the queue of the sink.
const QUEUE_LENGTH: usize = 256;

const DAY_MS: Ms = 86_400_000;

/// Sink that writes the log.
#[derive(Debug)]
pub(crate) struct AsRunSink {
    store: LogStore,
    retention_days: u32,
    counters: Arc<LogCounters>,
}

impl AsRunSink {
    /// Sink that writes to `path` and deletes rows after `retention_days`.
    pub(crate) fn new(path: PathBuf, retention_days: u32) -> Self {
        Self { store: LogStore::new(path), retention_days, counters: Arc::default() }
    }

    /// Counts in `counters`.
    #[must_use]
    pub(crate) fn with_counters(mut self, counters: Arc<LogCounters>) -> Self {
        self.counters = counters;
        self
    }
}

impl Sink for AsRunSink {
    fn name(&self) -> &'static str {
        "log"
    }

    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture {
        Box::pin(forward(*self, inbox))
    }
}

/// Item for the writer thread.
enum WriterItem {
    Message(Message),
    Tick,
}

/// Forwards messages and ticks to the writer thread, which waits on a single queue.
async fn forward(sink: AsRunSink, mut inbox: mpsc::Receiver<Message>) {
    let (tx, rx) = mpsc::channel(QUEUE_LENGTH);
    let (done, ended) = oneshot::channel::<()>();
    let writer = LogWriter {
        store: sink.store,
        retention_days: sink.retention_days,
        rows: PendingRows::default(),
        counters: sink.counters,
        failing: false,
        retry_at: None,
        delete_at: Instant::now(),
    };
    let spawned = crate::thread::spawn("log", move || {
        writer.serve(rx);
        drop(done);
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "cannot start a thread, there will be no as-run log");
        return;
    }
    let mut ticks = interval(WRITE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let item = tokio::select! {
            message = inbox.recv() => match message {
                Some(message) => WriterItem::Message(message),
                None => break,
            },
            _ = ticks.tick() => WriterItem::Tick,
        };
        if tx.send(item).await.is_err() {
            break;
        }
    }
    drop(tx);
    // The sender is only ever dropped.
    let _ = ended.await;
}

/// State of the writer thread.
struct LogWriter {
    store: LogStore,
    retention_days: u32,
    rows: PendingRows,
    counters: Arc<LogCounters>,
    /// True while writes fail, which has been logged.
    failing: bool,
    retry_at: Option<Instant>,
    delete_at: Instant,
}

impl LogWriter {
    fn serve(mut self, mut items: mpsc::Receiver<WriterItem>) {
        while let Some(first) = items.blocking_recv() {
            let mut due = self.add(&first);
            // Items that have gathered meanwhile share the transaction.
            for _ in 0..QUEUE_LENGTH {
                let Ok(item) = items.try_recv() else { break };
                due |= self.add(&item);
            }
            if due && self.retry_at.is_none_or(|at| Instant::now() >= at) {
                self.write(false);
                self.delete_old();
            }
        }
        self.write(true);
    }

    fn add(&mut self, item: &WriterItem) -> bool {
        match item {
            WriterItem::Message(message) => self.rows.add(message, now()),
            WriterItem::Tick => true,
        }
    }

    fn write(&mut self, ended: bool) {
        let path = self.store.path().display().to_string();
        match self.store.write(&mut self.rows, now(), ended) {
            Ok(damage) => {
                if let Some(damage) = damage {
                    tracing::warn!("the as-run log `{path}` was damaged: {damage}; a new one is started");
                }
                if std::mem::take(&mut self.failing) {
                    tracing::info!(lost = self.rows.lost, "the as-run log `{path}` is written again");
                }
                self.counters.failing.set(false);
                self.retry_at = None;
            }
            Err(error) => {
                self.counters.failing.set(true);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(
                        "the as-run log `{path}` cannot be written: {error}; rows are kept in memory, and writing \
                         is retried every minute"
                    );
                }
                self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
            }
        }
    }

    /// Deletes old rows in batches, once a day.
    fn delete_old(&mut self) {
        if self.failing || Instant::now() < self.delete_at {
            return;
        }
        match self.store.delete_old(now() - Ms::from(self.retention_days) * DAY_MS) {
            Ok(true) => {}
            Ok(false) => self.delete_at = Instant::now() + DELETE_INTERVAL,
            Err(error) => {
                tracing::debug!(%error, "old rows of the as-run log cannot be deleted");
                self.delete_at = Instant::now() + RETRY_INTERVAL;
            }
        }
    }
}

fn now() -> Ms {
    Timestamp::now().as_millisecond()
}
