//! Events that wait for their acknowledgement. A state machine: no I/O, no clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::sink::payload::{Event, EventKind};

/// Keeps every event until the broker has acknowledged it.
///
/// One event a source is out at a time, so that a source's events arrive in order
/// whatever is sent again. Across sources the oldest goes first.
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
}

#[derive(Debug)]
struct Entry {
    id: u64,
    event: Arc<Event>,
    /// Stands for dropped events; not counted against the capacity.
    marker: bool,
    out: bool,
}

impl Outbox {
    /// An empty outbox for `capacity` events.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            next_id: 0,
            events: 0,
            sources: HashMap::new(),
            ready: BTreeMap::new(),
        }
    }

    /// Adds an event. Returns how many had to be dropped for it.
    pub fn push(&mut self, source: &Arc<str>, event: Arc<Event>) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let queue = self.sources.entry(Arc::clone(source)).or_default();
        if queue.is_empty() {
            self.ready.insert(id, Arc::clone(source));
        }
        queue.push_back(Entry { id, event, marker: false, out: false });
        self.events += 1;
        let mut dropped = 0;
        while self.events > self.capacity && self.drop_oldest() {
            dropped += 1;
        }
        dropped
    }

    /// The next event to publish, with its id; it counts as out from now on.
    pub fn take(&mut self) -> Option<(u64, Arc<str>, Arc<Event>)> {
        let (id, source) = self.ready.pop_first()?;
        let entry = self.sources.get_mut(&source)?.front_mut()?;
        entry.out = true;
        Some((id, source, Arc::clone(&entry.event)))
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
        if queue.pop_front().is_some_and(|entry| !entry.marker) {
            self.events -= 1;
        }
        match queue.front() {
            Some(first) => {
                self.ready.insert(first.id, Arc::clone(source));
            }
            None => {
                self.sources.remove(source);
            }
        }
    }

    /// The connection is gone: what was out is to be sent again.
    pub fn reset(&mut self) {
        for (source, queue) in &mut self.sources {
            if let Some(first) = queue.front_mut() {
                first.out = false;
                self.ready.insert(first.id, Arc::clone(source));
            }
        }
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
                let index = queue.iter().position(|entry| !entry.out && !entry.marker)?;
                Some((queue[index].id, Arc::clone(source), index))
            })
            .min_by_key(|(id, ..)| *id);
        let Some((_, source, index)) = oldest else { return false };
        let Some(queue) = self.sources.get_mut(&source) else { return false };
        let lost = stood_for(&queue[index].event.kind);
        self.events -= 1;
        let before = index.checked_sub(1).filter(|&at| queue[at].marker && !queue[at].out);
        if let Some(at) = before {
            let count = stood_for(&queue[at].event.kind) + lost;
            let last = queue.remove(index);
            if let Some(last) = last {
                queue[at].event = marker(&last.event, count);
            }
        } else {
            queue[index].event = marker(&queue[index].event, lost);
            queue[index].marker = true;
        }
        true
    }
}

fn marker(last: &Event, count: u64) -> Arc<Event> {
    Arc::new(Event { kind: EventKind::EventsDropped { count }, ..last.clone() })
}

