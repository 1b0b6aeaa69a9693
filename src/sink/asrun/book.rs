//! From messages to rows: what is open, and what waits to be written. No clock and no file of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::draft::{Draft, Heard, Name, Segment};
use crate::asrun::{Ms, OutageCause as Cause, QuarterLoudness as Level};
use crate::sink::Message;
use crate::sink::payload::{EventKind, Info, Settled, State, Window};

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
            name: Name { state: "uncertain", label: "uncertain".into(), title: None },
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
    pub info: Option<Arc<Info>>,
    tracks: BTreeMap<Arc<str>, Track>,
    /// Finished rows that wait to be written.
    pub waiting: VecDeque<Row>,
    /// Rows of `segment` that are no longer needed.
    pub gone: Vec<i64>,
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
                if track.name.title == payload.title {
                    return false;
                }
                track.name.title.clone_from(&payload.title);
                track.draft.close()
            }
            Message::Settled { source, payload } => {
                self.settle(source, Some(payload));
                false
            }
            Message::Event { source, payload, .. } => {
                let ts = payload.ts.as_millisecond();
                match payload.kind {
                    EventKind::SourceLost { .. } => self.lose(source, ts),
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

    fn window(&mut self, source: &Arc<str>, window: &Window, now: Ms) -> bool {
        let track = self.tracks.entry(source.clone()).or_default();
        let end = window.ts.as_millisecond();
        let start = end - ((window.end - window.start).max(0.0) * 1000.0).round() as Ms;
        track.is_live = (now - end).abs() <= LIVE;
        let dropped = track.patch.map_or(0, |last| window.patch.saturating_sub(last + 1));
        track.patch = Some(window.patch);
        let heard_to =
            track.heard_to.replace((end, window.end)).filter(|(to, _)| Draft::goes_on(*to, start, end));
        let mut urgent = heard_to.is_none() && track.draft.close();
        let posterior = window.scores.iter().find(|(label, _)| *label == track.name.label).map(|(_, p)| *p);
        let lufs = if window.lufs_s.is_finite() { f64::from(window.lufs_s.max(-70.0)) } else { -70.0 };
        let heard = Heard {
            start: heard_to.map_or(start, |(to, _)| to),
            end,
            middle: (heard_to.map_or(window.start, |(_, to)| to) + window.end) / 2.0,
            lufs,
            dropped,
            posterior: posterior.filter(|p| p.is_finite() && track.name.state == "music"),
        };
        urgent |= track.draft.add(source, &track.name, heard);
        if track.draft.is_overdue() {
            self.settle(source, None);
        }
        let empty = Level::at(end);
        let level = self.levels.entry((source.clone(), empty.start)).or_insert(empty);
        level.add(lufs);
        level.dropped += dropped;
        urgent
    }

    /// A state follows the patch that it was decided by, and the events.
    fn state(&mut self, source: &Arc<str>, state: &State) -> bool {
        let track = self.tracks.entry(source.clone()).or_default();
        if track.name.label == state.genre && track.name.state == state.state {
            return false;
        }
        (track.name.state, track.name.label) = (state.state, state.genre.clone());
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
            cause: Cause::Lost,
        });
    }

    fn recover(&mut self, source: &Arc<str>, ts: Ms) {
        let outage = self.tracks.get_mut(source).and_then(|track| track.outage.take());
        if let Some(outage) = outage {
            self.push(Row::Outage(Outage { end: outage.end.max(ts), ..outage }));
        }
    }

    /// Names a stretch, or leaves everything as it is.
    fn settle(&mut self, source: &Arc<str>, settled: Option<&Settled>) {
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
