//! `genred train`

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Value, json};

use super::progress::Progress;
use super::{HopArgs, ModelArgs};
use crate::decision::SilenceConfig;
use crate::learn::{Bootstrap, Labelling};
use crate::model::Bundle;
use crate::study::{
    self, About, Alteration, Cache, Dataset, DatasetOptions, Filter, LeftOut, Listened, Material, NewHead,
    Place, Report, Task, TrainOptions, Trained, Training, render,
};

/// Teach genres of your own: a folder a genre goes in, a model bundle comes out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder with one folder a genre, or a CSV index with the columns `path` and `genre`
    #[arg(long, value_name = "DIR|CSV")]
    data: PathBuf,
    /// The bundle to make, as `models/mine`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the bundle at --out
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Name of the new head
    #[arg(long, value_name = "NAME", default_value = "genres")]
    head_name: String,
    /// Name of the data set in the bundle's list of training tracks; by default that of the folder or index
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// A CSV file with the columns `artist` or `group`, and `track` or `path`: tracks that are held out together
    #[arg(long, value_name = "CSV")]
    groups: Option<PathBuf>,
    /// Where no group is known: N tracks whose names count up belong together
    #[arg(long, value_name = "N")]
    group_blocks: Option<u32>,
    /// Use only rows of the index with this value, as `split=train`
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<Filter>,
    /// A track may have several genres, each with a probability of its own
    #[arg(long)]
    multi_label: bool,
    /// Give each genre the same weight, and within it each track; else each track weighs the same
    #[arg(long)]
    balanced: bool,
    /// Hear each file N times more, with another speed, level and tone, through a small loudspeaker, in noise;
    /// takes as much longer
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=20))]
    augment: u8,
    /// Parts for cross-validation
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..=20))]
    folds: u8,
    /// Decides which tracks go into which part
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Files at once; by default one a processor core
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where embeddings are kept for the next time; by default under `$XDG_CACHE_HOME` or `~/.cache`
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep no embeddings
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    hop: HopArgs,
    /// Resamples of the bootstrap that draws the report's intervals
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    resamples: u32,
    /// The report as one JSON object in place of tables
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    study::check_head_name(&args.head_name)?;
    let place = Place::new(&args.out, &Bundle::open(&args.model.model)?, args.force)?;
    let options = DatasetOptions {
        filters: args.filters.clone(),
        groups: args.groups.clone(),
        group_blocks: args.group_blocks,
    };
    let dataset = Dataset::open(&args.data, &options)?;
    dataset.require_several_labels()?;
    dataset.require_genres()?;
    if !args.multi_label {
        dataset.require_single()?;
    }
    let name = dataset_name(args)?;
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);

    let (listened, base) = listen(args, &dataset, jobs)?;
    let dim = base.manifest.trunk.embedding_dim;
    let silence = SilenceConfig::default().threshold_lufs;
    let (material, left_out) = Material::gather(&dataset, &listened.heard, dim, silence, args.multi_label)?;
    let known = match listened.cached {
        0 => String::new(),
        cached => format!(" ({cached} from the cache)"),
    };
    let again = match args.augment {
        0 => String::new(),
        copies => format!(" and {copies} alterations of each"),
    };
    super::say(format_args!(
        "heard {} files{again}{known}; training on {} tracks, {} patches",
        dataset.items.len(),
        material.tracks.len(),
        material.patches()
    ));
    tell(&left_out, silence);

    let labelling = if args.multi_label { Labelling::Multi } else { Labelling::Single };
    let options = TrainOptions {
        labelling,
        folds: usize::from(args.folds),
        seed: args.seed,
        balanced: args.balanced,
        jobs,
    };
    let trained = study::train(&material, &options)?;
    if trained.folds < options.folds {
        super::say(format_args!(
            "cross-validated in {} parts, not {}: {}",
            trained.folds,
            options.folds,
            smallest(&material)
        ));
    }
    let bootstrap = Bootstrap { resamples: args.resamples as usize, seed: args.seed, ..Bootstrap::default() };
    let report = Report::new(&trained.predictions(&material), &bootstrap)?;
    let figures = render::report(&report);
    let about = About {
        name: &bundle_name(&args.out),
        head: &args.head_name,
        dataset: &name,
        base: &base,
        hop_seconds: args.hop.hop,
        copies: args.augment,
        command: &command(),
        figures: &figures,
    };
    let card = study::card(&about, &material, &left_out, &options, &trained);
    let training = Training {
        material: about.material(&material),
        tracks: material.tracks.iter().map(|track| format!("{name}:{}", track.id)).collect(),
        pcm_sha256: material.pcm_sha256.clone(),
    };
    let head = NewHead {
        name: &args.head_name,
        labels: &material.labels,
        labelling,
        fit: &trained.fit,
        temperature: trained.temperature,
        provenance: vec![
            ("made_by", format!("genred {} train", env!("CARGO_PKG_VERSION"))),
            ("fitted_on", training.material.clone()),
            ("penalty", trained.penalty.to_string()),
        ],
    };
    study::export(&place, &base, &head, &training, &card)?;
    let told =
        Told { args, dataset: &name, base: &base, left_out: &left_out, trained: &trained, report: &report };
    let text = if args.json { told.json()? } else { told.text(&figures) };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    super::say(format_args!(
        "wrote `{}`; try `genred classify --model {0} FILE`",
        shell_word(&args.out.to_string_lossy())
    ));
    Ok(ExitCode::SUCCESS)
}

