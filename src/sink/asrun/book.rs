//! From messages to rows: what is open, and what waits to be written. No clock and no file of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::draft::{Draft, Heard, Name, Segment};
use crate::asrun::{Ms, OutageCause, QuarterLoudness};
use crate::event::{
    DaemonInfo, EventType, NamedSegment, NumberedEvent, SourceEvent, SourceState, StateSnapshot, WindowResult,
};
use crate::sink::Message;
use crate::sink::payload::EventPayload;

/// A source whose patches are no older is heard live.
const LIVE: Ms = 60_000;
/// Rows that may wait for a disk that is full.
const WAITING: usize = 65_536;

/// A row of `outage`.
#[derive(Debug, Clone)]
pub struct Outage {
    pub id: Option<i64>,
    pub source: Arc<str>,
    pub start: Ms,
    pub end: Ms,
    pub cause: OutageCause,
}

/// A row of `event`.
#[derive(Debug, Clone)]
pub struct Event {
    pub source: Arc<str>,
    pub seq: u64,
    pub ts: Ms,
    pub event_type: EventType,
    pub json: String,
}

/// A finished row.
#[derive(Debug, Clone)]
pub enum Row {
    Segment(Segment),
    Outage(Outage),
    Event(Event),
}

/// How a source stands.
#[derive(Debug)]
struct Track {
    /// What is published, under the title that the stream announces.
    name: Name,
    /// Where the last patch ended, by the clock and in the source's seconds.
    heard_to: Option<(Ms, f64)>,
    patch: Option<u64>,
    is_live: bool,
    draft: Draft,
    outage: Option<Outage>,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            name: Name {
                state: SourceState::Uncertain,
                label: SourceState::Uncertain.as_str().into(),
                title: None,
            },
            heard_to: None,
            patch: None,
            is_live: false,
            draft: Draft::default(),
            outage: None,
        }
    }
}

/// Everything that is not on disk yet, or still grows.
#[derive(Debug, Default)]
pub struct Book {
    /// What runs, once it is known.
    pub info: Option<Arc<DaemonInfo>>,
    tracks: BTreeMap<Arc<str>, Track>,
    /// Finished rows that wait to be written.
    pub waiting: VecDeque<Row>,
    /// Rows of `segment` that are no longer needed.
    pub gone: Vec<i64>,
    /// What has been added to the quarters of an hour since they were last written.
    pub levels: HashMap<(Arc<str>, Ms), QuarterLoudness>,
    /// Rows that were lost because too many waited.
    pub lost: u64,
}

impl Book {
    /// Takes in a message that arrives at `now`; whether it should be written at once.
    pub fn take(&mut self, message: &Message, now: Ms) -> bool {
        match message {
            Message::Info(info) => {
                self.info = Some(info.clone());
                true
            }
            Message::Window { source, window, .. } => self.window(source, window, now),
            Message::State { source, state } => self.state(source, state),
            Message::Attributes { source, attributes } => {
                let track = self.tracks.entry(source.clone()).or_default();
                if track.name.title == attributes.title {
                    return false;
                }
                track.name.title.clone_from(&attributes.title);
                track.draft.close()
            }
            Message::FinalSegment { source, segment } => {
                self.settle(source, Some(segment));
                false
            }
            Message::Event { source, event, .. } => self.event(source, event),
            _ => false,
        }
    }

    fn event(&mut self, source: &Arc<str>, numbered: &NumberedEvent) -> bool {
        let NumberedEvent { seq, at, event, .. } = numbered;
        let ts = at.as_millisecond();
        match event {
            SourceEvent::SourceLost { .. } => self.lose(source, ts),
            SourceEvent::SourceRecovered => self.recover(source, ts),
            _ => {}
        }
        let Ok(json) = serde_json::to_string(&EventPayload::from(numbered)) else { return false };
        let event_type = event.event_type();
        self.push(Row::Event(Event { source: source.clone(), seq: *seq, ts, event_type, json }));
        true
    }

