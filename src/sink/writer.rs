//! Sinks that write lines: a thread of their own, because a reader may stop reading.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::{Message, SinkFuture};

/// Writes lines of what it is given.
pub(super) trait LineWriter: Send + 'static {
    /// Writes what concerns it of `message`, whole lines, and flushes.
    fn write(&mut self, message: &Message) -> io::Result<()>;
}

/// Runs `lines` on a thread called `name` until the inbox closes or writing fails.
///
/// A full pipe blocks that thread alone. It may be left behind blocked at the end of the
/// process: the future, once dropped, lets go of it.
pub(super) fn run(
    name: &'static str,
    mut lines: impl LineWriter,
    mut inbox: mpsc::Receiver<Message>,
) -> SinkFuture {
    Box::pin(async move {
        let (done, ended) = oneshot::channel::<()>();
        let abandoned = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&abandoned);
        let thread = crate::thread::spawn(name, move || {
            while let Some(message) = inbox.blocking_recv() {
                if seen.load(Ordering::Relaxed) {
                    break;
                }
                match lines.write(&message) {
                    Ok(()) => {}
                    // The reader has seen enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        tracing::debug!(sink = name, "the reader closed the pipe");
                        break;
                    }
                    Err(error) => {
                        tracing::error!(sink = name, %error, "cannot write, output ends here");
                        break;
                    }
                }
            }
            drop(done);
        });
        let _abandon = OnDrop(abandoned);
        match thread {
            Ok(_) => {
                // The sender is only ever dropped.
                let _ = ended.await;
            }
            Err(error) => {
                tracing::error!(sink = name, %error, "cannot start a thread, there will be no output")
            }
        }
    })
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
