//! History of a source, from the as-run log.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::asrun::period::{self, DayEdge, PeriodLength};
use crate::asrun::{AsRunReport, Ms, render, tally};
use crate::sink::asrun::{LogReader, LoggedEvent};

/// Longest range, in milliseconds: a leap year.
const MAX_RANGE_MS: Ms = 366 * 86_400_000;

/// Most periods of a report.
const MAX_PERIODS: usize = 1000;

/// Error of a history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// The range cannot be used.
    #[error("{0}")]
    Range(String),
    /// There is no log yet.
    #[error("there is no log")]
    Missing,
    /// The log cannot be read.
    #[error("{0}")]
    Log(String),
}

/// Range of a history, and the length of its periods.
#[derive(Debug, Clone)]
pub(crate) struct HistoryRange {
    from: Timestamp,
    to: Timestamp,
    by: PeriodLength,
    zone: TimeZone,
}

/// Report, segments and events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryReport {
    /// Start.
    from: Value,
    /// End.
    to: Value,
    /// Length of the periods.
    by: Value,
    /// Keys of `genred report --format json`: shares by period, for this source alone.
    #[schema(value_type = Vec<Object>)]
    sources: Value,
    /// Segments of one genre or state each.
    #[schema(value_type = Vec<Object>)]
    segments: Vec<Value>,
    /// Events, as on `…/event`, with `source`.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
}

impl HistoryRange {
    /// Parses a range; the last 24 hours by hour where nothing is given.
    ///
    /// # Errors
    /// [`HistoryError::Range`], with the accepted forms.
    pub(crate) fn parse(
        from: Option<&str>,
        to: Option<&str>,
        by: Option<&str>,
    ) -> Result<Self, HistoryError> {
        let zone = TimeZone::system();
        let now = Timestamp::now().to_zoned(zone.clone());
        let typed = |text: &str, edge| match text.parse::<i64>() {
            Ok(ms) => timestamp(ms),
            Err(_) => period::parse(text, edge, &now).map_err(range_error),
        };
        let from = typed(from.unwrap_or("24h"), DayEdge::First)?;
        let to = typed(to.unwrap_or("now"), DayEdge::Last)?.min(now.timestamp());
        let by = match by {
            None | Some("hour") => PeriodLength::Hour,
            Some("day") => PeriodLength::Day,
            Some("week") => PeriodLength::Week,
            Some("all") => PeriodLength::All,
            Some(_) => return Err(range_error("`by` is `hour`, `day`, `week` or `all`")),
        };
        if to.as_millisecond() - from.as_millisecond() > MAX_RANGE_MS {
            return Err(range_error("the range is longer than a year"));
        }
        Ok(Self { from, to, by, zone })
    }

    /// Reads the report of a source.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub(crate) fn report(&self, log: &Path, source: &str) -> Result<HistoryReport, HistoryError> {
        let now = Timestamp::now().as_millisecond();
        let reader = open(log)?;
        let (from, to) = self.bounds(&reader, now)?;
        let periods =
            period::cut(timestamp(from)?, timestamp(to)?, self.by, &self.zone).map_err(range_error)?;
        if periods.len() > MAX_PERIODS {
            return Err(HistoryError::Range(format!("more than {MAX_PERIODS} periods; choose longer ones")));
        }
        let wanted = [source.to_owned()];
        // A source without rows yet is not in the log.
        let (_, name) = reader
            .sources(&wanted)
            .ok()
            .and_then(|found| found.into_iter().next())
            .unwrap_or_else(|| (source.to_owned(), source.to_owned()));
        let record = reader.record((source, &name), from, to, now).map_err(log_error)?;
        let segments =
            record.segments.iter().map(|of| render::segment_json(source, of, &self.zone)).collect();
        let report = AsRunReport { from, to, sources: vec![tally::source(&record, &periods)] };
        let mut report = render::json(&report, self.by, &self.zone);
        let events = reader.events(source, from, to).map_err(log_error)?;
        Ok(HistoryReport {
            from: report["from"].take(),
            to: report["to"].take(),
            by: report["by"].take(),
            sources: report["sources"].take(),
            segments,
            events: events.iter().filter_map(with_source).collect(),
        })
    }

    /// Reads the segments of a source as CSV.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub(crate) fn segments_csv(&self, log: &Path, source: &str) -> Result<String, HistoryError> {
        let reader = open(log)?;
        let (from, to) = self.bounds(&reader, Timestamp::now().as_millisecond())?;
        let mut text = render::segments_header();
        for segment in reader.segments(source, from, to).map_err(log_error)? {
            text += &render::segment_csv(source, &segment, &self.zone);
        }
        Ok(text)
    }

    /// Start and end, without the last seconds that the daemon has not written yet.
    fn bounds(&self, reader: &LogReader, now: Ms) -> Result<(Ms, Ms), HistoryError> {
        let (from, to) = (self.from.as_millisecond(), self.to.as_millisecond());
        if from >= to {
            return Err(HistoryError::Range("the end is not after the start".into()));
        }
        let written = reader.written_to(now).map_err(log_error)?;
        Ok((from, if from < written { to.min(written) } else { to }))
    }
}

/// JSON of a logged event, with its source.
pub(crate) fn with_source(event: &LoggedEvent) -> Option<Value> {
    let mut object = serde_json::Map::new();
    object.insert("source".into(), event.source.as_str().into());
    let Ok(Value::Object(keys)) = serde_json::from_str(&event.json) else { return None };
    object.extend(keys);
    Some(Value::Object(object))
}

fn open(log: &Path) -> Result<LogReader, HistoryError> {
    match log.exists() {
        true => LogReader::open(log).map_err(log_error),
        false => Err(HistoryError::Missing),
    }
}

fn timestamp(ms: Ms) -> Result<Timestamp, HistoryError> {
    Timestamp::from_millisecond(ms).map_err(range_error)
}

fn range_error(error: impl std::fmt::Display) -> HistoryError {
    HistoryError::Range(error.to_string())
}

fn log_error(error: impl std::fmt::Display) -> HistoryError {
    HistoryError::Log(error.to_string())
}
