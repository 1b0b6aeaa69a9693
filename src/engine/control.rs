//! What a subscriber may change of a source while it runs, checked as strictly as the configuration file.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::decision::{DecisionConfig, SilenceConfig};
use crate::sink::{Ask, payload};

/// What the thread of a source looks at, at every block.
#[derive(Debug)]
pub struct Dials {
    paused: AtomicBool,
    /// The bits of a floating-point number.
    hop: AtomicU64,
}

impl Dials {
    /// Not paused, with `hop` seconds between patches.
    pub fn new(hop: f64) -> Self {
        Self { paused: AtomicBool::new(false), hop: AtomicU64::new(hop.to_bits()) }
    }

    /// Whether sound is left unheard.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Seconds between patches.
    pub fn hop(&self) -> f64 {
        f64::from_bits(self.hop.load(Ordering::Relaxed))
    }

    /// Turns both to what `settings` say.
    pub fn turn(&self, settings: &Settings) {
        self.paused.store(settings.paused, Ordering::Relaxed);
        self.hop.store(settings.hop.to_bits(), Ordering::Relaxed);
    }
}

/// What can be set of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether its sound is left unheard.
    pub paused: bool,
    /// Seconds between patches, 0.25 to 3.
    pub hop: f64,
    /// `[decision]`
    pub decision: DecisionConfig,
    /// `[source.silence]`
    pub silence: SilenceConfig,
}

/// Why a message changes nothing: the key that it is about, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Such as `thresholds.silence.after`; `None` where it is about all of the message.
    pub key: Option<String>,
    /// What is wrong, and what is accepted.
    pub message: String,
}

const KEYS: [&str; 3] = ["paused", "hop", "thresholds"];
const STAGES: [&str; 2] = ["decision", "silence"];

impl Settings {
    /// These settings as `ask` wants them; all of it is taken, or nothing.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn changed_by(&self, ask: &Ask) -> Result<Self, Refused> {
        let text = match ask {
            Ask::Get | Ask::Label(_) => return Ok(self.clone()),
            Ask::Retained => {
                return Err(refused(
                    "",
                    "a retained message would be carried out at every start: publish it without `retain`",
                ));
            }
            Ask::TooLong => return Err(refused("", "more than 16 KiB: no command is that long")),
            Ask::Set(text) => text,
        };
        let message: Value =
            serde_json::from_slice(text).map_err(|error| refused("", format!("not JSON: {error}")))?;
        let Value::Object(message) = message else {
            return Err(refused("", "give a JSON object such as `{\"paused\":true}`"));
        };
        let mut new = self.clone();
        for (key, value) in message {
            match key.as_str() {
                "paused" => {
                    new.paused = value.as_bool().ok_or_else(|| refused(&key, "give true or false"))?
                }
                "hop" => new.hop = hop(&value)?,
                "thresholds" => new.set_thresholds(value)?,
                _ => return Err(unknown("", &key, KEYS.into_iter())),
            }
        }
        Ok(new)
    }

    fn set_thresholds(&mut self, value: Value) -> Result<(), Refused> {
        let Value::Object(stages) = value else {
            return Err(refused("thresholds", "give an object with `decision` and `silence`"));
        };
        for (stage, value) in stages {
            let path = format!("thresholds.{stage}");
            let Value::Object(value) = value else {
                let known = STAGES.contains(&stage.as_str());
                return Err(match known {
                    true => refused(&path, "give an object of the keys to change"),
                    false => unknown("thresholds", &stage, STAGES.into_iter()),
                });
            };
            match stage.as_str() {
                "decision" => {
                    self.decision = merged(&self.decision, value, &path)?;
                    self.decision.validate().map_err(|error| refused(&path, error.to_string()))?;
                }
                "silence" => {
                    self.silence = merged(&self.silence, value, &path)?;
                    self.silence.validate().map_err(|error| refused(&path, error.to_string()))?;
                }
                _ => return Err(unknown("thresholds", &stage, STAGES.into_iter())),
            }
        }
        Ok(())
    }

    /// How they are published.
    pub fn thresholds(&self) -> payload::Thresholds {
        payload::Thresholds { decision: self.decision.clone(), silence: self.silence.clone() }
    }
}

fn hop(value: &Value) -> Result<f64, Refused> {
    let seconds = value.as_f64().ok_or_else(|| refused("hop", "give a number of seconds, 0.25 to 3"))?;
    match (0.25..=3.0).contains(&seconds) {
        true => Ok(seconds),
        false => Err(refused("hop", format!("{seconds} is not 0.25 to 3 seconds"))),
    }
}

