//! The model card of a bundle that was trained here.

use std::fmt::Write;
use std::sync::Arc;

use super::material::{LeftOut, Material};
use super::train::{TrainOptions, Trained};
use crate::learn::{Balance, Labelling};
use crate::model::Bundle;

/// Content of a card beside the training itself.
#[derive(Debug)]
pub struct About<'a> {
    /// The bundle's name.
    pub name: &'a str,
    /// The new head's name.
    pub head: &'a str,
    /// Bundle that the trunks are of.
    pub base: &'a Bundle,
    /// Seconds between patches.
    pub hop_seconds: f64,
    /// Altered copies of each file.
    pub copies: u8,
    /// Name of the head that gave the prior mean.
    pub prior: Option<&'a str>,
    /// Command line.
    pub command: &'a str,
    /// The report on held-out tracks, as on the terminal.
    pub figures: &'a str,
}

impl About<'_> {
    /// Training material in a sentence.
    pub fn material(&self, material: &Material) -> String {
        format!(
            "{} tracks ({} patches) of {} in {} genres",
            material.tracks.len(),
            material.patches(),
            named(&material.sources),
            material.labels.len()
        )
    }
}

/// Data sets by name, as in a sentence.
fn named(sources: &[Arc<str>]) -> String {
    let names: Vec<String> = sources.iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        1 => format!("the data set {}", names[0]),
        _ => format!("the data sets {}", names.join(", ")),
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
    write_material(text, about, material, left_out)?;
    write_method(text, about, options, trained)?;
    write_cross_validation(text, about, options, trained)?;
    writeln!(text, "\n## Limits\n")?;
    writeln!(
        text,
        "- It knows {} genres, and answers with them whatever it hears.\n\
         - The figures hold for music like that of {}; how other music fares, only a data set of other music tells.\n\
         - What `CARD-{}.md` says of the trunk holds here too.",
        material.labels.len(),
        named(&material.sources),
        base.name
    )
}

/// Section on the training material.
fn write_material(
    text: &mut String,
    about: &About<'_>,
    material: &Material,
    left_out: &LeftOut,
) -> std::fmt::Result {
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
    let taught = material.track_of.len() - material.patches();
    if taught > 0 {
        let altered = match about.copies {
            0 => String::new(),
            copies => format!(
                ", each file heard {copies} times more, altered (speed, level, tone, small loudspeaker, noise)"
            ),
        };
        writeln!(text, "Learned from, and not judged: {taught} patches{altered}.")?;
    }
    for dominance in material.dominated() {
        let percent = 100.0 * dominance.share;
        writeln!(
            text,
            "`{}` is dominated by one artist: {percent:.0} % are by `{}`.",
            dominance.label, dominance.group
        )?;
    }
    Ok(())
}

/// Section on the fit.
fn write_method(
    text: &mut String,
    about: &About<'_>,
    options: &TrainOptions,
    trained: &Trained,
) -> std::fmt::Result {
    writeln!(text, "\n## How\n")?;
    let Balance { labels, groups } = options.balance;
    let model = match options.hidden {
        Some(hidden) => format!("A hidden layer of {} units", hidden.units),
        None => "Logistic regression".into(),
    };
    writeln!(
        text,
        "{model} with a Gaussian prior on the trunk's embedding, standardised. A genre with `n` tracks weighs \
         `n^{:.2}`, an artist with `n` tracks in it `n^{:.2}`. L2 {} and temperature {:.3}, both by cross-validation.",
        1.0 - labels,
        1.0 - groups,
        trained.strength.l2,
        trained.temperature
    )?;
    if let Some(prior) = about.prior {
        let of = options.prior.mean.as_ref().map_or(0, |mean| mean.is_known.iter().filter(|is| **is).count());
        writeln!(
            text,
            "The prior's mean is the head `{prior}` for the {of} labels that it has, times {}.",
            trained.strength.mean
        )?;
    }
    if options.prior.directions.is_some() {
        writeln!(
            text,
            "Along the logits of known heads, weights deviate by a factor of {} more.",
            trained.strength.directions
        )?;
    }
    if options.label_noise > 0.0 {
        writeln!(text, "A share of {} of the labels is taken to be wrong.", options.label_noise)?;
    }
    Ok(())
}

/// Section on the expected accuracy.
fn write_cross_validation(
    text: &mut String,
    about: &About<'_>,
    options: &TrainOptions,
    trained: &Trained,
) -> std::fmt::Result {
    let penalties: Vec<String> =
        trained.fold_strengths.iter().map(|strength| strength.l2.to_string()).collect();
    writeln!(text, "\n## Cross-validated\n")?;
    writeln!(
        text,
        "In {} folds by groups (seed {}): each track is answered by a head that saw nothing of its group, and whose L2 ({}) \
         and temperature came from the other folds. These are not figures of the head in this bundle, which saw all \
         tracks, but what to expect of it on music like this.\n",
        trained.folds,
        options.seed,
        penalties.join(", ")
    )?;
    writeln!(text, "```\n{}\n```", about.figures.trim_end())
}
