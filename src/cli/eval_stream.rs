//! `genred eval --stream`

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::progress::Progress;
use super::{ModelArgs, say};
use crate::decision::{DecisionConfig, SilenceConfig};
use crate::study::{Piece, Renaming, Stream, StreamFigures, Stretch, stream};

/// What makes an evaluation one of decisions.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Judge decisions instead: join the recordings of a CSV file (`path`; `label`, `start`, `end` or `seconds`) to
    /// one stream, and report false changes, delays and what was published; without a file, that of `--data`.
    /// Decided with the defaults of `[decision]` and `[source.silence]`
    #[arg(
        long,
        value_name = "CSV",
        num_args = 0..=1,
        conflicts_with_all = [
            "filters", "compare", "merge", "restrict", "ignore_unknown", "include_training_material",
            "exclude_training_material", "resamples", "seed", "plots",
        ],
    )]
    #[expect(clippy::option_option, reason = "not given, given alone, given with a file")]
    stream: Option<Option<PathBuf>>,
    /// With `--stream --json`: add every patch, with its posteriors
    #[arg(long, requires_all = ["stream", "json"])]
    windows: bool,
}

impl Args {
    /// The list of what is to be joined, where that is asked for.
    pub fn list<'a>(&'a self, data: Option<&'a Path>) -> Option<&'a Path> {
        self.stream.as_ref().and_then(|list| list.as_deref().or(data))
    }
}

/// One evaluation.
pub struct Task<'a> {
    pub list: &'a Path,
    pub args: &'a Args,
    pub model: &'a ModelArgs,
    pub head: Option<&'a str>,
    pub hop_seconds: f64,
    pub map: &'a [Renaming],
    pub json: bool,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Line<'a> {
    list: String,
    model: &'a str,
    head: &'a str,
    hop_s: f64,
    pieces: usize,
    format_changes: usize,
    /// Against what the head says of each piece as a whole.
    settled: &'a StreamFigures,
    /// Against the labels of the list.
    labelled: Option<&'a StreamFigures>,
    piece_list: Vec<PieceLine<'a>>,
    changes: Vec<ChangeLine<'a>>,
    labels: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<Vec<WindowLine<'a>>>,
}

#[derive(Serialize)]
struct PieceLine<'a> {
    path: String,
    #[serde(serialize_with = "to_3_places")]
    start: f64,
    #[serde(serialize_with = "to_3_places")]
    end: f64,
    label: Option<&'a str>,
    settled: Option<&'a str>,
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    #[serde(serialize_with = "to_3_places")]
    at: f64,
    genre: &'a str,
}

#[derive(Serialize)]
struct WindowLine<'a> {
    start: f64,
    end: f64,
    lufs_s: f32,
    /// In the order of `labels`.
    posteriors: &'a [f32],
    /// Music, speech, noise.
    gate: Option<[f32; 3]>,
}

impl Task<'_> {
    /// Plays the list and prints how it went.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let pieces = Piece::list(self.list, self.map)?;
        let mut model = self.model.load(self.head)?;
        let progress = Progress::new(pieces.len());
        let played = stream(
            &pieces,
            &mut model,
            self.hop_seconds,
            &DecisionConfig::default(),
            &SilenceConfig::default(),
            |file| {
                progress.begin(file);
                progress.done(|| ());
            },
        )?;
        drop(progress);
        if played.format_changes > 0 {
            say(format_args!(
                "rate or channels change at {} places: there the front end begins anew, and the first patch comes late",
                played.format_changes
            ));
        }
        let settled = StreamFigures::new(&played.timeline, &played.hindsight, &played.settled);
        let labelled = pieces
            .iter()
            .any(|piece| piece.label.is_some())
            .then(|| StreamFigures::new(&played.timeline, &played.hindsight, &played.labelled(&pieces)));
        let text = if self.json {
            let line = Line {
                list: self.list.display().to_string(),
                model: &model.bundle().manifest.name,
                head: model.head().name(),
                hop_s: self.hop_seconds,
                pieces: pieces.len(),
                format_changes: played.format_changes,
                settled: &settled,
                labelled: labelled.as_ref(),
                piece_list: pieces.iter().zip(&played.settled).map(piece_line).collect(),
                changes: changes(&played),
                labels: model.head().labels(),
                windows: self.args.windows.then(|| windows(&played)),
            };
            serde_json::to_string(&line)? + "\n"
        } else {
            table(&pieces, &settled, labelled.as_ref())
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn piece_line<'a>((piece, stretch): (&'a Piece, &'a Stretch)) -> PieceLine<'a> {
    PieceLine {
        path: piece.cut.path.display().to_string(),
        start: stretch.start,
        end: stretch.end,
        label: piece.label.as_deref(),
        settled: stretch.genre.as_deref(),
    }
}

fn changes(played: &Stream) -> Vec<ChangeLine<'_>> {
    played.timeline.changes().iter().map(|(at, genre)| ChangeLine { at: *at, genre }).collect()
}

fn windows(played: &Stream) -> Vec<WindowLine<'_>> {
    let gate = |gate: crate::decision::GatePosteriors| [gate.music, gate.speech, gate.noise];
    played
        .patches
        .iter()
        .map(|patch| WindowLine {
            start: patch.span.start,
            end: patch.span.end,
            lufs_s: patch.level.lufs_s,
            posteriors: &patch.posteriors,
            gate: patch.gate.map(gate),
        })
        .collect()
}

/// For people.
fn table(pieces: &[Piece], settled: &StreamFigures, labelled: Option<&StreamFigures>) -> String {
    let columns: Vec<(&str, &StreamFigures)> = std::iter::once(("by the head", settled))
        .chain(labelled.map(|figures| ("by the labels", figures)))
        .collect();
    let names: String = columns.iter().map(|(name, _)| format!("{name:>15}")).collect();
    let size = format!("{} pieces, {:.2} hours", pieces.len(), settled.hours);
    let mut text = format!("{size:<24}{names}\n");
    let mut row = |name: &str, value: &dyn Fn(&StreamFigures) -> String| {
        let cells: String = columns.iter().map(|(_, figures)| format!("{:>15}", value(figures))).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<24}{cells}");
    };
    let seconds = |value: Option<f64>| value.map_or("—".into(), |value| format!("{value:.1} s"));
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    row("false changes an hour", &|figures| format!("{:.1}", figures.false_changes_per_hour));
    row("real changes", &|figures| figures.real_changes.to_string());
    row("missed", &|figures| figures.missed_changes.to_string());
    row("delay, median", &|figures| seconds(figures.delay_s_median));
    row("delay, nine in ten", &|figures| seconds(figures.delay_s_p90));
    row("time with what is right", &|figures| percent(figures.right));
    row("… in hindsight", &|figures| percent(figures.right_in_hindsight));
    row("uncertain", &|figures| percent(figures.uncertain));
    row("speech", &|figures| percent(figures.speech));
    row("noise", &|figures| percent(figures.noise));
    row("silence", &|figures| percent(figures.silence));
    text
}

fn to_3_places<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    ((value * 1e3).round() / 1e3).serialize(serializer)
}
