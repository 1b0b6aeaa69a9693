//! Commands of clients of the trace socket: one JSON object per line.
//!
//! `{"ask":"label","source":"radio","message":{"genre":"jazz","last_s":30}}`; `message` is the
//! payload of MQTT's `…/label/set`, and is parsed by the same code.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::{CommandOrigin, CommandRequest};
use crate::sink::command_parser;

/// Command of a client, as its line holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientCommand {
    /// Kind of the command.
    pub(crate) ask: ClientCommandKind,
    /// Source name, as in topics.
    pub(crate) source: String,
    /// Parameters of the command.
    pub(crate) message: Value,
}

/// Kinds of [`ClientCommand`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCommandKind {
    /// Stores the newest audio with its right genre.
    Label,
}

/// Parses a line of client `id`; `None` if it is not a command.
pub(super) fn parse(line: &[u8], id: u64) -> Option<CommandRequest> {
    let ClientCommand { ask: ClientCommandKind::Label, source, message } =
        serde_json::from_slice(line).ok()?;
    let text = serde_json::to_vec(&message).ok()?;
    Some(CommandRequest {
        source: source.into(),
        command: command_parser::label(&text),
        origin: CommandOrigin::Client(id),
    })
}
