//! Trunks of a bundle, as its manifest describes them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::level::LevelEntry;
use crate::dsp::{Compression, LogMelParams};
use crate::limits::{ArgumentError, ConfigError, Limit};

const FEATURE_DIM: Limit = Limit::new("trunk.streamed.feature_dim", 1.0, 100_000.0, "");
const BLOCK: Limit = Limit::new("trunk.streamed.block", 1.0, 1000.0, "frames");
const HALO: Limit = Limit::new("trunk.streamed.halo", 0.0, 10_000.0, "frames");

/// Way in which a trunk turns frames into embeddings. A bundle may have a trunk of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkKind {
    /// Computes the features of each frame once, and pools them over each patch.
    Streamed,
    /// Computes each patch on its own.
    Windowed,
}

impl TrunkKind {
    /// Name in configuration, file names and golden tensors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Streamed => "streamed",
            Self::Windowed => "windowed",
        }
    }
}

impl FromStr for TrunkKind {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let found = [Self::Streamed, Self::Windowed].into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| ArgumentError::new("`streamed` or `windowed`"))
    }
}

impl fmt::Display for TrunkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `[trunk]`: one table per kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrunkTable {
    pub(super) streamed: Option<StreamedTrunk>,
    pub(super) windowed: Option<WindowedTrunk>,
}

/// `[trunk.streamed]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamedTrunk {
    /// The network.
    pub file: String,
    /// Input name, `[batch, frames + halo, bands]`.
    pub input: String,
    /// Output name, `[batch, frames, feature_dim]`.
    pub output: String,
    /// Features of a frame.
    pub feature_dim: usize,
    /// Tensors that make an embedding of a patch's features.
    pub pooling: String,
    /// Frames of context before and after.
    pub halo: [usize; 2],
    /// The frames of a run are a multiple of this.
    pub block: usize,
    /// Levelled log-mel value where there is no sound.
    pub padding: f32,
    /// Look-ahead in milliseconds.
    pub lookahead_ms: f64,
    /// Input gain; a windowed trunk contains its own.
    pub level: Option<LevelEntry>,
}

/// `[trunk.windowed]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowedTrunk {
    /// The network.
    pub file: String,
    /// Input name, `[batch, frames, bands]`.
    pub input: String,
    /// Output name, `[batch, dim]`.
    pub output: String,
    /// Output name of the network's own labels, unused when scoring.
    #[serde(default, rename = "activations")]
    _activations: Option<String>,
}

/// One of a bundle's trunks.
#[derive(Debug, Clone, Copy)]
pub enum TrunkEntry<'a> {
    /// `[trunk.streamed]`
    Streamed(&'a StreamedTrunk),
    /// `[trunk.windowed]`
    Windowed(&'a WindowedTrunk),
}

impl<'a> TrunkEntry<'a> {
    /// Its network's file.
    pub fn file(self) -> &'a str {
        match self {
            Self::Streamed(trunk) => &trunk.file,
            Self::Windowed(trunk) => &trunk.file,
        }
    }

    /// Its kind.
    pub fn kind(self) -> TrunkKind {
        match self {
            Self::Streamed(_) => TrunkKind::Streamed,
            Self::Windowed(_) => TrunkKind::Windowed,
        }
    }
}

impl StreamedTrunk {
    /// Checks values that types cannot.
    ///
    /// # Errors
    /// The first value outside its limits.
    pub(super) fn validate(&self, front_end: &LogMelParams) -> Result<(), ConfigError> {
        FEATURE_DIM.check(self.feature_dim as f64)?;
        BLOCK.check(self.block as f64)?;
        HALO.check(self.halo[0].max(self.halo[1]) as f64)?;
        if !self.padding.is_finite() {
            return Err(ConfigError::new("trunk.streamed.padding", self.padding, "a finite number"));
        }
        let Some(level) = &self.level else { return Ok(()) };
        level.validate(front_end.bands)?;
        match front_end.compression {
            Compression::Log10OnePlus { .. } => Ok(()),
            _ => Err(ConfigError::new(
                "trunk.streamed.level",
                "given",
                "no such table with another compression than `log10_one_plus`",
            )),
        }
    }
}
