//! From messages to rows: what is open, and what waits to be written. No clock and no file of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::asrun::{Cause, Level, Lufs, Ms};
use crate::sink::Message;
use crate::sink::payload::{EventKind, Info, State, Window};

/// Shorter holes are no holes: time is anchored to the clock anew each minute.
const BRIDGED: Ms = 500;
/// A source whose patches are no older is heard live.
const LIVE: Ms = 60_000;
/// Rows that may wait for a disk that is full.
const WAITING: usize = 65_536;

/// A row of `segment`.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Where it has been written.
    pub id: Option<i64>,
    pub source: Arc<str>,
    pub start: Ms,
    pub end: Ms,
    pub state: &'static str,
    pub label: Arc<str>,
    pub title: Option<Arc<str>>,
    pub dropped: u64,
    /// Sum and number of the posteriors of the label.
    confidence: (f64, u64),
    level: Level,
}

impl Segment {
    pub fn scored(&self) -> u64 {
        self.level.scored
    }

    pub fn confidence(&self) -> Option<f64> {
        let (sum, count) = self.confidence;
        (count > 0).then(|| sum / count as f64)
    }

    pub fn lufs(&self) -> Option<Lufs> {
        self.level.lufs()
    }
}

/// A row of `outage`.
#[derive(Debug, Clone)]
pub struct Outage {
    pub id: Option<i64>,
    pub source: Arc<str>,
    pub start: Ms,
    pub end: Ms,
    pub cause: Cause,
}

/// A row of `event`.
#[derive(Debug, Clone)]
pub struct Event {
    pub source: Arc<str>,
    pub seq: u64,
    pub ts: Ms,
    pub kind: String,
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
    state: &'static str,
    label: Arc<str>,
    title: Option<Arc<str>>,
    /// Where the last patch ended.
    heard_to: Option<Ms>,
    patch: Option<u64>,
    is_live: bool,
    segment: Option<Segment>,
    outage: Option<Outage>,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            state: "uncertain",
            label: "uncertain".into(),
            title: None,
            heard_to: None,
            patch: None,
            is_live: false,
            segment: None,
            outage: None,
        }
    }
}

