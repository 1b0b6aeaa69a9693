//! Events as the outbox and its store exchange them.

use std::sync::Arc;

use jiff::Timestamp;

use super::publication::encode;
use crate::event::{NumberedEvent, SourceEvent};
use crate::sink::payload::EventPayload;

/// An event, encoded for publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Id of the run that decided it.
    pub run: Arc<str>,
    /// Sequence number within the source.
    pub seq: u64,
    /// Time of the decision.
    pub ts: Timestamp,
    /// Number of lost events that it replaces; 0 for an event of its own.
    pub dropped: u64,
    /// JSON.
    pub payload: Arc<[u8]>,
}

impl EncodedEvent {
    /// Encodes `event`. Links to clips are below `clip_base`, if there is one.
    pub(crate) fn of(event: &NumberedEvent, clip_base: Option<&str>) -> Self {
        Self {
            run: Arc::clone(&event.run),
            seq: event.seq,
            ts: event.at,
            dropped: 0,
            payload: encode(&EventPayload::from(event).with_clip_base(clip_base)).into(),
        }
    }

    /// The `events_dropped` event that replaces `dropped` events, the last of which is `self`.
    pub(super) fn marker(&self, dropped: u64) -> Self {
        let event = SourceEvent::EventsDropped { count: Some(dropped) };
        let event =
            NumberedEvent { run: Arc::clone(&self.run), seq: self.seq, at: self.ts, event, clip: None };
        Self { dropped, ..Self::of(&event, None) }
    }

    /// Number of decided changes that are lost with it.
    pub(super) fn represented(&self) -> u64 {
        self.dropped.max(1)
    }
}

/// An event of the outbox. Ids grow in the order in which events were decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Unique for the life of the file.
    pub id: u64,
    /// Source name.
    pub source: Arc<str>,
    /// Content.
    pub event: EncodedEvent,
}

/// A change of the outbox that the store applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutboxChange {
    Insert(StoredEvent),
    /// Replaces the event of that id.
    Replace(StoredEvent),
    /// Deletes the event of that id.
    Delete(u64),
}

/// Full content of the store.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct OutboxSnapshot {
    /// Unacknowledged events, in the order of their ids.
    pub(crate) events: Vec<StoredEvent>,
    /// Last `seq` of each source.
    pub(crate) seqs: Vec<(Arc<str>, u64)>,
}
