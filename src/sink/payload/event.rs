//! `…/event`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::rounded;
use crate::event::{NumberedEvent, SourceEvent};

/// `…/event`: one decided change. `run`, `seq`, `ts` and `event_type` come first, then the keys of
/// the event itself, then `clip` where there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventPayload<'a> {
    numbered: &'a NumberedEvent,
    /// Address below which clips are served; without one, their links are relative.
    clip_base: Option<&'a str>,
}

impl<'a> From<&'a NumberedEvent> for EventPayload<'a> {
    fn from(event: &'a NumberedEvent) -> Self {
        Self { numbered: event, clip_base: None }
    }
}

impl<'a> EventPayload<'a> {
    /// Sets the address below which clips are served.
    pub(crate) fn with_clip_base(self, clip_base: Option<&'a str>) -> Self {
        Self { clip_base, ..self }
    }
}

impl Serialize for EventPayload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let NumberedEvent { run, seq, at, event, clip } = self.numbered;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("run", run)?;
        map.serialize_entry("seq", seq)?;
        map.serialize_entry("ts", &format!("{at:.3}"))?;
        map.serialize_entry("event_type", event.event_type().as_str())?;
        match event {
            SourceEvent::GenreChanged { from, to, confidence } => {
                map.serialize_entry("from", from)?;
                map.serialize_entry("to", to)?;
                map.serialize_entry("confidence", &rounded(*confidence, 1e4))?;
            }
            SourceEvent::DeadAirStarted { cause } => map.serialize_entry("reason", cause.as_str())?,
            SourceEvent::SourceLost { reason } => map.serialize_entry("reason", reason)?,
            SourceEvent::ImbalanceStarted { quiet, balance_db } => {
                map.serialize_entry("quiet", quiet.as_str())?;
                map.serialize_entry("balance_db", &rounded(Some(*balance_db), 1e2))?;
            }
            SourceEvent::StreamSlowStarted { rate } => {
                map.serialize_entry("rate", &rounded(Some(*rate), 1e2))?;
            }
            SourceEvent::EventsDropped { count } => map.serialize_entry("count", count)?,
            SourceEvent::DeadAirEnded
            | SourceEvent::SourceRecovered
            | SourceEvent::OffFormatStarted
            | SourceEvent::OffFormatEnded
            | SourceEvent::TalkLimitStarted
            | SourceEvent::TalkLimitEnded
            | SourceEvent::ImbalanceEnded
            | SourceEvent::StreamSlowEnded => {}
        }
        if let Some(clip) = clip {
            map.serialize_entry("clip", &clip.link(self.clip_base))?;
        }
        map.end()
    }
}
