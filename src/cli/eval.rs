//! `genred eval`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::progress::Progress;
use super::{HopArgs, ModelArgs, say};
use crate::decision::SilenceConfig;
use crate::learn::Bootstrap;
use crate::model::{Head, HeadKind, Model, TrunkKind, is_head_path};
use crate::study::{
    Comparison, Dataset, DatasetOptions, Evaluation, EvaluationOptions, Filter, OnTrainingMaterial, Renaming,
    Report, TrainingMaterial, Vocabulary, VocabularyOptions, evaluate, examples, plot, render,
};

/// Judge a head on labelled recordings: accuracy, F1, log loss, calibration, confusions, each with an interval.
///
/// Recordings that the model was trained on are refused, by their track id and by their sound.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("decisions").args(["stream", "posteriors"]))]
pub struct Args {
    /// A folder with a folder a genre, or a CSV file with the columns `path` and `genre`
    #[arg(long, value_name = "DIR|CSV", required_unless_present_any = ["stream", "posteriors"])]
    data: Option<PathBuf>,
    #[command(flatten)]
    stream: super::eval_stream::Args,
    /// Use only rows of the CSV file with this value; of several for one column any, as `split=test`
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<Filter>,
    #[command(flatten)]
    model: ModelArgs,
    /// Head: a name or the path of its TOML file
    #[arg(long, value_name = "NAME|PATH")]
    head: Option<String>,
    /// Another head for the same embedding: differences on the same recordings, with intervals
    #[arg(long, value_name = "NAME|PATH")]
    compare: Option<String>,
    /// What a label of the data is called by the head, as `disco=disco-funk`
    #[arg(long, value_name = "LABEL=KNOWN")]
    map: Vec<Renaming>,
    /// Count answers with one label of the head as another, as `punk=rock`
    #[arg(long, value_name = "FROM=TO")]
    merge: Vec<Renaming>,
    /// Let the head answer only with labels that the data has
    #[arg(long)]
    restrict: bool,
    /// Leave out files with labels that the head does not know
    #[arg(long)]
    ignore_unknown: bool,
    /// Judge recordings that the model was trained on, too; the report says so
    #[arg(long, conflicts_with = "exclude_training_material")]
    include_training_material: bool,
    /// Leave out recordings that the model was trained on
    #[arg(long)]
    exclude_training_material: bool,
    #[command(flatten)]
    hop: HopArgs,
    /// Resamples of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    resamples: u32,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// One JSON object in place of tables
    #[arg(long)]
    json: bool,
    /// Write confusion.svg and reliability.svg into this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let data = args.data.as_deref();
    if args.stream.is_asked_for() {
        let task = super::eval_stream::Task {
            data,
            args: &args.stream,
            model: &args.model,
            head: args.head.as_deref(),
            hop_seconds: args.hop.hop,
            map: &args.map,
            json: args.json,
        };
        return task.run();
    }
    let Some(data) = data else {
        anyhow::bail!("name the recordings, as in `--data DIR`, or the list, as in `--stream list.csv`")
    };
    let options = DatasetOptions { filters: args.filters.clone(), ..DatasetOptions::default() };
    let dataset = Dataset::open(data, &options)?;
    let mut model = args.model.load(args.head.as_deref())?;
    let heads = heads(args, &model)?;
    if heads.iter().any(|head| head.kind() == HeadKind::Single) {
        dataset.require_single()?;
    }
    let vocabularies = vocabularies(args, &dataset, &heads)?;
    let (material, is_listed) = material(args, &model)?;

    let options = EvaluationOptions {
        hop_seconds: args.hop.hop,
        silence: SilenceConfig::default(),
        on_training_material: match (args.include_training_material, args.exclude_training_material) {
            (true, _) => OnTrainingMaterial::Include,
            (_, true) => OnTrainingMaterial::Exclude,
            _ => OnTrainingMaterial::Refuse,
        },
    };
    let asked: Vec<(&Head, &Vocabulary)> = heads.iter().zip(&vocabularies).collect();
    let progress = Progress::new(dataset.items.len());
    let evaluation = evaluate(&dataset, &mut model, &asked, &material, &options, |file| {
        progress.begin(file);
        progress.done(|| ());
    })?;
    drop(progress);
    for (file, error) in &evaluation.unreadable {
        // Most errors name the file, as given.
        match error.contains(&file.display().to_string()) {
            true => say(format_args!("left out: {error}")),
            false => say(format_args!("left out: `{}`: {error}", file.display())),
        }
    }

