//! Sums of the time of a source by content.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AirContent, AirInterval, LogEvent, Ms, OutageCause, PeriodRow, QuarterLoudness, SourceLog, SourceReport,
};
use crate::event::EventType;

/// Number of slots of the timeline.
pub const SLOTS: usize = 960;

/// Report on a source over consecutive `periods`, and over all of them together.
pub fn source(record: &SourceLog, periods: &[(Ms, Ms)]) -> SourceReport {
    let all = match (periods.first(), periods.last()) {
        (Some(first), Some(last)) => (first.0, last.1),
        _ => (0, 0),
    };
    let pieces = paint(record);
    let mut events: Vec<&LogEvent> = record.events.iter().collect();
    events.sort_by_key(|event| event.ts);
    let mut levels: Vec<&QuarterLoudness> = record.levels.iter().collect();
    levels.sort_by_key(|level| level.start);
    let row = |period: (Ms, Ms)| row(&pieces, &events, &levels, &record.off_format, period);
    SourceReport {
        source: record.source.clone(),
        name: record.name.clone(),
        rows: periods.iter().map(|period| row(*period)).collect(),
        total: row(all),
        slots: slots(&pieces, all),
    }
}

/// Intervals of a source, in order and without overlaps; there is no audio between them. Segments
/// take precedence over outages, and later segments over earlier ones.
pub fn paint(record: &SourceLog) -> Vec<AirInterval<'_>> {
    let outages = |cause: OutageCause, what: AirContent<'static>| {
        record.outages.iter().filter(move |o| o.cause == cause).map(move |o| (o.start, o.end, what))
    };
    let segments = record.segments.iter().map(|segment| {
        let what = AirContent::Heard { label: &segment.label, is_music: segment.state == "music" };
        (segment.start, segment.end, what)
    });
    // Later layers cover earlier ones.
    let layers: Vec<(Ms, Ms, AirContent<'_>)> = outages(OutageCause::Down, AirContent::Down)
        .chain(outages(OutageCause::Lost, AirContent::Lost))
        .chain(segments)
        .filter(|(start, end, _)| start < end)
        .collect();
    let mut edges: Vec<(Ms, bool, usize)> = layers
        .iter()
        .enumerate()
        .flat_map(|(layer, (start, end, _))| [(*start, true, layer), (*end, false, layer)])
        .collect();
    edges.sort_unstable();
    let mut pieces: Vec<AirInterval<'_>> = Vec::new();
    let mut active = BTreeSet::new();
    let mut since = Ms::MIN;
    for (at, begins, layer) in edges {
        if let Some((_, _, what)) = active.last().and_then(|layer: &usize| layers.get(*layer))
            && since < at
        {
            match pieces.last_mut() {
                Some(last) if last.end == since && last.what == *what => last.end = at,
                _ => pieces.push(AirInterval { start: since, end: at, what: *what }),
            }
        }
        since = at;
        if begins {
            active.insert(layer);
        } else {
            active.remove(&layer);
        }
    }
    pieces
}

/// Intervals between `start` and `end`, each with the milliseconds of it that lie there.
fn within<'a>(
    pieces: &'a [AirInterval<'a>],
    (start, end): (Ms, Ms),
) -> impl Iterator<Item = (&'a AirInterval<'a>, Ms)> {
    let first = pieces.partition_point(|piece| piece.end <= start);
    pieces[first..]
        .iter()
        .take_while(move |piece| piece.start < end)
        .map(move |piece| (piece, piece.end.min(end) - piece.start.max(start)))
}

fn row(
    pieces: &[AirInterval<'_>],
    events: &[&LogEvent],
    levels: &[&QuarterLoudness],
    off_format: &[(Ms, Ms)],
    period: (Ms, Ms),
) -> PeriodRow {
    let (start, end) = period;
    let mut row = PeriodRow { start, end, ..PeriodRow::default() };
    let mut genres = BTreeSet::new();
    for (piece, length) in within(pieces, period) {
        match piece.what {
            AirContent::Heard { label, is_music } => {
                *row.heard.entry(label.to_owned()).or_default() += length;
                if is_music {
                    genres.insert(label.to_owned());
                }
            }
            AirContent::Lost => row.lost += length,
            AirContent::Down => row.down += length,
        }
    }
    row.genres = genres.into_iter().collect();
    row.unheard = row.length() - row.heard.values().sum::<Ms>() - row.lost - row.down;
    let first = events.partition_point(|event| event.ts < start);
    for event in events[first..].iter().take_while(|event| event.ts < end) {
        row.changes += u64::from(event.kind == EventType::GenreChanged.as_str());
        *row.events.entry(event.kind.clone()).or_default() += 1;
    }
    // A quarter of an hour that lies partly in the period counts as a whole.
    let first = levels.partition_point(|of| of.start + QuarterLoudness::LENGTH <= start);
    let mut level = QuarterLoudness::at(start);
    levels[first..].iter().take_while(|of| of.start < end).for_each(|of| level.merge(of));
    (row.scored, row.dropped, row.lufs) = (level.scored, level.dropped, level.lufs());
    row.off_format = off_format.iter().map(|(from, to)| (to.min(&end) - from.max(&start)).max(0)).sum();
    row
}

/// Longest content of each of [`SLOTS`] slots of the time.
fn slots(pieces: &[AirInterval<'_>], (from, to): (Ms, Ms)) -> Vec<Option<String>> {
    let edge = |slot: usize| from + ((to - from) as i128 * slot as i128 / SLOTS as i128) as Ms;
    (0..SLOTS)
        .map(|slot| {
            let span = (edge(slot), edge(slot + 1));
            let mut most: BTreeMap<&str, Ms> = BTreeMap::new();
            for (piece, length) in within(pieces, span) {
                let name = match piece.what {
                    AirContent::Heard { label, .. } => label,
                    AirContent::Lost => "lost",
                    AirContent::Down => "down",
                };
                *most.entry(name).or_default() += length;
            }
            let unheard = span.1 - span.0 - most.values().sum::<Ms>();
            let (name, length) = most.into_iter().max_by_key(|(_, length)| *length)?;
            (length >= unheard).then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests;
