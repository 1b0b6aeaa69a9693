//! One client: lines out, commands in.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::{Listener, client_command, line};
use crate::command::CommandRequest;

/// Longest command, in bytes.
const LONGEST: usize = 4096;

/// Writes what is queued, and hands on commands, until the queue ends or the client is gone.
pub async fn serve(
    mut stream: UnixStream,
    mut lines: mpsc::Receiver<Arc<str>>,
    requests: Option<Sender<CommandRequest>>,
    id: u64,
    _listener: Listener,
) {
    let mut heard = Heard { requests, id, unfinished: Vec::new() };
    let mut is_heard = true;
    loop {
        let mut piece = [0; 1024];
        tokio::select! {
            // The greeting goes before any answer.
            biased;
            line = lines.recv() => {
                let Some(line) = line else { break };
                if stream.write_all(line.as_bytes()).await.is_err() {
                    break;
                }
            }
            // One that goes away while there is nothing to write must not be counted on.
            _ = stream.readable(), if is_heard => match stream.try_read(&mut piece) {
                Ok(0) => break,
                // Of one whose commands are not understood no more is read; that it is gone, the
                // next line will tell.
                Ok(count) => match heard.take(&piece[..count]) {
                    Ok(()) => {}
                    Err(None) => is_heard = false,
                    Err(Some(message)) => {
                        is_heard = false;
                        if refuse(&mut stream, message).await.is_err() {
                            break;
                        }
                    }
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            },
        }
    }
}

/// Message of a client.
struct Heard {
    requests: Option<Sender<CommandRequest>>,
    id: u64,
    /// Since its last line end.
    unfinished: Vec<u8>,
}

impl Heard {
    /// Hands on the commands that `piece` completes.
    ///
    /// # Errors
    /// When one cannot be: with what the client is told. It is told nothing where no commands are
    /// taken.
    fn take(&mut self, piece: &[u8]) -> Result<(), Option<&'static str>> {
        let Some(requests) = &self.requests else { return Err(None) };
        self.unfinished.extend_from_slice(piece);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let rest = self.unfinished.split_off(end + 1);
            let line = std::mem::replace(&mut self.unfinished, rest);
            let request = client_command::parse(&line, self.id).ok_or("this is not a command")?;
            requests.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => "too many commands wait; try again",
                TrySendError::Disconnected(_) => "the daemon ends",
            })?;
        }
        if self.unfinished.len() > LONGEST { Err(Some("the command is too long")) } else { Ok(()) }
    }
}

async fn refuse(stream: &mut UnixStream, message: &'static str) -> io::Result<()> {
    #[derive(Serialize)]
    struct Refused {
        message: &'static str,
    }
    match line("refused", None, &Refused { message }) {
        Some(line) => stream.write_all(line.as_bytes()).await,
        None => Ok(()),
    }
}
