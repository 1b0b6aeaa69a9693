//! `{"genre":"jazz","last_s":30}`, or the genre alone as plain text: a listener's correction.

use serde_json::Value;

use super::unknown_key::unknown_key;
use crate::command::{LabelCommand, Rejection};
use crate::event::SourceState;

/// Length that is labelled where the message gives none, in seconds.
const DEFAULT_S: f64 = 30.0;
/// Longest name of a genre, in characters.
const MAX_GENRE_LENGTH: usize = 64;

const KEYS: [&str; 2] = ["genre", "last_s"];

/// Parses the message.
pub(super) fn parse(text: &[u8]) -> Result<LabelCommand, Rejection> {
    let text = std::str::from_utf8(text).map_err(|_| Rejection::of_message("not UTF-8"))?.trim();
    if text.starts_with('{') {
        return from_json(text);
    }
    if text.starts_with(['[', '"']) {
        return Err(Rejection::of_message(
            "give the genre as plain text, or an object such as `{\"genre\":\"jazz\",\"last_s\":30}`",
        ));
    }
    Ok(LabelCommand { genre: genre(text)?, last_s: DEFAULT_S })
}

fn from_json(text: &str) -> Result<LabelCommand, Rejection> {
    let message: Value =
        serde_json::from_str(text).map_err(|error| Rejection::of_message(format!("not JSON: {error}")))?;
    let Value::Object(message) = message else {
        return Err(Rejection::of_message("give a JSON object"));
    };
    let (mut name, mut last_s) = (None, DEFAULT_S);
    for (key, value) in &message {
        match key.as_str() {
            "genre" => {
                let text = value
                    .as_str()
                    .ok_or_else(|| Rejection::of_key("genre", "give the name of a genre, in quotes"))?;
                name = Some(genre(text)?);
            }
            "last_s" => last_s = seconds(value)?,
            _ => return Err(unknown_key("", key, KEYS, None)),
        }
    }
    let genre = name.ok_or_else(|| Rejection::of_key("genre", "missing; give the name of a genre"))?;
    Ok(LabelCommand { genre, last_s })
}

/// Name of a genre, without spaces around it.
fn genre(name: &str) -> Result<String, Rejection> {
    let refused = |message: String| Err(Rejection::of_key("genre", message));
    let name = name.trim();
    if name.is_empty() {
        return refused("empty; give the name of a genre".into());
    }
    if name.chars().count() > MAX_GENRE_LENGTH {
        return refused(format!("longer than {MAX_GENRE_LENGTH} characters"));
    }
    if name.chars().any(char::is_control) {
        return refused("holds control characters".into());
    }
    if SourceState::named(name).is_some() {
        return refused(format!(
            "`{name}` is the name of a state, which genres share a topic with; corrections are of genres \
             alone, for example `{}-music`",
            name.to_lowercase()
        ));
    }
    Ok(name.to_owned())
}

fn seconds(value: &Value) -> Result<f64, Rejection> {
    let (shortest, longest) = (LabelCommand::SHORTEST_S, LabelCommand::LONGEST_S);
    let refused = |message: String| Rejection::of_key("last_s", message);
    let seconds = value
        .as_f64()
        .ok_or_else(|| refused(format!("give a number of seconds, {shortest} to {longest}")))?;
    match (shortest..=longest).contains(&seconds) {
        true => Ok(seconds),
        false => Err(refused(format!("{seconds} is not {shortest} to {longest} seconds"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LabelCommand, Rejection> {
        super::parse(text.as_bytes())
    }

    #[test]
    fn text_and_json_are_taken() {
        let request = |genre: &str, last_s| Ok(LabelCommand { genre: genre.into(), last_s });
        assert_eq!(parse("jazz"), request("jazz", 30.0));
        assert_eq!(parse(" Drum & Bass \n"), request("Drum & Bass", 30.0));
        assert_eq!(parse(r#"{"genre":"jazz"}"#), request("jazz", 30.0));
        assert_eq!(parse(r#" {"last_s":12.5,"genre":" Jazz"}"#), request("Jazz", 12.5));
        assert_eq!(parse(&"ä".repeat(64)), request(&"ä".repeat(64), 30.0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, key, expected) in [
            ("", "genre", "empty"),
            ("  \n", "genre", "empty"),
            ("{", "", "not JSON"),
            (r#"{"genre":"jazz"} x"#, "", "not JSON"),
            (r#"["jazz"]"#, "", "plain text"),
            (r#""jazz""#, "", "plain text"),
            ("{}", "genre", "missing"),
            (r#"{"genre":5}"#, "genre", "in quotes"),
            (r#"{"genre":null}"#, "genre", "in quotes"),
            (r#"{"genre":""}"#, "genre", "empty"),
            (r#"{"genre":"jazz","last":30}"#, "last", "did you mean `last_s`?"),
            (r#"{"genre":"jazz","last_s":"30"}"#, "last_s", "give a number of seconds, 3 to 60"),
            (r#"{"genre":"jazz","last_s":61}"#, "last_s", "61 is not 3 to 60 seconds"),
            (r#"{"genre":"jazz","last_s":-1}"#, "last_s", "-1 is not 3 to 60"),
            (r#"{"genre":"jazz","last_s":1e999}"#, "", "not JSON"),
            ("Silence", "genre", "`Silence` is the name of a state"),
            (r#"{"genre":"speech"}"#, "genre", "for example `speech-music`"),
            ("a\tb", "genre", "control characters"),
        ] {
            let refused = parse(text).unwrap_err();
            assert_eq!(refused.key.unwrap_or_default(), key, "{text}");
            assert!(refused.message.contains(expected), "{text}: {}", refused.message);
        }
        assert!(parse(&"ä".repeat(65)).unwrap_err().message.contains("longer than 64"));
        assert_eq!(super::parse(b"\xff").unwrap_err().message, "not UTF-8");
    }
}
