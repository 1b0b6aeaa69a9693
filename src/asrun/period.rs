//! Parsing of times, and division of the time of a report into periods.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

use super::Ms;

/// Largest number of periods of a report.
const MAX_PERIODS: usize = 100_000;

/// Length of the periods of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum PeriodLength {
    /// Hours of the clock.
    Hour,
    /// Days.
    #[default]
    Day,
    /// Weeks, which begin on Monday.
    Week,
    /// One period.
    All,
}

/// End of a day that a date stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayEdge {
    /// Beginning, for `--from`.
    First,
    /// End, for `--to`: the day is part of the report.
    Last,
}

/// Time or range of a report that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Text that is no time.
    #[error("`{text}` is not a time; write 2026-11-03, 2026-11-03T14:00:00Z, today, yesterday or 7d")]
    Time {
        /// The text.
        text: String,
    },
    /// A range that is empty or ends before it begins.
    #[error("from {from} to {to} is no time; `--from` must lie before `--to`, and not in the future")]
    Empty {
        /// Begin of the range.
        from: Timestamp,
        /// End of the range.
        to: Timestamp,
    },
    /// A range of too many periods.
    #[error("more than {MAX_PERIODS} periods; ask for a shorter time, or for longer periods")]
    TooMany,
}

/// Parses a time: RFC 3339, a date, `now`, `today`, `yesterday`, or a time before `now` such as
/// `90m`, `12h`, `7d` or `2w`.
///
/// # Errors
/// [`PeriodError::Time`], with the accepted forms.
pub fn parse(text: &str, edge: DayEdge, now: &Zoned) -> Result<Timestamp, PeriodError> {
    let bad = |_| PeriodError::Time { text: text.into() };
    let day = |date: Date| {
        let date = if edge == DayEdge::Last { date.saturating_add(1.day()) } else { date };
        date.to_zoned(now.time_zone().clone()).map(|start| start.timestamp())
    };
    match text {
        "now" => return Ok(now.timestamp()),
        "today" => return day(now.date()).map_err(bad),
        "yesterday" => return day(now.date().saturating_sub(1.day())).map_err(bad),
        _ => {}
    }
    if let Some(span) = ago(text) {
        return now.checked_sub(span).map(|then| then.timestamp()).map_err(bad);
    }
    if let Ok(date) = text.parse::<Date>()
        && !text.contains(['T', 't', ' '])
    {
        return day(date).map_err(bad);
    }
    match text.parse::<Timestamp>() {
        Ok(timestamp) => Ok(timestamp),
        // A time without a zone is in the zone of the report.
        Err(_) => text
            .parse::<jiff::civil::DateTime>()
            .and_then(|time| time.to_zoned(now.time_zone().clone()))
            .map(|time| time.timestamp())
            .map_err(bad),
    }
}

/// Parses `7d` and the like.
fn ago(text: &str) -> Option<Span> {
    let unit = text.chars().last()?;
    let count: i32 = text.strip_suffix(unit)?.parse().ok().filter(|count| (0..=100_000).contains(count))?;
    Some(match unit {
        'm' => count.minutes(),
        'h' => count.hours(),
        'd' => count.days(),
        'w' => count.weeks(),
        _ => return None,
    })
}

/// Periods from `from` to `to`, aligned to the clocks of `zone`. The first and the last may be
/// shorter.
///
/// # Errors
/// There is no period, or there are too many.
pub fn cut(
    from: Timestamp,
    to: Timestamp,
    by: PeriodLength,
    zone: &TimeZone,
) -> Result<Vec<(Ms, Ms)>, PeriodError> {
    if from >= to {
        return Err(PeriodError::Empty { from, to });
    }
    let mut periods = Vec::new();
    let mut start = from;
    while start < to {
        let end = next(start, by, zone).filter(|next| *next > start).unwrap_or(to).min(to);
        periods.push((start.as_millisecond(), end.as_millisecond()));
        if periods.len() > MAX_PERIODS {
            return Err(PeriodError::TooMany);
        }
        start = end;
    }
    Ok(periods)
}

/// Start of the period after the one that contains `at`.
fn next(at: Timestamp, by: PeriodLength, zone: &TimeZone) -> Option<Timestamp> {
    let local = at.to_zoned(zone.clone());
    let day = |date: Date| date.to_zoned(zone.clone()).map(|start| start.timestamp()).ok();
    match by {
        PeriodLength::All => None,
        PeriodLength::Day => day(local.date().checked_add(1.day()).ok()?),
        PeriodLength::Week => {
            let left = 7 - i32::from(local.date().weekday().to_monday_zero_offset());
            day(local.date().checked_add(left.days()).ok()?)
        }
        PeriodLength::Hour => {
            // In absolute time, so that a repeated hour of the clock counts twice.
            let into = i64::from(local.minute()) * 60_000
                + i64::from(local.second()) * 1000
                + i64::from(local.millisecond());
            Timestamp::from_millisecond(at.as_millisecond() - into + 3_600_000).ok()
        }
    }
}

