//! The as-run log: what each source was, when, on a thread of its own.
//!
//! A segment lasts while the genre and the title stay, and while the sound has no hole. It is called what is published until the
//! decision stage has settled what it was, and then that ([`draft`]). What begins or ends, and every event, is committed at once; what
//! lasts is extended every [`TICK`], and what is settled written, so that a kill loses no more than that.

mod book;
mod config;
mod draft;
mod read;
mod schema;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::{Message, Sink, SinkFuture};
use crate::asrun::Ms;
use book::Book;
use store::Store;

pub use config::{FILE, LogConfig};
pub use read::{LogError, Reader, Run};

/// Between two extensions of what lasts.
const TICK: Duration = Duration::from_secs(10);
/// Between two attempts to write to a disk that would not be written to.
const RETRY: Duration = Duration::from_secs(60);
/// Between two days' deletions.
const DAY: Duration = Duration::from_secs(86_400);
/// Messages that wait for the thread, beyond the sink's queue.
const WAITING: usize = 256;

const DAY_MS: Ms = 86_400_000;

/// Writes the log.
#[derive(Debug)]
pub struct AsRunSink {
    store: Store,
    retention_days: u32,
}

impl AsRunSink {
    /// A sink that writes to `path` and keeps rows for so long.
    pub fn new(path: PathBuf, retention_days: u32) -> Self {
        Self { store: Store::new(path), retention_days }
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

/// What the thread is given.
enum Item {
    Message(Message),
    Tick,
}

/// Hands on messages and the time, so that the thread waits for one thing only.
async fn forward(sink: AsRunSink, mut inbox: mpsc::Receiver<Message>) {
    let (tx, rx) = mpsc::channel(WAITING);
    let (done, ended) = oneshot::channel::<()>();
    let writer = Writer {
        store: sink.store,
        retention_days: sink.retention_days,
        book: Book::default(),
        failing: false,
        retry_at: None,
        forget_at: Instant::now(),
    };
    let spawned = crate::thread::spawn("log", move || {
        writer.serve(rx);
        drop(done);
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "cannot start a thread, there will be no as-run log");
        return;
    }
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let item = tokio::select! {
            message = inbox.recv() => match message {
                Some(message) => Item::Message(message),
                None => break,
            },
            _ = ticks.tick() => Item::Tick,
        };
        if tx.send(item).await.is_err() {
            break;
        }
    }
    drop(tx);
    // The sender is only ever dropped.
    let _ = ended.await;
}

/// Everything the thread owns.
struct Writer {
    store: Store,
    retention_days: u32,
    book: Book,
    /// Whether it has been said that nothing can be written.
    failing: bool,
    retry_at: Option<Instant>,
    forget_at: Instant,
}

impl Writer {
    fn serve(mut self, mut items: mpsc::Receiver<Item>) {
        while let Some(first) = items.blocking_recv() {
            let mut due = self.take(&first);
            // What has gathered meanwhile is committed together.
            for _ in 0..WAITING {
                let Ok(item) = items.try_recv() else { break };
                due |= self.take(&item);
            }
            if due && self.retry_at.is_none_or(|at| Instant::now() >= at) {
                self.write(false);
                self.forget();
            }
        }
        self.write(true);
    }

    fn take(&mut self, item: &Item) -> bool {
        match item {
            Item::Message(message) => self.book.take(message, now()),
            Item::Tick => true,
        }
    }

    fn write(&mut self, ended: bool) {
        let path = self.store.path().display().to_string();
        match self.store.write(&mut self.book, now(), ended) {
            Ok(damage) => {
                if let Some(damage) = damage {
                    tracing::warn!("the as-run log `{path}` was damaged: {damage}, and begun anew");
                }
                if std::mem::take(&mut self.failing) {
                    tracing::info!(lost = self.book.lost, "the as-run log `{path}` is written again");
                }
                self.retry_at = None;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(
                        "the as-run log `{path}` cannot be written: {error}; what happens is kept in memory and tried again each minute"
                    );
                }
                self.retry_at = Some(Instant::now() + RETRY);
            }
        }
    }

    /// Deletes what is too old, a bite at a time, once a day.
    fn forget(&mut self) {
        if self.failing || Instant::now() < self.forget_at {
            return;
        }
        match self.store.forget(now() - Ms::from(self.retention_days) * DAY_MS) {
            Ok(true) => {}
            Ok(false) => self.forget_at = Instant::now() + DAY,
            Err(error) => {
                tracing::debug!(%error, "old rows of the as-run log stay");
                self.forget_at = Instant::now() + RETRY;
            }
        }
    }
}

fn now() -> Ms {
    Timestamp::now().as_millisecond()
}
