//! `…/label`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{rfc3339, to_4_places};
use crate::event::StoredCorrection;

/// `…/label`: correction that was stored. `genred label` reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct LabelledPayload {
    pub(crate) run: Arc<str>,
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    pub(crate) ts: Timestamp,
    pub(crate) id: i64,
    pub(crate) genre: Arc<str>,
    pub(crate) known: bool,
    pub(crate) nearest: Option<Arc<str>>,
    pub(crate) patches: usize,
    pub(crate) quiet: usize,
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    pub(crate) start: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    pub(crate) end: Timestamp,
    pub(crate) published: Arc<str>,
    #[serde(serialize_with = "to_4_places")]
    pub(crate) confidence: Option<f32>,
    pub(crate) contradicts: u64,
    pub(crate) evicted: u64,
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
