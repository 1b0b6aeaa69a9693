//! The file as it is typed.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Value;

use super::Output;
use crate::decision::{DeadAirConfig, DecisionConfig, ImbalanceConfig, SilenceConfig};
use crate::model::ModelConfig;
#[cfg(feature = "log")]
use crate::sink::asrun::LogConfig;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::RawMqttConfig;
use crate::source::Pacing;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    pub node: Option<String>,
    pub state_dir: Option<PathBuf>,
    pub runtime_dir: Option<PathBuf>,
    pub hop: f64,
    pub output: Option<Output>,
    pub output_windows: bool,
    pub model: ModelConfig,
    pub decision: DecisionConfig,
    #[cfg(feature = "mqtt")]
    pub mqtt: RawMqttConfig,
    #[cfg(feature = "log")]
    pub log: LogConfig,
    pub source: Vec<RawSource>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            node: None,
            state_dir: None,
            runtime_dir: None,
            hop: 1.0,
            output: None,
            output_windows: false,
            model: ModelConfig::default(),
            decision: DecisionConfig::default(),
            #[cfg(feature = "mqtt")]
            mqtt: RawMqttConfig::default(),
            #[cfg(feature = "log")]
            log: LogConfig::default(),
            source: Vec::new(),
        }
    }
}

/// `[[source]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSource {
    pub name: Option<String>,
    pub uri: String,
    pub command: Option<Vec<String>>,
    pub pacing: Option<Pacing>,
    pub start: Option<jiff::Timestamp>,
    #[serde(default)]
    pub repeat: bool,
    #[serde(default = "default_lost_after")]
    pub lost_after: f64,
    #[serde(default = "default_reconnect_max")]
    pub reconnect_max: f64,
    #[serde(default)]
    pub silence: SilenceConfig,
    #[serde(default)]
    pub dead_air: DeadAirConfig,
    #[serde(default)]
    pub imbalance: ImbalanceConfig,
    #[serde(default)]
    pub true_peak: bool,
    #[serde(default)]
    pub format: Vec<String>,
    #[serde(default = "default_off_format_after")]
    pub off_format_after: f64,
    pub talk_limit: Option<f64>,
}

fn default_off_format_after() -> f64 {
    600.0
}

fn default_lost_after() -> f64 {
    5.0
}

fn default_reconnect_max() -> f64 {
    60.0
}

impl RawSource {
    /// A source of which only the address is known.
    pub fn from_uri(uri: &str) -> Self {
        Self {
            name: None,
            uri: uri.into(),
            command: None,
            pacing: None,
            start: None,
            repeat: false,
            lost_after: default_lost_after(),
            reconnect_max: default_reconnect_max(),
            silence: SilenceConfig::default(),
            dead_air: DeadAirConfig::default(),
            imbalance: ImbalanceConfig::default(),
            true_peak: false,
            format: Vec::new(),
            off_format_after: default_off_format_after(),
            talk_limit: None,
        }
    }
}

/// Parses the text, then expands `${VAR}` in every string.
pub fn parse(text: &str) -> Result<RawConfig, String> {
    // Straight from the text, errors show the line; strings can be expanded in a value only.
    if !text.contains("${") {
        return toml::from_str(text).map_err(|error| explain(&error));
    }
    let mut value: Value = toml::from_str(text).map_err(|error| explain(&error))?;
    expand(&mut value, "", &|name| std::env::var(name).ok())?;
    value.try_into().map_err(|error| explain(&error))
}

/// The parser's message, with the nearest known key where one is unknown.
pub fn explain(error: &toml::de::Error) -> String {
    let mut message = error.to_string().trim_end().to_owned();
    // The message quotes the line that it is about, and that may hold a secret.
    if message.contains("password") || message.contains("://") {
        message = error.message().to_owned();
    }
    let nearest = error.message().strip_prefix("unknown field ").and_then(|rest| {
        let mut quoted = rest.split('`').skip(1).step_by(2);
        let unknown = quoted.next()?;
        quoted
            .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
            .min()
            .filter(|(distance, known)| *distance <= 3.max(known.len() / 2))
            .map(|(_, known)| known)
    });
    match nearest {
        Some(known) => format!("{message}\ndid you mean `{known}`?"),
        None => message,
    }
}

/// Replaces `${NAME}` by `lookup(NAME)` in every string below `value`; `$${` stands for `${`.
pub fn expand(value: &mut Value, key: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::String(text) if text.contains("${") => *text = expand_text(text, key, lookup)?,
        Value::Table(table) => {
            for (name, value) in table.iter_mut() {
                expand(value, &below(name), lookup)?;
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter_mut().enumerate() {
                expand(value, &below(&index.to_string()), lookup)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn expand_text(text: &str, key: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("`{key}`: `${{` without `}}`; write `$${{` for the characters"))?;
        let value =
            lookup(name).ok_or_else(|| format!("`{key}`: the environment variable `{name}` is not set"))?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_in_strings() {
        let lookup = |name: &str| (name == "PW").then(|| "s3\"cret$".to_owned());
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = expand_text(text, "mqtt.password", &lookup);
            match expected {
                Ok(value) => assert_eq!(found.as_deref(), Ok(value), "{text}"),
                Err(part) => {
                    assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{text}: {found:?}")
                }
            }
        };
        check("plain $5", Ok("plain $5"));
        check("a${PW}b${PW}", Ok("as3\"cret$bs3\"cret$"));
        check("$${PW}", Ok("${PW}"));
        check("${NO}", Err("`mqtt.password`: the environment variable `NO` is not set"));
        check("${PW", Err("without `}`"));
    }

    #[test]
    fn every_string_of_the_tree_is_expanded() {
        let mut value: Value = toml::from_str("a = '${X}'\n[[b]]\nc = ['${X}']").unwrap();
        expand(&mut value, "", &|_| Some("y".into())).unwrap();
        assert_eq!(value, toml::from_str("a = 'y'\n[[b]]\nc = ['y']").unwrap());
        let mut value: Value = toml::from_str("[[b]]\nc = '${X}'").unwrap();
        let error = expand(&mut value, "", &|_| None).unwrap_err();
        assert!(error.contains("`b.0.c`"), "{error}");
    }
}
