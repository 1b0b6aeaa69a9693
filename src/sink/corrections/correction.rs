//! Correction by a listener.

use std::sync::Arc;

use jiff::Timestamp;

/// Patch of a correction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeardPatch {
    /// Time of its start, in milliseconds since the Unix epoch.
    pub(crate) start_ms: i64,
    /// Time of its end.
    pub(crate) end_ms: i64,
    /// Its embedding, in half precision ([`super::to_half`]).
    pub(crate) embedding: Arc<[u16]>,
}

/// Audio with the genre that a listener assigns to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Correction {
    /// Time of the request.
    pub(crate) at: Timestamp,
    /// Source name, as in topics.
    pub(crate) source: Arc<str>,
    /// Right genre.
    pub(crate) genre: Arc<str>,
    /// Genre or state that was published at the time of the request.
    pub(crate) published: Arc<str>,
    /// Confidence of the published genre; `None` for a state.
    pub(crate) confidence: Option<f32>,
    /// Bundle name.
    pub(crate) model: Arc<str>,
    /// Name of the genre head.
    pub(crate) head: Arc<str>,
    /// Identifier of the embedding. Heads of another embedding cannot learn from it.
    pub(crate) embedding_id: Arc<str>,
    /// The patches, oldest first; at least one, all of equal size.
    pub(crate) patches: Vec<HeardPatch>,
}

impl Correction {
    /// Start of the first patch and end of the last, in milliseconds since the Unix epoch; `None`
    /// without patches.
    pub(crate) fn span_ms(&self) -> Option<(i64, i64)> {
        Some((self.patches.first()?.start_ms, self.patches.last()?.end_ms))
    }
}