    let bootstrap = Bootstrap { resamples: args.resamples as usize, seed: args.seed, ..Bootstrap::default() };
    let report = Report::new(&evaluation.predictions[0], &bootstrap)?;
    let comparison = match evaluation.predictions.get(1) {
        Some(other) => Some(Comparison::new(&evaluation.predictions[0], other, &bootstrap)?),
        None => None,
    };
    if let Some(folder) = &args.plots {
        write_plots(folder, &report)?;
    }
    let told = Told {
        args,
        data,
        dataset: &dataset,
        model: &model.bundle().manifest.name,
        trunk: model.trunk_kind(),
        heads: heads.iter().map(Head::name).collect(),
        vocabulary: &vocabularies[0],
        evaluation: &evaluation,
        is_listed,
        report: &report,
        comparison: comparison.as_ref(),
    };
    let text = if args.json { told.json()? } else { told.text() };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The head that is judged, and the one that it is compared with.
fn heads(args: &Args, model: &Model) -> anyhow::Result<Vec<Head>> {
    let mut heads = vec![model.head().clone()];
    if let Some(name) = &args.compare {
        heads.push(model.open_head(name)?);
    }
    Ok(heads)
}

fn vocabularies(args: &Args, dataset: &Dataset, heads: &[Head]) -> anyhow::Result<Vec<Vocabulary>> {
    let options = VocabularyOptions {
        map: args.map.clone(),
        merge: args.merge.clone(),
        restrict: args.restrict,
        ignore_unknown: args.ignore_unknown,
    };
    let of = |(at, head)| {
        let options = if at == 0 { options.clone() } else { options.of(head) };
        Ok(Vocabulary::new(&dataset.labels, head, &options)?)
    };
    heads.iter().enumerate().map(of).collect()
}

/// What the bundle lists, and those bundles that the heads lie in; the flag says whether each lies in one.
fn material(args: &Args, model: &Model) -> anyhow::Result<(TrainingMaterial, bool)> {
    let mut entries = vec![model.bundle().training()?];
    let mut is_listed = true;
    for head in [&args.head, &args.compare].into_iter().flatten().filter(|head| is_head_path(head)) {
        match TrainingMaterial::beside(Path::new(head))? {
            Some(entry) => entries.push(entry),
            None => {
                is_listed = false;
                say(format_args!(
                    "the head `{head}` lies in no bundle: what it was trained on is not known, and cannot be refused"
                ));
            }
        }
    }
    Ok((TrainingMaterial::new(&entries), is_listed))
}

fn write_plots(folder: &Path, report: &Report) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    let pictures =
        [("confusion.svg", plot::confusion(report)), ("reliability.svg", Some(plot::reliability(report)))];
    for (name, picture) in pictures {
        let path = folder.join(name);
        if let Some(picture) = picture {
            std::fs::write(&path, picture)
                .with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
    }
    Ok(())
}

/// Everything that a report is about.
struct Told<'a> {
    args: &'a Args,
    data: &'a Path,
    dataset: &'a Dataset,
    model: &'a str,
    trunk: TrunkKind,
    heads: Vec<&'a Arc<str>>,
    vocabulary: &'a Vocabulary,
    evaluation: &'a Evaluation,
    is_listed: bool,
    report: &'a Report,
    comparison: Option<&'a Comparison>,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Line<'a> {
    data: String,
    #[serde(rename = "where")]
    filters: Vec<String>,
    model: &'a str,
    head: &'a str,
    trunk: &'a str,
    hop_s: f64,
    vocabulary: Words<'a>,
    training_material: Material<'a>,
    files: usize,
    duration_s: f64,
    left_out: LeftOut<'a>,
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Difference<'a>>,
}

#[derive(Serialize)]
struct Words<'a> {
    restricted: bool,
    mapped: &'a BTreeMap<String, String>,
    merged: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Material<'a> {
    listed: bool,
    included: usize,
    excluded: usize,
    by_id: &'a BTreeMap<Arc<str>, String>,
    by_sound: Vec<&'a str>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    unreadable: Vec<BTreeMap<&'static str, String>>,
    unknown_labels: &'a [Arc<str>],
    unknown_files: usize,
    copies: Vec<BTreeMap<&'static str, String>>,
    contradictions: Vec<Vec<String>>,
    unlabelled_rows: usize,
    other_files: usize,
}

#[derive(Serialize)]
struct Difference<'a> {
    head: &'a str,
    #[serde(flatten)]
    differences: &'a Comparison,
}

