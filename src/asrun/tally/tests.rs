use proptest::prelude::*;

use super::super::{LogEvent, LogSegment, Outage};
use super::*;

fn event(ts: Ms, kind: &str) -> LogEvent {
    LogEvent { ts, kind: kind.into() }
}

/// Two hours, in minutes from the start: rock 0–50, speech 50–55, silence 55–58, a gap 58–60,
/// outage 60–70, jazz 70–100, the daemon down 100–115, rock 115–120.
fn two_hours() -> SourceLog {
    let minute = |of: Ms| of * 60_000;
    let quarter = |at: Ms, levels: &[f64], dropped| {
        let mut level = QuarterLoudness::at(minute(at));
        levels.iter().for_each(|lufs| level.add(*lufs));
        QuarterLoudness { dropped, ..level }
    };
    SourceLog {
        source: "fm1".into(),
        name: "FM 1".into(),
        segments: vec![
            LogSegment::sample(minute(0), minute(50), "music", "rock"),
            LogSegment::sample(minute(50), minute(55), "speech", "speech"),
            LogSegment::sample(minute(55), minute(58), "silence", "silence"),
            LogSegment::sample(minute(70), minute(100), "music", "jazz"),
            LogSegment::sample(minute(115), minute(120), "music", "rock"),
        ],
        outages: vec![
            Outage { start: minute(60), end: minute(70), cause: OutageCause::Lost },
            Outage { start: minute(100), end: minute(115), cause: OutageCause::Down },
        ],
        events: vec![
            event(minute(50), "genre_changed"),
            event(minute(55), "dead_air_started"),
            event(minute(55), "genre_changed"),
            event(minute(60), "source_lost"),
            event(minute(72), "genre_changed"),
        ],
        // Energies 0.1 and 0.001: the mean is 0.0505, which is −12.967 LUFS.
        levels: vec![quarter(0, &[-10.0], 2), quarter(45, &[-30.0], 1), quarter(75, &[-20.0, -20.0], 0)],
        off_format: vec![(minute(54), minute(66))],
    }
}

#[test]
fn two_hours_are_summed_up() {
    let hour = 3_600_000;
    let report = source(&two_hours(), &[(0, hour), (hour, 2 * hour)]);
    let [one, two] = &report.rows[..] else { panic!("{:?}", report.rows) };
    let minutes = |row: &PeriodRow, label: &str| row.heard[label] / 60_000;
    assert_eq!([minutes(one, "rock"), minutes(one, "speech"), minutes(one, "silence")], [50, 5, 3]);
    assert_eq!([one.lost, one.down, one.unheard], [0, 0, 2 * 60_000]);
    assert!((one.coverage() - 58.0 / 60.0).abs() < 1e-12);
    assert_eq!((one.changes, one.events.len(), one.events["dead_air_started"]), (2, 2, 1));
    assert_eq!((one.scored, one.dropped, one.off_format), (2, 3, 6 * 60_000));
    let lufs = one.lufs.unwrap();
    assert!((lufs.mean + 12.967).abs() < 0.001, "{lufs:?}");
    assert_eq!((lufs.min, lufs.max), (-30.0, -10.0));
    assert_eq!([minutes(two, "jazz"), minutes(two, "rock")], [30, 5]);
    assert_eq!([two.lost, two.down, two.unheard], [10 * 60_000, 15 * 60_000, 0]);
    assert_eq!((two.changes, two.events["source_lost"], two.off_format), (1, 1, 6 * 60_000));
    assert_eq!(minutes(&report.total, "rock"), 55);
    assert_eq!(report.labels(), ["rock", "jazz", "speech", "silence"]);
    // 960 slots of 7.5 s: eight a minute.
    let slot = |minute: usize| report.slots[minute * 8 + 4].as_deref();
    assert_eq!([slot(20), slot(59), slot(65), slot(110)], [Some("rock"), None, Some("lost"), Some("down")]);
}

#[test]
fn audio_takes_precedence_over_outages_and_later_segments_over_earlier() {
    let record = SourceLog {
        segments: vec![
            LogSegment::sample(0, 100, "music", "rock"),
            LogSegment::sample(40, 60, "music", "jazz"),
            LogSegment::sample(60, 70, "music", "jazz"),
        ],
        outages: vec![
            Outage { start: 50, end: 150, cause: OutageCause::Down },
            Outage { start: 90, end: 120, cause: OutageCause::Lost },
        ],
        ..SourceLog::default()
    };
    let rock = AirContent::Heard { label: "rock", is_music: true };
    let jazz = AirContent::Heard { label: "jazz", is_music: true };
    let piece = |start, end, what| AirInterval { start, end, what };
    let expected = [
        piece(0, 40, rock),
        piece(40, 70, jazz),
        piece(70, 100, rock),
        piece(100, 120, AirContent::Lost),
        piece(120, 150, AirContent::Down),
    ];
    assert_eq!(paint(&record), expected);
}

proptest! {
    #[test]
    fn all_parts_add_up_to_the_whole(
        segments in prop::collection::vec((0..1000_i64, -5..300_i64, 0..4_usize), 0..30),
        outages in prop::collection::vec((0..1000_i64, 0..300_i64, any::<bool>()), 0..10),
        edges in prop::collection::btree_set(-50..1300_i64, 2..6),
    ) {
        let labels = ["rock", "jazz", "speech", "silence"];
        let record = SourceLog {
            segments: segments
                .iter()
                .map(|(start, length, label)| {
                    LogSegment::sample(*start, start + length, if *label < 2 { "music" } else { labels[*label] }, labels[*label])
                })
                .collect(),
            outages: outages
                .iter()
                .map(|(start, length, lost)| Outage {
                    start: *start,
                    end: start + length,
                    cause: if *lost { OutageCause::Lost } else { OutageCause::Down },
                })
                .collect(),
            ..SourceLog::default()
        };
        let edges: Vec<Ms> = edges.into_iter().collect();
        let periods: Vec<(Ms, Ms)> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let report = source(&record, &periods);
        // Content of one millisecond, by search.
        let truth = |at: Ms| {
            let segment = record.segments.iter().rev().find(|s| s.start <= at && at < s.end);
            let outage = |cause| record.outages.iter().any(|o| o.cause == cause && o.start <= at && at < o.end);
            match segment {
                Some(segment) => segment.label.as_str(),
                None if outage(OutageCause::Lost) => "lost",
                None if outage(OutageCause::Down) => "down",
                None => "unheard",
            }
        };
        for row in &report.rows {
            prop_assert_eq!(row.heard.values().sum::<Ms>() + row.lost + row.down + row.unheard, row.length());
            prop_assert!(row.unheard >= 0);
            for (name, part) in [("lost", row.lost), ("down", row.down), ("unheard", row.unheard)]
                .into_iter()
                .chain(row.heard.iter().map(|(label, part)| (label.as_str(), *part)))
            {
                prop_assert_eq!((row.start..row.end).filter(|at| truth(*at) == name).count() as Ms, part, "{}", name);
            }
        }
        let total: Ms = report.rows.iter().map(|row| row.unheard).sum();
        prop_assert_eq!(total, report.total.unheard);
    }
}
