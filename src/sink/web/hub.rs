//! Hub: the latest state of each source and the newest events, for any number of clients.
//!
//! The sink writes, clients read at their own pace. A slow client sees fewer intermediate states,
//! and never slows the sink. Events are kept in a ring; older ones are in the as-run log.

mod source_view;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::event::{DaemonInfo, NumberedEvent, OverloadStats};
use crate::sink::Message;
use crate::tap::SourceTap;

#[cfg(test)]
use source_view::RibbonPiece;
pub(crate) use source_view::SourceView;

/// Events that the ring keeps.
const MAX_EVENTS: usize = 2048;

/// Latest states and newest events.
#[derive(Debug)]
pub(crate) struct Hub {
    content: Mutex<HubContent>,
    /// Number of events so far, to wake clients.
    events: watch::Sender<u64>,
    /// Names and taps of the sources, in the order of the configuration.
    taps: Vec<(Arc<str>, Arc<SourceTap>)>,
    index: HashMap<Arc<str>, usize>,
}

/// Content of a [`Hub`].
#[derive(Debug)]
pub(crate) struct HubContent {
    /// Description of the daemon; `None` before the first message.
    pub(crate) info: Option<Arc<DaemonInfo>>,
    /// Overload; `None` while all live sources are analysed without a pause.
    pub(crate) overload: Option<OverloadStats>,
    /// The sources, in the order of the configuration.
    pub(crate) sources: Vec<SourceView>,
    /// Newest events, oldest first.
    ring: VecDeque<SourceEventRecord>,
    /// Position of the first event of the ring among all events of this run.
    ring_start: u64,
}

/// Event with its source.
#[derive(Debug, Clone)]
pub(crate) struct SourceEventRecord {
    /// Name of the source, as in topics.
    pub(crate) source: Arc<str>,
    /// The event.
    pub(crate) event: Arc<NumberedEvent>,
}

/// Identity of an event: `RUN/SOURCE/SEQ` as an id of server-sent events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventId {
    /// Random id of the process run that decided it.
    pub(crate) run: String,
    /// Name of the source, as in topics.
    pub(crate) source: String,
    /// Sequence number.
    pub(crate) seq: u64,
}

impl EventId {
    /// Source of an id that precedes all events of its run.
    const START: &str = "start";

    /// Id that precedes all events of a run: sequence numbers begin at 1.
    pub(crate) fn before(run: &str) -> Self {
        Self { run: run.into(), source: Self::START.into(), seq: 0 }
    }

    /// Parses an id; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (run, source, seq) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || run.is_empty() || source.is_empty() {
            return None;
        }
        Some(Self { run: run.into(), source: source.into(), seq: seq.parse().ok()? })
    }
}

impl SourceEventRecord {
    /// Id of the event.
    pub(crate) fn id(&self) -> EventId {
        EventId { run: self.event.run.to_string(), source: self.source.to_string(), seq: self.event.seq }
    }

    /// Returns true if `id` identifies the event.
    pub(crate) fn has_id(&self, id: &EventId) -> bool {
        self.event.seq == id.seq && *self.source == *id.source && *self.event.run == *id.run
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.source, self.seq)
    }
}

impl Hub {
    /// Hub of these sources.
    pub(crate) fn new(taps: Vec<(Arc<str>, Arc<SourceTap>)>) -> Self {
        let now = Timestamp::now();
        let sources = taps.iter().map(|(name, _)| SourceView::new(name.clone(), now)).collect();
        let index = taps.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        let content =
            HubContent { info: None, overload: None, sources, ring: VecDeque::new(), ring_start: 0 };
        Self { content: Mutex::new(content), events: watch::Sender::new(0), taps, index }
    }

    /// Takes in a message.
    pub(crate) fn take(&self, message: &Message) {
        let mut content = self.content();
        match message {
            Message::Info(info) => content.set_info(info),
            Message::Stats(daemon) => {
                content.overload = daemon.overload;
                for (name, stats) in &daemon.sources {
                    if let Some(index) = self.index.get(name) {
                        content.sources[*index].set_stats(stats, daemon.at);
                    }
                }
            }
            Message::Event { source, event, .. } => {
                if content.ring.len() == MAX_EVENTS {
                    content.ring.pop_front();
                    content.ring_start += 1;
                }
                content.ring.push_back(SourceEventRecord { source: source.clone(), event: event.clone() });
                let total = content.total_events();
                drop(content);
                self.events.send_replace(total);
            }
            Message::State { source, .. }
            | Message::Availability { source, .. }
            | Message::Attributes { source, .. }
            | Message::Window { source, .. }
            | Message::Settings { source, .. }
            | Message::Health { source, .. }
            | Message::Explanation { source, .. } => {
                if let Some(index) = self.index.get(source) {
                    content.sources[*index].take(message);
                }
            }
            Message::FinalSegment { .. } | Message::Answer { .. } => {}
        }
    }

    /// Locks the content. The lock is held for copies only, never across I/O.
    pub(crate) fn content(&self) -> MutexGuard<'_, HubContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of events so far, as it changes.
    pub(crate) fn event_count(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// Index of a source.
    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Name of a source.
    pub(crate) fn name(&self, index: usize) -> &Arc<str> {
        &self.taps[index].0
    }

    /// Tap of a source.
    pub(crate) fn tap(&self, index: usize) -> &Arc<SourceTap> {
        &self.taps[index].1
    }

    /// Number of sources.
    pub(crate) fn len(&self) -> usize {
        self.taps.len()
    }
}

impl HubContent {
    fn set_info(&mut self, info: &Arc<DaemonInfo>) {
        for identity in &info.sources {
            if let Some(view) = self.sources.iter_mut().find(|view| view.name == identity.name) {
                view.identity = Some(identity.clone());
            }
        }
        self.info = Some(info.clone());
    }

    /// Number of events in this run.
    pub(crate) fn total_events(&self) -> u64 {
        self.ring_start + self.ring.len() as u64
    }

    /// Events from position `from` on, oldest first; `None` if the ring no longer has the first of
    /// them.
    pub(crate) fn events_from(&self, from: u64) -> Option<Vec<SourceEventRecord>> {
        let skip = usize::try_from(from.checked_sub(self.ring_start)?).ok()?;
        Some(self.ring.iter().skip(skip).cloned().collect())
    }

    /// Id of the newest event, or the id before the first one; `None` before the first message.
    pub(crate) fn newest_id(&self) -> Option<EventId> {
        let start = || self.info.as_ref().map(|info| EventId::before(&info.run));
        self.ring.back().map(SourceEventRecord::id).or_else(start)
    }

    /// Position after the event with this id, if the ring has it.
    pub(crate) fn position_after(&self, id: &EventId) -> Option<u64> {
        if id.seq == 0 && self.info.as_ref().is_some_and(|info| *info.run == *id.run) {
            return (self.ring_start == 0).then_some(0);
        }
        let at = self.ring.iter().rposition(|record| record.has_id(id))?;
        Some(self.ring_start + at as u64 + 1)
    }

    /// Position of the first event of the ring, and that event.
    pub(crate) fn oldest_event(&self) -> (u64, Option<&SourceEventRecord>) {
        (self.ring_start, self.ring.front())
    }
}
