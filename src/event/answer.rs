//! Answers to commands.

use std::sync::Arc;

use jiff::Timestamp;

/// Refusal of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRefusal {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Time of the refusal.
    pub at: Timestamp,
    /// Key at fault, such as `thresholds.silence.after`; `None` where it is the whole message.
    pub key: Option<String>,
    /// Description of the fault and of what is accepted.
    pub message: String,
}

/// Correction by a listener that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCorrection {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Time of the request.
    pub at: Timestamp,
    /// Number of the correction in its file.
    pub id: i64,
    /// The stored genre.
    pub genre: Arc<str>,
    /// True if the head has that genre.
    pub known: bool,
    /// Label of the head with the most similar name, if the head lacks the genre.
    pub nearest: Option<Arc<str>>,
    /// Number of stored patches.
    pub patches: usize,
    /// Number of patches of that time that are too quiet to learn from.
    pub quiet: usize,
    /// Start of the first patch.
    pub start: Timestamp,
    /// End of the last patch.
    pub end: Timestamp,
    /// Genre or state that was published at the time of the request.
    pub published: Arc<str>,
    /// Its confidence; `None` unless it was a genre.
    pub confidence: Option<f32>,
    /// Earlier corrections of overlapping time under another genre, which this one replaces.
    pub contradicts: u64,
    /// Old corrections that were deleted to keep `corrections.max_mb`.
    pub evicted: u64,
}
