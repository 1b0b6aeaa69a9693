//! Queue of events that await their acknowledgement. A state machine: no I/O, no clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::stored_event::{EncodedEvent, OutboxChange, OutboxSnapshot, StoredEvent};
use crate::event::NumberedEvent;

/// Holds every event until the broker has acknowledged it.
///
/// At most one event per source is in flight, so that the events of a source arrive in order
/// whatever is sent again. Across sources, the oldest event goes first.
///
/// **Stored first**: with a store, an event is published only once it is [`stored`](Self::stored),
/// so that no subscriber has seen an event that is unknown after a restart, and only once its
/// predecessor is [`deleted`](Self::deleted), so that a restart does not send the predecessor after
/// it. Without a store, or while it fails, events are published at once.
///
/// **Bounded**: beyond `capacity` (`mqtt.outbox_max_events`), the oldest events that are not in
/// flight are replaced by one `events_dropped` event per source. It carries the `seq` of the last
/// event that it replaces and their `count`, so that a subscriber can determine which are missing.
#[derive(Debug)]
pub(crate) struct Outbox {
    capacity: usize,
    next_id: u64,
    /// Queued events without markers.
    events: usize,
    sources: HashMap<Arc<str>, VecDeque<OutboxEntry>>,
    /// First entry, by id, of every source that has none in flight.
    ready: BTreeMap<u64, Arc<str>>,
    /// Highest id that may be published.
    stored: u64,
    /// Sources whose last acknowledged entry has still to be deleted, and its id.
    held: HashMap<Arc<str>, u64>,
    /// Changes that the store has not received; `None` without a store.
    changes: Option<Vec<OutboxChange>>,
    /// Last `seq` of each source.
    seqs: HashMap<Arc<str>, u64>,
    /// Address below which clips are served.
    clip_base: Option<Arc<str>>,
}

#[derive(Debug)]
struct OutboxEntry {
    id: u64,
    event: EncodedEvent,
    in_flight: bool,
}

impl OutboxEntry {
    /// Returns true for a replacement of dropped events, which does not count against the capacity.
    fn is_marker(&self) -> bool {
        self.event.dropped > 0
    }
}

