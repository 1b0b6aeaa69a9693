//! Parsing of commands: JSON or text, as subscribers publish it, checked as strictly as the
//! configuration file.

mod label;
mod settings;

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

/// Rejection of a key below `path` that does not exist, with the known keys and, where it can be
/// guessed, the one that was meant.
fn unknown_key<'a>(
    path: &str,
    key: &str,
    known: impl IntoIterator<Item = &'a str>,
    renamed: Option<&'a str>,
) -> Rejection {
    let known: Vec<&str> = known.into_iter().collect();
    // The key goes into a log and a topic.
    let key: String = key.chars().take(64).collect();
    let nearest = known.iter().copied().min_by_key(|known| strsim::damerau_levenshtein(&key, known));
    let hint = renamed.or(nearest).map_or(String::new(), |nearest| format!("; did you mean `{nearest}`?"));
    let full = if path.is_empty() { key } else { format!("{path}.{key}") };
    Rejection::of_key(full, format!("unknown key, expected one of `{}`{hint}", known.join("`, `")))
}