impl Told<'_> {
    fn json(&self) -> anyhow::Result<String> {
        let evaluation = self.evaluation;
        let shown = |path: &PathBuf| path.display().to_string();
        let seen = evaluation.seen.tracks();
        let is_included = self.args.include_training_material;
        let line = Line {
            data: self.data.display().to_string(),
            filters: self.args.filters.iter().map(|f| format!("{}={}", f.column, f.value)).collect(),
            model: self.model,
            head: self.heads[0],
            trunk: self.trunk.as_str(),
            hop_s: self.args.hop.hop,
            vocabulary: Words {
                restricted: self.vocabulary.is_restricted,
                mapped: &self.vocabulary.mapped,
                merged: &self.vocabulary.merged,
            },
            training_material: Material {
                listed: self.is_listed,
                included: if is_included { seen } else { 0 },
                excluded: if is_included { 0 } else { seen },
                by_id: &evaluation.seen.by_id,
                by_sound: evaluation.seen.by_sound.iter().map(AsRef::as_ref).collect(),
            },
            files: evaluation.files,
            duration_s: evaluation.seconds,
            left_out: LeftOut {
                unreadable: evaluation
                    .unreadable
                    .iter()
                    .map(|(file, error)| BTreeMap::from([("file", shown(file)), ("error", error.clone())]))
                    .collect(),
                unknown_labels: &self.vocabulary.unknown,
                unknown_files: evaluation.unknown,
                copies: evaluation
                    .copies
                    .iter()
                    .map(|(copy, of)| BTreeMap::from([("file", shown(copy)), ("of", shown(of))]))
                    .collect(),
                contradictions: evaluation
                    .contradictions
                    .iter()
                    .map(|files| files.iter().map(shown).collect())
                    .collect(),
                unlabelled_rows: self.dataset.unlabelled,
                other_files: self.dataset.ignored.len(),
            },
            report: self.report,
            comparison: self.comparison.map(|differences| Difference { head: self.heads[1], differences }),
        };
        let mut value = serde_json::to_value(&line)?;
        round(&mut value);
        Ok(format!("{value}\n"))
    }

    fn text(&self) -> String {
        let evaluation = self.evaluation;
        let filters: Vec<String> =
            self.args.filters.iter().map(|f| format!(", {}={}", f.column, f.value)).collect();
        let mut text = format!(
            "head `{}` of `{}` on `{}`{}: {} files, {:.1} min, a patch every {} s\n",
            self.heads[0],
            self.model,
            self.data.display(),
            filters.concat(),
            evaluation.files,
            evaluation.seconds / 60.0,
            self.args.hop.hop,
        );
        for note in self.notes() {
            let _ = writeln!(text, "{note}");
        }
        text.push('\n');
        text.push_str(&render::report(self.report));
        if let Some(differences) = self.comparison {
            let _ = write!(text, "\n{}", render::comparison(differences, self.heads[0], self.heads[1]));
        }
        text
    }

    /// What a reader of the figures has to know, a line each.
    fn notes(&self) -> Vec<String> {
        let (evaluation, words) = (self.evaluation, self.vocabulary);
        let mut notes = Vec::new();
        let seen = evaluation.seen.tracks();
        if seen > 0 && self.args.include_training_material {
            notes.push(format!(
                "NOT A TEST: the model was trained on {seen} of these tracks ({}); the figures are too good",
                evaluation.seen
            ));
        } else if seen > 0 {
            notes
                .push(format!("left out: {seen} tracks that the model was trained on ({})", evaluation.seen));
        }
        if !self.is_listed {
            notes.push("what the head was trained on is not known".into());
        }
        let pairs = |pairs: &BTreeMap<String, String>| {
            examples(pairs.iter().map(|(from, to)| format!("{from} as {to}")).collect::<Vec<_>>().into_iter())
        };
        if !words.mapped.is_empty() {
            notes.push(format!("labels of the data: {}", pairs(&words.mapped)));
        }
        if !words.merged.is_empty() {
            notes.push(format!("answers counted: {}", pairs(&words.merged)));
        }
        if words.is_restricted {
            notes.push(format!("restricted to the {} labels that the data has", words.labels.len()));
        }
        let shown = |path: &PathBuf| format!("`{}`", path.display());
        let mut left_out = |count: usize, what: String| {
            if count > 0 {
                notes.push(format!("left out: {count} {what}"));
            }
        };
        let unreadable = evaluation.unreadable.iter().map(|(file, _)| shown(file));
        left_out(evaluation.unreadable.len(), format!("files that cannot be read: {}", examples(unreadable)));
        let unknown = words.unknown.iter().map(|label| label.to_string());
        left_out(
            evaluation.unknown,
            format!("files with labels that the head does not know: {}", examples(unknown)),
        );
        let copies = evaluation.copies.iter().map(|(copy, of)| format!("{} as {}", shown(copy), shown(of)));
        left_out(
            evaluation.copies.len(),
            format!("files that sound exactly as another: {}", examples(copies)),
        );
        let twins = evaluation.contradictions.iter().flatten().map(shown).collect::<Vec<_>>();
        let count = twins.len();
        left_out(
            count,
            format!("files that sound exactly alike under different labels: {}", examples(twins.into_iter())),
        );
        left_out(self.dataset.unlabelled, "rows without a label".into());
        left_out(self.report.patches_left_out, "patches that are not music".into());
        if self.report.tracks_without_music > 0 {
            notes.push(format!(
                "{} tracks have no patch of music, and are judged by the others",
                self.report.tracks_without_music
            ));
        }
        notes
    }
}

/// Six decimals say more than any sample can.
pub(super) fn round(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(map) => map.values_mut().for_each(round),
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64() {
                *value = Value::from((float * 1e6).round() / 1e6 + 0.0);
            }
        }
        _ => {}
    }
}
