//! Prior of `genred train`, by its options.

use anyhow::bail;

use super::args::{GENRE_HEAD, TrainArgs};
use crate::model::Model;
use crate::study::{self, Known, PriorOptions};

/// Heads and statistics that the new head starts from.
pub(super) struct Start {
    /// Name of the head that is the prior mean.
    pub(super) name: Option<String>,
    pub(super) known: Known,
}

impl Start {
    /// Opens what the options name.
    ///
    /// # Errors
    /// A head is missing, damaged, or cannot be corrected.
    pub(super) fn open(args: &TrainArgs, model: &Model) -> anyhow::Result<Self> {
        let mut options = PriorOptions::default();
        if args.starts_from_nothing() {
            return Ok(Self { name: None, known: Known::default() });
        }
        let there = model.bundle().heads();
        let is_there = |name: &str| there.iter().any(|head| head == name);
        let name = match args.corrected() {
            Some(name) => Some(name.to_owned()),
            None if args.from.is_some() => None,
            None => is_there(GENRE_HEAD).then(|| GENRE_HEAD.to_owned()),
        };
        if let Some(name) = &name {
            options.mean = Some(model.open_head(name)?);
        }
        if args.corrected().is_some() && options.mean.as_ref().is_some_and(|head| head.layers().is_none()) {
            bail!(
                "`--from {}`: this head has a label map; name another, or train without --from",
                args.corrected().unwrap_or_default()
            );
        }
        options.statistics = study::music_statistics(model.bundle())?;
        for name in args.directions.iter().filter(|name| is_there(name)) {
            options.directions.push(model.open_head(name)?);
        }
        Ok(Self { name, known: Known::new(&options) })
    }
}
