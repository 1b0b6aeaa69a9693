use super::super::tally;
use super::super::{Outage, QuarterLoudness, SourceLog};
use super::*;
use crate::asrun::{LogEvent, OutageCause};

const DAY: Ms = 86_400_000;

fn segment(start: Ms, end: Ms, state: &str, label: &str) -> LogSegment {
    LogSegment {
        confidence: Some(0.812_345),
        scored: 3,
        dropped: 1,
        title: Some("=1+1, \"A\"\nB".into()),
        lufs: Some(Lufs { mean: -14.0, min: -20.125, max: -9.0 }),
        ..LogSegment::sample(start, end, state, label)
    }
}

fn report() -> AsRunReport {
    let mut level = QuarterLoudness::at(0);
    level.add(-14.0);
    let record = SourceLog {
        source: "fm1".into(),
        name: "FM 1".into(),
        segments: vec![
            segment(0, DAY / 2, "music", "rock"),
            segment(DAY / 2, DAY * 3 / 4, "speech", "speech"),
        ],
        outages: vec![Outage { start: DAY * 3 / 4, end: DAY, cause: OutageCause::Lost }],
        events: vec![LogEvent { ts: DAY / 2, kind: "genre_changed".into() }],
        levels: vec![level],
        off_format: Vec::new(),
    };
    AsRunReport { from: 0, to: 2 * DAY, sources: vec![tally::source(&record, &[(0, DAY), (DAY, 2 * DAY)])] }
}

#[test]
fn a_table_for_people() {
    insta::assert_snapshot!(table(&report(), PeriodLength::Day, &TimeZone::UTC), @r"
1970-01-01T00:00:00Z to 1970-01-03T00:00:00Z, shares of all the time in %

FM 1 (fm1)
period          coverage  outage    down unheard changes  LUFS mean    min    max
Thu 1970-01-01      75.0    25.0     0.0     0.0       1      -14.0  -14.0  -14.0
                rock 50.0, speech 25.0
Fri 1970-01-02       0.0     0.0     0.0   100.0       0          –      –      –
in all              37.5    12.5     0.0    50.0       1      -14.0  -14.0  -14.0
                rock 25.0, speech 12.5
");
}

#[test]
fn csv_for_spreadsheets() {
    insta::assert_snapshot!(csv(&report(), &TimeZone::UTC), @r"
source,start,end,seconds,coverage,outage,down,unheard,rock,speech,noise,uncertain,silence,changes,off_format,scored,dropped,lufs_mean,lufs_min,lufs_max,events
fm1,1970-01-01T00:00:00Z,1970-01-02T00:00:00Z,86400.000,0.750000,0.250000,0.000000,0.000000,0.500000,0.250000,0.000000,0.000000,0.000000,1,0.000000,1,0,-14.00,-14.00,-14.00,1
fm1,1970-01-02T00:00:00Z,1970-01-03T00:00:00Z,86400.000,0.000000,0.000000,0.000000,1.000000,0.000000,0.000000,0.000000,0.000000,0.000000,0,0.000000,0,0,,,,0
");
    // A title is text, whatever it begins with, and stays on its line.
    let line = segment_csv("fm1", &segment(1500, 61_500, "music", "rock"), &TimeZone::UTC);
    insta::assert_snapshot!(line, @r#"fm1,1970-01-01T00:00:01.500Z,1970-01-01T00:01:01.500Z,music,rock,0.8123,3,1,"'=1+1, ""A"" B",-14.00,-20.12,-9.00"#);
    assert_eq!(segments_header().matches(',').count(), SEGMENT.len() - 1);
}

#[test]
fn json_for_programs() {
    let value = json(&report(), PeriodLength::Day, &TimeZone::UTC);
    let first = &value["sources"][0]["periods"][0];
    assert_eq!(first["shares"], json!({"rock": 0.5, "speech": 0.25}));
    assert_eq!((&first["outage"], &first["coverage"]), (&json!(0.25), &json!(0.75)));
    assert_eq!(value["sources"][0]["periods"][1]["unheard"], json!(1.0));
    let value = segment_json("fm1", &segment(0, 1, "music", "rock"), &TimeZone::UTC);
    assert_eq!(value["title"], "=1+1, \"A\"\nB");
    assert_eq!((&value["confidence"], &value["end"]), (&json!(0.8123), &json!("1970-01-01T00:00:00.001Z")));
}
