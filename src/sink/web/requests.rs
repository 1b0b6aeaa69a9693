//! Commands of clients on their way to the director, and the answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::{ApiError, ErrorCode};
use crate::command::{CommandOrigin, CommandRequest, SourceCommand};
use crate::sink::CommandAnswer;

/// Time in which the director answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Commands that wait for an answer.
#[derive(Debug)]
pub(crate) struct CommandGateway {
    director: Sender<CommandRequest>,
    pending: Mutex<HashMap<u64, oneshot::Sender<Arc<CommandAnswer>>>>,
    sent: AtomicU64,
}

impl CommandGateway {
    /// Gateway to the director.
    pub(crate) fn new(director: Sender<CommandRequest>) -> Self {
        Self { director, pending: Mutex::default(), sent: AtomicU64::new(0) }
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// The director is busy or has ended.
    pub(crate) async fn send(
        &self,
        source: &Arc<str>,
        command: SourceCommand,
    ) -> Result<Arc<CommandAnswer>, ApiError> {
        let id = self.sent.fetch_add(1, Relaxed);
        let (reply, answer) = oneshot::channel();
        self.pending().insert(id, reply);
        let request = CommandRequest { source: source.clone(), command, origin: CommandOrigin::Request(id) };
        let sent = self.director.try_send(request);
        let answer = match sent {
            Ok(()) => timeout(ANSWER_TIMEOUT, answer).await.ok().and_then(Result::ok),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        };
        self.pending().remove(&id);
        answer.ok_or_else(|| ApiError::new(ErrorCode::Busy, "the daemon did not answer in time; try again"))
    }

    /// Passes on the answer to a command.
    pub(crate) fn answer(&self, id: u64, answer: &Arc<CommandAnswer>) {
        if let Some(reply) = self.pending().remove(&id) {
            // The client may have gone.
            let _ = reply.send(answer.clone());
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Arc<CommandAnswer>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
