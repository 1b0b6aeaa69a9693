//! The file as it is typed.

use std::path::PathBuf;

use serde::Deserialize;

use super::document::Document;
use super::explain::{check_sections, explain, shown};
use super::fault::Fault;
use super::{Output, placeholder};
use crate::decision::{DeadAirConfig, DecisionConfig, ImbalanceConfig, SilenceConfig};
use crate::model::ModelConfig;
#[cfg(feature = "log")]
use crate::sink::asrun::LogConfig;
#[cfg(feature = "corrections")]
use crate::sink::corrections::CorrectionsConfig;
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
    pub hop_s: f64,
    pub output: Option<Output>,
    pub output_patches: bool,
    pub model: ModelConfig,
    pub decision: DecisionConfig,
    #[cfg(feature = "mqtt")]
    pub mqtt: RawMqttConfig,
    #[cfg(feature = "log")]
    pub log: LogConfig,
    #[cfg(feature = "corrections")]
    pub corrections: CorrectionsConfig,
    pub source: Vec<RawSource>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            node: None,
            state_dir: None,
            runtime_dir: None,
            hop_s: 1.0,
            output: None,
            output_patches: false,
            model: ModelConfig::default(),
            decision: DecisionConfig::default(),
            #[cfg(feature = "mqtt")]
            mqtt: RawMqttConfig::default(),
            #[cfg(feature = "log")]
            log: LogConfig::default(),
            #[cfg(feature = "corrections")]
            corrections: CorrectionsConfig::default(),
            source: Vec::new(),
        }
    }
}

/// `[[source]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSource {
    pub name: Option<String>,
    pub display_name: Option<String>,
    pub uri: String,
    pub command: Option<Vec<String>>,
    pub pacing: Option<Pacing>,
    pub start: Option<jiff::Timestamp>,
    #[serde(default)]
    pub repeat: bool,
    #[serde(default = "default_lost_after_s")]
    pub lost_after_s: f64,
    #[serde(default = "default_reconnect_max_s")]
    pub reconnect_max_s: f64,
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
    #[serde(default = "default_off_format_after_s")]
    pub off_format_after_s: f64,
    pub max_talk_share: Option<f64>,
}

fn default_off_format_after_s() -> f64 {
    600.0
}

fn default_lost_after_s() -> f64 {
    5.0
}

fn default_reconnect_max_s() -> f64 {
    60.0
}

impl RawSource {
    /// A source of which only the address is known.
    pub fn from_uri(uri: &str) -> Self {
        Self {
            name: None,
            display_name: None,
            uri: uri.into(),
            command: None,
            pacing: None,
            start: None,
            repeat: false,
            lost_after_s: default_lost_after_s(),
            reconnect_max_s: default_reconnect_max_s(),
            silence: SilenceConfig::default(),
            dead_air: DeadAirConfig::default(),
            imbalance: ImbalanceConfig::default(),
            true_peak: false,
            format: Vec::new(),
            off_format_after_s: default_off_format_after_s(),
            max_talk_share: None,
        }
    }
}

/// Parses the text and expands `${VAR}` in every string.
///
/// # Errors
/// The first fault, with its line.
pub fn parse(text: &str) -> Result<(RawConfig, Document<'_>), Fault> {
    let mut document = Document::parse(text)?;
    check_sections(&document)?;
    placeholder::check(&document)?;
    expand(&mut document, &|name| std::env::var(name).ok())?;
    let raw = read(&document)?;
    Ok((raw, document))
}

/// The document as a value of type `T`.
///
/// # Errors
/// The first key that is unknown or of another type.
pub fn read<T: serde::de::DeserializeOwned>(document: &Document<'_>) -> Result<T, Fault> {
    T::deserialize(toml::Deserializer::from(document.table().clone()))
        .map_err(|error| explain(document, &error))
}

/// Replaces `${NAME}` by `lookup(NAME)` in every string; `$${` stands for `${`.
///
/// # Errors
/// A variable that is not set.
pub fn expand(document: &mut Document<'_>, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), Fault> {
    document.change_strings(&|path, text| match text.contains("${") {
        true => expand_text(text, &shown(path), lookup).map(Some),
        false => Ok(None),
    })
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
        let mut document = Document::parse("a = '${X}'\n[[b]]\nc = ['${X}']").unwrap();
        expand(&mut document, &|_| Some("y".into())).unwrap();
        let value: toml::Table = read(&document).unwrap();
        assert_eq!(value, toml::from_str("a = 'y'\n[[b]]\nc = ['y']").unwrap());
        let mut document = Document::parse("[[source]]\nuri = 'x'\nname = '${X}'").unwrap();
        let fault = expand(&mut document, &|_| None).unwrap_err().to_string();
        assert!(fault.starts_with("line 3: `name`: the environment variable `X`"), "{fault}");
    }
}
