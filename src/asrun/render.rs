//! Reports and segments as text, CSV and JSON.

use std::fmt::Write;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

use super::period::{PeriodLength, precise, rfc3339, short};
use super::{AsRunReport, LogSegment, Lufs, Ms, PeriodRow, STATES, SourceReport};
use crate::event::EventType;

/// Largest width of a line in a terminal.
const WIDTH: usize = 100;

/// Formats a fraction in per cent, with one decimal.
pub fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// Report as a table for people.
pub fn table(report: &AsRunReport, by: PeriodLength, zone: &TimeZone) -> String {
    let mut text = format!(
        "{} to {}, shares of all the time in %\n",
        rfc3339(report.from, zone),
        rfc3339(report.to, zone)
    );
    for source in &report.sources {
        let _ = writeln!(text, "\n{}", title(source));
        let labels = source.labels();
        let mut rows: Vec<(String, &PeriodRow)> =
            source.rows.iter().map(|row| (short(row.start, by, zone), row)).collect();
        if rows.len() > 1 {
            rows.push(("in all".into(), &source.total));
        }
        let first = rows.iter().map(|(name, _)| name.width()).max().unwrap_or_default().max("period".len());
        let _ = writeln!(
            text,
            "{:first$}  coverage  outage    down unheard changes  LUFS mean    min    max",
            "period"
        );
        for (name, row) in rows {
            let _ = writeln!(
                text,
                "{name:first$}  {:>8} {:>7} {:>7} {:>7} {:>7}  {}",
                percent(row.coverage()),
                percent(row.share(row.lost)),
                percent(row.share(row.down)),
                percent(row.share(row.unheard)),
                row.changes,
                loudness(row.lufs.as_ref())
            );
            wrap(&mut text, &shares(row, &labels), first + 2);
        }
    }
    text
}

/// Name of a source, with its name in topics if that differs.
pub fn title(source: &SourceReport) -> String {
    if source.name == source.source {
        source.name.clone()
    } else {
        format!("{} ({})", source.name, source.source)
    }
}

fn loudness(lufs: Option<&Lufs>) -> String {
    match lufs {
        Some(lufs) => format!("{:>9.1} {:>6.1} {:>6.1}", lufs.mean, lufs.min, lufs.max),
        None => format!("{:>9} {:>6} {:>6}", "–", "–", "–"),
    }
}

/// Shares as `rock 40.1`, then drops and events.
fn shares(row: &PeriodRow, labels: &[&str]) -> Vec<String> {
    let mut parts: Vec<String> = labels
        .iter()
        .filter_map(|label| Some(format!("{label} {}", percent(row.share(*row.heard.get(*label)?)))))
        .collect();
    if row.off_format > 0 {
        parts.push(format!("off format {}", percent(row.share(row.off_format))));
    }
    if row.dropped > 0 {
        parts.push(format!("{} of {} patches dropped", row.dropped, row.scored + row.dropped));
    }
    let others = row.events.iter().filter(|(kind, _)| *kind != EventType::GenreChanged.as_str());
    parts.extend(others.map(|(kind, count)| format!("{count} × {kind}")));
    parts
}

/// Adds `parts` with commas between, on lines that begin with `indent` blanks.
fn wrap(text: &mut String, parts: &[String], indent: usize) {
    let mut column = 0;
    for (number, part) in parts.iter().enumerate() {
        let part = if number + 1 < parts.len() { format!("{part}, ") } else { part.clone() };
        if column == 0 || column + part.trim_end().width() > WIDTH {
            if column > 0 {
                trim(text);
                text.push('\n');
            }
            text.push_str(&" ".repeat(indent));
            column = indent;
        }
        column += part.width();
        text.push_str(&part);
    }
    if column > 0 {
        text.push('\n');
    }
}

fn trim(text: &mut String) {
    text.truncate(text.trim_end().len());
}

/// Report as CSV: one row per source and period, with shares 0–1 of all genres of the report.
pub fn csv(report: &AsRunReport, zone: &TimeZone) -> String {
    let mut genres: Vec<&str> =
        report.sources.iter().flat_map(|source| source.total.genres.iter().map(String::as_str)).collect();
    genres.sort_unstable();
    genres.dedup();
    let labels: Vec<&str> = genres.into_iter().chain(STATES).collect();
    let mut header: Vec<String> =
        ["source", "start", "end", "seconds", "coverage", "outage", "down", "unheard"]
            .map(String::from)
            .into();
    header.extend(labels.iter().map(|label| cell(label)));
    header.extend(
        ["changes", "off_format", "scored", "dropped", "lufs_mean", "lufs_min", "lufs_max", "events"]
            .map(String::from),
    );
    let mut text = line(&header);
    for source in &report.sources {
        for row in &source.rows {
            let share = |part: Ms| format!("{:.6}", row.share(part));
            let mut cells = vec![
                cell(&source.source),
                rfc3339(row.start, zone),
                rfc3339(row.end, zone),
                format!("{:.3}", row.length() as f64 / 1000.0),
                format!("{:.6}", row.coverage()),
                share(row.lost),
                share(row.down),
                share(row.unheard),
            ];
            cells
                .extend(labels.iter().map(|label| share(row.heard.get(*label).copied().unwrap_or_default())));
            cells.extend([
                row.changes.to_string(),
                share(row.off_format),
                row.scored.to_string(),
                row.dropped.to_string(),
            ]);
            cells.extend(levels(row.lufs.as_ref()));
            cells.push(row.events.values().sum::<u64>().to_string());
            text.push_str(&line(&cells));
        }
    }
    text
}