/// Everything that is not on disk yet, or still grows.
#[derive(Debug, Default)]
pub struct Book {
    /// What runs, once it is known.
    pub info: Option<Arc<Info>>,
    tracks: BTreeMap<Arc<str>, Track>,
    /// Finished rows that wait to be written.
    pub waiting: VecDeque<Row>,
    /// What has been added to the quarters of an hour since they were last written.
    pub levels: HashMap<(Arc<str>, Ms), Level>,
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
            Message::Window { source, payload, .. } => self.window(source, payload, now),
            Message::State { source, payload } => self.state(source, payload),
            Message::Attributes { source, payload } => {
                let track = self.tracks.entry(source.clone()).or_default();
                if track.title == payload.title {
                    return false;
                }
                track.title.clone_from(&payload.title);
                self.close_segment(source)
            }
            Message::Event { source, payload, .. } => {
                let ts = payload.ts.as_millisecond();
                match payload.kind {
                    EventKind::SourceLost => self.lose(source, ts),
                    EventKind::SourceRecovered => self.recover(source, ts),
                    _ => {}
                }
                let Ok(value) = serde_json::to_value(&**payload) else { return false };
                let kind =
                    value.get("event_type").and_then(|kind| kind.as_str()).unwrap_or("unknown").to_owned();
                let event =
                    Event { source: source.clone(), seq: payload.seq, ts, kind, json: value.to_string() };
                self.push(Row::Event(event));
                true
            }
            _ => false,
        }
    }

    /// Rows that still grow; an outage lasts until `now`.
    pub fn open(&mut self, now: Ms) -> (Vec<&mut Segment>, Vec<&mut Outage>) {
        let (mut segments, mut outages) = (Vec::new(), Vec::new());
        for track in self.tracks.values_mut() {
            segments.extend(&mut track.segment);
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
            track.segment.iter_mut().for_each(|segment| segment.id = None);
            track.outage.iter_mut().for_each(|outage| outage.id = None);
        }
        for row in &mut self.waiting {
            match row {
                Row::Segment(segment) => segment.id = None,
                Row::Outage(outage) => outage.id = None,
                Row::Event(_) => {}
            }
        }
    }

    fn window(&mut self, source: &Arc<str>, window: &Window, now: Ms) -> bool {
        let track = self.tracks.entry(source.clone()).or_default();
        let end = window.ts.as_millisecond();
        let start = end - ((window.end - window.start).max(0.0) * 1000.0).round() as Ms;
        track.is_live = (now - end).abs() <= LIVE;
        let dropped = track.patch.map_or(0, |last| window.patch.saturating_sub(last + 1));
        track.patch = Some(window.patch);
        let heard_to = track.heard_to.replace(end);
        // Patches overlap, so that one that is dropped need not leave a hole.
        let goes_on = heard_to.is_some_and(|to| start <= to + BRIDGED && end >= to - BRIDGED);
        let begins = heard_to.filter(|_| goes_on).unwrap_or(start);
        let mut urgent = !goes_on && self.close_segment(source);
        let Some(track) = self.tracks.get_mut(source) else { return urgent };
        let segment = track.segment.get_or_insert_with(|| {
            urgent = true;
            Segment {
                id: None,
                source: source.clone(),
                start: begins,
                end: begins,
                state: track.state,
                label: track.label.clone(),
                title: track.title.clone(),
                dropped: 0,
                confidence: (0.0, 0),
                level: Level::at(begins),
            }
        });
        segment.end = segment.end.max(end);
        segment.dropped += dropped;
        let posterior = window.scores.iter().find(|(label, _)| *label == segment.label).map(|(_, p)| *p);
        if let Some(p) = posterior.filter(|p| p.is_finite() && segment.state == "music") {
            segment.confidence = (segment.confidence.0 + f64::from(p), segment.confidence.1 + 1);
        }
        let lufs = if window.lufs_s.is_finite() { f64::from(window.lufs_s.max(-70.0)) } else { -70.0 };
        segment.level.add(lufs);
        let empty = Level::at(end);
        let level = self.levels.entry((source.clone(), empty.start)).or_insert(empty);
        level.add(lufs);
        level.dropped += dropped;
        urgent
    }

    /// A state follows the patch that it was decided by, and the events.
    fn state(&mut self, source: &Arc<str>, state: &State) -> bool {
        let track = self.tracks.entry(source.clone()).or_default();
        if track.label == state.genre && track.state == state.state {
            return false;
        }
        (track.state, track.label) = (state.state, state.genre.clone());
        self.close_segment(source)
    }

    fn lose(&mut self, source: &Arc<str>, ts: Ms) {
        self.close_segment(source);
        let track = self.tracks.entry(source.clone()).or_default();
        // It is said only after a while. A recording has times of its own, which the clock says nothing about.
        let start = track.heard_to.filter(|to| track.is_live && *to < ts).unwrap_or(ts);
        track.outage.get_or_insert_with(|| Outage {
            id: None,
            source: source.clone(),
            start,
            end: ts,
            cause: Cause::Lost,
        });
    }

    fn recover(&mut self, source: &Arc<str>, ts: Ms) {
        let outage = self.tracks.get_mut(source).and_then(|track| track.outage.take());
        if let Some(outage) = outage {
            self.push(Row::Outage(Outage { end: outage.end.max(ts), ..outage }));
        }
    }

    /// Ends the open segment, if there is one.
    fn close_segment(&mut self, source: &Arc<str>) -> bool {
        let segment = self.tracks.get_mut(source).and_then(|track| track.segment.take());
        segment.map(|segment| self.push(Row::Segment(segment))).is_some()
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
