//! Rows that are not in the database yet, or still grow. Pure: no clock, no file.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::open_segments::{LoggedPatch, OpenSegments, SegmentKey, SegmentRow};
use crate::asrun::{Ms, OutageCause, QuarterLoudness};
use crate::event::{
    DaemonInfo, EventType, NamedSegment, NumberedEvent, SourceEvent, SourceState, StateSnapshot, WindowResult,
};
use crate::sink::Message;
use crate::sink::payload::EventPayload;

/// Greatest age of the patches of a live source.
const MAX_LIVE_AGE: Ms = 60_000;
/// Finished rows that may wait while the disk is full.
const MAX_FINISHED: usize = 65_536;
/// Lowest loudness in the log, in LUFS.
const MIN_LUFS: f32 = -70.0;

/// Row of `outage`.
#[derive(Debug, Clone)]
pub(super) struct OutageRow {
    pub(crate) id: Option<i64>,
    pub(crate) source: Arc<str>,
    pub(crate) start: Ms,
    pub(crate) end: Ms,
    pub(crate) cause: OutageCause,
}

/// Row of `event`.
#[derive(Debug, Clone)]
pub(super) struct EventRow {
    pub(crate) source: Arc<str>,
    pub(crate) seq: u64,
    pub(crate) ts: Ms,
    pub(crate) event_type: EventType,
    pub(crate) json: String,
}

/// Row that does not change any more.
#[derive(Debug, Clone)]
pub(super) enum FinishedRow {
    Segment(SegmentRow),
    Outage(OutageRow),
    Event(EventRow),
}

/// State of one source.
#[derive(Debug)]
struct LoggedSource {
    /// Published verdict and announced title.
    key: SegmentKey,
    /// End of the last patch, by the clock and in the time of the source.
    position: Option<(Ms, f64)>,
    /// Index of the last patch.
    patch: Option<u64>,
    is_live: bool,
    segments: OpenSegments,
    outage: Option<OutageRow>,
}

impl Default for LoggedSource {
    fn default() -> Self {
        let state = SourceState::Uncertain;
        Self {
            key: SegmentKey { state, label: state.as_str().into(), title: None },
            position: None,
            patch: None,
            is_live: false,
            segments: OpenSegments::default(),
            outage: None,
        }
    }
}

/// Everything that is to be written.
#[derive(Debug, Default)]
pub(super) struct PendingRows {
    /// Description of the daemon, once it is known.
    pub(crate) info: Option<Arc<DaemonInfo>>,
    sources: BTreeMap<Arc<str>, LoggedSource>,
    /// Finished rows.
    pub(crate) finished: VecDeque<FinishedRow>,
    /// Rows of `segment` that are to be deleted.
    pub(crate) deleted: Vec<i64>,
    /// Additions to the quarters of an hour.
    pub(crate) loudness: HashMap<(Arc<str>, Ms), QuarterLoudness>,
    /// Finished rows that were lost because too many waited.
    pub(crate) lost: u64,
}

impl PendingRows {
    /// Adds what `message`, which arrives at `now`, contributes. Returns true if it should be
    /// written at once.
    pub(super) fn add(&mut self, message: &Message, now: Ms) -> bool {
        match message {
            Message::Info(info) => {
                self.info = Some(info.clone());
                true
            }
            Message::Window { source, window, .. } => self.add_window(source, window, now),
            Message::State { source, state } => self.add_state(source, state),
            Message::Attributes { source, attributes } => {
                let source = self.sources.entry(source.clone()).or_default();
                if source.key.title == attributes.title {
                    return false;
                }
                source.key.title.clone_from(&attributes.title);
                source.segments.close()
            }
            Message::FinalSegment { source, segment } => {
                self.apply_final(source, Some(segment));
                false
            }
            Message::Event { source, event, .. } => self.add_event(source, event),
            _ => false,
        }
    }

    /// Rows that may still change and differ from the database. An outage lasts until `now`.
    pub(super) fn open(&mut self, now: Ms) -> (Vec<&mut SegmentRow>, Vec<&mut OutageRow>) {
        let (mut segments, mut outages) = (Vec::new(), Vec::new());
        for source in self.sources.values_mut() {
            segments.extend(source.segments.changed());
            if let Some(outage) = &mut source.outage {
                outage.end = outage.end.max(now);
                outages.push(outage);
            }
        }
        (segments, outages)
    }

