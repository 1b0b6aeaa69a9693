//! Configuration file before validation.

use std::path::PathBuf;

use serde::Deserialize;

use super::document::Document;
use super::expand::expand;
use super::explain::{check_sections, explain};
use super::fault::Fault;
use super::output::Output;
use super::placeholder;
#[cfg(feature = "clips")]
use crate::clip::ClipConfig;
use crate::decision::{DeadAirConfig, DecisionConfig, ImbalanceConfig, SilenceConfig};
use crate::model::ModelConfig;
#[cfg(feature = "log")]
use crate::sink::asrun::LogConfig;
#[cfg(feature = "corrections")]
use crate::sink::corrections::CorrectionsConfig;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::RawMqttConfig;
#[cfg(feature = "web")]
use crate::sink::web::RawWebConfig;
use crate::source::Pacing;

/// Root of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawConfig {
    pub(crate) node: Option<String>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) runtime_dir: Option<PathBuf>,
    pub(crate) hop_s: f64,
    pub(crate) output: Option<Output>,
    pub(crate) output_patches: bool,
    pub(crate) model: ModelConfig,
    pub(crate) decision: DecisionConfig,
    #[cfg(feature = "mqtt")]
    pub(crate) mqtt: RawMqttConfig,
    #[cfg(feature = "log")]
    pub(crate) log: LogConfig,
    #[cfg(feature = "corrections")]
    pub(crate) corrections: CorrectionsConfig,
    #[cfg(feature = "web")]
    pub(crate) web: RawWebConfig,
    pub(crate) source: Vec<RawSource>,
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
            #[cfg(feature = "web")]
            web: RawWebConfig::default(),
            source: Vec::new(),
        }
    }
}

/// `[[source]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSource {
    pub(crate) name: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) uri: String,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) pacing: Option<Pacing>,
    pub(crate) start: Option<jiff::Timestamp>,
    #[serde(default)]
    pub(crate) repeat: bool,
    #[serde(default = "default_lost_after_s")]
    pub(crate) lost_after_s: f64,
    #[serde(default = "default_reconnect_max_s")]
    pub(crate) reconnect_max_s: f64,
    #[serde(default)]
    pub(crate) silence: SilenceConfig,
    #[serde(default)]
    pub(crate) dead_air: DeadAirConfig,
    #[serde(default)]
    pub(crate) imbalance: ImbalanceConfig,
    #[serde(default)]
    pub(crate) true_peak: bool,
    #[serde(default = "default_required")]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) format: Vec<String>,
    #[serde(default = "default_off_format_after_s")]
    pub(crate) off_format_after_s: f64,
    pub(crate) max_talk_share: Option<f64>,
    #[cfg(feature = "clips")]
    #[serde(default)]
    pub(crate) clip: ClipConfig,
}

fn default_off_format_after_s() -> f64 {
    600.0
}

fn default_required() -> bool {
    true
}

fn default_lost_after_s() -> f64 {
    5.0
}

fn default_reconnect_max_s() -> f64 {
    60.0
}

impl RawSource {
    /// Creates a source with the address `uri` and default options.
    pub(crate) fn from_uri(uri: &str) -> Self {
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
            required: default_required(),
            format: Vec::new(),
            off_format_after_s: default_off_format_after_s(),
            max_talk_share: None,
            #[cfg(feature = "clips")]
            clip: ClipConfig::default(),
        }
    }
}

/// Parses `text` and expands `${VAR}` in every string.
///
/// # Errors
/// The first fault, with its line.
pub(crate) fn parse(text: &str) -> Result<(RawConfig, Document<'_>), Fault> {
    let mut document = Document::parse(text)?;
    check_sections(&document)?;
    placeholder::check(&document)?;
    expand(&mut document, &|name| std::env::var(name).ok())?;
    let raw = read(&document)?;
    Ok((raw, document))
}

/// Deserializes the document.
///
/// # Errors
/// A key is unknown or has the wrong type.
pub(crate) fn read<T: serde::de::DeserializeOwned>(document: &Document<'_>) -> Result<T, Fault> {
    T::deserialize(toml::Deserializer::from(document.table().clone()))
        .map_err(|error| explain(document, &error))
}
