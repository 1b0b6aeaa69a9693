//! Options of `genred train`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::super::model_args::{HopArgs, ModelArgs};
use super::label_args::{LimitArg, ShiftArg};
use crate::learn::Labelling;
use crate::limits::ArgumentError;
use crate::study::{Filter, Renaming, Trust};

/// Head that a new one starts from where none is named.
pub(super) const GENRE_HEAD: &str = "genres";

/// Value of `--from` and `--directions` for no head.
const NO_HEAD: &str = "none";

/// Train a custom genre head: one folder per genre goes in, a model bundle comes out.
#[derive(Debug, clap::Args)]
pub(crate) struct TrainArgs {
    /// A folder with one folder per genre, or a CSV index with the columns `path` and `genre`; may
    /// be repeated
    #[arg(long, value_name = "DIR|CSV", required_unless_present_any = ["embeddings", "corrections"])]
    pub(super) data: Vec<PathBuf>,
    /// Labelled embeddings that were made elsewhere (safetensors; see docs/guide/train.md); may be
    /// repeated
    #[arg(long, value_name = "FILE")]
    pub(super) embeddings: Vec<PathBuf>,
    /// Learn from what `genred label` stored, in FILE [default: as configured]; the head of the
    /// base bundle is corrected, as with `--from genres`
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) corrections: Option<Option<PathBuf>>,
    /// The bundle to make, as `models/mine`
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Replace the bundle at --out
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// Name of the new head
    #[arg(long, value_name = "NAME", default_value = "genres")]
    pub(super) head_name: String,
    /// Name of the data set in the bundle's list of training tracks, one per --data; by default
    /// that of the folder or index
    #[arg(long, value_name = "NAME")]
    pub(super) dataset: Vec<String>,
    /// A CSV file with the columns `artist` or `group`, and `track` or `path`: tracks that are held
    /// out together
    #[arg(long, value_name = "CSV")]
    pub(super) groups: Option<PathBuf>,
    /// Tracks of no known group: N whose names count up belong together
    #[arg(long, value_name = "N")]
    pub(super) group_blocks: Option<u32>,
    /// Use only rows of the index with this value, as `split=train`
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub(super) filters: Vec<Filter>,
    /// Count a label of the data as another; may be repeated
    #[arg(long, value_name = "LABEL=LABEL")]
    pub(super) map: Vec<Renaming>,
    /// Learn only these labels, and leave other files out
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    pub(super) labels: Vec<String>,
    /// Weights of rows of an index by their column `label_source`, as `folder=0.7,weak=0`, or of
    /// data sets by name; a row of weight 0 is left out, a label of 0.5 or less is learned from and
    /// not judged
    #[arg(long, value_name = "SOURCE=WEIGHT,…", value_delimiter = ',')]
    pub(super) trust: Vec<Trust>,
    /// Correct this head of the base bundle: labels that the data lacks are kept, others are added;
    /// `none` starts from no head, and keeps the directions
    #[arg(long, value_name = "HEAD", conflicts_with = "no_prior")]
    pub(super) from: Option<String>,
    /// Start from nothing in place of the base bundle's heads
    #[arg(long)]
    pub(super) no_prior: bool,
    /// Heads of the base bundle along whose logits the new head's weights may vary more
    #[arg(long, value_name = "HEAD,…", value_delimiter = ',', default_values = ["tags", "genres"])]
    pub(super) directions: Vec<String>,
    /// A track may have several genres, each with a probability of its own
    #[arg(long)]
    pub(super) multi_label: bool,
    /// Exponent that evens out genres of unequal size, from 0 (each track weighs the same) to 1
    /// (each genre)
    #[arg(long, value_name = "0-1", default_value_t = 0.5, value_parser = share)]
    pub(super) balance: f64,
    /// The same for artists within a genre
    #[arg(long, value_name = "0-1", default_value_t = 0.5, value_parser = share)]
    pub(super) artist_balance: f64,
    /// Make genres that are common in the first --data likelier after the fit: 0 leaves the balance
    /// of the weights, 1 makes them as likely as they are there
    #[arg(long, value_name = "0-1", default_value_t = 0.0, value_parser = share)]
    pub(super) prior_shift: f64,
    /// Add NUMBER to the logit of LABEL after the fit, to answer it more often; may be repeated
    #[arg(long, value_name = "LABEL=NUMBER")]
    pub(super) shift: Vec<ShiftArg>,
    /// Strength of the prior; chosen by cross-validation where it is left out
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    pub(super) l2: Option<f64>,
    /// Answer LABEL as OTHER for this share of its patches, as `music:speech=0.004`, by the bias of
    /// OTHER; may be repeated
    #[arg(long, value_name = "LABEL:OTHER=SHARE")]
    pub(super) limit: Vec<LimitArg>,
    /// Put a hidden layer of N units before the labels, for what no linear head can tell; it starts
    /// from nothing
    #[arg(long, value_name = "N", conflicts_with = "from", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) hidden: Option<u16>,
    /// Share of labels that are taken to be wrong
    #[arg(long, value_name = "0-1", default_value_t = 0.0, value_parser = share)]
    pub(super) label_noise: f64,
    /// Hear each file N times more, with another speed, level and tone, through a small
    /// loudspeaker, in noise; takes as much longer
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=20))]
    pub(super) augment: u8,
    /// Parts for cross-validation
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..=20))]
    pub(super) folds: u8,
    /// Decides which tracks go into which part
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Files at once; by default one a processor core
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Folder that keeps embeddings for the next time; by default under `$XDG_CACHE_HOME` or
    /// `~/.cache`
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    pub(super) cache: Option<PathBuf>,
    /// Keep no embeddings
    #[arg(long)]
    pub(super) no_cache: bool,
    #[command(flatten)]
    pub(super) hop: HopArgs,
    /// Resamples of the bootstrap that draws the report's intervals
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(super) resamples: u32,
    /// The report as one JSON object in place of tables
    #[arg(long)]
    pub(super) json: bool,
}

impl TrainArgs {
    /// Name of the head whose labels are kept, corrected and added to: as it was typed, else the
    /// usual one for corrections.
    pub(super) fn corrected(&self) -> Option<&str> {
        let usual = self.corrections.is_some() && !self.no_prior && self.hidden.is_none();
        self.from.as_deref().or_else(|| usual.then_some(GENRE_HEAD)).filter(|name| *name != NO_HEAD)
    }

    pub(super) fn starts_from_nothing(&self) -> bool {
        self.no_prior || self.hidden.is_some()
    }

    pub(super) fn labelling(&self) -> Labelling {
        if self.multi_label { Labelling::Multi } else { Labelling::Single }
    }

    pub(super) fn jobs(&self) -> usize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, ArgumentError> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| ArgumentError::new("a number from 0 to 1"))
}

/// A number above 0.
fn positive(text: &str) -> Result<f64, ArgumentError> {
    let parsed = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    parsed.ok_or_else(|| ArgumentError::new("a number above 0"))
}