/// `now` with the keys of `changes` in place of its own.
fn merged<T: Serialize + DeserializeOwned>(
    now: &T,
    changes: Map<String, Value>,
    path: &str,
) -> Result<T, Refused> {
    let as_it_is = serde_json::to_value(now).map_err(|error| refused(path, error.to_string()))?;
    let Value::Object(mut all) = as_it_is else { return Err(refused(path, "nothing to set")) };
    for (key, value) in changes {
        let Some(old) = all.get_mut(&key) else {
            return Err(unknown(path, &key, all.keys().map(String::as_str)));
        };
        if !value.is_number() {
            return Err(refused(&format!("{path}.{key}"), "give a number"));
        }
        *old = value;
    }
    serde_json::from_value(all.into()).map_err(|error| refused(path, error.to_string()))
}

/// A refusal about `key`; empty where it is about all of the message.
pub fn refused(key: &str, message: impl Into<String>) -> Refused {
    Refused { key: (!key.is_empty()).then(|| key.to_owned()), message: message.into() }
}

/// A refusal of a key that there is not, with the nearest of those that there are.
pub fn unknown<'a>(path: &str, key: &str, known: impl Iterator<Item = &'a str>) -> Refused {
    let known: Vec<&str> = known.collect();
    // What somebody else wrote goes into a log and a topic.
    let key: String = key.chars().take(64).collect();
    let renamed = (path == "thresholds.decision").then(|| DecisionConfig::renamed(&key)).flatten();
    let nearest = known.iter().copied().min_by_key(|known| strsim::damerau_levenshtein(&key, known));
    let nearest = renamed.or(nearest);
    let full = if path.is_empty() { key } else { format!("{path}.{key}") };
    let hint = nearest.map_or(String::new(), |nearest| format!("; did you mean `{nearest}`?"));
    refused(&full, format!("unknown key, expected one of `{}`{hint}", known.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Settings {
        Settings {
            paused: false,
            hop: 1.0,
            decision: DecisionConfig::default(),
            silence: SilenceConfig::default(),
        }
    }

    fn set(text: &str) -> Result<Settings, Refused> {
        now().changed_by(&Ask::Set(text.into()))
    }

    #[test]
    fn what_is_named_changes_and_nothing_else() {
        assert_eq!(set("{}"), Ok(now()));
        assert_eq!(set(r#"{"paused":true,"hop":0.5}"#), Ok(Settings { paused: true, hop: 0.5, ..now() }));
        let changed = set(r#"{"thresholds":{"silence":{"after":7},"decision":{"hold_s":2.5}}}"#).unwrap();
        let silence = SilenceConfig { after: 7.0, ..SilenceConfig::default() };
        let decision = DecisionConfig { hold_s: 2.5, ..DecisionConfig::default() };
        assert_eq!(changed, Settings { silence, decision, ..now() });
        assert_eq!(now().changed_by(&Ask::Get), Ok(now()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, key, expected) in [
            ("", "", "not JSON"),
            ("\u{fffd}", "", "not JSON"),
            ("true", "", "give a JSON object"),
            (r#"{"paused":1}"#, "paused", "give true or false"),
            (r#"{"hop":"1"}"#, "hop", "give a number of seconds"),
            (r#"{"hop":0.1}"#, "hop", "0.1 is not 0.25 to 3 seconds"),
            (r#"{"hop":1e999}"#, "", "not JSON"),
            (r#"{"pause":true}"#, "pause", "did you mean `paused`?"),
            (r#"{"thresholds":3}"#, "thresholds", "give an object"),
            (r#"{"thresholds":{"silence":1}}"#, "thresholds.silence", "give an object"),
            (r#"{"thresholds":{"silense":1}}"#, "thresholds.silense", "did you mean `silence`?"),
            (r#"{"thresholds":{"silence":{"afer":1}}}"#, "thresholds.silence.afer", "did you mean `after`?"),
            (
                r#"{"thresholds":{"decision":{"carry":9}}}"#,
                "thresholds.decision.carry",
                "did you mean `hold_s`?",
            ),
            (r#"{"thresholds":{"silence":{"after":null}}}"#, "thresholds.silence.after", "give a number"),
            (
                r#"{"thresholds":{"silence":{"after":-1}}}"#,
                "thresholds.silence",
                "`silence.after` is -1; expected 0 to 86400",
            ),
            (
                r#"{"paused":true,"thresholds":{"decision":{"switch_margin":2}}}"#,
                "thresholds.decision",
                "`decision.switch_margin` is 2",
            ),
        ] {
            let refused = set(text).unwrap_err();
            assert_eq!(refused.key.unwrap_or_default(), key, "{text}");
            assert!(refused.message.contains(expected), "{text}: {}", refused.message);
        }
        let refused = now().changed_by(&Ask::Retained).unwrap_err();
        assert!(refused.message.contains("without `retain`"), "{}", refused.message);
    }
}
