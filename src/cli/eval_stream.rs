//! `genred eval --stream`

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::progress::Progress;
use super::{ModelArgs, say};
use crate::decision::{Constants, DecisionConfig, SilenceConfig};
use crate::study::{
    Decided, Piece, Played, Renaming, StreamFigures, StreamPosteriors, Stretch, decide, hear,
};

mod table;

/// Settings that one sweep may try.
const MOST_SETTINGS: usize = 1000;

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
    /// With `--stream`: write every patch with its posteriors into this safetensors file
    #[arg(long, value_name = "FILE", requires = "stream")]
    save_posteriors: Option<PathBuf>,
    /// Judge decisions on the posteriors of such a file, in place of recordings
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "stream", "data", "model", "trunk", "head", "hop", "map", "filters", "compare", "merge", "restrict",
            "ignore_unknown", "include_training_material", "exclude_training_material", "resamples", "seed", "plots",
        ],
    )]
    posteriors: Option<PathBuf>,
    /// Decide each piece by itself, from a start that knows nothing: every change after the first is false
    #[arg(long, requires = "decisions")]
    alone: bool,
    /// Decide with each of these values of a key of `[decision]`, or of a constant of the model, as
    /// `switch_margin=0.2,0.3`; several sweeps: with each combination
    #[arg(long, value_name = "KEY=A,B", requires = "decisions")]
    sweep: Vec<Sweep>,
}

/// Values of one key.
#[derive(Debug, Clone)]
pub struct Sweep {
    key: String,
    values: Vec<f64>,
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = text.split_once('=').ok_or("write it as KEY=A,B, as in switch_margin=0.2,0.3")?;
        let number = |value: &str| {
            let value = value.trim();
            value.parse::<f64>().map_err(|_| format!("`{value}` is no number"))
        };
        let values: Vec<f64> = values.split(',').map(number).collect::<Result<_, _>>()?;
        for value in &values {
            DecisionConfig::default().set(key, *value)?;
        }
        Ok(Self { key: key.into(), values })
    }
}

/// Every combination of the values of `sweeps`.
fn settings(sweeps: &[Sweep]) -> Result<Vec<DecisionConfig>, String> {
    let mut all = vec![DecisionConfig::default()];
    for Sweep { key, values } in sweeps {
        if all.len() * values.len() > MOST_SETTINGS {
            return Err(format!("these sweeps have more than {MOST_SETTINGS} combinations"));
        }
        let mut next = Vec::new();
        for config in &all {
            for value in values {
                let mut config = config.clone();
                config.set(key, *value)?;
                next.push(config);
            }
        }
        all = next;
    }
    Ok(all)
}

impl Args {
    /// Whether decisions are to be judged.
    pub fn is_asked_for(&self) -> bool {
        self.stream.is_some() || self.posteriors.is_some()
    }
}

/// One evaluation.
pub struct Task<'a> {
    /// `--data`
    pub data: Option<&'a Path>,
    pub args: &'a Args,
    pub model: &'a ModelArgs,
    pub head: Option<&'a str>,
    pub hop_seconds: f64,
    pub map: &'a [Renaming],
    pub json: bool,
}

/// One of the objects that `--json` prints.
#[derive(Serialize)]
struct Line<'a> {
    list: String,
    model: &'a str,
    head: &'a str,
    hop_s: f64,
    pieces: usize,
    patches: usize,
    format_changes: usize,
    decision: &'a DecisionConfig,
    constants: Constants,
    /// Against what the head says of each piece as a whole.
    settled: &'a StreamFigures,
    /// Against the labels of the list.
    labelled: Option<&'a StreamFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    piece_list: Option<Vec<PieceLine<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<ChangeLine<'a>>>,
    labels: &'a [Arc<str>],
}

#[derive(Serialize)]
struct PieceLine<'a> {
    path: &'a str,
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

/// Figures under one setting.
struct Judged {
    config: DecisionConfig,
    decided: Decided,
    by_head: StreamFigures,
    by_label: Option<StreamFigures>,
}

