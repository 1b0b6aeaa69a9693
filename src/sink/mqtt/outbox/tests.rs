use super::*;
use proptest::prelude::*;

pub fn event(seq: u64) -> Event {
    Event {
        run: "r".into(),
        seq,
        ts: Timestamp::UNIX_EPOCH,
        kind: EventKind::DeadAirStarted { reason: "silence" },
    }
}

fn name(text: &str) -> Arc<str> {
    text.into()
}

/// `seq` and the number of events that a payload stands for, as a subscriber reads them.
fn read(payload: &[u8]) -> (u64, u64) {
    let event: serde_json::Value = serde_json::from_slice(payload).unwrap();
    (event["seq"].as_u64().unwrap(), event["count"].as_u64().unwrap_or(1))
}

#[test]
fn one_is_out_a_source_and_the_oldest_source_goes_first() {
    let mut outbox = Outbox::new(10);
    let (a, b) = (name("a"), name("b"));
    outbox.push(&b, &event(1));
    outbox.push(&a, &event(1));
    outbox.push(&b, &event(2));
    let (first, source, _) = outbox.take().unwrap();
    assert_eq!(source, b);
    assert_eq!(outbox.take().unwrap().1, a);
    assert!(outbox.take().is_none(), "both sources have one out");
    outbox.acknowledged(first, &b);
    let (_, source, next) = outbox.take().unwrap();
    assert_eq!((source, read(&next)), (b, (2, 1)));
    assert_eq!(outbox.len(), 2);
}

#[test]
fn a_lost_connection_sends_again_and_old_acknowledgements_do_nothing() {
    let mut outbox = Outbox::new(10);
    let a = name("a");
    outbox.push(&a, &event(1));
    outbox.push(&a, &event(2));
    let (id, ..) = outbox.take().unwrap();
    outbox.reset();
    outbox.acknowledged(id, &a);
    assert_eq!(outbox.len(), 2, "what is not out cannot be acknowledged");
    let (id, _, again) = outbox.take().unwrap();
    assert_eq!(read(&again).0, 1);
    outbox.acknowledged(id, &a);
    outbox.acknowledged(id, &a);
    assert_eq!(outbox.len(), 1);
}

#[test]
fn waits_until_taken() {
    let mut outbox = Outbox::new(10);
    let a = name("a");
    outbox.push(&a, &event(1));
    let newest = outbox.newest();
    assert!(outbox.waits("a", newest));
    outbox.push(&a, &event(2));
    outbox.take();
    assert!(!outbox.waits("a", newest), "the first is out; the second is newer");
    assert!(!outbox.waits("b", newest));
}

#[test]
fn beyond_its_capacity_the_oldest_make_way_and_are_accounted_for() {
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

/// Storage as it would be: rows by id.
#[derive(Default)]
struct Rows(BTreeMap<u64, Row>);

impl Rows {
    fn follow(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Insert(row) => assert_eq!(self.0.insert(row.id, row), None, "an id is used once"),
                Change::Replace(row) => assert!(self.0.insert(row.id, row).is_some(), "nothing to replace"),
                Change::Delete(id) => assert!(self.0.remove(&id).is_some(), "nothing to delete"),
            }
        }
    }

    fn all(&self) -> Vec<Row> {
        self.0.values().cloned().collect()
    }
}

#[test]
fn nothing_goes_out_before_it_is_stored_unless_storage_is_forsaken() {
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
    outbox.forsaken();
    assert!(outbox.take().is_some());
    outbox.push(&a, &event(3));
    assert_eq!(outbox.changes(), []);
    assert_eq!(outbox.everything().rows.len(), 2);
    outbox.push(&a, &event(4));
    assert_eq!(outbox.changes().len(), 1);
}

