//! Report as one HTML page: inline SVG charts, light or dark by preference, no external resources.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::tz::TimeZone;

use super::period::{PeriodLength, rfc3339, short};
use super::render::{percent, title};
use super::{AsRunReport, Ms, PeriodRow, STATES, SourceReport};

/// Colours of the genres, by descending time; distinct for colour-blind readers, on light and on
/// dark.
const COLOURS: [&str; 12] = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#e69f00", "#009e73", "#d55e00",
    "#9970ab", "#8c6d31", "#7b9e87",
];

/// Width of a chart, in user units.
const CHART_WIDTH: f64 = 960.0;
/// Width of the column with the names of periods.
const NAME_WIDTH: f64 = 150.0;
const BAR_HEIGHT: f64 = 16.0;
const ROW_HEIGHT: f64 = 22.0;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --faint: #d9d9d9; --speech: #8a5a2b; --noise: #777777;
  --uncertain: #aaaaaa; --silence: #3b3b58; --lost: #b00020; --down: #5a0010; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #161616; --faint: #3a3a3a; --silence: #9a9ac0;
  --noise: #8a8a8a; --uncertain: #6a6a6a; --lost: #ff5470; --down: #b23a50; } }
body { background: var(--paper); color: var(--ink); font: 14px system-ui, sans-serif; margin: 2em auto; max-width: 1160px;
  padding: 0 1em; }
h1 { font-size: 20px; } h2 { font-size: 17px; margin-top: 2em; } h3 { font-size: 14px; }
svg { max-width: 100%; height: auto; } svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 2px 8px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--faint); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
.key { display: inline-block; margin: 0 1em 0.4em 0; } .key i { display: inline-block; width: 12px; height: 12px; margin-right: 5px; }
.unheard { fill: var(--faint); background: var(--faint); }
";

/// Renders the page.
pub fn page(report: &AsRunReport, by: PeriodLength, zone: &TimeZone) -> String {
    let colours = colours(report);
    let (from, to) = (rfc3339(report.from, zone), rfc3339(report.to, zone));
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>genred: {from} to {to}</title>\n\
         <style>{STYLE}{}</style>\n</head>\n<body>\n<h1>What was on air</h1>\n<p>{from} to {to}. Shares are of all the time; \
         what was not heard is shown as that.</p>\n",
        classes(&colours)
    );
    for source in &report.sources {
        let _ = writeln!(text, "<h2>{}</h2>", escape(&title(source)));
        legend(&mut text, source, &colours);
        let _ = writeln!(text, "<h3>Timeline</h3>");
        timeline(&mut text, source, report, &colours, zone);
        let _ = writeln!(text, "<h3>Shares</h3>");
        bars(&mut text, source, &colours, by, zone);
        table(&mut text, source, by, zone);
    }
    text.push_str("</body>\n</html>\n");
    text
}

/// Colour number of each genre. The genres with the most time have distinct colours.
fn colours(report: &AsRunReport) -> BTreeMap<String, usize> {
    let mut heard: BTreeMap<&str, Ms> = BTreeMap::new();
    for source in &report.sources {
        for genre in &source.total.genres {
            *heard.entry(genre).or_default() += source.total.heard.get(genre).copied().unwrap_or_default();
        }
    }
    let mut genres: Vec<(&str, Ms)> = heard.into_iter().collect();
    genres.sort_by_key(|(genre, heard)| (-heard, *genre));
    genres
        .into_iter()
        .enumerate()
        .map(|(place, (genre, _))| (genre.to_owned(), place % COLOURS.len()))
        .collect()
}

fn classes(colours: &BTreeMap<String, usize>) -> String {
    let mut text = String::new();
    let used = colours.values().max().map_or(0, |most| most + 1);
    for (number, colour) in COLOURS.iter().enumerate().take(used) {
        let _ = writeln!(text, ".g{number} {{ fill: {colour}; background: {colour}; }}");
    }
    for state in STATES.into_iter().chain(["lost", "down"]) {
        let _ = writeln!(text, ".{state} {{ fill: var(--{state}); background: var(--{state}); }}");
    }
    text
}