fn levels(lufs: Option<&Lufs>) -> [String; 3] {
    lufs.map_or_else(Default::default, |lufs| [lufs.mean, lufs.min, lufs.max].map(|of| format!("{of:.2}")))
}

/// Report as JSON.
pub fn json(report: &AsRunReport, by: PeriodLength, zone: &TimeZone) -> Value {
    let number = |value: f64, places: i32| (value * 10f64.powi(places)).round() / 10f64.powi(places);
    let row = |row: &PeriodRow, labels: &[&str]| {
        let share = |part: Ms| number(row.share(part), 6);
        let shares: Map<String, Value> = labels
            .iter()
            .map(|label| {
                ((*label).to_owned(), share(row.heard.get(*label).copied().unwrap_or_default()).into())
            })
            .collect();
        let lufs = row.lufs.map(|lufs| {
            json!({"mean": number(lufs.mean, 2), "min": number(lufs.min, 2), "max": number(lufs.max, 2)})
        });
        json!({
            "start": rfc3339(row.start, zone),
            "end": rfc3339(row.end, zone),
            "seconds": number(row.length() as f64 / 1000.0, 3),
            "coverage": number(row.coverage(), 6),
            "shares": shares,
            "outage": share(row.lost),
            "down": share(row.down),
            "unheard": share(row.unheard),
            "changes": row.changes,
            "off_format": share(row.off_format),
            "scored": row.scored,
            "dropped": row.dropped,
            "lufs": lufs,
            "events": row.events,
        })
    };
    let sources: Vec<Value> = report
        .sources
        .iter()
        .map(|source| {
            let labels = source.labels();
            json!({
                "source": source.source,
                "name": source.name,
                "periods": source.rows.iter().map(|of| row(of, &labels)).collect::<Vec<_>>(),
                "total": row(&source.total, &labels),
            })
        })
        .collect();
    let by = match by {
        PeriodLength::Hour => "hour",
        PeriodLength::Day => "day",
        PeriodLength::Week => "week",
        PeriodLength::All => "all",
    };
    json!({"from": rfc3339(report.from, zone), "to": rfc3339(report.to, zone), "by": by, "sources": sources})
}

/// Header of segments as CSV.
pub fn segments_header() -> String {
    line(&SEGMENT.map(String::from))
}

const SEGMENT: [&str; 12] = [
    "source",
    "start",
    "end",
    "state",
    "label",
    "confidence",
    "scored",
    "dropped",
    "title",
    "lufs_mean",
    "lufs_min",
    "lufs_max",
];

/// Segment as one line of CSV.
pub fn segment_csv(source: &str, of: &LogSegment, zone: &TimeZone) -> String {
    let mut cells = vec![
        cell(source),
        precise(of.start, zone),
        precise(of.end, zone),
        of.state.clone(),
        cell(&of.label),
        of.confidence.map(|p| format!("{p:.4}")).unwrap_or_default(),
        of.scored.to_string(),
        of.dropped.to_string(),
        cell(of.title.as_deref().unwrap_or_default()),
    ];
    cells.extend(levels(of.lufs.as_ref()));
    line(&cells)
}

/// Segment as JSON.
pub fn segment_json(source: &str, of: &LogSegment, zone: &TimeZone) -> Value {
    let number = |value: f64, scale: f64| (value * scale).round() / scale;
    json!({
        "source": source,
        "start": precise(of.start, zone),
        "end": precise(of.end, zone),
        "state": of.state,
        "label": of.label,
        "confidence": of.confidence.map(|p| number(p, 10_000.0)),
        "scored": of.scored,
        "dropped": of.dropped,
        "title": of.title,
        "lufs": of.lufs.map(|lufs| json!({
            "mean": number(lufs.mean, 100.0), "min": number(lufs.min, 100.0), "max": number(lufs.max, 100.0)
        })),
    })
}

/// Cell with text from outside, so that a spreadsheet does not take a title for a formula.
fn cell(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

fn line(cells: &[String]) -> String {
    let quote = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    cells.iter().map(quote).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests;