proptest! {
    /// Whatever happens to the connection and to the process, a subscriber that removes duplicates sees every event once,
    /// in order.
    #[test]
    fn nothing_lost_nothing_reordered(steps in prop::collection::vec((0u8..9, 0usize..3), 1..200), capacity in 1usize..20) {
        let names = [name("a"), name("b"), name("c")];
        let mut rows = Rows::default();
        let mut outbox = Outbox::new(capacity);
        outbox.restore(Vec::new());
        let mut pushed = [0u64; 3];
        let mut received: [Vec<(u64, u64)>; 3] = Default::default();
        let mut out: Vec<(u64, usize)> = Vec::new();
        let index = |source: &Arc<str>| names.iter().position(|n| n == source).unwrap();
        let mut receive = |at: usize, payload: &[u8]| {
            let list = &mut received[at];
            let (seq, count) = read(payload);
            // The newest may come again, nothing older.
            assert!(list.last().is_none_or(|last| last.0 <= seq), "{seq} after {list:?}");
            if list.last().is_none_or(|last| last.0 < seq) {
                list.push((seq, count));
            }
        };
        for (step, at) in steps {
            match step {
                0 | 1 => {
                    pushed[at] += 1;
                    outbox.push(&names[at], &event(pushed[at]));
                    rows.follow(outbox.changes());
                    outbox.stored(outbox.newest());
                }
                2 => if let Some((id, source, payload)) = outbox.take() {
                    receive(index(&source), &payload);
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
                // Storage follows, and says so.
                8 => {
                    let changes = outbox.changes();
                    let deleted: Vec<u64> = changes
                        .iter()
                        .filter_map(|change| match change {
                            Change::Delete(id) => Some(*id),
                            _ => None,
                        })
                        .collect();
                    rows.follow(changes);
                    outbox.deleted(&deleted);
                }
                5 => {
                    outbox.reset();
                    out.clear();
                }
                // Killed and started again, before or after storage has followed.
                6 => {
                    if at == 0 {
                        rows.follow(outbox.changes());
                    }
                    outbox = Outbox::new(capacity);
                    outbox.restore(rows.all());
                    out.clear();
                }
                // Storage failed for a while.
                _ => {
                    outbox.forsaken();
                    rows.0 = outbox.everything().rows.into_iter().map(|row| (row.id, row)).collect();
                    outbox.stored(outbox.newest());
                }
            }
        }
        rows.follow(outbox.changes());
        prop_assert_eq!(rows.all(), outbox.everything().rows);
        outbox.forsaken();
        rows.0 = outbox.everything().rows.into_iter().map(|row| (row.id, row)).collect();
        outbox.reset();
        while let Some((id, source, payload)) = outbox.take() {
            receive(index(&source), &payload);
            outbox.acknowledged(id, &source);
        }
        rows.follow(outbox.changes());
        prop_assert!(outbox.is_empty() && rows.0.is_empty());
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

#[test]
fn what_is_read_late_comes_first() {
    let (a, b) = (name("a"), name("b"));
    let mut earlier = Outbox::new(10);
    for seq in 1..=2 {
        earlier.push(&a, &event(seq));
        earlier.push(&b, &event(seq));
    }
    let mut outbox = Outbox::new(10);
    outbox.begin_after(1000);
    outbox.push(&a, &event(3));
    outbox.push(&b, &event(3));
    let (out, ..) = outbox.take().unwrap();
    outbox.adopt(earlier.everything().rows);
    outbox.acknowledged(out, &a);
    let mut seen = Vec::new();
    while let Some((id, source, payload)) = outbox.take() {
        seen.push((source.to_string(), read(&payload).0));
        outbox.acknowledged(id, &source);
    }
    let of = |name: &str| -> Vec<u64> {
        seen.iter().filter(|(source, _)| source == name).map(|(_, seq)| *seq).collect()
    };
    assert_eq!((of("a"), of("b")), (vec![1, 2], vec![1, 2, 3]), "the third of `a` was out already");
    assert!(outbox.is_empty());
}
