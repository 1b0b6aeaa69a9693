//! Material of `genred train`: decoded and embedded.

use serde_json::Value;

use super::super::progress::Progress;
use super::args::TrainArgs;
#[cfg(feature = "corrections")]
use super::corrections::corrected;
use super::start::Start;
use super::{input, notices};
use crate::decision::SilenceConfig;
use crate::model::Model;
use crate::study::{self, Alteration, Cache, Dataset, Gathering, LeftOut, Listened, Material, Task};

/// Material of a training.
pub(super) struct Gathered {
    pub(super) material: Material,
    pub(super) left_out: LeftOut,
    /// Counts of the corrections; `null` where there are none.
    pub(super) corrections: Value,
}

/// Decodes all files, reads all sets of embeddings, and reports what was left out.
///
/// # Errors
/// A set or the model fails, or too little is left.
pub(super) fn gather(
    args: &TrainArgs,
    mut dataset: Dataset,
    start: &Start,
    model: &mut Model,
) -> anyhow::Result<Gathered> {
    let mut sets = input::embedding_sets(args, model.bundle())?;
    input::prepare(args, &mut dataset, &mut sets)?;
    let known = &start.known;
    let mut corrections = Value::Null;
    if let Some(file) = &args.corrections {
        let (set, counts) = corrected(file.as_deref(), model.bundle(), known, &dataset, &sets)?;
        sets.push(set);
        corrections = counts;
    }
    let heard = listen(args, &dataset, model, args.jobs())?;
    let silence = SilenceConfig::default().threshold_lufs;
    let labels = input::all_labels(&dataset, &sets, known.labels());
    let (material, left_out) = Material::gather(&Gathering {
        dataset: &dataset,
        heard: &heard.heard,
        sets: &sets,
        dim: model.embedding_dim(),
        silence_lufs: silence,
        multi: args.multi_label,
        known: &known.known_among(&labels, args.labelling()),
        kept: if args.corrected().is_some() { known.labels() } else { &[] },
    })?;
    input::require_genres(args, &material)?;
    notices::heard(args, &dataset, &heard, &material);
    notices::left_out(&left_out, silence);
    Ok(Gathered { material, left_out, corrections })
}

/// Embeds all files of the data set on several threads, and shows the progress.
fn listen(args: &TrainArgs, dataset: &Dataset, model: &mut Model, jobs: usize) -> anyhow::Result<Listened> {
    let folder = match (&args.cache, args.no_cache) {
        (_, true) => None,
        (Some(folder), _) => Some(folder.clone()),
        (None, _) => Cache::default_folder(),
    };
    let cache = folder.map(|folder| Cache::new(&folder, model, args.hop.hop));
    let copies =
        (0..=usize::from(args.augment)).flat_map(|copy| dataset.items.iter().map(move |item| (item, copy)));
    let tasks: Vec<Task<'_>> = copies
        .map(|(item, copy)| {
            let alteration = (copy > 0).then(|| Alteration::draw(&item.track, copy, args.seed));
            (item.path.as_path(), alteration)
        })
        .collect();
    let progress = Progress::new(tasks.len());
    let more = || args.model.load(None);
    Ok(study::listen(&tasks, model, more, jobs, args.hop.hop, cache.as_ref(), |file| {
        progress.begin(file);
        progress.done(|| ());
    })?)
}

/// This build stores and reads none.
#[cfg(not(feature = "corrections"))]
fn corrected(
    _: Option<&std::path::Path>,
    _: &crate::model::Bundle,
    _: &study::Known,
    _: &Dataset,
    _: &[study::EmbeddingSet],
) -> anyhow::Result<(study::EmbeddingSet, Value)> {
    anyhow::bail!("this build has no corrections (feature `corrections`)")
}
