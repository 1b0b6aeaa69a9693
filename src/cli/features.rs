//! `genred features`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use ndarray::ArrayView2;

use crate::engine::offline;
use crate::model::Bundle;

/// Write the log-mel frames of a file, as the daemon's front end makes them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A sound file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write float32 `[frames, bands]`, in NumPy's format
    #[arg(long, value_name = "NPY")]
    out: PathBuf,
    /// Model bundle whose front end to use: a name or a path
    #[arg(long, value_name = "NAME|PATH", default_value = "musicnn-msd")]
    model: String,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let bundle = Bundle::open(&args.model)?;
    let frames = offline::features(&args.file, &bundle.front_end)?;
    write_npy(&args.out, &frames, bundle.front_end.bands)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `values`, row-major with `columns` a row.
pub fn write_npy(path: &std::path::Path, values: &[f32], columns: usize) -> anyhow::Result<()> {
    let array = ArrayView2::from_shape((values.len() / columns, columns), values)?;
    ndarray_npy::write_npy(path, &array).with_context(|| format!("`{}` cannot be written", path.display()))
}