    /// Rows that may yet change, and have changed since they were written; an outage lasts until `now`.
    pub fn open(&mut self, now: Ms) -> (Vec<&mut Segment>, Vec<&mut Outage>) {
        let (mut segments, mut outages) = (Vec::new(), Vec::new());
        for track in self.tracks.values_mut() {
            segments.extend(track.draft.changed());
            if let Some(outage) = &mut track.outage {
                outage.end = outage.end.max(now);
                outages.push(outage);
            }
        }
        (segments, outages)
    }

    /// Begins a file that holds nothing: what still grows is to be written anew.
    pub fn forget_ids(&mut self) {
        for track in self.tracks.values_mut() {
            track.draft.forget_ids();
            track.outage.iter_mut().for_each(|outage| outage.id = None);
        }
        self.gone.clear();
        for row in &mut self.waiting {
            match row {
                Row::Segment(segment) => segment.id = None,
                Row::Outage(outage) => outage.id = None,
                Row::Event(_) => {}
            }
        }
    }

    fn window(&mut self, source: &Arc<str>, window: &WindowResult, now: Ms) -> bool {
        let track = self.tracks.entry(source.clone()).or_default();
        let end = window.at.as_millisecond();
        let start = end - ((window.span.end - window.span.start).max(0.0) * 1000.0).round() as Ms;
        track.is_live = (now - end).abs() <= LIVE;
        let dropped = track.patch.map_or(0, |last| window.patch.saturating_sub(last + 1));
        track.patch = Some(window.patch);
        let heard_to =
            track.heard_to.replace((end, window.span.end)).filter(|(to, _)| Draft::goes_on(*to, start, end));
        let mut urgent = heard_to.is_none() && track.draft.close();
        let posterior = window.scores.iter().find(|(label, _)| *label == track.name.label).map(|(_, p)| *p);
        let lufs_s = window.level.lufs_s;
        let lufs = if lufs_s.is_finite() { f64::from(lufs_s.max(-70.0)) } else { -70.0 };
        let heard = Heard {
            start: heard_to.map_or(start, |(to, _)| to),
            end,
            middle: (heard_to.map_or(window.span.start, |(_, to)| to) + window.span.end) / 2.0,
            lufs,
            dropped,
            posterior: posterior.filter(|p| p.is_finite() && track.name.state == SourceState::Music),
        };
        urgent |= track.draft.add(source, &track.name, heard);
        if track.draft.is_overdue() {
            self.settle(source, None);
        }
        let empty = QuarterLoudness::at(end);
        let level = self.levels.entry((source.clone(), empty.start)).or_insert(empty);
        level.add(lufs);
        level.dropped += dropped;
        urgent
    }

    /// A state follows the patch that it was decided by, and the events.
    fn state(&mut self, source: &Arc<str>, state: &StateSnapshot) -> bool {
        let track = self.tracks.entry(source.clone()).or_default();
        let published = &state.published;
        if track.name.label == published.genre && track.name.state == published.state {
            return false;
        }
        (track.name.state, track.name.label) = (published.state, published.genre.clone());
        track.draft.close()
    }

    fn lose(&mut self, source: &Arc<str>, ts: Ms) {
        let track = self.tracks.entry(source.clone()).or_default();
        track.draft.close();
        // It is said only after a while. A recording has times of its own, which the clock says nothing about.
        let start = track.heard_to.map(|(to, _)| to).filter(|to| track.is_live && *to < ts).unwrap_or(ts);
        track.outage.get_or_insert_with(|| Outage {
            id: None,
            source: source.clone(),
            start,
            end: ts,
            cause: OutageCause::Lost,
        });
    }

    fn recover(&mut self, source: &Arc<str>, ts: Ms) {
        let outage = self.tracks.get_mut(source).and_then(|track| track.outage.take());
        if let Some(outage) = outage {
            self.push(Row::Outage(Outage { end: outage.end.max(ts), ..outage }));
        }
    }

    /// Names a stretch, or leaves everything as it is.
    fn settle(&mut self, source: &Arc<str>, settled: Option<&NamedSegment>) {
        let Some(track) = self.tracks.get_mut(source) else { return };
        let (finished, gone) = track.draft.settle(settled);
        self.gone.extend(gone);
        finished.into_iter().for_each(|segment| self.push(Row::Segment(segment)));
    }

    fn push(&mut self, row: Row) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(row);
    }
}

#[cfg(test)]
mod tests;
