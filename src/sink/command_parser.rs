//! Parsing of commands: JSON or text, as subscribers publish it, checked as strictly as the
//! configuration file.

mod label;
mod settings;
mod unknown_key;

use crate::command::{Rejection, SourceCommand};

/// Command of a message on `…/set`.
pub(crate) fn set(payload: &[u8]) -> SourceCommand {
    SourceCommand::Set(settings::parse(payload))
}

/// Command of a message on `…/label/set`.
pub(crate) fn label(payload: &[u8]) -> SourceCommand {
    SourceCommand::Label(label::parse(payload))
}

/// Command of a retained message. The broker would deliver it again at every connection.
pub(crate) fn retained() -> SourceCommand {
    SourceCommand::Set(Err(Rejection::of_message(
        "a retained message would be carried out at every start: publish it without `retain`",
    )))
}

/// Command of a message that is too long to be one.
pub(crate) fn too_long() -> SourceCommand {
    SourceCommand::Set(Err(Rejection::of_message("more than 16 KiB: no command is that long")))
}
