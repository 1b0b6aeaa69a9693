//! Events that wait for their acknowledgement. A state machine: no I/O, no clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::publication::encode;
use super::store::Everything;
use crate::sink::payload::{Event, EventKind};

/// An event as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The start of the process that decided it.
    pub run: Arc<str>,
    /// Counts the source's events.
    pub seq: u64,
    /// When it was decided.
    pub ts: Timestamp,
    /// How many lost events it stands for; 0 for one of its own.
    pub dropped: u64,
    /// JSON.
    pub payload: Arc<[u8]>,
}

impl Letter {
    /// The letter that carries `event`.
    pub fn of(event: &Event) -> Self {
        Self {
            run: Arc::clone(&event.run),
            seq: event.seq,
            ts: event.ts,
            dropped: 0,
            payload: encode(event).into(),
        }
    }

    /// One that stands for `dropped` lost events, of which `self` was the last.
    fn marker(&self, dropped: u64) -> Self {
        let kind = EventKind::EventsDropped { count: Some(dropped) };
        let event = Event { run: Arc::clone(&self.run), seq: self.seq, ts: self.ts, kind };
        Self { dropped, ..Self::of(&event) }
    }

    /// How many decided changes are lost with it.
    fn stands_for(&self) -> u64 {
        self.dropped.max(1)
    }
}

/// A letter in its place: ids grow in the order in which events were decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Never used twice.
    pub id: u64,
    /// Source name.
    pub source: Arc<str>,
    /// The event.
    pub letter: Letter,
}

/// What storage is to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new row.
    Insert(Row),
    /// Another letter in the row's place.
    Replace(Row),
    /// No such row any more.
    Delete(u64),
}

/// Keeps every event until the broker has acknowledged it.
///
/// One event a source is out at a time, so that a source's events arrive in order
/// whatever is sent again. Across sources the oldest goes first.
///
/// **Stored first**: with storage, an event goes out only once it is [`stored`](Self::stored), so that no subscriber has
/// seen what a restart knows nothing of, and once the one before it is [`deleted`](Self::deleted), so that a restart
/// does not send that again after it. Without storage, or while it fails, at once.
///
/// **Bounded**: beyond `capacity` the oldest events that are not out are replaced by one
/// `events_dropped` event a source. It carries the `seq` of the last event that it stands
/// for and their `count`, so that a subscriber can tell which are missing.
#[derive(Debug)]
pub struct Outbox {
    capacity: usize,
    next_id: u64,
    events: usize,
    sources: HashMap<Arc<str>, VecDeque<Entry>>,
    /// First entry of every source that has none out, by id.
    ready: BTreeMap<u64, Arc<str>>,
    /// Entries up to this id may go out.
    stored: u64,
    /// Sources whose last acknowledged entry has still to be deleted, and its id.
    held: HashMap<Arc<str>, u64>,
    /// What storage has not been told yet; `None` where there is none to tell.
    changes: Option<Vec<Change>>,
    /// The last `seq` of each source.
    seqs: HashMap<Arc<str>, u64>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    letter: Letter,
    out: bool,
}

impl Entry {
    /// Stands for dropped events; not counted against the capacity.
    fn is_marker(&self) -> bool {
        self.letter.dropped > 0
    }
}

