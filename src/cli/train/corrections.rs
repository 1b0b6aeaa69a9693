//! `genred train --corrections`: corrections of listeners as material.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::super::say;
use crate::config::DaemonLocation;
use crate::model::Bundle;
use crate::sink::corrections;
use crate::study::{CORRECTIONS, Corrected, CorrectionCounts, Dataset, EmbeddingSet, Known};

/// Groups of corrections below which figures say little.
const FEW: usize = 10;

/// The corrections in `file`, or in the configured one, as a set of embeddings, and their counts
/// for `--json`. What is left out is said. `others` is learned from, too.
///
/// # Errors
/// The file cannot be read, or nothing in it can be learned from.
pub(super) fn corrected(
    file: Option<&Path>,
    base: &Bundle,
    known: &Known,
    dataset: &Dataset,
    others: &[EmbeddingSet],
) -> anyhow::Result<(EmbeddingSet, Value)> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => DaemonLocation::load(None)
            .context("`--corrections FILE` needs no configuration")?
            .corrections()?,
    };
    let (stored, damaged) = corrections::read(&path)?;
    let embedding = &base.manifest.embedding;
    let mut corrected = Corrected::new(&stored, &embedding.id, embedding.dim, damaged);
    say(format_args!("corrections in `{}`:\n{}", path.display(), corrected.to_string().trim_end()));
    let of_others = others.iter().flat_map(|set| &set.rows).flat_map(|row| &row.targets);
    let others_labels: Vec<&Arc<str>> =
        dataset.labels.iter().chain(of_others.map(|(label, _)| label)).collect();
    let is_known =
        |label: &str| known.meant_by(label).is_some() || others_labels.iter().any(|other| ***other == *label);
    let lone = corrected.take_lone_labels(is_known);
    for label in &lone {
        say(format_args!(
            "left out: `{label}` is new and has corrections of one piece only; correct another piece of it, three minutes \
             later or on another source"
        ));
    }
    let groups = corrected.groups();
    let is_alone = dataset.items.is_empty() && others.is_empty();
    if groups == 0 {
        bail!("`{}` holds nothing to learn from for `{}`", path.display(), base.manifest.name);
    }
    if groups == 1 && is_alone {
        bail!(
            "too few corrections: all are of one piece, and nothing can be held back to judge the head by; correct another \
             piece, three minutes later or on another source"
        );
    }
    if is_alone {
        say(
            "genres that nobody corrected are not judged here, and may have become worse: add recordings of them (--data), and \
             check with `genred eval`",
        );
    }
    if groups < FEW {
        say(format_args!(
            "corrections of {groups} pieces are too few to judge the head by: the figures below say little, listen to it"
        ));
    }
    let prefix = format!("{CORRECTIONS}:");
    let seen = base.training()?.tracks.iter().filter(|track| track.starts_with(&prefix)).count();
    if seen > 0 {
        say(format_args!(
            "`{}` has learned from {seen} corrections before, and the comparison with it is too good for it; train from the \
             model that it was made from (--model)",
            base.manifest.name
        ));
    }
    Ok((corrected.set(embedding.dim), counts(&corrected, &lone)))
}

fn counts(corrected: &Corrected, lone: &[Arc<str>]) -> Value {
    let labels = corrected.labels.iter().map(|(label, counts)| {
        let CorrectionCounts { corrections, patches, groups } = counts;
        (label.to_string(), json!({ "corrections": corrections, "patches": patches, "groups": groups }))
    });
    json!({
        "labels": labels.collect::<serde_json::Map<_, _>>(),
        "groups": corrected.groups(),
        "contradictions": corrected
            .contradictions
            .iter()
            .map(|(earlier, later)| json!({ "earlier": earlier, "later": later }))
            .collect::<Vec<_>>(),
        "contradicted_patches": corrected.contradicted_patches,
        "repeated_patches": corrected.repeated_patches,
        "left_out": {
            "other_embeddings": corrected.other_embeddings,
            "damaged": corrected.damaged,
            "one_piece_only": lone,
        },
    })
}
