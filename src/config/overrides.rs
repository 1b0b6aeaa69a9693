//! Command-line options that take precedence over the configuration file.

use super::output::Output;
use super::raw::{RawConfig, RawSource};
use crate::source::{Pacing, Uri};

/// Values of the command line, merged into the raw configuration before it is validated. An unset
/// value leaves the configured one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Addresses of sources that replace all configured ones.
    pub uris: Vec<String>,
    /// Interval between patches, in seconds.
    pub hop_s: Option<f64>,
    /// Name or path of the model bundle.
    pub bundle: Option<String>,
    /// Name of the head, or path of its TOML file.
    pub head: Option<String>,
    /// Reads files as fast as they can be scored.
    pub fast: bool,
    /// Disables MQTT.
    pub no_mqtt: bool,
    /// Disables the page.
    pub no_web: bool,
    /// Format of the results on standard output. JSON lines then include every patch.
    pub output: Option<Output>,
    /// Format where neither the command line nor the file chooses one.
    pub default_output: Output,
}

impl Overrides {
    /// Creates overrides that only replace the sources.
    pub fn of_sources(uris: &[String]) -> Self {
        Self { uris: uris.to_vec(), ..Self::default() }
    }

    /// Returns true if the value of the key `path`, such as `model.head`, is not that of the file.
    pub(super) fn replaces(&self, path: &str) -> bool {
        match path {
            "hop_s" => self.hop_s.is_some(),
            "model.bundle" => self.bundle.is_some(),
            "model.head" => self.head.is_some(),
            "mqtt.enabled" => self.no_mqtt,
            "web.enabled" => self.no_web,
            "output" | "output_patches" => self.output.is_some(),
            _ => !self.uris.is_empty() && (path == "source" || path.starts_with("source.")),
        }
    }

    /// Writes the set values into `raw`.
    pub(super) fn merge_into(&self, raw: &mut RawConfig) {
        if let Some(hop_s) = self.hop_s {
            raw.hop_s = hop_s;
        }
        if let Some(bundle) = &self.bundle {
            raw.model.bundle.clone_from(bundle);
        }
        if let Some(head) = &self.head {
            raw.model.head.clone_from(head);
        }
        #[cfg(feature = "mqtt")]
        if self.no_mqtt {
            raw.mqtt.enabled = false;
        }
        #[cfg(feature = "web")]
        if self.no_web {
            raw.web.enabled = false;
        }
        match self.output {
            Some(output) => {
                raw.output = Some(output);
                raw.output_patches = true;
            }
            None => {
                raw.output.get_or_insert(self.default_output);
            }
        }
        if !self.uris.is_empty() {
            raw.source = self.uris.iter().map(|uri| RawSource::from_uri(uri)).collect();
        }
        if self.fast {
            for source in &mut raw.source {
                if matches!(Uri::parse(&source.uri), Ok(Uri::File(_))) {
                    source.pacing = Some(Pacing::Fast);
                }
            }
        }
    }
}
