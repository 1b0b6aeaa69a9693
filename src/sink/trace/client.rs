//! One client: lines out, commands in.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::client_command;
use super::line::line;
use super::listeners::ConnectedClient;
use crate::command::CommandRequest;

/// Longest command, in bytes.
const MAX_COMMAND_LENGTH: usize = 4096;

/// Writes queued lines and forwards commands, until the queue ends or the client disconnects.
pub(super) async fn serve(
    mut stream: UnixStream,
    mut lines: mpsc::Receiver<Arc<str>>,
    requests: Option<Sender<CommandRequest>>,
    id: u64,
    _listener: ConnectedClient,
) {
    let mut commands = CommandReader { requests, id, unfinished: Vec::new() };
    let mut reads = true;
    loop {
        let mut piece = [0; 1024];
        tokio::select! {
            // `hello` precedes any answer.
            biased;
            line = lines.recv() => {
                let Some(line) = line else { break };
                if stream.write_all(line.as_bytes()).await.is_err() {
                    break;
                }
            }
            // A client that disconnects while nothing is written must be noticed.
            _ = stream.readable(), if reads => match stream.try_read(&mut piece) {
                Ok(0) => break,
                // After a malformed command no more is read. The next line that is written detects
                // a disconnection.
                Ok(count) => match commands.add(&piece[..count]) {
                    Ok(()) => {}
                    Err(None) => reads = false,
                    Err(Some(message)) => {
                        reads = false;
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

/// Assembles commands from what a client sends.
struct CommandReader {
    requests: Option<Sender<CommandRequest>>,
    id: u64,
    /// Bytes since the last line end.
    unfinished: Vec<u8>,
}

impl CommandReader {
    /// Forwards the commands that `piece` completes.
    ///
    /// # Errors
    /// A command cannot be forwarded; the message is for the client. It is `None` where commands
    /// are not accepted.
    fn add(&mut self, piece: &[u8]) -> Result<(), Option<&'static str>> {
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
        if self.unfinished.len() > MAX_COMMAND_LENGTH { Err(Some("the command is too long")) } else { Ok(()) }
    }
}

async fn refuse(stream: &mut UnixStream, message: &'static str) -> io::Result<()> {
    #[derive(Serialize)]
    struct RefusedLine {
        message: &'static str,
    }
    match line("refused", None, &RefusedLine { message }) {
        Some(line) => stream.write_all(line.as_bytes()).await,
        None => Ok(()),
    }
}
