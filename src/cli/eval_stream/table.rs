//! Tables of stream figures.

use std::fmt::Write as _;

use crate::decision::DecisionConfig;
use crate::study::StreamFigures;

/// Figures of one setting, one row each.
pub(crate) fn one(pieces: usize, by_head: &StreamFigures, by_label: Option<&StreamFigures>) -> String {
    let columns: Vec<(&str, &StreamFigures)> = std::iter::once(("by the head", by_head))
        .chain(by_label.map(|figures| ("by the labels", figures)))
        .collect();
    let names: String = columns.iter().map(|(name, _)| format!("{name:>15}")).collect();
    let size = format!("{pieces} pieces, {:.2} hours", by_head.hours);
    let mut text = format!("{size:<24}{names}\n");
    let mut row = |name: &str, value: &dyn Fn(&StreamFigures) -> String| {
        let cells: String = columns.iter().map(|(_, figures)| format!("{:>15}", value(figures))).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<24}{cells}");
    };
    row("false changes per hour", &|figures| format!("{:.1}", figures.false_changes_per_hour));
    row("real changes", &|figures| figures.real_changes.to_string());
    row("missed", &|figures| figures.missed_changes.to_string());
    row("delay, median", &|figures| seconds(figures.delay_s_median));
    row("delay, 90th percentile", &|figures| seconds(figures.delay_s_p90));
    row("right, published", &|figures| percent(figures.right));
    row("right, in the log", &|figures| percent(figures.right_in_log));
    row("uncertain", &|figures| percent(figures.uncertain));
    row("speech", &|figures| percent(figures.speech));
    row("noise", &|figures| percent(figures.noise));
    row("silence", &|figures| percent(figures.silence));
    text
}

/// Figures of several settings, one row per setting, named by the keys that differ from the
/// defaults.
pub(crate) fn sweep(rows: &[(&DecisionConfig, &StreamFigures)]) -> String {
    let heads = ["right", "in the log", "false/h", "missed", "delay", "90th pct", "uncertain"];
    let mut table: Vec<Vec<String>> =
        vec![std::iter::once("settings").chain(heads).map(str::to_owned).collect()];
    for (config, figures) in rows {
        let missed = figures.missed_changes as f64 / figures.real_changes.max(1) as f64;
        table.push(vec![
            named(config),
            percent(figures.right),
            percent(figures.right_in_log),
            format!("{:.1}", figures.false_changes_per_hour),
            percent(missed),
            seconds(figures.delay_s_median),
            seconds(figures.delay_s_p90),
            percent(figures.uncertain),
        ]);
    }
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..=heads.len()).map(width).collect();
    let mut text = String::new();
    for row in &table {
        let cells = row.iter().zip(&widths).skip(1).map(|(cell, width)| format!("  {cell:>width$}"));
        let first = format!("{:<width$}", row[0], width = widths[0]);
        text += &(first + &cells.collect::<String>() + "\n");
    }
    text
}

/// Keys that differ from their defaults.
fn named(config: &DecisionConfig) -> String {
    let changed: Vec<String> = config
        .values()
        .iter()
        .zip(DecisionConfig::default().values())
        .filter(|((_, value), (_, default))| value.to_bits() != default.to_bits())
        .map(|((key, value), _)| format!("{key} {value}"))
        .collect();
    if changed.is_empty() { "defaults".into() } else { changed.join(", ") }
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("—".into(), |value| format!("{value:.1} s"))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
