use super::*;
use crate::event::{DeadAirCause, SourceEvent};
use jiff::Timestamp;
use proptest::prelude::*;

pub(super) fn event(seq: u64) -> NumberedEvent {
    NumberedEvent {
        run: "r".into(),
        seq,
        at: Timestamp::UNIX_EPOCH,
        event: SourceEvent::DeadAirStarted { cause: DeadAirCause::Silence },
        clip: None,
    }
}

fn name(text: &str) -> Arc<str> {
    text.into()
}

/// `seq` of a payload and the number of events that it represents.
fn read(payload: &[u8]) -> (u64, u64) {
    let event: serde_json::Value = serde_json::from_slice(payload).unwrap();
    (event["seq"].as_u64().unwrap(), event["count"].as_u64().unwrap_or(1))
}

#[test]
fn one_event_per_source_is_in_flight_and_the_oldest_goes_first() {
    let mut outbox = Outbox::new(10);
    let (a, b) = (name("a"), name("b"));
    outbox.push(&b, &event(1));
    outbox.push(&a, &event(1));
    outbox.push(&b, &event(2));
    let (first, source, _) = outbox.take().unwrap();
    assert_eq!(source, b);
    assert_eq!(outbox.take().unwrap().1, a);
    assert!(outbox.take().is_none(), "both sources have one in flight");
    outbox.acknowledged(first, &b);
    let (_, source, next) = outbox.take().unwrap();
    assert_eq!((source, read(&next)), (b, (2, 1)));
    assert_eq!(outbox.len(), 2);
}

#[test]
fn a_lost_connection_resends_and_late_acknowledgements_are_ignored() {
    let mut outbox = Outbox::new(10);
    let a = name("a");
    outbox.push(&a, &event(1));
    outbox.push(&a, &event(2));
    let (id, ..) = outbox.take().unwrap();
    outbox.reset();
    outbox.acknowledged(id, &a);
    assert_eq!(outbox.len(), 2, "only events in flight can be acknowledged");
    let (id, _, again) = outbox.take().unwrap();
    assert_eq!(read(&again).0, 1);
    outbox.acknowledged(id, &a);
    outbox.acknowledged(id, &a);
    assert_eq!(outbox.len(), 1);
}

#[test]
fn pending_until_taken() {
    let mut outbox = Outbox::new(10);
    let a = name("a");
    outbox.push(&a, &event(1));
    let newest = outbox.newest();
    assert!(outbox.has_pending("a", newest));
    outbox.push(&a, &event(2));
    outbox.take();
    assert!(!outbox.has_pending("a", newest), "the first is in flight; the second is newer");
    assert!(!outbox.has_pending("b", newest));
}

#[test]
fn beyond_the_capacity_the_oldest_are_dropped_and_counted() {
    let mut outbox = Outbox::new(3);
    let a = name("a");
    for seq in 1..=3 {
        assert_eq!(outbox.push(&a, &event(seq)), 0);
    }
    let (first, ..) = outbox.take().unwrap();
    for seq in 4..=8 {
        assert_eq!(outbox.push(&a, &event(seq)), 1);
    }
    outbox.acknowledged(first, &a);
    let mut seen = Vec::new();
    while let Some((id, _, payload)) = outbox.take() {
        seen.push(read(&payload));
        assert_eq!(payload.windows(14).any(|text| text == b"events_dropped"), seen.len() == 1);
        outbox.acknowledged(id, &a);
    }
    assert_eq!(seen, [(6, 5), (7, 1), (8, 1)]);
    assert!(outbox.is_empty());
}

/// Content of a store, by id.
#[derive(Default)]
struct FakeStore(BTreeMap<u64, StoredEvent>);

impl FakeStore {
    fn apply(&mut self, changes: Vec<OutboxChange>) {
        for change in changes {
            match change {
                OutboxChange::Insert(event) => {
                    assert_eq!(self.0.insert(event.id, event), None, "an id is used once")
                }
                OutboxChange::Replace(event) => {
                    assert!(self.0.insert(event.id, event).is_some(), "nothing to replace")
                }
                OutboxChange::Delete(id) => assert!(self.0.remove(&id).is_some(), "nothing to delete"),
            }
        }
    }

    fn all(&self) -> Vec<StoredEvent> {
        self.0.values().cloned().collect()
    }
}

#[test]
fn events_wait_for_the_store_unless_it_has_failed() {
    let mut outbox = Outbox::new(10);
    outbox.restore(Vec::new());
    let a = name("a");
    outbox.push(&a, &event(1));
    outbox.push(&a, &event(2));
    assert_eq!(outbox.take(), None);
    outbox.stored(1);
    let (id, ..) = outbox.take().unwrap();
    outbox.acknowledged(id, &a);
    outbox.stored(2);
    outbox.reset();
    assert_eq!(outbox.take(), None, "the first might come again after it");
    assert_eq!(outbox.changes().len(), 3);
    outbox.deleted(&[1]);
    let (second, ..) = outbox.take().unwrap();
    outbox.put_back(second, &a);
    outbox.storage_failed();
    assert!(outbox.take().is_some());
    outbox.push(&a, &event(3));
    assert_eq!(outbox.changes(), []);
    assert_eq!(outbox.snapshot().events.len(), 2);
    outbox.push(&a, &event(4));
    assert_eq!(outbox.changes().len(), 1);
}

/// An outbox, its store and a subscriber.
struct Simulation {
    names: [Arc<str>; 3],
    capacity: usize,
    outbox: Outbox,
    store: FakeStore,
    /// Number of events decided, by source.
    pushed: [u64; 3],
    /// `seq` and count of the events received, by source, without duplicates.
    received: [Vec<(u64, u64)>; 3],
    /// Ids and sources of the events in flight.
    in_flight: Vec<(u64, usize)>,
}

