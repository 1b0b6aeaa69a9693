use super::*;
use crate::sink::samples;

const RUN: Ms = 1_800_000_000_000;

fn at(seconds: f64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(RUN + (seconds * 1000.0) as Ms).unwrap()
}

/// Patch `number`, which ends `end` seconds in.
fn patch(number: u64, end: f64, lufs: f32) -> Message {
    samples::window_message(|window| {
        (window.patch, window.ts, window.lufs_s) = (number, at(end), lufs);
        (window.start, window.end) = (end - 3.0, end);
    })
}

fn state(state: &'static str, genre: &str) -> Message {
    let payload = State { state, genre: genre.into(), ..samples::state() };
    Message::State { source: "fm1".into(), payload: Arc::new(payload) }
}

fn event(ts: f64, kind: EventKind) -> Message {
    let payload = crate::sink::payload::Event { ts: at(ts), ..samples::event(1, kind) };
    Message::Event { source: "fm1".into(), payload: Arc::new(payload), cause: None }
}

/// Start, end and label of each segment, in seconds, the open one last.
fn segments(book: &mut Book) -> Vec<(f64, f64, String)> {
    let seconds = |ms: Ms| (ms - RUN) as f64 / 1000.0;
    let mut all: Vec<Segment> = book
        .waiting
        .iter()
        .filter_map(|row| if let Row::Segment(segment) = row { Some(segment.clone()) } else { None })
        .collect();
    all.extend(book.open(RUN).0.into_iter().map(|segment| segment.clone()));
    all.iter().map(|s| (seconds(s.start), seconds(s.end), s.label.to_string())).collect()
}

#[test]
fn a_segment_lasts_while_label_and_title_do() {
    let mut book = Book::default();
    assert!(book.take(&patch(0, 3.0, -14.0), RUN), "what begins is written at once");
    assert!(!book.take(&patch(1, 4.0, -14.0), RUN), "what goes on is not");
    assert!(book.take(&state("music", "jazz"), RUN));
    book.take(&patch(2, 5.0, -20.0), RUN);
    book.take(&patch(5, 8.0, -10.0), RUN);
    assert!(!book.take(&state("music", "jazz"), RUN));
    let titled = |title: Option<&str>| {
        let title = title.map(Arc::from);
        let payload = crate::sink::payload::Attributes { title, ..samples::attributes() };
        Message::Attributes { source: "fm1".into(), payload: Arc::new(payload) }
    };
    assert!(book.take(&titled(Some("a")), RUN) && !book.take(&titled(Some("a")), RUN));
    book.take(&patch(6, 9.0, -10.0), RUN);
    let expected = [(0.0, 4.0, "uncertain"), (4.0, 8.0, "jazz"), (8.0, 9.0, "jazz")];
    assert_eq!(segments(&mut book), expected.map(|(start, end, label)| (start, end, label.to_owned())));
    let Some(Row::Segment(jazz)) = book.waiting.get(1) else { panic!("{:?}", book.waiting) };
    // Two patches between the third and the sixth were dropped, and no sound was: they overlap.
    assert_eq!((jazz.scored(), jazz.dropped, jazz.title.as_deref()), (2, 2, None));
    assert!((jazz.confidence().unwrap() - 0.83).abs() < 1e-6);
    // Energies 0.01 and 0.1: −12.596 LUFS.
    let lufs = jazz.lufs().unwrap();
    assert!((lufs.mean + 12.596).abs() < 0.001 && lufs.min == -20.0 && lufs.max == -10.0, "{lufs:?}");
}

#[test]
fn a_hole_ends_a_segment() {
    let mut book = Book::default();
    for (number, end) in [(0, 3.0), (1, 4.0), (9, 12.0), (10, 13.0)] {
        book.take(&patch(number, end, -14.0), RUN);
    }
    // The clock is set back by an hour.
    book.take(&patch(11, -3586.0, -14.0), RUN);
    let found: Vec<_> = segments(&mut book).into_iter().map(|(start, end, _)| (start, end)).collect();
    assert_eq!(found, [(0.0, 4.0), (9.0, 13.0), (-3589.0, -3586.0)]);
}

#[test]
fn an_outage_begins_where_the_sound_ended() {
    let outage = |now: Ms| {
        let mut book = Book::default();
        book.take(&patch(0, 3.0, -14.0), now);
        book.take(&event(8.0, EventKind::SourceLost), now);
        book.take(&state("lost", "lost"), now);
        let open =
            book.open(RUN + 20_000).1.into_iter().map(|outage| (outage.start, outage.end)).next().unwrap();
        book.take(&event(30.0, EventKind::SourceRecovered), now);
        assert!(book.open(now).1.is_empty());
        let closed =
            book.waiting.iter().find_map(|row| if let Row::Outage(of) = row { Some(of.end) } else { None });
        assert_eq!(closed, Some(RUN + 30_000));
        open
    };
    assert_eq!(outage(RUN + 3000), (RUN + 3000, RUN + 20_000));
    // A recording of another year: its times say nothing of when it was lost.
    assert_eq!(outage(RUN + 3_000_000_000), (RUN + 8000, RUN + 20_000));
}

#[test]
fn what_waits_is_bounded() {
    let mut book = Book::default();
    for number in 0..WAITING + 10 {
        book.take(&event(number as f64, EventKind::DeadAirStarted), RUN);
    }
    assert_eq!((book.waiting.len(), book.lost), (WAITING, 10));
}
