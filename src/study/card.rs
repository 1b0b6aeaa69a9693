//! The model card of a bundle that was trained here.

use std::fmt::Write;

use super::material::{LeftOut, Material};
use super::train::{TrainOptions, Trained};
use crate::learn::Labelling;
use crate::model::Bundle;

/// What a card tells beside the training itself.
#[derive(Debug)]
pub struct About<'a> {
    /// The bundle's name.
    pub name: &'a str,
    /// The new head's name.
    pub head: &'a str,
    /// Name of the data set.
    pub dataset: &'a str,
    /// What the trunk was taken from.
    pub base: &'a Bundle,
    /// Seconds between patches.
    pub hop_seconds: f64,
    /// How often each file was heard altered.
    pub copies: u8,
    /// What was typed.
    pub command: &'a str,
    /// The report on held-out tracks, as on the terminal.
    pub figures: &'a str,
}

impl About<'_> {
    /// What was trained on, in a sentence.
    pub fn material(&self, material: &Material) -> String {
        format!(
            "{} tracks ({} patches) of the data set `{}` in {} genres",
            material.tracks.len(),
            material.patches(),
            self.dataset,
            material.labels.len()
        )
    }
}

/// The card, in Markdown. It holds no date, so that the same training gives the same bytes.
pub fn card(
    about: &About<'_>,
    material: &Material,
    left_out: &LeftOut,
    options: &TrainOptions,
    trained: &Trained,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, about, material, left_out, options, trained);
    text
}

fn write(
    text: &mut String,
    about: &About<'_>,
    material: &Material,
    left_out: &LeftOut,
    options: &TrainOptions,
    trained: &Trained,
) -> std::fmt::Result {
    let base = &about.base.manifest;
    let head = about.head;
    let kind = match options.labelling {
        Labelling::Single => "one genre a patch (softmax)",
        Labelling::Multi => "any number of genres a patch (a sigmoid each)",
    };
    writeln!(text, "# {}\n", about.name)?;
    writeln!(text, "The head `{head}` on the trunk of {} {}: {kind}.\n", base.name, base.version)?;
    writeln!(text, "- **Trained on**: {}; `manifest.toml` lists the tracks", about.material(material))?;
    writeln!(text, "- **Made by**: genred {}, `{}`", env!("CARGO_PKG_VERSION"), about.command)?;
    writeln!(
        text,
        "- **Licence**: trunk, reference and the other heads are {}'s, under its licence ({}; see the `LICENSE` files and \
         `CARD-{0}.md`). The head is its maker's, who knows what the recordings allow",
        base.name, base.licence
    )?;
    writeln!(text, "\n## Trained on\n")?;
    writeln!(text, "| genre | tracks | groups | patches |\n|---|---|---|---|")?;
    for (index, label) in material.labels.iter().enumerate() {
        let (tracks, groups) = (material.tracks_of(index).len(), material.groups_of(index));
        writeln!(text, "| {label} | {tracks} | {groups} | {} |", material.patches_of(index))?;
    }
    writeln!(
        text,
        "\nA patch every {} s. Tracks of one group (artist) were never separated.",
        about.hop_seconds
    )?;
    let left_out = left_out.to_string();
    if !left_out.is_empty() {
        writeln!(text, "Left out: {left_out}.")?;
    }
    if about.copies > 0 {
        writeln!(
            text,
            "Learned from, and not judged: {} patches, each file heard {} times more, altered (speed, level, tone, small loudspeaker, noise).",
            material.track_of.len() - material.patches(),
            about.copies
        )?;
    }
    writeln!(text, "\n## How\n")?;
    let weights = match options.balanced {
        true => "each genre weighs the same, and within it each track",
        false => "each track weighs the same",
    };
    let penalties: Vec<String> = trained.fold_penalties.iter().map(f64::to_string).collect();
    writeln!(
        text,
        "Logistic regression with an L2 penalty on the trunk's embedding, standardised; {weights}. Penalty {} and \
         temperature {:.3}, both by cross-validation.",
        trained.penalty, trained.temperature
    )?;
    writeln!(text, "\n## Cross-validated\n")?;
    writeln!(
        text,
        "In {} folds by groups (seed {}): each track is answered by a head that saw nothing of its group, and whose penalty ({}) \
         and temperature came from the other folds. These are not figures of the head in this bundle, which saw all \
         tracks, but what to expect of it on music like this.\n",
        trained.folds,
        options.seed,
        penalties.join(", ")
    )?;
    writeln!(text, "```\n{}\n```", about.figures.trim_end())?;
    writeln!(text, "\n## Limits\n")?;
    writeln!(
        text,
        "- It knows {} genres, and answers with them whatever it hears.\n\
         - The figures hold for music like that of `{}`; how other music fares, only a data set of other music tells.\n\
         - What `CARD-{}.md` says of the trunk holds here too.",
        material.labels.len(),
        about.dataset,
        base.name
    )
}
