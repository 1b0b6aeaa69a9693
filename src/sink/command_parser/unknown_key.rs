//! Rejection of unknown keys.

use crate::command::Rejection;

/// Rejection of a key below `path` that does not exist, with the known keys and, where it can be
/// guessed, the one that was meant.
pub(super) fn unknown_key<'a>(
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
