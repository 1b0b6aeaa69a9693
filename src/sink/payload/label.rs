//! Answers to a listener's correction.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Refusal, rfc3339, to_4_places};

/// `…/label`: a correction that was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// Time of the request.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// Number of the correction in its file.
    pub id: i64,
    /// The genre that is stored.
    pub genre: Arc<str>,
    /// True if the head has that genre.
    pub known: bool,
    /// Genre of the head that may have been meant, if it lacks that one.
    pub nearest: Option<Arc<str>>,
    /// Patches that are stored.
    pub patches: usize,
    /// Patches of that time that are too quiet to learn from.
    pub quiet: usize,
    /// Start of the first patch.
    #[serde(serialize_with = "rfc3339")]
    pub start: Timestamp,
    /// End of the last.
    #[serde(serialize_with = "rfc3339")]
    pub end: Timestamp,
    /// The genre or state that was published at that time.
    pub published: Arc<str>,
    /// Its confidence; `null` unless it was a genre.
    #[serde(serialize_with = "to_4_places")]
    pub confidence: Option<f32>,
    /// Earlier corrections of overlapping time under another genre: this one replaces them there.
    pub contradicts: u64,
    /// Old corrections that were deleted to keep `corrections.max_mb`.
    pub evicted: u64,
}

/// An answer on the trace socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A correction was stored.
    Labelled(Arc<Labelled>),
    /// A command was not taken.
    Refused(Arc<Refusal>),
}
