//! `genred train`

#[cfg(feature = "corrections")]
mod corrections;
mod gather;
mod input;
mod notices;
mod report;
mod start;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{HopArgs, ModelArgs};
use crate::learn::{Balance, Bootstrap, HiddenLayer, Labelling, Prior};
use crate::model::Bundle;
use crate::study::{
    self, About, Filter, Material, NewHead, Place, Renaming, Replay, Track, TrainOptions, Trained, Training,
    Trust,
};
use gather::{Gathered, gather};
use report::Told;
use start::Start;

/// Head that a new one starts from where none is named.
const GENRE_HEAD: &str = "genres";

/// Value of `--from` and `--directions` for no head.
const NO_HEAD: &str = "none";

/// Train a custom genre head: one folder per genre goes in, a model bundle comes out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder with one folder per genre, or a CSV index with the columns `path` and `genre`; may
    /// be repeated
    #[arg(long, value_name = "DIR|CSV", required_unless_present_any = ["embeddings", "corrections"])]
    data: Vec<PathBuf>,
    /// Labelled embeddings that were made elsewhere (safetensors; see docs/guide/train.md); may be
    /// repeated
    #[arg(long, value_name = "FILE")]
    embeddings: Vec<PathBuf>,
    /// Learn from what `genred label` stored, in FILE [default: as configured]; the head of the
    /// base bundle is corrected, as with `--from genres`
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    corrections: Option<Option<PathBuf>>,
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
    /// Name of the data set in the bundle's list of training tracks, one per --data; by default
    /// that of the folder or index
    #[arg(long, value_name = "NAME")]
    dataset: Vec<String>,
    /// A CSV file with the columns `artist` or `group`, and `track` or `path`: tracks that are held
    /// out together
    #[arg(long, value_name = "CSV")]
    groups: Option<PathBuf>,
    /// Tracks of no known group: N whose names count up belong together
    #[arg(long, value_name = "N")]
    group_blocks: Option<u32>,
    /// Use only rows of the index with this value, as `split=train`
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<Filter>,
    /// Count a label of the data as another; may be repeated
    #[arg(long, value_name = "LABEL=LABEL")]
    map: Vec<Renaming>,
    /// Learn only these labels, and leave other files out
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    labels: Vec<String>,
    /// Weights of rows of an index by their column `label_source`, as `folder=0.7,weak=0`, or of
    /// data sets by name; a row of weight 0 is left out, a label of 0.5 or less is learned from and
    /// not judged
    #[arg(long, value_name = "SOURCE=WEIGHT,…", value_delimiter = ',')]
    trust: Vec<Trust>,
    /// Correct this head of the base bundle: labels that the data lacks are kept, others are added;
    /// `none` starts from no head, and keeps the directions
    #[arg(long, value_name = "HEAD", conflicts_with = "no_prior")]
    from: Option<String>,
    /// Start from nothing in place of the base bundle's heads
    #[arg(long)]
    no_prior: bool,
    /// Heads of the base bundle along whose logits the new head's weights may vary more
    #[arg(long, value_name = "HEAD,…", value_delimiter = ',', default_values = ["tags", "genres"])]
    directions: Vec<String>,
    /// A track may have several genres, each with a probability of its own
    #[arg(long)]
    multi_label: bool,
    /// Exponent that evens out genres of unequal size, from 0 (each track weighs the same) to 1
    /// (each genre)
    #[arg(long, value_name = "0-1", default_value_t = 0.5, value_parser = share)]
    balance: f64,
    /// The same for artists within a genre
    #[arg(long, value_name = "0-1", default_value_t = 0.5, value_parser = share)]
    artist_balance: f64,
    /// Make genres that are common in the first --data likelier after the fit: 0 leaves the balance
    /// of the weights, 1 makes them as likely as they are there
    #[arg(long, value_name = "0-1", default_value_t = 0.0, value_parser = share)]
    prior_shift: f64,
    /// Add NUMBER to the logit of LABEL after the fit, to answer it more often; may be repeated
    #[arg(long, value_name = "LABEL=NUMBER")]
    shift: Vec<input::ShiftArg>,
    /// Strength of the prior; chosen by cross-validation where it is left out
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    l2: Option<f64>,
    /// Answer LABEL as OTHER for this share of its patches, as `music:speech=0.004`, by the bias of
    /// OTHER; may be repeated
    #[arg(long, value_name = "LABEL:OTHER=SHARE")]
    limit: Vec<input::LimitArg>,
    /// Put a hidden layer of N units before the labels, for what no linear head can tell; it starts
    /// from nothing
    #[arg(long, value_name = "N", conflicts_with = "from", value_parser = clap::value_parser!(u16).range(1..=1024))]
    hidden: Option<u16>,
    /// Share of labels that are taken to be wrong
    #[arg(long, value_name = "0-1", default_value_t = 0.0, value_parser = share)]
    label_noise: f64,
    /// Hear each file N times more, with another speed, level and tone, through a small
    /// loudspeaker, in noise; takes as much longer
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
    /// Folder that keeps embeddings for the next time; by default under `$XDG_CACHE_HOME` or
    /// `~/.cache`
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

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    study::check_head_name(&args.head_name)?;
    let place = Place::new(&args.out, &Bundle::open(&args.model.model)?, args.force)?;
    let dataset = input::dataset(args)?;
    let mut model = args.model.load(None)?;
    let start = Start::open(args, &model)?;
    let gathered = gather(args, dataset, &start, &mut model)?;
    let Gathered { material, left_out, .. } = &gathered;
    let base = model.bundle();
    let options = train_options(args, &start, material, base)?;
    let trained = study::train(material, &options)?;
    if trained.folds < options.folds {
        super::say(format_args!(
            "cross-validated in {} parts, not {}: {}",
            trained.folds,
            options.folds,
            notices::smallest(material)
        ));
    }
    let bootstrap = Bootstrap { resamples: args.resamples as usize, seed: args.seed, ..Bootstrap::default() };
    let judged = report::judge(material, &options, &trained, &bootstrap, args.corrected().is_some())?;
    let figures = report::figures(&judged);
    let from = options.prior.mean.as_ref().and(start.name.as_deref());
    let about = About {
        name: &bundle_name(&args.out),
        head: &args.head_name,
        base,
        hop_seconds: args.hop.hop,
        copies: args.augment,
        prior: from,
        command: &command(),
        figures: &figures,
    };
    write_bundle(&place, &about, &gathered, &options, &trained)?;
    let told = Told {
        args,
        base,
        from,
        material,
        left_out,
        trained: &trained,
        judged: &judged,
        corrections: &gathered.corrections,
    };
    let text = if args.json { told.json()? } else { told.text(&figures) };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    super::say(format_args!(
        "wrote `{}`; try `genred classify --model {0} FILE`",
        shell_word(&args.out.to_string_lossy())
    ));
    Ok(ExitCode::SUCCESS)
}