/// Formats a time to the second: `2026-11-03T14:00:00+01:00`.
pub fn rfc3339(at: Ms, zone: &TimeZone) -> String {
    written(at, zone, if *zone == TimeZone::UTC { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" })
}

/// Formats a time to the millisecond.
pub fn precise(at: Ms, zone: &TimeZone) -> String {
    written(
        at,
        zone,
        if *zone == TimeZone::UTC { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%dT%H:%M:%S%.3f%:z" },
    )
}

/// Formats the start of a period for people.
pub fn short(at: Ms, by: PeriodLength, zone: &TimeZone) -> String {
    written(
        at,
        zone,
        if by == PeriodLength::Day || by == PeriodLength::Week { "%a %Y-%m-%d" } else { "%Y-%m-%d %H:%M" },
    )
}

fn written(at: Ms, zone: &TimeZone, format: &str) -> String {
    let at = Timestamp::from_millisecond(at).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_parsed() {
        // Half past one in the night, summer time: a zone that is two hours ahead.
        let now = at("2026-07-09T23:30:00Z").to_zoned(zone("Europe/Berlin"));
        let first = |text| parse(text, DayEdge::First, &now).unwrap().to_string();
        let last = |text| parse(text, DayEdge::Last, &now).unwrap().to_string();
        assert_eq!(first("today"), "2026-07-09T22:00:00Z");
        assert_eq!(last("today"), "2026-07-10T22:00:00Z");
        assert_eq!(first("yesterday"), "2026-07-08T22:00:00Z");
        assert_eq!(last("yesterday"), "2026-07-09T22:00:00Z");
        assert_eq!(first("2026-01-02"), "2026-01-01T23:00:00Z");
        assert_eq!(last("2026-01-02"), "2026-01-02T23:00:00Z");
        assert_eq!(first("2026-01-02T10:00:00Z"), "2026-01-02T10:00:00Z");
        assert_eq!(first("2026-01-02T10:00:00+05:00"), "2026-01-02T05:00:00Z");
        assert_eq!(first("2026-01-02T10:00"), "2026-01-02T09:00:00Z");
        assert_eq!(first("7d"), "2026-07-02T23:30:00Z");
        assert_eq!(last("90m"), "2026-07-09T22:00:00Z");
        assert_eq!(first("now"), "2026-07-09T23:30:00Z");
        for bad in ["", "tomorrow-ish", "2026-13-01", "7", "d", "-3d", "7dé"] {
            assert!(parse(bad, DayEdge::First, &now).is_err(), "`{bad}`");
        }
    }

    #[test]
    fn periods_are_aligned_to_the_clocks() {
        // On 25 October 2026 Berlin's clocks go back: that day has 25 hours.
        let berlin = zone("Europe/Berlin");
        let (from, to) = (at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"));
        let days = cut(from, to, PeriodLength::Day, &berlin).unwrap();
        assert_eq!(days, [(from.as_millisecond(), to.as_millisecond())]);
        assert_eq!(cut(from, to, PeriodLength::Hour, &berlin).unwrap().len(), 25);
        // Saturday to Monday, by weeks: cut at the start of Monday.
        let weeks =
            cut(at("2026-11-07T12:00:00Z"), at("2026-11-09T06:00:00Z"), PeriodLength::Week, &TimeZone::UTC)
                .unwrap();
        let monday = at("2026-11-09T00:00:00Z").as_millisecond();
        assert_eq!(weeks.iter().map(|week| week.1).collect::<Vec<_>>(), [monday, monday + 6 * 3_600_000]);
        // Zones with half-hour offsets have hours of their own.
        let half = cut(
            at("2026-11-07T12:00:00Z"),
            at("2026-11-07T13:00:00Z"),
            PeriodLength::Hour,
            &zone("Asia/Kolkata"),
        )
        .unwrap();
        assert_eq!(half.len(), 2);
        assert!(cut(to, from, PeriodLength::All, &berlin).is_err());
        assert!(cut(at("1000-01-01T00:00:00Z"), to, PeriodLength::Hour, &berlin).is_err());
    }

    #[test]
    fn times_are_formatted_with_their_zone() {
        let time = at("2026-07-09T23:30:01.5Z").as_millisecond();
        assert_eq!(rfc3339(time, &TimeZone::UTC), "2026-07-09T23:30:01Z");
        assert_eq!(rfc3339(time, &zone("Europe/Berlin")), "2026-07-10T01:30:01+02:00");
        assert_eq!(precise(time, &TimeZone::UTC), "2026-07-09T23:30:01.500Z");
        assert_eq!(short(time, PeriodLength::Day, &TimeZone::UTC), "Thu 2026-07-09");
    }
}
