//! `genred eval --stream`: evaluates the decision stage on joined recordings.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::progress::Progress;
use super::{ModelArgs, say};
use crate::decision::{DecisionConfig, DecisionConstants, SilenceConfig};
use crate::limits::ConfigError;
use crate::study::{
    DecidedStream, PlacedPiece, Renaming, StreamFigures, StreamPiece, StreamPosteriors, TruthInterval,
    decide, score_stream,
};

mod table;

/// Largest number of combinations of one sweep.
const MAX_SETTINGS: usize = 1000;

/// Options that evaluate decisions instead of a head.
#[derive(Debug, clap::Args)]
pub(crate) struct EvalStreamArgs {
    /// Evaluate decisions instead: join the recordings of a CSV file (`path`; `label`, `start`,
    /// `end` or `seconds`) to one stream and report false changes, delays and shares; without a
    /// file, use that of `--data`. Settings are the defaults of `[decision]` and `[source.silence]`
    #[arg(
        long,
        value_name = "CSV",
        num_args = 0..=1,
        conflicts_with_all = [
            "filters", "compare", "merge", "restrict", "ignore_unknown", "include_training_material",
            "exclude_training_material", "resamples", "seed", "plots",
        ],
    )]
    #[expect(clippy::option_option, reason = "absent, without a value, with a file")]
    stream: Option<Option<PathBuf>>,
    /// With `--stream`: save the posteriors of every patch to this safetensors file
    #[arg(long, value_name = "FILE", requires = "stream")]
    save_posteriors: Option<PathBuf>,
    /// Evaluate decisions on such a file instead of recordings
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "stream", "data", "model", "trunk", "head", "hop", "map", "filters", "compare", "merge", "restrict",
            "ignore_unknown", "include_training_material", "exclude_training_material", "resamples", "seed", "plots",
        ],
    )]
    posteriors: Option<PathBuf>,
    /// Decide each piece by itself from an empty state: every change after the first is false
    #[arg(long, requires = "decisions")]
    alone: bool,
    /// Try these values of a key of `[decision]` or of a constant of the model, as
    /// `switch_margin=0.2,0.3`; several sweeps try every combination
    #[arg(long, value_name = "KEY=A,B", requires = "decisions")]
    sweep: Vec<Sweep>,
}

/// Values to try for one key.
#[derive(Debug, Clone)]
pub(crate) struct Sweep {
    key: String,
    values: Vec<f64>,
}

/// Sweep that cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("not KEY=A,B, as in `switch_margin=0.2,0.3`")]
    Form,
    #[error("`{0}` is not a number")]
    Number(String),
    #[error(transparent)]
    Setting(#[from] ConfigError),
    #[error("these sweeps have more than {MAX_SETTINGS} combinations")]
    TooMany,
}

impl FromStr for Sweep {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Self, SweepError> {
        let (key, values) = text.split_once('=').ok_or(SweepError::Form)?;
        let number = |value: &str| {
            let value = value.trim();
            value.parse::<f64>().map_err(|_| SweepError::Number(value.into()))
        };
        let values: Vec<f64> = values.split(',').map(number).collect::<Result<_, _>>()?;
        for value in &values {
            DecisionConfig::default().set(key, *value)?;
        }
        Ok(Self { key: key.into(), values })
    }
}

