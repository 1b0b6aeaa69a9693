//! Reports as text, at most 100 columns wide.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::report::{Comparison, Judgement, LabelFigures, Report};
use crate::learn::Interval;

/// Columns of a terminal that everything fits into.
const WIDTH: usize = 100;

/// Number of cells, the largest ones, that replace a confusion matrix that would be too wide.
const LARGEST: usize = 12;

/// All tables of a report, each with a line above it.
pub fn report(report: &Report) -> String {
    let mut text = figures(report);
    text.push('\n');
    text.push_str(&labels(report));
    for (judgement, of) in [(&report.patch, "patches"), (&report.track, "tracks")] {
        if let Some(matrix) = &judgement.confusion {
            let _ = write!(text, "\n{}", confusion(report, matrix, of));
        }
    }
    text
}

/// The differences of two heads, `one` minus `other`.
pub fn comparison(comparison: &Comparison, one: &str, other: &str) -> String {
    let mut rows = vec![["", "per patch", "", "per track", ""].map(String::from).to_vec()];
    rows.extend(comparison.patch.0.iter().zip(&comparison.track.0).map(|((figure, patch), (_, track))| {
        let (a, b) = (signed(patch), signed(track));
        let worse = if figure.is_gain() { "" } else { " (less is better)" };
        vec![format!("{}{worse}", figure.name()), a.0, a.1, b.0, b.1]
    }));
    format!("`{one}` minus `{other}`, on the same recordings\n{}", table(&rows))
}

fn figures(report: &Report) -> String {
    let count = |n: usize, of: &str| format!("{} {of}", thousands(n));
    let mut rows = vec![vec![
        String::new(),
        count(report.patch.n, "patches"),
        String::new(),
        count(report.track.n, "tracks"),
        String::new(),
    ]];
    rows.extend(report.patch.figures.0.iter().map(|(figure, patch)| {
        let mut row = vec![figure.name().to_owned()];
        for interval in [Some(*patch), report.track.figure(*figure)] {
            row.push(interval.map_or_else(String::new, |interval| number(interval.value)));
            row.push(interval.map_or_else(String::new, |interval| range(&interval, number)));
        }
        row
    }));
    let intervals = &report.intervals;
    format!(
        "{}{:.0} % intervals: bootstrap over tracks, {} resamples, seed {}\n",
        table(&rows),
        intervals.coverage * 100.0,
        intervals.resamples,
        intervals.seed
    )
}

fn labels(report: &Report) -> String {
    let has_average =
        |judgement: &Judgement| judgement.by_label.iter().any(|row| row.average_precision.is_some());
    let averages = has_average(&report.track);
    let mut rows = vec![vec!["label".to_owned()]];
    for of in ["patches", "tracks"] {
        rows[0].extend(["precision", "recall", "F1"].map(String::from));
        rows[0].extend(averages.then(|| "AP".to_owned()));
        rows[0].push(of.into());
    }
    let cells = |row: &LabelFigures| {
        let mut cells: Vec<String> = [row.precision, row.recall, row.f1].map(share).to_vec();
        cells.extend(averages.then(|| share(row.average_precision)));
        cells.push(thousands(row.support as usize));
        cells
    };
    // Labels that are neither true nor answered anywhere are omitted.
    let says = |row: &LabelFigures| row.support > 0 || row.precision.is_some();
    let pairs = report.patch.by_label.iter().zip(&report.track.by_label);
    for (patch, track) in pairs.filter(|(patch, track)| says(patch) || says(track)) {
        let mut row = vec![cut(&track.label, 18)];
        row.extend(cells(patch));
        row.extend(cells(track));
        rows.push(row);
    }
    table(&rows)
}

fn confusion(report: &Report, matrix: &[Vec<u64>], of: &str) -> String {
    let used: Vec<usize> = (0..matrix.len())
        .filter(|label| {
            matrix[*label].iter().sum::<u64>() + matrix.iter().map(|row| row[*label]).sum::<u64>() > 0
        })
        .collect();
    let name = |label: &usize| cut(&report.labels[*label], 12);
    let names = used.iter().map(|label| name(label).width()).max().unwrap_or_default();
    let digits = matrix.iter().flatten().map(|count| count.to_string().len()).max().unwrap_or_default();
    let cell = digits.max(4);
    if names + used.len() * (cell + 1) > WIDTH {
        return largest(report, matrix, of);
    }
    let mut text = format!("confusion of {of}: a row is what is true, a column what was answered\n");
    let _ = write!(text, "{:names$}", "");
    for label in &used {
        let _ = write!(text, " {}", right(&cut(&report.labels[*label], cell), cell));
    }
    text.push('\n');
    for row in &used {
        text.push_str(&left(&name(row), names));
        for column in &used {
            let count = matrix[*row][*column];
            let shown = if count == 0 { "·".to_owned() } else { count.to_string() };
            let _ = write!(text, " {}", right(&shown, cell));
        }
        text.push('\n');
    }
    text
}