impl Task<'_> {
    /// Plays the list, or reads posteriors, and prints how it went.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let configs = settings(&self.args.sweep).map_err(anyhow::Error::msg)?;
        let silence = SilenceConfig::default();
        let (stream, list) = match &self.args.posteriors {
            Some(file) => (StreamPosteriors::read(file)?, file.display().to_string()),
            None => self.hear(&silence)?,
        };
        if stream.format_changes > 0 {
            say(format_args!(
                "rate or channels change at {} places: there the front end begins anew, and the first patch comes late",
                stream.format_changes
            ));
        }
        if let Some(file) = &self.args.save_posteriors {
            stream.write(file)?;
        }
        let judged: Vec<Judged> =
            configs.into_iter().map(|config| judge(&stream, config, &silence, self.args.alone)).collect();
        let text = match (self.json, &judged[..]) {
            (true, _) => self.lines(&stream, &list, &judged)?,
            (false, [one]) => table::one(stream.pieces.len(), &one.by_head, one.by_label.as_ref()),
            (false, all) => {
                let figures =
                    all.iter().map(|one| (&one.config, one.by_label.as_ref().unwrap_or(&one.by_head)));
                table::sweep(&figures.collect::<Vec<_>>())
            }
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }

    fn hear(&self, silence: &SilenceConfig) -> anyhow::Result<(StreamPosteriors, String)> {
        let list = self.args.stream.as_ref().and_then(|list| list.as_deref()).or(self.data);
        let Some(list) = list else { anyhow::bail!("name the list, as in `--stream list.csv`") };
        let pieces = Piece::list(list, self.map)?;
        let mut model = self.model.load(self.head)?;
        let progress = Progress::new(pieces.len());
        let stream = hear(&pieces, &mut model, self.hop_seconds, silence, |file| {
            progress.begin(file);
            progress.done(|| ());
        })?;
        Ok((stream, list.display().to_string()))
    }

    fn lines(&self, stream: &StreamPosteriors, list: &str, judged: &[Judged]) -> anyhow::Result<String> {
        let mut text = String::new();
        for one in judged {
            let is_only = judged.len() == 1;
            let line = Line {
                list: list.to_owned(),
                model: &stream.model,
                head: &stream.head,
                hop_s: stream.hop_s,
                pieces: stream.pieces.len(),
                patches: stream.patches.len(),
                format_changes: stream.format_changes,
                decision: &one.config,
                constants: one.config.constants,
                settled: &one.by_head,
                labelled: one.by_label.as_ref(),
                piece_list: is_only.then(|| stream.pieces.iter().map(piece_line).collect()),
                changes: is_only.then(|| changes(&one.decided)),
                labels: &stream.labels,
            };
            text += &(serde_json::to_string(&line)? + "\n");
        }
        Ok(text)
    }
}

fn judge(stream: &StreamPosteriors, config: DecisionConfig, silence: &SilenceConfig, alone: bool) -> Judged {
    let decided = decide(stream, &config, silence, alone);
    let figures = |by_label: bool| {
        let stretches: Vec<Stretch> = stream.pieces.iter().map(|piece| piece.stretch(by_label)).collect();
        StreamFigures::new(&decided.published, &decided.retrospective, &stretches, alone)
    };
    let by_head = figures(false);
    let by_label = stream.pieces.iter().any(|piece| piece.label.is_some()).then(|| figures(true));
    Judged { by_head, by_label, config, decided }
}

fn piece_line(piece: &Played) -> PieceLine<'_> {
    PieceLine {
        path: &piece.path,
        start: piece.start,
        end: piece.end,
        label: piece.label.as_deref(),
        settled: piece.by_head.as_deref(),
    }
}

fn changes(decided: &Decided) -> Vec<ChangeLine<'_>> {
    decided.published.changes().iter().map(|(at, genre)| ChangeLine { at: *at, genre }).collect()
}

fn to_3_places<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    ((value * 1e3).round() / 1e3).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_combined() {
        let sweep = |text: &str| text.parse::<Sweep>();
        let sweeps = [sweep("switch_margin=0.2,0.3").unwrap(), sweep("hold_s=60, 90").unwrap()];
        let all = settings(&sweeps).unwrap();
        let tried: Vec<(f64, f64)> = all.iter().map(|config| (config.switch_margin, config.hold_s)).collect();
        assert_eq!(tried, [(0.2, 60.0), (0.2, 90.0), (0.3, 60.0), (0.3, 90.0)]);
        assert_eq!(settings(&[]).unwrap(), [DecisionConfig::default()]);
        for (text, part) in [
            ("hold_s", "KEY=A,B"),
            ("hold_s=", "`` is no number"),
            ("hold_s=10,x", "`x` is no number"),
            ("hold=10", "expected one of `expected_piece_s`"),
            ("switch_margin=2", "`decision.switch_margin` is 2, not 0.01 to 0.9"),
        ] {
            let error = sweep(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many: Vec<Sweep> = (0..4).map(|_| sweep("hold_s=1,2,3,4,5,6,7,8").unwrap()).collect();
        assert!(settings(&many).is_err());
    }
}