/// Everything that the report is about.
struct Told<'a> {
    args: &'a Args,
    dataset: &'a str,
    base: &'a Bundle,
    left_out: &'a LeftOut,
    trained: &'a Trained,
    report: &'a Report,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Line<'a> {
    data: String,
    dataset: &'a str,
    out: String,
    model: &'a str,
    head: &'a str,
    hop_s: f64,
    augment: u8,
    cross_validated: Value,
    penalty: f64,
    temperature: f64,
    left_out: Value,
    #[serde(flatten)]
    report: &'a Report,
}

impl Told<'_> {
    fn text(&self, figures: &str) -> String {
        format!(
            "head `{}` of `{}`, cross-validated on `{}` in {} parts, a patch every {} s\n\
             each track was answered by a head that had seen nothing of its group\n\n{figures}",
            self.args.head_name,
            self.args.out.display(),
            self.args.data.display(),
            self.trained.folds,
            self.args.hop.hop,
        )
    }

    fn json(&self) -> anyhow::Result<String> {
        let shown = |path: &PathBuf| path.display().to_string();
        let LeftOut { unreadable, silent, silent_patches, copies, contradictions } = self.left_out;
        let pairs = |pairs: &[(PathBuf, PathBuf)]| -> Vec<Value> {
            pairs.iter().map(|(copy, of)| json!({ "file": shown(copy), "of": shown(of) })).collect()
        };
        let line = Line {
            data: shown(&self.args.data),
            dataset: self.dataset,
            out: shown(&self.args.out),
            model: &self.base.manifest.name,
            head: &self.args.head_name,
            hop_s: self.args.hop.hop,
            augment: self.args.augment,
            cross_validated: json!({
                "folds": self.trained.folds,
                "seed": self.args.seed,
                "penalties": self.trained.fold_penalties,
            }),
            penalty: self.trained.penalty,
            temperature: self.trained.temperature,
            left_out: json!({
                "unreadable": unreadable
                    .iter()
                    .map(|(file, error)| json!({ "file": shown(file), "error": error }))
                    .collect::<Vec<_>>(),
                "silent": silent.iter().map(shown).collect::<Vec<_>>(),
                "silent_patches": silent_patches,
                "copies": pairs(copies),
                "contradictions": contradictions
                    .iter()
                    .map(|files| files.iter().map(shown).collect::<Vec<_>>())
                    .collect::<Vec<_>>(),
            }),
            report: self.report,
        };
        let mut value = serde_json::to_value(&line)?;
        super::eval::round(&mut value);
        Ok(format!("{value}\n"))
    }
}

/// Hears all files of the data set, on several threads, and says how far it is.
fn listen(args: &Args, dataset: &Dataset, jobs: usize) -> anyhow::Result<(Listened, Bundle)> {
    let mut model = args.model.load(None)?;
    let folder = match (&args.cache, args.no_cache) {
        (_, true) => None,
        (Some(folder), _) => Some(folder.clone()),
        (None, _) => Cache::default_folder(),
    };
    let cache = folder.map(|folder| Cache::new(&folder, &model, args.hop.hop));
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
    let listened = study::listen(&tasks, &mut model, more, jobs, args.hop.hop, cache.as_ref(), |file| {
        progress.begin(file);
        progress.done(|| ());
    })?;
    Ok((listened, model.bundle().clone()))
}

/// What was left out, on standard error: each file, and how many.
fn tell(left_out: &LeftOut, silence: f32) {
    let say = |what: String| super::say(what);
    for (file, reason) in &left_out.unreadable {
        let file = file.display().to_string();
        // Most reasons name the file.
        let of = if reason.contains(&file) { String::new() } else { format!("`{file}`: ") };
        say(format!("left out: {of}{reason}"));
    }
    for file in &left_out.silent {
        say(format!("left out: `{}` is silent (below {silence} LUFS throughout)", file.display()));
    }
    for (copy, other) in &left_out.copies {
        say(format!("left out: `{}` has the same sound as `{}`", copy.display(), other.display()));
    }
    for files in &left_out.contradictions {
        let files: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
        say(format!(
            "left out: {} have the same sound and different genres; keep one, or use --multi-label",
            files.join(" and ")
        ));
    }
    let summary = left_out.to_string();
    if !summary.is_empty() {
        say(format!("left out in all: {summary}"));
    }
}

/// Which label keeps the number of folds low.
fn smallest(material: &Material) -> String {
    let label = (0..material.labels.len()).min_by_key(|label| material.groups_of(*label)).unwrap_or_default();
    let (tracks, groups) = (material.tracks_of(label).len(), material.groups_of(label));
    let of = if groups < tracks { format!(" of {groups} groups") } else { String::new() };
    material.labels.get(label).map(|name| format!("`{name}` has {tracks} tracks{of}")).unwrap_or_default()
}

/// The name of the data set, which stands before its tracks' in the bundle's list.
fn dataset_name(args: &Args) -> anyhow::Result<String> {
    // What `eval` takes for a name.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(name) = &args.dataset {
        if name.is_empty() || !name.chars().all(is_plain) {
            bail!("`--dataset {name}`: a name of letters, digits, `.`, `_` and `-` is needed");
        }
        return Ok(name.clone());
    }
    let path = std::fs::canonicalize(&args.data)
        .with_context(|| format!("`{}` cannot be read", args.data.display()))?;
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let name = name.map_or("data".into(), |name| name.to_string_lossy().into_owned());
    Ok(name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect())
}

fn bundle_name(out: &Path) -> String {
    out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What was typed, for the card.
fn command() -> String {
    let words = std::env::args().skip(1).map(|word| shell_word(&word));
    std::iter::once("genred".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the shell's own rules: inside single quotes everything stands for itself.
    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(shell_word("models/mine"), "models/mine");
        assert_eq!(shell_word("my music"), "'my music'");
        assert_eq!(shell_word("Rock'n'Roll"), r"'Rock'\''n'\''Roll'");
        assert_eq!(shell_word(""), "''");
    }
}
