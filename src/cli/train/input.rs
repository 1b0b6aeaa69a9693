//! Material of `genred train`: files and embeddings.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::args::TrainArgs;
use super::label_args::LimitArg;
use crate::event::SourceState;
use crate::model::{Bundle, GATE_HEAD};
use crate::study::{ConfusionLimit, Dataset, DatasetOptions, EmbeddingSet, Material};

/// All files of `--data`.
pub(super) fn dataset(args: &TrainArgs) -> anyhow::Result<Dataset> {
    if args.dataset.len() > args.data.len() {
        bail!(
            "--dataset names {} data sets, and there are {} of --data",
            args.dataset.len(),
            args.data.len()
        );
    }
    let options = DatasetOptions {
        filters: args.filters.clone(),
        groups: args.groups.clone(),
        group_blocks: args.group_blocks,
    };
    let mut parts = Vec::new();
    for (index, path) in args.data.iter().enumerate() {
        let part = Dataset::open(path, &options)?;
        if !args.multi_label {
            part.require_single()?;
        }
        parts.push((name(path, args.dataset.get(index))?, part));
    }
    Ok(Dataset::joined(parts))
}

/// Gives labels and weights to files and embeddings as the options say.
pub(super) fn prepare(
    args: &TrainArgs,
    dataset: &mut Dataset,
    sets: &mut [EmbeddingSet],
) -> anyhow::Result<()> {
    let labels = all_labels(dataset, sets, &[]);
    if let Some(stray) = args.map.iter().find(|map| !labels.iter().any(|label| **label == *map.from)) {
        bail!(
            "`--map {0}={1}`: there is no label `{0}`; it has {2}",
            stray.from,
            stray.to,
            labels.join(", ")
        );
    }
    dataset.rename(&args.map);
    sets.iter_mut().for_each(|set| set.rename(&args.map));
    if !args.labels.is_empty() {
        dataset.keep_labels(&args.labels)?;
    }
    dataset.weigh(&args.trust)?;
    if sets.is_empty() && args.corrections.is_none() && args.corrected().is_none() {
        dataset.require_several_labels()?;
    }
    if args.head_name != GATE_HEAD {
        dataset.require_genres()?;
    }
    Ok(())
}

/// The sets of labelled embeddings that are learned from beside the files.
pub(super) fn embedding_sets(args: &TrainArgs, base: &Bundle) -> anyhow::Result<Vec<EmbeddingSet>> {
    let dim = base.manifest.embedding.dim;
    let sets = args.embeddings.iter().map(|file| EmbeddingSet::read(file, dim));
    Ok(sets.collect::<Result<_, _>>()?)
}

/// All labels that the head may get.
pub(super) fn all_labels(dataset: &Dataset, sets: &[EmbeddingSet], known: &[Arc<str>]) -> Vec<Arc<str>> {
    let of_sets = sets.iter().flat_map(|set| &set.rows).flat_map(|row| &row.targets);
    let of_sets = of_sets.map(|(label, _)| label);
    let mut labels: Vec<Arc<str>> = dataset.labels.iter().chain(of_sets).chain(known).cloned().collect();
    labels.sort();
    labels.dedup();
    labels
}

/// Refuses labels that are named like states, but for the gate, whose labels are states.
pub(super) fn require_genres(args: &TrainArgs, material: &Material) -> anyhow::Result<()> {
    let is_state = |label: &str| SourceState::named(label).is_some();
    if args.head_name == GATE_HEAD {
        let stray = material.labels.iter().find(|label| !["music", "speech", "noise"].contains(&&***label));
        if let Some(stray) = stray {
            bail!(
                "a gate has the labels `music`, `speech` and `noise`, and the data has `{stray}`; use --map or --labels"
            );
        }
        return Ok(());
    }
    match material.labels.iter().find(|label| is_state(label)) {
        Some(label) => {
            bail!("the label `{label}` is the name of a state, which genres share a topic with; rename it")
        }
        None => Ok(()),
    }
}

/// The shifts, by numbers of labels.
pub(super) fn shifts(args: &TrainArgs, material: &Material) -> anyhow::Result<Vec<(usize, f64)>> {
    args.shift.iter().map(|shift| Ok((number("--shift", &shift.label, material)?, shift.by))).collect()
}

/// Number of the label that an option names.
fn number(option: &str, label: &str, material: &Material) -> anyhow::Result<usize> {
    let found = material.labels.iter().position(|known| **known == *label);
    found.with_context(|| {
        format!("{option}: there is no label `{label}`; there are {}", material.labels.join(", "))
    })
}

/// The limits, by numbers of labels.
pub(super) fn limits(args: &TrainArgs, material: &Material) -> anyhow::Result<Vec<ConfusionLimit>> {
    if args.multi_label && !args.limit.is_empty() {
        bail!("--limit is for labels that exclude each other, and --multi-label for those that do not");
    }
    let number = |label: &str| number("--limit", label, material);
    let limit = |limit: &LimitArg| {
        Ok(ConfusionLimit {
            truth: number(&limit.truth)?,
            answer: number(&limit.answer)?,
            share: limit.share,
        })
    };
    args.limit.iter().map(limit).collect()
}

/// The name of a data set, which stands before its tracks' in the bundle's list.
fn name(path: &Path, given: Option<&String>) -> anyhow::Result<String> {
    // What `eval` takes for a name.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(name) = given {
        if name.is_empty() || !name.chars().all(is_plain) {
            bail!("`--dataset {name}`: a name of letters, digits, `.`, `_` and `-` is needed");
        }
        return Ok(name.clone());
    }
    let path = std::fs::canonicalize(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let name = name.map_or("data".into(), |name| name.to_string_lossy().into_owned());
    Ok(name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect())
}