/// CSS class of a label, a state or an outage.
fn class(colours: &BTreeMap<String, usize>, label: &str) -> String {
    match colours.get(label) {
        Some(number) => format!("g{number}"),
        None if STATES.contains(&label) || label == "lost" || label == "down" => label.to_owned(),
        None => "unheard".to_owned(),
    }
}

/// Parts of a row in drawing order: labels, then outages.
fn parts<'a>(source: &'a SourceReport, row: &PeriodRow) -> Vec<(&'a str, Ms)> {
    let labels =
        source.labels().into_iter().map(|label| (label, row.heard.get(label).copied().unwrap_or_default()));
    labels
        .chain([("lost", row.lost), ("down", row.down), ("unheard", row.unheard)])
        .filter(|(_, part)| *part > 0)
        .collect()
}

/// Caption of a part.
fn words(label: &str) -> &str {
    match label {
        "lost" => "outage",
        "down" => "genred not running",
        "unheard" => "not heard",
        label => label,
    }
}

fn legend(text: &mut String, source: &SourceReport, colours: &BTreeMap<String, usize>) {
    text.push_str("<p>");
    for (label, part) in parts(source, &source.total) {
        let _ = write!(
            text,
            "<span class=\"key\"><i class=\"{}\"></i>{} {} %</span>",
            class(colours, label),
            escape(words(label)),
            percent(source.total.share(part))
        );
    }
    text.push_str("</p>\n");
}

