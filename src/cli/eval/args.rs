//! Options of `genred eval`.

use std::path::PathBuf;

use super::super::eval_stream::EvalStreamArgs;
use super::super::model_args::{HopArgs, ModelArgs};
use crate::study::{Filter, Renaming};

/// Evaluate a head on labelled recordings: accuracy, F1, log loss, calibration and confusions, each
/// with an interval.
///
/// Recordings that the model was trained on are refused, by their track id and by their sound.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("decisions").args(["stream", "posteriors"]))]
pub(crate) struct EvalArgs {
    /// Folder with one folder per genre, or CSV file with the columns `path` and `genre`
    #[arg(long, value_name = "DIR|CSV", required_unless_present_any = ["stream", "posteriors"])]
    pub(super) data: Option<PathBuf>,
    #[command(flatten)]
    pub(super) stream: EvalStreamArgs,
    /// Use only rows of the CSV file with this value, as `split=test`; several values of one column
    /// are alternatives
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub(super) filters: Vec<Filter>,
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// Head: a name, or the path of its TOML file
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) head: Option<String>,
    /// Another head for the same embedding: report the differences on the same recordings, with
    /// intervals
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) compare: Option<String>,
    /// Rename a label of the data to a label of the head, as `disco=disco-funk`
    #[arg(long, value_name = "LABEL=KNOWN")]
    pub(super) map: Vec<Renaming>,
    /// Count answers with one label of the head as another, as `punk=rock`
    #[arg(long, value_name = "FROM=TO")]
    pub(super) merge: Vec<Renaming>,
    /// Let the head answer only with labels that the data has
    #[arg(long)]
    pub(super) restrict: bool,
    /// Leave out files with labels that the head does not know
    #[arg(long)]
    pub(super) ignore_unknown: bool,
    /// Include recordings that the model was trained on; the report says so
    #[arg(long, conflicts_with = "exclude_training_material")]
    pub(super) include_training_material: bool,
    /// Leave out recordings that the model was trained on
    #[arg(long)]
    pub(super) exclude_training_material: bool,
    #[command(flatten)]
    pub(super) hop: HopArgs,
    /// Resamples of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(super) resamples: u32,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(super) json: bool,
    /// Write confusion.svg and reliability.svg into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) plots: Option<PathBuf>,
}
