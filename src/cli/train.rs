//! `genred train`: trains a custom head.

mod args;
#[cfg(feature = "corrections")]
mod corrections;
mod gather;
mod input;
mod label_args;
mod notices;
mod report;
mod start;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::learn::{Balance, Bootstrap, HiddenLayer, Prior};
use crate::model::Bundle;
use crate::study::{self, About, Material, NewHead, Place, Replay, Track, TrainOptions, Trained, Training};
pub(super) use args::TrainArgs;
use gather::{Gathered, gather};
use report::Told;
use start::Start;

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
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
    args: &TrainArgs,
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