fn timeline(
    text: &mut String,
    source: &SourceReport,
    report: &AsRunReport,
    colours: &BTreeMap<String, usize>,
    zone: &TimeZone,
) {
    let slot = CHART_WIDTH / source.slots.len().max(1) as f64;
    let _ = writeln!(
        text,
        "<svg viewBox=\"0 0 {CHART_WIDTH} 52\" width=\"{CHART_WIDTH}\" role=\"img\" aria-label=\"Timeline of {}\">\
         <rect class=\"unheard\" x=\"0\" y=\"0\" width=\"{CHART_WIDTH}\" height=\"30\"/>",
        escape(&source.name)
    );
    let at = |number: usize| {
        report.from + ((report.to - report.from) as i128 * number as i128 / source.slots.len() as i128) as Ms
    };
    let mut first = 0;
    while first < source.slots.len() {
        let end = first + source.slots[first..].iter().take_while(|of| **of == source.slots[first]).count();
        if let Some(label) = &source.slots[first] {
            let _ = writeln!(
                text,
                "<rect class=\"{}\" x=\"{:.1}\" y=\"0\" width=\"{:.1}\" height=\"30\"><title>{}, {} to {}</title></rect>",
                class(colours, label),
                first as f64 * slot,
                (end - first) as f64 * slot,
                escape(words(label)),
                rfc3339(at(first), zone),
                rfc3339(at(end), zone)
            );
        }
        first = end;
    }
    for (place, anchor) in [(0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")]
    {
        let time = report.from + ((report.to - report.from) as f64 * place) as Ms;
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"46\" text-anchor=\"{anchor}\">{}</text>",
            place * CHART_WIDTH,
            short(time, PeriodLength::All, zone)
        );
    }
    text.push_str("</svg>\n");
}

fn bars(
    text: &mut String,
    source: &SourceReport,
    colours: &BTreeMap<String, usize>,
    by: PeriodLength,
    zone: &TimeZone,
) {
    let height = ROW_HEIGHT * source.rows.len() as f64;
    let _ = writeln!(
        text,
        "<svg viewBox=\"0 0 {CHART_WIDTH} {height}\" width=\"{CHART_WIDTH}\" role=\"img\" aria-label=\"Shares of {}\">",
        escape(&source.name)
    );
    for (number, row) in source.rows.iter().enumerate() {
        let y = ROW_HEIGHT * number as f64;
        let name = short(row.start, by, zone);
        let _ = writeln!(text, "<text x=\"0\" y=\"{:.1}\">{name}</text>", y + 13.0);
        let mut x = NAME_WIDTH;
        for (label, part) in parts(source, row) {
            let width = row.share(part) * (CHART_WIDTH - NAME_WIDTH);
            let _ = writeln!(
                text,
                "<rect class=\"{}\" x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{BAR_HEIGHT}\"><title>{name}: {} {} %</title></rect>",
                class(colours, label),
                escape(words(label)),
                percent(row.share(part))
            );
            x += width;
        }
    }
    text.push_str("</svg>\n");
}

fn table(text: &mut String, source: &SourceReport, by: PeriodLength, zone: &TimeZone) {
    // Parts without time have no column.
    let all = parts(source, &source.total);
    let is_off_format = source.total.off_format > 0;
    text.push_str("<div class=\"scroll\"><table>\n<tr><th>period</th><th>coverage %</th>");
    for (label, _) in &all {
        let _ = write!(text, "<th>{}</th>", escape(words(label)));
    }
    let off_format = if is_off_format { "<th>off format</th>" } else { "" };
    let _ = writeln!(
        text,
        "<th>changes</th>{off_format}<th>LUFS mean</th><th>min</th><th>max</th><th>events</th></tr>"
    );
    let rows = source.rows.iter().map(|row| (short(row.start, by, zone), row));
    for (name, row) in rows.chain([("in all".to_owned(), &source.total)]) {
        let _ = write!(text, "<tr><td>{name}</td><td>{}</td>", percent(row.coverage()));
        for (label, _) in &all {
            let part = match *label {
                "lost" => row.lost,
                "down" => row.down,
                "unheard" => row.unheard,
                label => row.heard.get(label).copied().unwrap_or_default(),
            };
            let _ = write!(text, "<td>{}</td>", percent(row.share(part)));
        }
        let _ = write!(text, "<td>{}</td>", row.changes);
        if is_off_format {
            let _ = write!(text, "<td>{}</td>", percent(row.share(row.off_format)));
        }
        match row.lufs {
            Some(lufs) => {
                let _ =
                    write!(text, "<td>{:.1}</td><td>{:.1}</td><td>{:.1}</td>", lufs.mean, lufs.min, lufs.max);
            }
            None => text.push_str("<td>–</td><td>–</td><td>–</td>"),
        }
        let events: Vec<String> =
            row.events.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        let _ = writeln!(
            text,
            "<td title=\"{}\">{}</td></tr>",
            escape(&events.join(", ")),
            row.events.values().sum::<u64>()
        );
    }
    text.push_str("</table></div>\n");
}

/// Escapes text for HTML and its attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::tally;
    use super::super::{LogSegment, SourceLog};
    use super::*;

    #[test]
    fn a_page_has_no_external_resources_and_escapes_text() {
        let record = SourceLog {
            source: "fm1".into(),
            name: "<script>alert(1)</script> & \"co\"".into(),
            segments: vec![
                LogSegment::sample(0, 600_000, "music", "r<&b"),
                LogSegment::sample(600_000, 900_000, "speech", "speech"),
            ],
            ..SourceLog::default()
        };
        let source = tally::source(&record, &[(0, 1_000_000)]);
        let report = AsRunReport { from: 0, to: 1_000_000, sources: vec![source] };
        let page = page(&report, PeriodLength::All, &TimeZone::UTC);
        assert!(!page.contains("<script") && !page.contains("r<&b") && page.contains("r&lt;&amp;b"));
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        // 810 px are the whole: music 60 %, speech 30 %, the rest unheard.
        for bar in [
            "x=\"150.00\" y=\"0.0\" width=\"486.00\"",
            "x=\"636.00\" y=\"0.0\" width=\"243.00\"",
            "width=\"81.00\"",
        ] {
            assert!(page.contains(bar), "{bar} is not in {page}");
        }
        // Of 960 slots the first 576 are music.
        assert!(page.contains("class=\"g0\" x=\"0.0\" y=\"0\" width=\"576.0\""), "{page}");
        // There was no outage.
        assert!(
            page.contains("<th>not heard</th><th>changes</th>") && !page.contains("<th>outage</th>"),
            "{page}"
        );
        assert!(page.contains("<td>60.0</td><td>30.0</td><td>10.0</td><td>0</td>"), "{page}");
        assert_eq!(page.matches("y=\"46\"").count(), 5);
        assert!(page.contains("prefers-color-scheme: dark"));
    }
}
