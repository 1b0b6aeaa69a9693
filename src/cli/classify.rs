//! `genred classify`: verdicts on whole files.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::inputs::{Input, Inputs};
use super::progress::Progress;
use super::{HopArgs, ModelArgs};
use crate::decision::SilenceConfig;
use crate::study::offline::{self, FileRecord, genre_or_state};

/// Options of `genred classify`.
#[derive(Debug, clap::Args)]
pub(crate) struct ClassifyArgs {
    /// Audio files, folders (searched recursively) or playlists (M3U, PLS, XSPF, ASX)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object per file, with all windows and scores
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Name of the head, or path of its TOML file
    #[arg(long, value_name = "NAME|PATH")]
    head: Option<String>,
    #[command(flatten)]
    hop: HopArgs,
}

pub(crate) fn run(args: &ClassifyArgs) -> anyhow::Result<ExitCode> {
    let mut model = args.model.load(args.head.as_deref())?;
    let labels = model.head().labels().to_vec();
    let (model_name, head_name) = (model.bundle().manifest.name.clone(), model.head().name().clone());
    let silence = SilenceConfig::default();
    let inputs = Inputs::new(&args.files);
    let progress = Progress::new(inputs.list.len());
    let mut stdout = std::io::stdout().lock();
    let mut failed = false;
    for input in &inputs.list {
        let (Input::File(file) | Input::Failed(file, _)) = input;
        progress.begin(file);
        let result = match input {
            Input::File(file) => {
                offline::classify(file, &mut model, args.hop.hop, &silence).map_err(|error| error.to_string())
            }
            Input::Failed(_, what) => Err(what.clone()),
        };
        failed |= result.is_err();
        progress.done(|| -> anyhow::Result<()> {
            match (&result, args.json) {
                (Ok(found), true) => {
                    let name = file.display().to_string();
                    let record = FileRecord::new(&name, &model_name, &head_name, &labels, found);
                    writeln!(stdout, "{}", serde_json::to_string(&record)?)?;
                }
                (Ok(found), false) => {
                    let genre = genre_or_state(found.verdict, &labels);
                    let confidence =
                        found.verdict.confidence.map_or("    ".into(), |p| format!("{:3.0}%", p * 100.0));
                    writeln!(
                        stdout,
                        "{genre:<12} {confidence}  {:>7.1} s  {}",
                        found.duration_s,
                        file.display()
                    )?;
                }
                (Err(error), true) => {
                    let line = json!({ "file": file.display().to_string(), "error": error });
                    writeln!(stdout, "{line}")?;
                }
                (Err(error), false) => super::say(error),
            }
            Ok(())
        })?;
    }
    drop(progress);
    inputs.say_skipped();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
