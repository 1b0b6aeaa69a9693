//! Thread of a sink that writes lines: the reader of a pipe may stop reading.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::{Message, SinkFuture};

/// Encoder of messages as lines.
pub(super) trait LineWriter: Send + 'static {
    /// Writes the lines of `message`, if any, and flushes.
    fn write(&mut self, message: &Message) -> io::Result<()>;
}

/// Runs `lines` on a thread called `name` until the inbox closes or writing fails.
///
/// A full pipe blocks that thread alone. At the end of the process a blocked thread is left behind:
/// dropping the future abandons it.
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