    /// Forgets all rows of an earlier file: what still grows is written again.
    pub(super) fn forget_ids(&mut self) {
        for source in self.sources.values_mut() {
            source.segments.forget_ids();
            source.outage.iter_mut().for_each(|outage| outage.id = None);
        }
        self.deleted.clear();
        for row in &mut self.finished {
            match row {
                FinishedRow::Segment(segment) => segment.id = None,
                FinishedRow::Outage(outage) => outage.id = None,
                FinishedRow::Event(_) => {}
            }
        }
    }

    fn add_window(&mut self, name: &Arc<str>, window: &WindowResult, now: Ms) -> bool {
        let source = self.sources.entry(name.clone()).or_default();
        let span = window.span;
        let end = window.at.as_millisecond();
        let start = end - ((span.end - span.start).max(0.0) * 1000.0).round() as Ms;
        source.is_live = (now - end).abs() <= MAX_LIVE_AGE;
        let dropped = source.patch.map_or(0, |last| window.patch.saturating_sub(last + 1));
        source.patch = Some(window.patch);
        let position = source.position.replace((end, span.end));
        let position = position.filter(|(ms, _)| OpenSegments::is_continuous(*ms, start, end));
        let mut urgent = position.is_none() && source.segments.close();
        let posterior = window.scores.iter().find(|(label, _)| *label == source.key.label).map(|(_, p)| *p);
        let lufs_s = window.level.lufs_s;
        let lufs = f64::from(if lufs_s.is_finite() { lufs_s.max(MIN_LUFS) } else { MIN_LUFS });
        let patch = LoggedPatch {
            start: position.map_or(start, |(ms, _)| ms),
            end,
            middle: (position.map_or(span.start, |(_, seconds)| seconds) + span.end) / 2.0,
            lufs,
            dropped,
            posterior: posterior.filter(|p| p.is_finite() && source.key.state == SourceState::Music),
        };
        urgent |= source.segments.add(name, &source.key, patch);
        if source.segments.is_overdue() {
            self.apply_final(name, None);
        }
        let empty = QuarterLoudness::at(end);
        let quarter = self.loudness.entry((name.clone(), empty.start)).or_insert(empty);
        quarter.add(lufs);
        quarter.dropped += dropped;
        urgent
    }

    /// Adds a published state. It follows the patch that led to it, and the events.
    fn add_state(&mut self, name: &Arc<str>, state: &StateSnapshot) -> bool {
        let source = self.sources.entry(name.clone()).or_default();
        let published = &state.published;
        if source.key.label == published.genre && source.key.state == published.state {
            return false;
        }
        (source.key.state, source.key.label) = (published.state, published.genre.clone());
        source.segments.close()
    }

    fn add_event(&mut self, source: &Arc<str>, numbered: &NumberedEvent) -> bool {
        let NumberedEvent { seq, at, event, .. } = numbered;
        let ts = at.as_millisecond();
        match event {
            SourceEvent::SourceLost { .. } => self.begin_outage(source, ts),
            SourceEvent::SourceRecovered => self.end_outage(source, ts),
            _ => {}
        }
        let Ok(json) = serde_json::to_string(&EventPayload::from(numbered)) else { return false };
        let event_type = event.event_type();
        self.push(FinishedRow::Event(EventRow { source: source.clone(), seq: *seq, ts, event_type, json }));
        true
    }

    fn begin_outage(&mut self, name: &Arc<str>, ts: Ms) {
        let source = self.sources.entry(name.clone()).or_default();
        source.segments.close();
        // A loss is detected after a while. The times of a recording are unrelated to the clock.
        let position = source.position.map(|(ms, _)| ms).filter(|ms| source.is_live && *ms < ts);
        source.outage.get_or_insert_with(|| OutageRow {
            id: None,
            source: name.clone(),
            start: position.unwrap_or(ts),
            end: ts,
            cause: OutageCause::Lost,
        });
    }

    fn end_outage(&mut self, source: &Arc<str>, ts: Ms) {
        let outage = self.sources.get_mut(source).and_then(|source| source.outage.take());
        if let Some(outage) = outage {
            self.push(FinishedRow::Outage(OutageRow { end: outage.end.max(ts), ..outage }));
        }
    }

    /// Applies a final verdict; without one, all patches become final as they are.
    fn apply_final(&mut self, source: &Arc<str>, segment: Option<&NamedSegment>) {
        let Some(source) = self.sources.get_mut(source) else { return };
        let (finished, deleted) = source.segments.apply_final(segment);
        self.deleted.extend(deleted);
        finished.into_iter().for_each(|segment| self.push(FinishedRow::Segment(segment)));
    }

    fn push(&mut self, row: FinishedRow) {
        if self.finished.len() == MAX_FINISHED {
            self.finished.pop_front();
            self.lost += 1;
        }
        self.finished.push_back(row);
    }
}

#[cfg(test)]
mod tests;
