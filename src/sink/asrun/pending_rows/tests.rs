use super::*;
use crate::event::{DeadAirCause, NamedVerdict, SourceAttributes};
use crate::sink::samples;

const RUN: Ms = 1_800_000_000_000;

fn at(seconds: f64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(RUN + (seconds * 1000.0) as Ms).unwrap()
}

/// Patch `number`, which ends `end` seconds in.
fn patch(number: u64, end: f64, lufs: f32) -> Message {
    samples::window_message(|window| {
        (window.patch, window.at, window.level.lufs_s) = (number, at(end), lufs);
        (window.span.start, window.span.end) = (end - 3.0, end);
    })
}

fn verdict(state: &str, genre: &str, confidence: f32) -> NamedVerdict {
    let state = SourceState::named(state).unwrap();
    let confidence = (state == SourceState::Music).then_some(confidence);
    NamedVerdict { state, genre: genre.into(), confidence }
}

fn state(state: &str, genre: &str) -> Message {
    let state = StateSnapshot { published: verdict(state, genre, 0.83), ..samples::state() };
    Message::State { source: "fm1".into(), state: Arc::new(state) }
}

fn event(ts: f64, event: SourceEvent) -> Message {
    let event = NumberedEvent { at: at(ts), ..samples::event(1, event) };
    Message::Event { source: "fm1".into(), event: Arc::new(event), latency: None }
}

/// Start, end and label of each segment, in seconds, the open one last.
fn segments(pending: &mut PendingRows) -> Vec<(f64, f64, String)> {
    let seconds = |ms: Ms| (ms - RUN) as f64 / 1000.0;
    let mut all: Vec<SegmentRow> = pending
        .finished
        .iter()
        .filter_map(|row| if let FinishedRow::Segment(segment) = row { Some(segment.clone()) } else { None })
        .collect();
    all.extend(pending.open(RUN).0.into_iter().map(|segment| segment.clone()));
    all.iter().map(|s| (seconds(s.start), seconds(s.end), s.key.label.to_string())).collect()
}

#[test]
fn a_segment_lasts_while_label_and_title_do() {
    let mut pending = PendingRows::default();
    assert!(pending.add(&patch(0, 3.0, -14.0), RUN), "what begins is written at once");
    assert!(!pending.add(&patch(1, 4.0, -14.0), RUN), "what goes on is not");
    assert!(pending.add(&state("music", "jazz"), RUN));
    pending.add(&patch(2, 5.0, -20.0), RUN);
    pending.add(&patch(5, 8.0, -10.0), RUN);
    assert!(!pending.add(&state("music", "jazz"), RUN));
    let titled = |title: Option<&str>| {
        let title = title.map(Arc::from);
        let attributes = SourceAttributes { title, ..samples::attributes() };
        Message::Attributes { source: "fm1".into(), attributes: Arc::new(attributes) }
    };
    assert!(pending.add(&titled(Some("a")), RUN) && !pending.add(&titled(Some("a")), RUN));
    pending.add(&patch(6, 9.0, -10.0), RUN);
    let expected = [(0.0, 4.0, "uncertain"), (4.0, 8.0, "jazz"), (8.0, 9.0, "jazz")];
    assert_eq!(segments(&mut pending), expected.map(|(start, end, label)| (start, end, label.to_owned())));
    let jazz = pending.open(RUN).0[1].clone();
    // Two patches between the third and the sixth were dropped, and no sound was: they overlap.
    assert_eq!((jazz.scored(), jazz.dropped, jazz.key.title.as_deref()), (2, 2, None));
    assert!((jazz.confidence().unwrap() - 0.83).abs() < 1e-6);
    // Energies 0.01 and 0.1: −12.596 LUFS.
    let lufs = jazz.lufs().unwrap();
    assert!((lufs.mean + 12.596).abs() < 0.001 && lufs.min == -20.0 && lufs.max == -10.0, "{lufs:?}");
}

fn settled(start: f64, end: f64, state: &str, genre: &str) -> Message {
    let segment = NamedSegment { start, end, verdict: verdict(state, genre, 0.5) };
    Message::FinalSegment { source: "fm1".into(), segment: Arc::new(segment) }
}