fn largest(report: &Report, matrix: &[Vec<u64>], of: &str) -> String {
    let mut cells: Vec<(u64, usize, usize)> = (0..matrix.len())
        .flat_map(|row| (0..matrix.len()).map(move |column| (row, column)))
        .filter(|(row, column)| row != column)
        .map(|(row, column)| (matrix[row][column], row, column))
        .filter(|(count, ..)| *count > 0)
        .collect();
    cells.sort_by(|a, b| b.cmp(a));
    let mut rows = vec![["true", "answered", of].map(String::from).to_vec()];
    rows.extend(cells.iter().take(LARGEST).map(|(count, row, column)| {
        vec![cut(&report.labels[*row], 30), cut(&report.labels[*column], 30), thousands(*count as usize)]
    }));
    format!("most frequent confusions of {of}\n{}", table(&rows))
}

/// Rows of cells: the first column to the left, the others to the right, two blanks between.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| if column == 0 { left(cell, *width) } else { right(cell, *width) })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// The beginning of a text, in at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += c.width().unwrap_or_default();
            used <= width
        })
        .collect()
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "–".into() }
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.2}"))
}

fn range(interval: &Interval, number: impl Fn(f64) -> String) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => format!("{} … {}", number(low), number(high)),
        _ => String::new(),
    }
}

fn signed(interval: &Interval) -> (String, String) {
    let number = |value: f64| if value.is_finite() { format!("{value:+.3}") } else { "–".into() };
    (number(interval.value), range(interval, number))
}

/// 12345 as `12,345`.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Bootstrap;
    use crate::model::HeadKind;
    use crate::study::report::{PatchPrediction, Predictions, TrackPredictions};

    /// `tracks` tracks of two patches a label, of which every third is taken for the next label.
    fn predictions(kind: HeadKind, labels: &[&str], tracks: usize) -> Predictions {
        let patch = |top: usize| {
            let rest = 0.4 / (labels.len() - 1) as f32;
            let posteriors = (0..labels.len()).map(|label| if label == top { 0.6 } else { rest });
            PatchPrediction { posteriors: posteriors.collect(), is_music: true }
        };
        let track = |at: usize| {
            let truth = at % labels.len();
            let top = if at.is_multiple_of(3) { (truth + 1) % labels.len() } else { truth };
            TrackPredictions {
                id: at.to_string().into(),
                truth: vec![truth],
                patches: vec![patch(top), patch(truth)],
            }
        };
        Predictions {
            kind,
            labels: labels.iter().map(|label| (*label).into()).collect(),
            tracks: (0..tracks).map(track).collect(),
        }
    }

    fn text(kind: HeadKind, labels: &[&str], tracks: usize) -> String {
        let few = Bootstrap { resamples: 50, ..Bootstrap::default() };
        report(&Report::new(&predictions(kind, labels, tracks), &few).unwrap())
    }

    #[test]
    fn tables_are_aligned() {
        let text = text(HeadKind::Single, &["disco-funk", "jazz", "ロック"], 4);
        let lines: Vec<&str> = text.lines().collect();
        let of = |start: &str| *lines.iter().find(|line| line.starts_with(start)).unwrap();
        // By hand: 6 of 8 patches; tracks 0 and 3, both of the first label, are a draw of 0.4 on
        // average, which the later label wins.
        assert!(of("accuracy").starts_with("accuracy               0.750  0."), "{text}");
        assert_eq!(
            of("disco-funk  "),
            "disco-funk       1.00    0.50  0.67        4          –    0.00  0.00       2"
        );
        let matrix: Vec<&str> =
            lines.iter().skip_while(|line| !line.starts_with("confusion of patches")).copied().collect();
        assert_eq!(
            matrix[1..5],
            [
                "           disc jazz ロッ",
                "disco-funk    2    2    ·",
                "jazz          ·    2    ·",
                "ロック        ·    ·    2"
            ]
        );
    }

    #[test]
    fn everything_fits_into_100_columns() {
        let many: Vec<String> = (0..50).map(|at| format!("a rather long label {at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let fifteen = [
            "ambient",
            "blues",
            "classical",
            "country",
            "disco-funk",
            "electronic",
            "folk",
            "hip-hop",
            "jazz",
            "metal",
            "pop",
            "punk",
            "reggae",
            "rnb-soul",
            "rock",
        ];
        for (kind, labels) in [
            (HeadKind::Single, &fifteen[..]),
            (HeadKind::Single, &many),
            (HeadKind::Multi, &fifteen),
            (HeadKind::Multi, &many),
        ] {
            let text = text(kind, labels, 200);
            for line in text.lines() {
                assert!(line.width() <= WIDTH, "{} columns: {line}", line.width());
            }
            assert_eq!(text.contains("confusion of tracks"), labels.len() == 15 && kind == HeadKind::Single);
            assert_eq!(
                text.contains("most frequent confusions"),
                labels.len() == 50 && kind == HeadKind::Single
            );
            assert_eq!(text.contains("  AP  "), kind == HeadKind::Multi);
        }
    }

    #[test]
    fn differences_have_signs() {
        let few = Bootstrap { resamples: 50, ..Bootstrap::default() };
        let one = predictions(HeadKind::Single, &["a", "b"], 30);
        let mut other = one.clone();
        other.tracks.iter_mut().for_each(|track| track.truth[0] = 1 - track.truth[0]);
        let text = comparison(&Comparison::new(&one, &other, &few).unwrap(), "x", "y");
        assert!(text.starts_with("`x` minus `y`"), "{text}");
        assert!(text.contains("accuracy") && text.contains("+0.") && text.contains("-0."), "{text}");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