fn train_options(
    args: &Args,
    start: &Start,
    material: &Material,
    base: &Bundle,
) -> anyhow::Result<TrainOptions> {
    let prior = match args.starts_from_nothing() {
        true => Prior::default(),
        false => start.known.prior(&material.labels, args.labelling()),
    };
    let knows = prior.mean.as_ref().is_some_and(|mean| mean.is_known.contains(&true));
    notices::doubts(material, base, knows)?;
    let forgets = args.corrections.is_some() || material.lacks_labels();
    let replay = match (start.known.statistics(), &prior.mean) {
        (Some(statistics), Some(mean)) if knows && forgets => {
            Some(Replay::new(statistics, mean, args.labelling()))
        }
        _ => None,
    };
    Ok(TrainOptions {
        labelling: args.labelling(),
        folds: usize::from(args.folds),
        seed: args.seed,
        balance: Balance { labels: args.balance, groups: args.artist_balance },
        label_noise: args.label_noise,
        hidden: args.hidden.map(|units| HiddenLayer { units: usize::from(units), seed: args.seed }),
        prior_shift: args.prior_shift,
        shifts: input::shifts(args, material)?,
        l2: args.l2,
        replay,
        limits: input::limits(args, material)?,
        prior,
        jobs: args.jobs(),
    })
}

fn write_bundle(
    place: &Place,
    about: &About<'_>,
    gathered: &Gathered,
    options: &TrainOptions,
    trained: &Trained,
) -> anyhow::Result<()> {
    let material = &gathered.material;
    let card = study::card(about, material, &gathered.left_out, options, trained);
    let id = |track: &Track| format!("{}:{}", material.sources[track.source], track.id);
    let training = Training {
        material: about.material(material),
        tracks: material.tracks.iter().map(id).collect(),
        pcm_sha256: material.pcm_sha256.clone(),
    };
    let head = NewHead {
        name: about.head,
        labels: &material.labels,
        labelling: options.labelling,
        fit: &trained.fit,
        temperature: trained.temperature,
        provenance: vec![
            ("made_by", format!("genred {} train", env!("CARGO_PKG_VERSION"))),
            ("fitted_on", training.material.clone()),
            ("l2", trained.strength.l2.to_string()),
        ],
    };
    Ok(study::export(place, about.base, &head, &training, &card)?)
}

impl Args {
    /// Name of the head whose labels are kept, corrected and added to: as it was typed, else the
    /// usual one for corrections.
    fn corrected(&self) -> Option<&str> {
        let usual = self.corrections.is_some() && !self.no_prior && self.hidden.is_none();
        self.from.as_deref().or_else(|| usual.then_some(GENRE_HEAD)).filter(|name| *name != NO_HEAD)
    }

    fn starts_from_nothing(&self) -> bool {
        self.no_prior || self.hidden.is_some()
    }

    fn labelling(&self) -> Labelling {
        if self.multi_label { Labelling::Multi } else { Labelling::Single }
    }

    fn jobs(&self) -> usize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "not a number from 0 to 1".into())
}

/// A number above 0.
fn positive(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    parsed.ok_or_else(|| "not a number above 0".into())
}

fn bundle_name(out: &Path) -> String {
    out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Command line, for the card.
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