#[test]
fn what_is_settled_is_renamed_cut_and_joined() {
    let mut pending = PendingRows::default();
    // Uncertain for five seconds, rock for three, jazz from then on.
    for (number, end) in (0..12).map(|number| (number, number as f64 + 3.0)) {
        match number {
            3 => drop(pending.add(&state("music", "rock"), RUN)),
            6 => drop(pending.add(&state("music", "jazz"), RUN)),
            _ => {}
        }
        pending.add(&patch(number, end, if number < 6 { -20.0 } else { -10.0 }), RUN);
    }
    let named = |expected: &[(f64, f64, &str)]| -> Vec<(f64, f64, String)> {
        expected.iter().map(|(start, end, label)| (*start, *end, (*label).to_owned())).collect()
    };
    assert_eq!(
        segments(&mut pending),
        named(&[(0.0, 5.0, "uncertain"), (5.0, 8.0, "rock"), (8.0, 14.0, "jazz")])
    );
    // It had been rock until a second before, and the rest is not settled.
    assert!(!pending.add(&settled(0.0, 7.01, "music", "rock"), RUN));
    assert_eq!(segments(&mut pending), named(&[(0.0, 7.0, "rock"), (7.0, 8.0, "rock"), (8.0, 14.0, "jazz")]));
    pending.add(&settled(7.01, 13.98, "music", "jazz"), RUN);
    assert_eq!(segments(&mut pending), named(&[(0.0, 7.0, "rock"), (7.0, 14.0, "jazz")]));
    let [FinishedRow::Segment(rock)] = &pending.finished.make_contiguous()[..] else {
        panic!("{:?}", pending.finished)
    };
    assert_eq!((rock.scored(), rock.confidence()), (5, Some(0.5)));
    let lufs = pending.open(RUN).0[0].lufs().unwrap();
    assert_eq!((lufs.min, lufs.max), (-20.0, -10.0), "the sixth patch is jazz");
    // What is the same as before goes on in the same segment, over any number of stretches; a name
    // for nothing is nothing.
    for (number, end) in (12..20).map(|number| (number, number as f64 + 3.0)) {
        pending.add(&patch(number, end, -10.0), RUN);
        pending.add(&settled(end - 1.0, end, "music", "jazz"), RUN);
        pending.add(&settled(end, end, "speech", "speech"), RUN);
    }
    assert_eq!(segments(&mut pending), named(&[(0.0, 7.0, "rock"), (7.0, 22.0, "jazz")]));
    assert_eq!(pending.open(RUN).0[0].scored(), 15);
    // It was silent before that was said, and what was said in between stays.
    pending.add(&patch(20, 23.0, -10.0), RUN);
    for number in 21..26 {
        pending.add(&patch(number, number as f64 + 3.0, -70.0), RUN);
    }
    pending.add(&settled(24.0, 28.0, "silence", "silence"), RUN);
    let found = segments(&mut pending);
    assert_eq!(found[1..], named(&[(7.0, 24.0, "jazz"), (24.0, 28.0, "silence")]));
}

#[test]
fn what_nobody_settles_stays_as_it_was_said() {
    let mut pending = PendingRows::default();
    for number in 0..5000 {
        pending.add(&patch(number, number as f64 + 3.0, -14.0), RUN);
    }
    assert_eq!(segments(&mut pending).last().unwrap().1, 5002.0);
    assert_eq!(pending.open(RUN).0.len(), 2, "one that is settled, and one that grows");
}

#[test]
fn a_hole_ends_a_segment() {
    let mut pending = PendingRows::default();
    for (number, end) in [(0, 3.0), (1, 4.0), (9, 12.0), (10, 13.0)] {
        pending.add(&patch(number, end, -14.0), RUN);
    }
    // The clock is set back by an hour.
    pending.add(&patch(11, -3586.0, -14.0), RUN);
    let found: Vec<_> = segments(&mut pending).into_iter().map(|(start, end, _)| (start, end)).collect();
    assert_eq!(found, [(0.0, 4.0), (9.0, 13.0), (-3589.0, -3586.0)]);
}

#[test]
fn an_outage_begins_where_the_sound_ended() {
    let outage = |now: Ms| {
        let mut pending = PendingRows::default();
        pending.add(&patch(0, 3.0, -14.0), now);
        pending.add(&event(8.0, SourceEvent::SourceLost { reason: None }), now);
        pending.add(&state("lost", "lost"), now);
        let open =
            pending.open(RUN + 20_000).1.into_iter().map(|outage| (outage.start, outage.end)).next().unwrap();
        pending.add(&event(30.0, SourceEvent::SourceRecovered), now);
        assert!(pending.open(now).1.is_empty());
        let closed = pending
            .finished
            .iter()
            .find_map(|row| if let FinishedRow::Outage(of) = row { Some(of.end) } else { None });
        assert_eq!(closed, Some(RUN + 30_000));
        open
    };
    assert_eq!(outage(RUN + 3000), (RUN + 3000, RUN + 20_000));
    // A recording of another year: its times say nothing of when it was lost.
    assert_eq!(outage(RUN + 3_000_000_000), (RUN + 8000, RUN + 20_000));
}

#[test]
fn what_waits_is_bounded() {
    let mut pending = PendingRows::default();
    for number in 0..MAX_FINISHED + 10 {
        pending.add(&event(number as f64, SourceEvent::DeadAirStarted { cause: DeadAirCause::Silence }), RUN);
    }
    assert_eq!((pending.finished.len(), pending.lost), (MAX_FINISHED, 10));
}