impl Outbox {
    /// An empty outbox for `capacity` events, without storage.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            next_id: 0,
            events: 0,
            sources: HashMap::new(),
            ready: BTreeMap::new(),
            stored: u64::MAX,
            held: HashMap::new(),
            changes: None,
            seqs: HashMap::new(),
        }
    }

    /// Ids begin after `id`, so that what an earlier run left can come in front, should it be read late.
    pub fn begin_after(&mut self, id: u64) {
        self.next_id = self.next_id.max(id);
    }

    /// Puts what an earlier run left, read late, in front of each source's events; what is out already stays so.
    pub fn adopt(&mut self, rows: Vec<Row>) {
        for Row { id, source, letter } in rows.into_iter().rev() {
            self.events += usize::from(letter.dropped == 0);
            let queue = self.sources.entry(Arc::clone(&source)).or_default();
            let at = usize::from(queue.front().is_some_and(|first| first.out));
            if at == 0 {
                if let Some(first) = queue.front() {
                    self.ready.remove(&first.id);
                }
                if !self.held.contains_key(&source) {
                    self.ready.insert(id, Arc::clone(&source));
                }
            }
            queue.insert(at, Entry { id, letter, out: false });
        }
        while self.events > self.capacity && self.drop_oldest() {}
    }

    /// From now on there is storage, which holds `rows` (in the order of their ids): what an earlier run left. Whether some had
    /// to be dropped, so that storage is best written anew.
    pub fn restore(&mut self, rows: Vec<Row>) -> bool {
        for Row { id, source, letter } in rows {
            self.next_id = self.next_id.max(id);
            self.events += usize::from(letter.dropped == 0);
            let queue = self.sources.entry(Arc::clone(&source)).or_default();
            if queue.is_empty() {
                self.ready.insert(id, source);
            }
            queue.push_back(Entry { id, letter, out: false });
        }
        self.changes = Some(Vec::new());
        self.stored = self.next_id;
        let mut dropped = false;
        while self.events > self.capacity && self.drop_oldest() {
            dropped = true;
        }
        dropped
    }

    /// Adds an event. Returns how many had to be dropped for it.
    pub fn push(&mut self, source: &Arc<str>, event: &Event) -> u64 {
        self.next_id += 1;
        let (id, letter) = (self.next_id, Letter::of(event));
        self.seqs.insert(Arc::clone(source), event.seq);
        if let Some(changes) = &mut self.changes {
            changes.push(Change::Insert(Row { id, source: Arc::clone(source), letter: letter.clone() }));
        }
        let queue = self.sources.entry(Arc::clone(source)).or_default();
        if queue.is_empty() && !self.held.contains_key(source) {
            self.ready.insert(id, Arc::clone(source));
        }
        queue.push_back(Entry { id, letter, out: false });
        self.events += 1;
        let mut dropped = 0;
        while self.events > self.capacity && self.drop_oldest() {
            dropped += 1;
        }
        dropped
    }

    /// The next event to publish, with its id; it counts as out from now on.
    pub fn take(&mut self) -> Option<(u64, Arc<str>, Arc<[u8]>)> {
        let (&id, _) = self.ready.first_key_value().filter(|(id, _)| **id <= self.stored)?;
        let source = self.ready.remove(&id)?;
        let entry = self.sources.get_mut(&source)?.front_mut()?;
        entry.out = true;
        Some((id, source, Arc::clone(&entry.letter.payload)))
    }

    /// The client did not take the event after all.
    pub fn put_back(&mut self, id: u64, source: &Arc<str>) {
        if let Some(first) = self.sources.get_mut(source).and_then(VecDeque::front_mut)
            && first.id == id
        {
            first.out = false;
            self.ready.insert(id, Arc::clone(source));
        }
    }

    /// The broker has it: forget it.
    pub fn acknowledged(&mut self, id: u64, source: &Arc<str>) {
        let Some(queue) = self.sources.get_mut(source) else { return };
        if queue.front().is_none_or(|first| first.id != id || !first.out) {
            return;
        }
        if queue.pop_front().is_some_and(|entry| !entry.is_marker()) {
            self.events -= 1;
        }
        if queue.is_empty() {
            self.sources.remove(source);
        }
        if let Some(changes) = &mut self.changes {
            changes.push(Change::Delete(id));
            if self.stored != u64::MAX {
                self.held.insert(Arc::clone(source), id);
                return;
            }
        }
        self.release(source);
    }

    /// Lets the first entry of a source go next.
    fn release(&mut self, source: &Arc<str>) {
        if let Some(first) = self.sources.get(source).and_then(VecDeque::front).filter(|first| !first.out) {
            self.ready.insert(first.id, Arc::clone(source));
        }
    }

    /// The connection is gone: what was out is to be sent again.
    pub fn reset(&mut self) {
        for (source, queue) in &mut self.sources {
            if let Some(first) = queue.front_mut() {
                first.out = false;
                if !self.held.contains_key(source) {
                    self.ready.insert(first.id, Arc::clone(source));
                }
            }
        }
    }

    /// Storage holds every entry up to `id`.
    pub fn stored(&mut self, id: u64) {
        self.stored = id;
    }

    /// Storage cannot be relied on: until further notice nothing waits for it, and it is told nothing.
    pub fn forsaken(&mut self) {
        self.stored = u64::MAX;
        self.changes = None;
        for source in std::mem::take(&mut self.held).into_keys() {
            self.release(&source);
        }
    }

    /// Storage no longer holds these entries.
    pub fn deleted(&mut self, ids: &[u64]) {
        let gone: Vec<Arc<str>> =
            self.held.extract_if(|_, id| ids.contains(id)).map(|(source, _)| source).collect();
        gone.iter().for_each(|source| self.release(source));
    }

    /// Storage is to be tried again: everything that is here. From now on it is told what changes.
    pub fn everything(&mut self) -> Everything {
        self.changes = Some(Vec::new());
        let rows = self.sources.iter().flat_map(|(source, queue)| {
            queue.iter().map(|entry| Row {
                id: entry.id,
                source: Arc::clone(source),
                letter: entry.letter.clone(),
            })
        });
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_unstable_by_key(|row| row.id);
        let seqs = self.seqs.iter().map(|(source, last)| (Arc::clone(source), *last)).collect();
        Everything { rows, seqs }
    }

    /// What storage is to follow since the last call.
    pub fn changes(&mut self) -> Vec<Change> {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Id of the newest event that was added; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.next_id
    }

    /// Whether an event of `source`, up to `id`, has not been taken yet.
    pub fn waits(&self, source: &str, id: u64) -> bool {
        self.sources.get(source).is_some_and(|queue| queue.iter().any(|entry| entry.id <= id && !entry.out))
    }

    /// Messages that are not acknowledged.
    pub fn len(&self) -> usize {
        self.sources.values().map(VecDeque::len).sum()
    }

    /// Whether everything is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Replaces the oldest event that is not out by a marker, or adds it to the one before it.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self
            .sources
            .iter()
            .filter_map(|(source, queue)| {
                let index = queue.iter().position(|entry| !entry.out && !entry.is_marker())?;
                Some((queue[index].id, Arc::clone(source), index))
            })
            .min_by_key(|(id, ..)| *id);
        let Some((_, source, index)) = oldest else { return false };
        let Some(queue) = self.sources.get_mut(&source) else { return false };
        let lost = queue[index].letter.stands_for();
        self.events -= 1;
        let before = index.checked_sub(1).filter(|&at| queue[at].is_marker() && !queue[at].out);
        let mut gone = None;
        let at = if let Some(at) = before {
            let count = queue[at].letter.stands_for() + lost;
            if let Some(last) = queue.remove(index) {
                queue[at].letter = last.letter.marker(count);
                gone = Some(last.id);
            }
            at
        } else {
            queue[index].letter = queue[index].letter.marker(lost);
            index
        };
        if let Some(changes) = &mut self.changes {
            let Entry { id, letter, .. } = &queue[at];
            changes.extend(gone.map(Change::Delete));
            changes.push(Change::Replace(Row { id: *id, source, letter: letter.clone() }));
        }
        true
    }
}

#[cfg(test)]
mod tests;