impl Simulation {
    fn new(capacity: usize) -> Self {
        let mut outbox = Outbox::new(capacity);
        outbox.restore(Vec::new());
        Self {
            names: [name("a"), name("b"), name("c")],
            capacity,
            outbox,
            store: FakeStore::default(),
            pushed: [0; 3],
            received: Default::default(),
            in_flight: Vec::new(),
        }
    }

    fn receive(&mut self, source: &Arc<str>, payload: &[u8]) -> usize {
        let at = self.names.iter().position(|name| name == source).unwrap();
        let list = &mut self.received[at];
        let (seq, count) = read(payload);
        // The newest may come again, but nothing older.
        assert!(list.last().is_none_or(|last| last.0 <= seq), "{seq} after {list:?}");
        if list.last().is_none_or(|last| last.0 < seq) {
            list.push((seq, count));
        }
        at
    }

    fn step(&mut self, step: u8, at: usize) {
        match step {
            0 | 1 => {
                self.pushed[at] += 1;
                self.outbox.push(&self.names[at], &event(self.pushed[at]));
                self.store.apply(self.outbox.changes());
                self.outbox.stored(self.outbox.newest());
            }
            2 => {
                if let Some((id, source, payload)) = self.outbox.take() {
                    let at = self.receive(&source, &payload);
                    self.in_flight.push((id, at));
                }
            }
            // Sent, but the broker never saw it.
            3 => {
                if let Some((id, source, _)) = self.outbox.take() {
                    self.outbox.put_back(id, &source);
                }
            }
            4 if self.in_flight.is_empty() => {}
            4 => {
                let (id, at) = self.in_flight.remove(at % self.in_flight.len());
                self.outbox.acknowledged(id, &self.names[at]);
            }
            5 => {
                self.outbox.reset();
                self.in_flight.clear();
            }
            6 => self.restart(at == 0),
            7 => self.recover_store(),
            _ => self.apply_and_report(),
        }
    }

    /// The process is killed and restarted, before or after the store has applied the changes.
    fn restart(&mut self, applied: bool) {
        if applied {
            self.store.apply(self.outbox.changes());
        }
        self.outbox = Outbox::new(self.capacity);
        self.outbox.restore(self.store.all());
        self.in_flight.clear();
    }

    /// The store fails and recovers.
    fn recover_store(&mut self) {
        self.outbox.storage_failed();
        self.rewrite_store();
        self.outbox.stored(self.outbox.newest());
    }

    fn rewrite_store(&mut self) {
        let events = self.outbox.snapshot().events;
        self.store.0 = events.into_iter().map(|event| (event.id, event)).collect();
    }

    /// The store applies the changes and reports it.
    fn apply_and_report(&mut self) {
        let changes = self.outbox.changes();
        let deleted: Vec<u64> = changes
            .iter()
            .filter_map(|change| match change {
                OutboxChange::Delete(id) => Some(*id),
                _ => None,
            })
            .collect();
        self.store.apply(changes);
        self.outbox.deleted(&deleted);
    }

    /// Delivers everything.
    fn finish(&mut self) {
        self.store.apply(self.outbox.changes());
        assert_eq!(self.store.all(), self.outbox.snapshot().events);
        self.outbox.storage_failed();
        self.rewrite_store();
        self.outbox.reset();
        while let Some((id, source, payload)) = self.outbox.take() {
            self.receive(&source, &payload);
            self.outbox.acknowledged(id, &source);
        }
        self.store.apply(self.outbox.changes());
        assert!(self.outbox.is_empty() && self.store.0.is_empty());
    }
}

proptest! {
    /// Across losses of the connection and of the process, a subscriber that removes duplicates
    /// sees every event once, in order.
    #[test]
    fn nothing_lost_nothing_reordered(
        steps in prop::collection::vec((0u8..9, 0usize..3), 1..200),
        capacity in 1usize..20,
    ) {
        let mut simulation = Simulation::new(capacity);
        for (step, at) in steps {
            simulation.step(step, at);
        }
        simulation.finish();
        for (pushed, received) in simulation.pushed.iter().zip(&simulation.received) {
            let mut expected = 0;
            for (seq, count) in received {
                // A resent event may meanwhile be part of a marker: then it covers one that was
                // seen.
                prop_assert!(*seq <= expected + count && *seq > expected, "{received:?}");
                expected = *seq;
            }
            prop_assert_eq!(expected, *pushed);
        }
    }
}

#[test]
fn recovered_events_go_first() {
    let (a, b) = (name("a"), name("b"));
    let mut earlier = Outbox::new(10);
    for seq in 1..=2 {
        earlier.push(&a, &event(seq));
        earlier.push(&b, &event(seq));
    }
    let mut outbox = Outbox::new(10);
    outbox.reserve_ids(1000);
    outbox.push(&a, &event(3));
    outbox.push(&b, &event(3));
    let (out, ..) = outbox.take().unwrap();
    outbox.merge_recovered(earlier.snapshot().events);
    outbox.acknowledged(out, &a);
    let mut seen = Vec::new();
    while let Some((id, source, payload)) = outbox.take() {
        seen.push((source.to_string(), read(&payload).0));
        outbox.acknowledged(id, &source);
    }
    let of = |name: &str| -> Vec<u64> {
        seen.iter().filter(|(source, _)| source == name).map(|(_, seq)| *seq).collect()
    };
    assert_eq!((of("a"), of("b")), (vec![1, 2], vec![1, 2, 3]), "the third of `a` was in flight");
    assert!(outbox.is_empty());
}
