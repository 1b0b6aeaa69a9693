//! A listener's correction as it is asked for, checked as strictly as the configuration file.

use std::sync::Arc;

use serde_json::Value;

use super::recent::KEPT_S;
use crate::decision::State;
use crate::engine::control::{Refused, refused, unknown};

/// Seconds that are stored where the request names none.
const DEFAULT_S: f64 = 30.0;
/// Shortest span: one patch.
const SHORTEST_S: f64 = 3.0;
/// Longest name of a genre, in characters.
const LONGEST: usize = 64;

const KEYS: [&str; 2] = ["genre", "last_s"];

/// A request to store what was heard last with its genre.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRequest {
    /// The genre that is right.
    pub genre: String,
    /// Seconds before the newest patch's end.
    pub last_s: f64,
}

impl LabelRequest {
    /// Reads `{"genre":"jazz","last_s":30}`, or the genre alone as plain text.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(text).map_err(|_| refused("", "not UTF-8"))?.trim();
        if text.starts_with('{') {
            return Self::from_json(text);
        }
        if text.starts_with(['[', '"']) {
            return Err(refused(
                "",
                "give the genre as plain text, or an object such as `{\"genre\":\"jazz\",\"last_s\":30}`",
            ));
        }
        Ok(Self { genre: genre(text)?, last_s: DEFAULT_S })
    }

    fn from_json(text: &str) -> Result<Self, Refused> {
        let message: Value =
            serde_json::from_str(text).map_err(|error| refused("", format!("not JSON: {error}")))?;
        let Value::Object(message) = message else { return Err(refused("", "give a JSON object")) };
        let (mut found, mut last_s) = (None, DEFAULT_S);
        for (key, value) in &message {
            match key.as_str() {
                "genre" => {
                    let name = value
                        .as_str()
                        .ok_or_else(|| refused("genre", "give the name of a genre, in quotes"))?;
                    found = Some(genre(name)?);
                }
                "last_s" => last_s = seconds(value)?,
                _ => return Err(unknown("", key, KEYS.into_iter())),
            }
        }
        let genre = found.ok_or_else(|| refused("genre", "missing; give the name of a genre"))?;
        Ok(Self { genre, last_s })
    }
}

/// A genre's name without spaces around it.
fn genre(name: &str) -> Result<String, Refused> {
    let name = name.trim();
    if name.is_empty() {
        return Err(refused("genre", "empty; give the name of a genre"));
    }
    if name.chars().count() > LONGEST {
        return Err(refused("genre", format!("longer than {LONGEST} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(refused("genre", "holds control characters"));
    }
    if State::named(name).is_some() {
        return Err(refused(
            "genre",
            format!(
                "`{name}` is the name of a state, which genres share a topic with; corrections are of genres alone, \
                 for example `{}-music`",
                name.to_lowercase()
            ),
        ));
    }
    Ok(name.to_owned())
}

fn seconds(value: &Value) -> Result<f64, Refused> {
    let seconds = value
        .as_f64()
        .ok_or_else(|| refused("last_s", format!("give a number of seconds, {SHORTEST_S} to {KEPT_S}")))?;
    match (SHORTEST_S..=KEPT_S).contains(&seconds) {
        true => Ok(seconds),
        false => Err(refused("last_s", format!("{seconds} is not {SHORTEST_S} to {KEPT_S} seconds"))),
    }
}

/// `genre` in the spelling of the head where it has that label, else as it is, with the label that
/// it may have been meant to be.
pub fn spelled(genre: String, labels: &[Arc<str>]) -> (Arc<str>, bool, Option<Arc<str>>) {
    let lower = genre.to_lowercase();
    if let Some(label) = labels.iter().find(|label| label.to_lowercase() == lower) {
        return (label.clone(), true, None);
    }
    let nearest = labels
        .iter()
        .map(|label| (strsim::damerau_levenshtein(&lower, &label.to_lowercase()), label))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, label)| *distance <= (label.chars().count() / 3).max(1));
    (genre.into(), false, nearest.map(|(_, label)| label.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LabelRequest, Refused> {
        LabelRequest::parse(text.as_bytes())
    }

    #[test]
    fn text_and_json_are_taken() {
        let request = |genre: &str, last_s| Ok(LabelRequest { genre: genre.into(), last_s });
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
        assert_eq!(LabelRequest::parse(b"\xff").unwrap_err().message, "not UTF-8");
    }

    #[test]
    fn labels_keep_the_spelling_of_the_head() {
        let labels: Vec<Arc<str>> = ["jazz", "rnb-soul", "rock"].map(Into::into).into();
        let spelled = |genre: &str| {
            let (genre, known, nearest) = spelled(genre.into(), &labels);
            (genre.to_string(), known, nearest.map(|label| label.to_string()))
        };
        assert_eq!(spelled("JAZZ"), ("jazz".into(), true, None));
        assert_eq!(spelled("jaz"), ("jaz".into(), false, Some("jazz".into())));
        assert_eq!(spelled("rnb soul"), ("rnb soul".into(), false, Some("rnb-soul".into())));
        assert_eq!(spelled("Klezmer"), ("Klezmer".into(), false, None));
    }
}
