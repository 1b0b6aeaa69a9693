//! Latest states and the ring of events.

use super::*;
use crate::event::{SourceEvent, SourceHealth};
use crate::sink::samples;

fn hub() -> Hub {
    Hub::new(vec![("fm1".into(), Arc::default()), ("fm2".into(), Arc::default())])
}

fn event(hub: &Hub, source: &str, seq: u64) {
    let event = Arc::new(samples::event(seq, SourceEvent::DeadAirEnded));
    hub.take(&Message::Event { source: source.into(), event, latency: None });
}

fn seqs(records: &[SourceEventRecord]) -> Vec<u64> {
    records.iter().map(|record| record.event.seq).collect()
}

#[test]
fn ids_are_parsed_strictly() {
    let id = EventId { run: "0f1e".into(), source: "fm1".into(), seq: 7 };
    assert_eq!(EventId::parse(&id.to_string()), Some(id));
    for text in ["", "a/b", "a/b/c", "a/b/1/2", "/b/1", "a//1", "a/b/-1"] {
        assert_eq!(EventId::parse(text), None, "{text}");
    }
}

#[test]
fn events_are_found_by_position_and_id() {
    let hub = hub();
    (1..=5).for_each(|seq| event(&hub, if seq % 2 == 0 { "fm2" } else { "fm1" }, seq));
    let content = hub.content();
    assert_eq!(seqs(&content.events_from(3).unwrap()), [4, 5]);
    assert_eq!(content.events_from(5).unwrap().len(), 0);
    let id = EventId { run: samples::RUN.into(), source: "fm2".into(), seq: 2 };
    assert_eq!(content.position_after(&id), Some(2));
    assert_eq!(content.position_after(&EventId { source: "fm1".into(), ..id }), None);
}

#[test]
fn the_ring_is_bounded() {
    let hub = hub();
    let count = MAX_EVENTS as u64 + 10;
    (0..count).for_each(|seq| event(&hub, "fm1", seq));
    let content = hub.content();
    assert_eq!(content.total_events(), count);
    assert!(content.events_from(9).is_none());
    assert_eq!(content.events_from(10).unwrap().len(), MAX_EVENTS);
    assert_eq!(*hub.event_count().borrow(), count);
}

#[test]
fn versions_tell_changes() {
    let hub = hub();
    let state = Arc::new(samples::state());
    hub.take(&Message::State { source: "fm1".into(), state: state.clone() });
    hub.take(&Message::Window { source: "fm1".into(), window: Arc::new(samples::window()), latency: None });
    hub.take(&Message::State { source: "unknown".into(), state });
    let health = SourceHealth::Stalled;
    hub.take(&Message::Health { source: "fm2".into(), health, reason: Some("no data".into()) });
    let content = hub.content();
    let versions: Vec<_> =
        content.sources.iter().map(|view| (view.state_version, view.level_version)).collect();
    assert_eq!(versions, [(2, 1), (2, 0)]);
    assert_eq!(content.sources[1].health_reason.as_deref(), Some("no data"));
}

#[test]
fn the_ribbon_follows_the_published_genre() {
    let hub = hub();
    let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
    let state = |genre: &str, since: i64| {
        let published = samples::music(genre, 0.8);
        let state = Arc::new(StateSnapshotAt { published, since: at(since) }.into());
        hub.take(&Message::State { source: "fm1".into(), state });
    };
    let window = |second: i64| {
        let window = crate::event::WindowResult { at: at(second), ..samples::window() };
        hub.take(&Message::Window { source: "fm1".into(), window: Arc::new(window), latency: None });
    };
    state("rock", 0);
    (1..=10).for_each(window);
    state("jazz", 8);
    (11..=20).for_each(window);
    window(100);
    window(101);
    let pieces = |hub: &Hub| -> Vec<(String, i64, i64)> {
        let content = hub.content();
        let seconds = |ms: i64| ms / 1000 - 1_000_000;
        let piece =
            |piece: &RibbonPiece| (piece.genre.to_string(), seconds(piece.start_ms), seconds(piece.end_ms));
        content.sources[0].ribbon.iter().map(piece).collect()
    };
    let expected = [("rock", 0, 8), ("jazz", 8, 20), ("jazz", 100, 101)];
    assert_eq!(pieces(&hub), expected.map(|(genre, start, end)| (genre.to_owned(), start, end)));
    (102..=700).for_each(window);
    assert_eq!(pieces(&hub), [("jazz".to_owned(), 100, 700)]);
}

struct StateSnapshotAt {
    published: crate::event::NamedVerdict,
    since: Timestamp,
}

impl From<StateSnapshotAt> for crate::event::StateSnapshot {
    fn from(StateSnapshotAt { published, since }: StateSnapshotAt) -> Self {
        Self { published, since, ..samples::state() }
    }
}
