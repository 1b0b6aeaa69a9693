//! Commands of clients: one JSON object a line.
//!
//! `{"ask":"label","source":"radio","message":{"genre":"jazz","last_s":30}}`; `message` is what a
//! subscriber of MQTT would publish on `…/label/set`, and is checked by the same code.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sink::{Ask, Asker, Request};

/// A command as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The command.
    pub ask: Kind,
    /// Source name, as in topics.
    pub source: String,
    /// Its parameters.
    pub message: Value,
}

/// Kinds of [`Command`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Stores what was heard last with its right genre.
    Label,
}

/// The request of client `id` that a line makes.
pub(super) fn parse(line: &[u8], id: u64) -> Option<Request> {
    let Command { ask: Kind::Label, source, message } = serde_json::from_slice(line).ok()?;
    let text = serde_json::to_vec(&message).ok()?;
    Some(Request { source: source.into(), ask: Ask::Label(text), from: Asker::Client(id) })
}
