//! Layer 0: commands that a running daemon accepts from outside. Sinks parse them.

use std::sync::Arc;

use crate::settings::SettingsPatch;

/// Command for one source.
///
/// A command that could not be parsed is carried as its [`Rejection`]: the director answers all
/// commands, after its own checks.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceCommand {
    /// Publishes the source's state, attributes and settings.
    Get,
    /// Changes settings.
    Set(Result<SettingsPatch, Rejection>),
    /// Stores the newest audio, as embeddings, with the right genre.
    Label(Result<LabelCommand, Rejection>),
}

/// Parameters of [`SourceCommand::Label`].
#[derive(Debug, Clone, PartialEq)]
pub struct LabelCommand {
    /// The right genre.
    pub genre: String,
    /// Length, in seconds, of the audio before the end of the newest patch.
    pub last_s: f64,
}

impl LabelCommand {
    /// Shortest audio that can be labelled, in seconds: one patch.
    pub const SHORTEST_S: f64 = 3.0;
    /// Longest audio that can be labelled, in seconds: the director keeps that much.
    pub const LONGEST_S: f64 = 60.0;
}

/// Description of what is wrong with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Key at fault, such as `thresholds.silence.after`; `None` where it is the whole message.
    pub key: Option<String>,
    /// Description of the fault and of what is accepted.
    pub message: String,
}

impl Rejection {
    /// Rejection of the value of `key`.
    pub fn of_key(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: Some(key.into()), message: message.into() }
    }

    /// Rejection of the whole message.
    pub fn of_message(message: impl Into<String>) -> Self {
        Self { key: None, message: message.into() }
    }
}

/// Sender of a command, to which the answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOrigin {
    /// Subscribers of the source's topics.
    Subscriber,
    /// Client of the trace socket, by its number.
    Client(u64),
    /// Client of the HTTP API, by the number of its request.
    Request(u64),
}

/// Command with its source and its sender.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandRequest {
    /// Source name, as it was given.
    pub source: Arc<str>,
    /// The command.
    pub command: SourceCommand,
    /// Its sender.
    pub origin: CommandOrigin,
}