/// Every combination of the values of `sweeps`.
fn settings(sweeps: &[Sweep]) -> Result<Vec<DecisionConfig>, SweepError> {
    let mut all = vec![DecisionConfig::default()];
    for Sweep { key, values } in sweeps {
        if all.len() * values.len() > MAX_SETTINGS {
            return Err(SweepError::TooMany);
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

impl EvalStreamArgs {
    /// True if decisions are to be evaluated.
    pub(crate) fn is_given(&self) -> bool {
        self.stream.is_some() || self.posteriors.is_some()
    }
}

/// Evaluation of decisions.
pub(crate) struct StreamEvaluation<'a> {
    /// `--data`
    pub(crate) data: Option<&'a Path>,
    pub(crate) args: &'a EvalStreamArgs,
    pub(crate) model: &'a ModelArgs,
    pub(crate) head: Option<&'a str>,
    pub(crate) hop_seconds: f64,
    pub(crate) map: &'a [Renaming],
    pub(crate) json: bool,
}

/// Object that `--json` prints per setting.
#[derive(Serialize)]
struct StreamEvaluationLine<'a> {
    list: String,
    model: &'a str,
    head: &'a str,
    hop_s: f64,
    pieces: usize,
    patches: usize,
    format_changes: usize,
    decision: &'a DecisionConfig,
    constants: DecisionConstants,
    /// Against the verdict of the head on each whole piece.
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

/// Decisions and figures of one setting.
struct SettingResult {
    config: DecisionConfig,
    decided: DecidedStream,
    by_head: StreamFigures,
    by_label: Option<StreamFigures>,
}

impl StreamEvaluation<'_> {
    /// Scores the list or reads posteriors, and prints the figures.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let configs = settings(&self.args.sweep)?;
        let silence = SilenceConfig::default();
        let (stream, list) = match &self.args.posteriors {
            Some(file) => (StreamPosteriors::read(file)?, file.display().to_string()),
            None => self.score(&silence)?,
        };
        if stream.format_changes > 0 {
            say(format_args!(
                "sample rate or channel count changes at {} joins: the front end starts over there, and the next patch is late",
                stream.format_changes
            ));
        }
        if let Some(file) = &self.args.save_posteriors {
            stream.write(file)?;
        }
        let results: Vec<SettingResult> =
            configs.into_iter().map(|config| judge(&stream, config, &silence, self.args.alone)).collect();
        let text = match (self.json, &results[..]) {
            (true, _) => self.lines(&stream, &list, &results)?,
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

    fn score(&self, silence: &SilenceConfig) -> anyhow::Result<(StreamPosteriors, String)> {
        let list = self.args.stream.as_ref().and_then(|list| list.as_deref()).or(self.data);
        let Some(list) = list else { anyhow::bail!("specify a list with `--stream list.csv`") };
        let pieces = StreamPiece::list(list, self.map)?;
        let mut model = self.model.load(self.head)?;
        let progress = Progress::new(pieces.len());
        let stream = score_stream(&pieces, &mut model, self.hop_seconds, silence, |file| {
            progress.begin(file);
            progress.done(|| ());
        })?;
        Ok((stream, list.display().to_string()))
    }

    fn lines(
        &self,
        stream: &StreamPosteriors,
        list: &str,
        results: &[SettingResult],
    ) -> anyhow::Result<String> {
        let mut text = String::new();
        for result in results {
            let is_only = results.len() == 1;
            let line = StreamEvaluationLine {
                list: list.to_owned(),
                model: &stream.model,
                head: &stream.head,
                hop_s: stream.hop_s,
                pieces: stream.pieces.len(),
                patches: stream.patches.len(),
                format_changes: stream.format_changes,
                decision: &result.config,
                constants: result.config.constants,
                settled: &result.by_head,
                labelled: result.by_label.as_ref(),
                piece_list: is_only.then(|| stream.pieces.iter().map(piece_line).collect()),
                changes: is_only.then(|| changes(&result.decided)),
                labels: &stream.labels,
            };
            text += &(serde_json::to_string(&line)? + "\n");
        }
        Ok(text)
    }
}

fn judge(
    stream: &StreamPosteriors,
    config: DecisionConfig,
    silence: &SilenceConfig,
    alone: bool,
) -> SettingResult {
    let decided = decide(stream, &config, silence, alone);
    let figures = |by_label: bool| {
        let truth: Vec<TruthInterval> = stream.pieces.iter().map(|piece| piece.truth(by_label)).collect();
        StreamFigures::new(&decided.published, &decided.retrospective, &truth, alone)
    };
    let by_head = figures(false);
    let by_label = stream.pieces.iter().any(|piece| piece.label.is_some()).then(|| figures(true));
    SettingResult { by_head, by_label, config, decided }
}

fn piece_line(piece: &PlacedPiece) -> PieceLine<'_> {
    PieceLine {
        path: &piece.path,
        start: piece.start,
        end: piece.end,
        label: piece.label.as_deref(),
        settled: piece.by_head.as_deref(),
    }
}

fn changes(decided: &DecidedStream) -> Vec<ChangeLine<'_>> {
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
            ("hold_s=", "`` is not a number"),
            ("hold_s=10,x", "`x` is not a number"),
            ("hold=10", "expected one of `expected_piece_s`"),
            ("switch_margin=2", "`decision.switch_margin` is 2; expected 0.01 to 0.9"),
        ] {
            let error = sweep(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many: Vec<Sweep> = (0..4).map(|_| sweep("hold_s=1,2,3,4,5,6,7,8").unwrap()).collect();
        assert!(settings(&many).is_err());
    }
}
