//! Reports as pictures: SVG that follows the reader's choice of light or dark.

use std::fmt::Write;

use super::report::{Judgement, Report};

/// Side of a cell of a confusion matrix, in pixels.
const CELL: f64 = 34.0;

/// Side of a reliability diagram, in pixels.
const SIDE: f64 = 320.0;

/// Ink and paper by scheme; everything else is drawn with these classes.
const STYLE: &str = "<style>
svg { background: #ffffff; color: #1a1a1a; font: 12px system-ui, sans-serif; }
text { fill: currentColor; }
.title { font-size: 14px; font-weight: 600; }
.line { stroke: currentColor; fill: none; }
.faint { stroke: currentColor; fill: none; opacity: 0.35; stroke-dasharray: 4 4; }
.cell { fill: #2f6fde; }
.strong { fill: #ffffff; }
.a { fill: #2f6fde; stroke: #2f6fde; }
.b { fill: #d9722a; stroke: #d9722a; }
@media (prefers-color-scheme: dark) { svg { background: #161616; color: #e8e8e8; } }
</style>
";

/// The confusion matrices of patches and tracks side by side; each row's shades are shares of it.
/// `None` for a head of several labels.
pub fn confusion(report: &Report) -> Option<String> {
    let panels = [("patches", &report.patch), ("tracks", &report.track)];
    let matrices: Vec<_> = panels
        .iter()
        .map(|(of, judgement)| Some((*of, judgement.n, judgement.confusion.as_ref()?)))
        .collect::<Option<_>>()?;
    let used: Vec<usize> = (0..report.labels.len())
        .filter(|label| {
            matrices.iter().any(|(.., matrix)| {
                matrix[*label].iter().any(|count| *count > 0) || matrix.iter().any(|row| row[*label] > 0)
            })
        })
        .collect();
    let longest = used.iter().map(|label| report.labels[*label].chars().count()).max().unwrap_or_default();
    // Names are set in 12 px; 7.5 px a letter is generous.
    let margin = 20.0 + 7.5 * longest as f64;
    let grid = CELL * used.len() as f64;
    let (panel, height) = (margin + grid + 24.0, margin + grid + 64.0);
    let mut svg = open(2.0 * panel, height, "Confusion matrices");
    for (at, (of, n, matrix)) in matrices.iter().enumerate() {
        let (x, y) = (at as f64 * panel + margin, margin + 30.0);
        let _ = writeln!(svg, r#"<text class="title" x="{x:.1}" y="18">{n} {of}</text>"#);
        for (place, label) in used.iter().enumerate() {
            let name = escape(&report.labels[*label]);
            let middle = (place as f64 + 0.5) * CELL;
            let _ = writeln!(
                svg,
                r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{name}</text>"#,
                x - 8.0,
                y + middle + 4.0
            );
            let (tx, ty) = (x + middle + 4.0, y - 8.0);
            let _ = writeln!(
                svg,
                r#"<text x="{tx:.1}" y="{ty:.1}" transform="rotate(-90 {tx:.1} {ty:.1})">{name}</text>"#
            );
        }
        for (row, truth) in used.iter().enumerate() {
            let total: u64 = matrix[*truth].iter().sum();
            for (column, answer) in used.iter().enumerate() {
                let count = matrix[*truth][*answer];
                if count == 0 {
                    continue;
                }
                let share = count as f64 / total as f64;
                let (cx, cy) = (x + column as f64 * CELL, y + row as f64 * CELL);
                let class = if share > 0.8 { r#" class="strong""# } else { "" };
                let _ = writeln!(
                    svg,
                    r#"<rect class="cell" x="{:.1}" y="{:.1}" width="{2:.1}" height="{2:.1}" fill-opacity="{share:.3}"><title>{3} taken for {4}: {count} of {total}</title></rect><text{class} x="{5:.1}" y="{6:.1}" text-anchor="middle">{count}</text>"#,
                    cx + 1.0,
                    cy + 1.0,
                    CELL - 2.0,
                    escape(&report.labels[*truth]),
                    escape(&report.labels[*answer]),
                    cx + CELL / 2.0,
                    cy + CELL / 2.0 + 4.0,
                );
            }
        }
        let _ = writeln!(
            svg,
            r#"<rect class="line" x="{x:.1}" y="{y:.1}" width="{grid:.1}" height="{grid:.1}"/>"#
        );
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">answered (a row: what is true)</text>"#,
            x + grid / 2.0,
            y + grid + 22.0
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// Accuracy against confidence, in the bins of the calibration error.
pub fn reliability(report: &Report) -> String {
    let (left, top) = (56.0, 40.0);
    let mut svg = open(left + SIDE + 24.0, top + SIDE + 76.0, "Reliability diagram");
    let x = |share: f64| left + share * SIDE;
    let y = |share: f64| top + (1.0 - share) * SIDE;
    let _ = writeln!(svg, r#"<text class="title" x="{left}" y="20">confidence against accuracy</text>"#);
    let _ = writeln!(svg, r#"<rect class="line" x="{left}" y="{top}" width="{SIDE}" height="{SIDE}"/>"#);
    let _ = writeln!(
        svg,
        r#"<line class="faint" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0)
    );
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{share:.1}</text><text x="{:.1}" y="{:.1}" text-anchor="end">{share:.1}</text>"#,
            x(share),
            top + SIDE + 18.0,
            left - 8.0,
            y(share) + 4.0
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">mean confidence of a bin</text>"#,
        x(0.5),
        top + SIDE + 36.0
    );
    let (cx, cy) = (14.0, y(0.5));
    let _ = writeln!(
        svg,
        r#"<text x="{cx}" y="{cy:.1}" text-anchor="middle" transform="rotate(-90 {cx} {cy:.1})">share that is right</text>"#
    );
    for (at, (class, of, judgement)) in
        [("a", "patches", &report.patch), ("b", "tracks", &report.track)].into_iter().enumerate()
    {
        series(&mut svg, class, judgement, x, y);
        let (lx, ly) = (left + at as f64 * SIDE / 2.0, top + SIDE + 60.0);
        mark(&mut svg, class, lx + 5.0, ly - 4.0, "");
        let _ = writeln!(svg, r#"<text x="{:.1}" y="{ly:.1}">{} {of}</text>"#, lx + 16.0, judgement.n);
    }
    svg.push_str("</svg>\n");
    svg
}

fn series(
    svg: &mut String,
    class: &str,
    judgement: &Judgement,
    x: impl Fn(f64) -> f64,
    y: impl Fn(f64) -> f64,
) {
    let points: Vec<String> = judgement
        .reliability
        .iter()
        .map(|bin| format!("{:.1},{:.1}", x(bin.confidence), y(bin.accuracy)))
        .collect();
    let _ = writeln!(svg, r#"<polyline class="{class}" style="fill: none" points="{}"/>"#, points.join(" "));
    for bin in &judgement.reliability {
        let title = format!(
            "<title>{} answers: {:.2} sure, {:.2} right</title>",
            bin.n, bin.confidence, bin.accuracy
        );
        mark(svg, class, x(bin.confidence), y(bin.accuracy), &title);
    }
}

/// A circle for patches, a square for tracks: not everyone can distinguish the colours.
fn mark(svg: &mut String, class: &str, x: f64, y: f64, title: &str) {
    let _ = match class {
        "a" => writeln!(svg, r#"<circle class="a" cx="{x:.1}" cy="{y:.1}" r="4">{title}</circle>"#),
        _ => writeln!(
            svg,
            r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="8" height="8">{title}</rect>"#,
            x - 4.0,
            y - 4.0
        ),
    };
}

fn open(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{title}</title>\n{STYLE}"
    )
}

/// Label as text within XML, which must not contain control characters.
fn escape(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Bootstrap;
    use crate::model::HeadKind;
    use crate::study::report::{PatchPrediction, Predictions, TrackPredictions};

    fn sample(kind: HeadKind) -> Report {
        let track = |at: usize| TrackPredictions {
            id: at.to_string().into(),
            truth: vec![at % 2],
            patches: vec![PatchPrediction { posteriors: vec![0.7, 0.3], is_music: true }],
        };
        let labels = vec!["R&B <soul> \"x\"\u{7}".into(), "rock".into()];
        let predictions = Predictions { kind, labels, tracks: (0..20).map(track).collect() };
        Report::new(&predictions, &Bootstrap { resamples: 10, ..Bootstrap::default() }).unwrap()
    }

    #[test]
    fn labels_are_escaped_and_cells_say_what_they_are() {
        let svg = confusion(&sample(HeadKind::Single)).unwrap();
        assert!(svg.contains("R&amp;B &lt;soul&gt; &quot;x&quot;</text>"), "{svg}");
        assert!(!svg.contains("<soul>") && !svg.contains('\u{7}'));
        assert_eq!(svg.matches("class=\"cell\"").count(), 4, "two panels with two cells that are not empty");
        assert!(svg.contains("rock taken for R&amp;B"));
        assert!(confusion(&sample(HeadKind::Multi)).is_none());
    }

    #[test]
    fn the_reliability_diagram_has_a_mark_a_bin() {
        let report = sample(HeadKind::Single);
        let svg = reliability(&report);
        // And one in the legend.
        assert_eq!(svg.matches("<circle").count(), report.patch.reliability.len() + 1);
        assert!(svg.contains("prefers-color-scheme: dark"));
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
