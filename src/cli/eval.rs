//! `genred eval`: evaluates a head on labelled recordings.

mod args;
mod output;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

pub(super) use args::EvalArgs;
use output::EvaluationOutput;

use super::progress::Progress;
use super::say;
use crate::decision::SilenceConfig;
use crate::learn::Bootstrap;
use crate::model::{Head, HeadKind, Model, is_head_path};
use crate::study::{
    Comparison, Dataset, DatasetOptions, EvaluationOptions, OnTrainingMaterial, Report, TrainingMaterial,
    Vocabulary, VocabularyOptions, evaluate, plot,
};

pub(crate) fn run(args: &EvalArgs) -> anyhow::Result<ExitCode> {
    let data = args.data.as_deref();
    if args.stream.is_given() {
        let task = super::eval_stream::StreamEvaluation {
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
        anyhow::bail!("specify recordings with `--data DIR`, or a list with `--stream list.csv`")
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
        // Most errors name the file already.
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
    let output = EvaluationOutput {
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
    let text = if args.json { output.json()? } else { output.text() };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Head to evaluate, and the one to compare it with.
fn heads(args: &EvalArgs, model: &Model) -> anyhow::Result<Vec<Head>> {
    let mut heads = vec![model.head().clone()];
    if let Some(name) = &args.compare {
        heads.push(model.open_head(name)?);
    }
    Ok(heads)
}

fn vocabularies(args: &EvalArgs, dataset: &Dataset, heads: &[Head]) -> anyhow::Result<Vec<Vocabulary>> {
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

/// Training material of the bundle and of the bundles of the heads; the flag is false if a head
/// lies in no bundle.
fn material(args: &EvalArgs, model: &Model) -> anyhow::Result<(TrainingMaterial, bool)> {
    let mut entries = vec![model.bundle().training()?];
    let mut is_listed = true;
    for head in [&args.head, &args.compare].into_iter().flatten().filter(|head| is_head_path(head)) {
        match TrainingMaterial::beside(Path::new(head))? {
            Some(entry) => entries.push(entry),
            None => {
                is_listed = false;
                say(format_args!(
                    "the head `{head}` lies in no bundle: its training material is unknown and cannot be refused"
                ));
            }
        }
    }
    Ok((TrainingMaterial::new(&entries), is_listed))
}

fn write_plots(folder: &Path, report: &Report) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder `{}`", folder.display()))?;
    let pictures =
        [("confusion.svg", plot::confusion(report)), ("reliability.svg", Some(plot::reliability(report)))];
    for (name, picture) in pictures {
        let path = folder.join(name);
        if let Some(picture) = picture {
            std::fs::write(&path, picture).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
    }
    Ok(())
}
