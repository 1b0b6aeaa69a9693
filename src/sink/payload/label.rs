//! `…/label`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{rfc3339, to_4_places};
use crate::event::StoredCorrection;

/// `…/label`: correction that was stored. `genred label` reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct LabelledPayload {
    pub run: Arc<str>,
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    pub id: i64,
    pub genre: Arc<str>,
    pub known: bool,
    pub nearest: Option<Arc<str>>,
    pub patches: usize,
    pub quiet: usize,
    #[serde(serialize_with = "rfc3339")]
    pub start: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub end: Timestamp,
    pub published: Arc<str>,
    #[serde(serialize_with = "to_4_places")]
    pub confidence: Option<f32>,
    pub contradicts: u64,
    pub evicted: u64,
}

impl From<&StoredCorrection> for LabelledPayload {
    fn from(stored: &StoredCorrection) -> Self {
        let StoredCorrection { run, at, id, genre, known, nearest, patches, quiet, .. } = stored.clone();
        let StoredCorrection { start, end, published, confidence, contradicts, evicted, .. } = stored.clone();
        Self {
            run,
            ts: at,
            id,
            genre,
            known,
            nearest,
            patches,
            quiet,
            start,
            end,
            published,
            confidence,
            contradicts,
            evicted,
        }
    }
}
