//! Messages of `genred train` before it has a head.

use super::super::say;
use super::args::TrainArgs;
use crate::model::{Bundle, ModelError};
use crate::study::{Dataset, LeftOut, Listened, Material, TrainingMaterial};

/// Reports the files decoded and the material trained on.
pub(super) fn heard(args: &TrainArgs, dataset: &Dataset, heard: &Listened, material: &Material) {
    let known = match heard.cached {
        0 => String::new(),
        cached => format!(" ({cached} from the cache)"),
    };
    let again = match args.augment {
        0 => String::new(),
        copies => format!(" and {copies} alterations of each"),
    };
    say(format_args!(
        "heard {} files{again}{known}; training on {} tracks, {} patches",
        dataset.items.len(),
        material.tracks.len(),
        material.patches()
    ));
}

/// Warns of doubtful figures or heads: genres of one artist, and recordings that the prior knows
/// already.
///
/// # Errors
/// The base's list of training material is damaged.
pub(super) fn doubts(material: &Material, base: &Bundle, has_mean: bool) -> Result<(), ModelError> {
    for dominance in material.dominated() {
        say(format_args!(
            "`{}` is dominated by one artist: {:.0} % of it is by `{}`; add others, or the head learns the artist",
            dominance.label,
            100.0 * dominance.share,
            dominance.group
        ));
    }
    if has_mean {
        let listed = TrainingMaterial::new([&base.training()?]);
        let seen = material.pcm_sha256.iter().filter(|sound| listed.lists_sound(sound)).count();
        if seen > 0 {
            say(format_args!(
                "{seen} recordings are among those that `{}` was trained on: it knows them, and the figures below \
                 are too good; --no-prior gives honest ones",
                base.manifest.name
            ));
        }
    }
    Ok(())
}

/// Reports each file that was left out, and their number, on standard error.
pub(super) fn left_out(left_out: &LeftOut, silence: f32) {
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

/// The label that keeps the number of folds low.
pub(super) fn smallest(material: &Material) -> String {
    // Labels that a prior stands for are no reason: they may be in one group, or in none.
    let spread = (0..material.labels.len()).filter(|label| material.groups_of(*label) > 1);
    let label = spread.min_by_key(|label| material.groups_of(*label)).unwrap_or_default();
    let (tracks, groups) = (material.tracks_of(label).len(), material.groups_of(label));
    let of = if groups < tracks { format!(" of {groups} groups") } else { String::new() };
    material.labels.get(label).map(|name| format!("`{name}` has {tracks} tracks{of}")).unwrap_or_default()
}