/// How many decided changes are lost with an event.
fn stood_for(kind: &EventKind) -> u64 {
    match kind {
        EventKind::EventsDropped { count } => *count,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(seq: u64) -> Arc<Event> {
        Arc::new(Event {
            run: "r".into(),
            seq,
            ts: jiff::Timestamp::UNIX_EPOCH,
            kind: EventKind::DeadAirStarted,
        })
    }

    fn name(text: &str) -> Arc<str> {
        text.into()
    }

    #[test]
    fn one_is_out_a_source_and_the_oldest_source_goes_first() {
        let mut outbox = Outbox::new(10);
        let (a, b) = (name("a"), name("b"));
        outbox.push(&b, event(1));
        outbox.push(&a, event(1));
        outbox.push(&b, event(2));
        let (first, source, _) = outbox.take().unwrap();
        assert_eq!(source, b);
        assert_eq!(outbox.take().unwrap().1, a);
        assert!(outbox.take().is_none(), "both sources have one out");
        outbox.acknowledged(first, &b);
        let (_, source, next) = outbox.take().unwrap();
        assert_eq!((source, next.seq), (b, 2));
        assert_eq!(outbox.len(), 2);
    }

    #[test]
    fn a_lost_connection_sends_again_and_old_acknowledgements_do_nothing() {
        let mut outbox = Outbox::new(10);
        let a = name("a");
        outbox.push(&a, event(1));
        outbox.push(&a, event(2));
        let (id, ..) = outbox.take().unwrap();
        outbox.reset();
        outbox.acknowledged(id, &a);
        assert_eq!(outbox.len(), 2, "what is not out cannot be acknowledged");
        let (id, _, again) = outbox.take().unwrap();
        assert_eq!(again.seq, 1);
        outbox.acknowledged(id, &a);
        outbox.acknowledged(id, &a);
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn waits_until_taken() {
        let mut outbox = Outbox::new(10);
        let a = name("a");
        outbox.push(&a, event(1));
        let newest = outbox.newest();
        assert!(outbox.waits("a", newest));
        outbox.push(&a, event(2));
        outbox.take();
        assert!(!outbox.waits("a", newest), "the first is out; the second is newer");
        assert!(!outbox.waits("b", newest));
    }

    #[test]
    fn beyond_its_capacity_the_oldest_make_way_and_are_accounted_for() {
        let mut outbox = Outbox::new(3);
        let a = name("a");
        for seq in 1..=3 {
            assert_eq!(outbox.push(&a, event(seq)), 0);
        }
        let (first, ..) = outbox.take().unwrap();
        for seq in 4..=8 {
            assert_eq!(outbox.push(&a, event(seq)), 1);
        }
        outbox.acknowledged(first, &a);
        let mut seen = Vec::new();
        while let Some((id, _, event)) = outbox.take() {
            seen.push((
                event.seq,
                stood_for(&event.kind),
                matches!(event.kind, EventKind::EventsDropped { .. }),
            ));
            outbox.acknowledged(id, &a);
        }
        assert_eq!(seen, [(6, 5, true), (7, 1, false), (8, 1, false)]);
        assert!(outbox.is_empty());
    }

    proptest! {
        /// Whatever happens to the connection, a subscriber that removes duplicates sees every event once, in order.
        #[test]
        fn nothing_lost_nothing_reordered(steps in prop::collection::vec((0u8..6, 0usize..3), 1..200), capacity in 1usize..20) {
            let names = [name("a"), name("b"), name("c")];
            let mut outbox = Outbox::new(capacity);
            let mut pushed = [0u64; 3];
            let mut received: [Vec<(u64, u64)>; 3] = Default::default();
            let mut out: Vec<(u64, usize)> = Vec::new();
            let index = |source: &Arc<str>| names.iter().position(|n| n == source).unwrap();
            let mut receive = |at: usize, event: &Event| {
                let list = &mut received[at];
                if list.last().is_none_or(|last| last.0 < event.seq) {
                    list.push((event.seq, stood_for(&event.kind)));
                }
            };
            for (step, at) in steps {
                match step {
                    0 | 1 => {
                        pushed[at] += 1;
                        outbox.push(&names[at], event(pushed[at]));
                    }
                    2 => if let Some((id, source, event)) = outbox.take() {
                        receive(index(&source), &event);
                        out.push((id, index(&source)));
                    }
                    // Sent, but the broker never saw it.
                    3 => if let Some((id, source, _)) = outbox.take() {
                        outbox.put_back(id, &source);
                    }
                    4 => if !out.is_empty() {
                        let (id, at) = out.remove(at % out.len());
                        outbox.acknowledged(id, &names[at]);
                    }
                    _ => {
                        outbox.reset();
                        out.clear();
                    }
                }
            }
            outbox.reset();
            while let Some((id, source, event)) = outbox.take() {
                receive(index(&source), &event);
                outbox.acknowledged(id, &source);
            }
            prop_assert!(outbox.is_empty());
            for (pushed, received) in pushed.iter().zip(&received) {
                let mut expected = 0;
                for (seq, count) in received {
                    // A resent event may meanwhile be part of a marker: then it covers one that was seen.
                    prop_assert!(*seq <= expected + count && *seq > expected, "{received:?}");
                    expected = *seq;
                }
                prop_assert_eq!(expected, *pushed);
            }
        }
    }
}
