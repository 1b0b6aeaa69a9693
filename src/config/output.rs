//! Format of the results on standard output.

use serde::Deserialize;

/// Format of the results on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// No output.
    #[default]
    None,
    /// One line of text per patch.
    Text,
    /// One JSON object per line.
    Jsonl,
}