impl Outbox {
    /// Creates an outbox for `capacity` events (`mqtt.outbox_max_events`), without a store.
    pub(crate) fn new(capacity: usize) -> Self {
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
            clip_base: None,
        }
    }

    /// Sets the address below which clips are served. Without one, their links are relative.
    pub(crate) fn set_clip_base(&mut self, base: Arc<str>) {
        self.clip_base = Some(base);
    }

    /// Reserves ids up to `id` for events of earlier runs that are read later.
    pub(crate) fn reserve_ids(&mut self, id: u64) {
        self.next_id = self.next_id.max(id);
    }

    /// Inserts events of an earlier run, read late, before each source's own; events in flight stay
    /// first.
    pub(crate) fn merge_recovered(&mut self, events: Vec<StoredEvent>) {
        for StoredEvent { id, source, event } in events.into_iter().rev() {
            self.events += usize::from(event.dropped == 0);
            let queue = self.sources.entry(Arc::clone(&source)).or_default();
            let at = usize::from(queue.front().is_some_and(|first| first.in_flight));
            if at == 0 {
                if let Some(first) = queue.front() {
                    self.ready.remove(&first.id);
                }
                if !self.held.contains_key(&source) {
                    self.ready.insert(id, Arc::clone(&source));
                }
            }
            queue.insert(at, OutboxEntry { id, event, in_flight: false });
        }
        while self.events > self.capacity && self.drop_oldest() {}
    }

    /// Attaches a store that holds `events`, in the order of their ids. Returns true if some were
    /// dropped, so that the store must be rewritten.
    pub(crate) fn restore(&mut self, events: Vec<StoredEvent>) -> bool {
        for StoredEvent { id, source, event } in events {
            self.next_id = self.next_id.max(id);
            self.events += usize::from(event.dropped == 0);
            let queue = self.sources.entry(Arc::clone(&source)).or_default();
            if queue.is_empty() {
                self.ready.insert(id, source);
            }
            queue.push_back(OutboxEntry { id, event, in_flight: false });
        }
        self.changes = Some(Vec::new());
        self.stored = self.next_id;
        let mut dropped = false;
        while self.events > self.capacity && self.drop_oldest() {
            dropped = true;
        }
        dropped
    }

    /// Queues an event. Returns the number of events that were dropped to make room.
    pub(crate) fn push(&mut self, source: &Arc<str>, event: &NumberedEvent) -> u64 {
        self.next_id += 1;
        let (id, encoded) = (self.next_id, EncodedEvent::of(event, self.clip_base.as_deref()));
        self.seqs.insert(Arc::clone(source), event.seq);
        if let Some(changes) = &mut self.changes {
            let event = StoredEvent { id, source: Arc::clone(source), event: encoded.clone() };
            changes.push(OutboxChange::Insert(event));
        }
        let queue = self.sources.entry(Arc::clone(source)).or_default();
        if queue.is_empty() && !self.held.contains_key(source) {
            self.ready.insert(id, Arc::clone(source));
        }
        queue.push_back(OutboxEntry { id, event: encoded, in_flight: false });
        self.events += 1;
        let mut dropped = 0;
        while self.events > self.capacity && self.drop_oldest() {
            dropped += 1;
        }
        dropped
    }

    /// Returns the next event to publish, with its id, and marks it as in flight.
    pub(crate) fn take(&mut self) -> Option<(u64, Arc<str>, Arc<[u8]>)> {
        let (&id, _) = self.ready.first_key_value().filter(|(id, _)| **id <= self.stored)?;
        let source = self.ready.remove(&id)?;
        let entry = self.sources.get_mut(&source)?.front_mut()?;
        entry.in_flight = true;
        Some((id, source, Arc::clone(&entry.event.payload)))
    }

    /// Returns an event to the queue that the client did not take.
    pub(crate) fn put_back(&mut self, id: u64, source: &Arc<str>) {
        if let Some(first) = self.sources.get_mut(source).and_then(VecDeque::front_mut)
            && first.id == id
        {
            first.in_flight = false;
            self.ready.insert(id, Arc::clone(source));
        }
    }

    /// Removes an event that the broker has acknowledged.
    pub(crate) fn acknowledged(&mut self, id: u64, source: &Arc<str>) {
        let Some(queue) = self.sources.get_mut(source) else { return };
        if queue.front().is_none_or(|first| first.id != id || !first.in_flight) {
            return;
        }
        if queue.pop_front().is_some_and(|entry| !entry.is_marker()) {
            self.events -= 1;
        }
        if queue.is_empty() {
            self.sources.remove(source);
        }
        if let Some(changes) = &mut self.changes {
            changes.push(OutboxChange::Delete(id));
            if self.stored != u64::MAX {
                self.held.insert(Arc::clone(source), id);
                return;
            }
        }
        self.release(source);
    }

    /// Makes the first entry of a source ready.
    fn release(&mut self, source: &Arc<str>) {
        if let Some(first) =
            self.sources.get(source).and_then(VecDeque::front).filter(|first| !first.in_flight)
        {
            self.ready.insert(first.id, Arc::clone(source));
        }
    }

    /// Returns all events in flight to the queue, after the loss of the connection.
    pub(crate) fn reset(&mut self) {
        for (source, queue) in &mut self.sources {
            if let Some(first) = queue.front_mut() {
                first.in_flight = false;
                if !self.held.contains_key(source) {
                    self.ready.insert(first.id, Arc::clone(source));
                }
            }
        }
    }

    /// Records that the store holds every entry up to `id`.
    pub(crate) fn stored(&mut self, id: u64) {
        self.stored = id;
    }

    /// Detaches the store after a failure: events no longer wait for it and changes are not
    /// recorded.
    pub(crate) fn storage_failed(&mut self) {
        self.stored = u64::MAX;
        self.changes = None;
        for source in std::mem::take(&mut self.held).into_keys() {
            self.release(&source);
        }
    }

    /// Records that the store no longer holds these entries.
    pub(crate) fn deleted(&mut self, ids: &[u64]) {
        let gone: Vec<Arc<str>> =
            self.held.extract_if(|_, id| ids.contains(id)).map(|(source, _)| source).collect();
        gone.iter().for_each(|source| self.release(source));
    }

    /// Returns the full content for a rewrite of the store, and records changes from now on.
    pub(crate) fn snapshot(&mut self) -> OutboxSnapshot {
        self.changes = Some(Vec::new());
        let events = self.sources.iter().flat_map(|(source, queue)| {
            queue.iter().map(|entry| StoredEvent {
                id: entry.id,
                source: Arc::clone(source),
                event: entry.event.clone(),
            })
        });
        let mut events: Vec<StoredEvent> = events.collect();
        events.sort_unstable_by_key(|event| event.id);
        let seqs = self.seqs.iter().map(|(source, last)| (Arc::clone(source), *last)).collect();
        OutboxSnapshot { events, seqs }
    }

    /// Takes the changes since the last call.
    pub(crate) fn changes(&mut self) -> Vec<OutboxChange> {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Id of the newest event; 0 before the first.
    pub(crate) fn newest(&self) -> u64 {
        self.next_id
    }

    /// Returns true if an event of `source` up to `id` has not been published yet.
    pub(crate) fn has_pending(&self, source: &str, id: u64) -> bool {
        self.sources
            .get(source)
            .is_some_and(|queue| queue.iter().any(|entry| entry.id <= id && !entry.in_flight))
    }

    /// Number of unacknowledged events.
    pub(crate) fn len(&self) -> usize {
        self.sources.values().map(VecDeque::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Replaces the oldest event that is not in flight by a marker, or adds it to the marker before
    /// it.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self
            .sources
            .iter()
            .filter_map(|(source, queue)| {
                let index = queue.iter().position(|entry| !entry.in_flight && !entry.is_marker())?;
                Some((queue[index].id, Arc::clone(source), index))
            })
            .min_by_key(|(id, ..)| *id);
        let Some((_, source, index)) = oldest else { return false };
        let Some(queue) = self.sources.get_mut(&source) else { return false };
        let lost = queue[index].event.represented();
        self.events -= 1;
        let before = index.checked_sub(1).filter(|&at| queue[at].is_marker() && !queue[at].in_flight);
        let mut gone = None;
        let at = if let Some(at) = before {
            let count = queue[at].event.represented() + lost;
            if let Some(last) = queue.remove(index) {
                queue[at].event = last.event.marker(count);
                gone = Some(last.id);
            }
            at
        } else {
            queue[index].event = queue[index].event.marker(lost);
            index
        };
        if let Some(changes) = &mut self.changes {
            let OutboxEntry { id, event, .. } = &queue[at];
            changes.extend(gone.map(OutboxChange::Delete));
            changes.push(OutboxChange::Replace(StoredEvent { id: *id, source, event: event.clone() }));
        }
        true
    }
}

#[cfg(test)]
mod tests;
