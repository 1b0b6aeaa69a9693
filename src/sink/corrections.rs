//! Corrections: what a source has played, as embeddings, with the genre that a listener gives it.
//!
//! Each correction is committed to a file of its own before it is answered. `genred train
//! --corrections` reads them. Nothing of the sound itself is stored.

mod config;
mod half;
#[cfg(feature = "corrections")]
mod read;
#[cfg(feature = "corrections")]
mod store;
#[cfg(all(test, feature = "corrections"))]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

pub use config::{CorrectionsConfig, FILE};
pub use half::{from_half, to_half};
#[cfg(feature = "corrections")]
pub use read::{CorrectionsError, Stored, Summary, list, read, undo};
#[cfg(feature = "corrections")]
pub use store::{Added, add};

/// One patch of a correction.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardPatch {
    /// Time of its start, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// Time of its end.
    pub end_ms: i64,
    /// Its embedding, in half precision ([`to_half`]).
    pub embedding: Arc<[u16]>,
}

/// A stretch of sound with the genre that a listener gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// Time of the request.
    pub at: Timestamp,
    /// Source name, as in topics.
    pub source: Arc<str>,
    /// The genre that is right.
    pub genre: Arc<str>,
    /// The genre or state that was published at that time.
    pub published: Arc<str>,
    /// Confidence of the published genre; `None` unless it was one.
    pub confidence: Option<f32>,
    /// Bundle name.
    pub model: Arc<str>,
    /// Name of the genre head.
    pub head: Arc<str>,
    /// Identifier of the embedding: heads of another one cannot learn from it.
    pub embedding_id: Arc<str>,
    /// The patches, oldest first; at least one, all of equal size.
    pub patches: Vec<HeardPatch>,
}

impl Correction {
    /// Start of the first patch and end of the last, in milliseconds since the Unix epoch; `None`
    /// without patches.
    pub fn span_ms(&self) -> Option<(i64, i64)> {
        Some((self.patches.first()?.start_ms, self.patches.last()?.end_ms))
    }
}
