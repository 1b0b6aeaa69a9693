//! `genred embed`: writes the embeddings of files.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;

use super::features::write_npy;
use super::progress::Progress;
use super::{HopArgs, ModelArgs};
use crate::study::offline;

/// Options of `genred embed`.
#[derive(Debug, clap::Args)]
pub(crate) struct EmbedArgs {
    /// Audio files
    #[arg(value_name = "FILE", required_unless_present = "list")]
    files: Vec<PathBuf>,
    /// Read the paths from a text file, one per line
    #[arg(long, value_name = "PATH", conflicts_with = "files")]
    list: Option<PathBuf>,
    /// Output folder for one NumPy file per input, float32 `[patches, dim]`; for a single input,
    /// also a path that ends in `.npy`
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    hop: HopArgs,
}

pub(crate) fn run(args: &EmbedArgs) -> anyhow::Result<ExitCode> {
    let files = match &args.list {
        Some(list) => read_list(list)?,
        None => args.files.clone(),
    };
    let outputs = outputs(&files, &args.out)?;
    let mut model = args.model.load_for_embedding()?;
    let progress = Progress::new(files.len());
    let mut stdout = std::io::stdout().lock();
    let mut failed = false;
    for (file, out) in files.iter().zip(&outputs) {
        progress.begin(file);
        let result = offline::embed_file(file, &mut model, args.hop.hop);
        failed |= result.is_err();
        progress.done(|| -> anyhow::Result<()> {
            match &result {
                Ok(embedded) => {
                    write_npy(out, &embedded.embeddings, model.embedding_dim())?;
                    let line = json!({
                        "file": file.display().to_string(),
                        "out": out.display().to_string(),
                        "patches": embedded.spans.len(),
                        "pcm_sha256": embedded.pcm_sha256,
                    });
                    writeln!(stdout, "{line}")?;
                }
                Err(error) => {
                    writeln!(
                        stdout,
                        "{}",
                        json!({ "file": file.display().to_string(), "error": error.to_string() })
                    )?;
                }
            }
            Ok(())
        })?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read_list(list: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let text =
        std::fs::read_to_string(list).with_context(|| format!("`{}` cannot be read", list.display()))?;
    let files: Vec<PathBuf> =
        text.lines().filter(|line| !line.trim().is_empty()).map(PathBuf::from).collect();
    if files.is_empty() {
        bail!("`{}` names no file", list.display());
    }
    Ok(files)
}

/// Returns one output path per file. Files with equal names are rejected, since they would
/// overwrite each other's output.
fn outputs(files: &[PathBuf], out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if files.len() == 1 && out.extension().is_some_and(|extension| extension == "npy") {
        return Ok(vec![out.to_path_buf()]);
    }
    if out.extension().is_some_and(|extension| extension == "npy") {
        bail!("`{}` is one file, and {} are to be embedded; name a folder", out.display(), files.len());
    }
    std::fs::create_dir_all(out).with_context(|| format!("the folder `{}` cannot be made", out.display()))?;
    let mut taken = HashSet::new();
    files
        .iter()
        .map(|file| {
            let mut name: OsString = file.file_name().unwrap_or_default().to_owned();
            name.push(".npy");
            if !taken.insert(name.clone()) {
                bail!("two files are called `{}`; give them to two calls", file.display());
            }
            Ok(out.join(name))
        })
        .collect()
}
