//! The report of `genred train`: each data set on its own.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::args::TrainArgs;
use crate::learn::{Bootstrap, Strength};
use crate::model::Bundle;
use crate::study::{Comparison, LeftOut, Material, Report, TrainOptions, Trained, known_predictions, render};

/// Figures on the tracks of one data set.
pub(super) struct Judged {
    name: Arc<str>,
    report: Report,
    /// Answers of the head that the new one started from, and the difference; absent where it lacks
    /// labels.
    before: Option<(Report, Comparison)>,
}

/// Judges each data set that has something to judge; the first of them is the first of `--data`.
pub(super) fn judge(
    material: &Material,
    options: &TrainOptions,
    trained: &Trained,
    bootstrap: &Bootstrap,
    is_corrected: bool,
) -> anyhow::Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for (source, name) in material.sources.iter().enumerate() {
        let predictions = trained.predictions(material, Some(source));
        if predictions.tracks.is_empty() {
            continue;
        }
        let report = Report::new(&predictions, bootstrap)?;
        let before = match known_predictions(material, Some(source), options, is_corrected) {
            Some(known) => {
                Some((Report::new(&known, bootstrap)?, Comparison::new(&predictions, &known, bootstrap)?))
            }
            None => None,
        };
        judged.push(Judged { name: name.clone(), report, before });
    }
    if judged.is_empty() {
        anyhow::bail!("there is nothing to judge the head by: all material is learned from only");
    }
    Ok(judged)
}

/// All tables, as on the terminal and in the card.
pub(super) fn figures(judged: &[Judged]) -> String {
    let mut text = String::new();
    for one in judged {
        if judged.len() > 1 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "data set `{}`\n", one.name);
        }
        text.push_str(&render::report(&one.report));
        if let Some((_, comparison)) = &one.before {
            let _ = writeln!(text, "\n{}", render::comparison(comparison, "new", "started from"));
        }
    }
    text
}

/// Everything that the report is about.
pub(super) struct Told<'a> {
    pub(super) args: &'a TrainArgs,
    pub(super) base: &'a Bundle,
    /// Name of the head that gave the prior mean.
    pub(super) from: Option<&'a str>,
    pub(super) material: &'a Material,
    pub(super) left_out: &'a LeftOut,
    pub(super) trained: &'a Trained,
    pub(super) judged: &'a [Judged],
    /// Counts of the corrections; `null` where there are none.
    pub(super) corrections: &'a Value,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Line<'a> {
    data: String,
    dataset: &'a str,
    out: String,
    model: &'a str,
    head: &'a str,
    hop_s: f64,
    augment: u8,
    cross_validated: Value,
    penalty: f64,
    temperature: f64,
    prior: Value,
    dominated: Vec<Value>,
    left_out: Value,
    corrections: &'a Value,
    /// Of the first data set.
    #[serde(flatten)]
    report: &'a Report,
    data_sets: Vec<Value>,
}

impl Told<'_> {
    pub(super) fn text(&self, figures: &str) -> String {
        let strength = &self.trained.strength;
        let from = match self.from {
            Some(name) if strength.mean > 0.0 => format!("; started from `{name}`"),
            _ => String::new(),
        };
        format!(
            "head `{}` of `{}`, cross-validated on `{}` in {} parts, a patch every {} s{from}\n\
             each track was answered by a head that had seen nothing of its group\n\n{figures}",
            self.args.head_name,
            self.args.out.display(),
            self.data(),
            self.trained.folds,
            self.args.hop.hop,
        )
    }

    fn data(&self) -> String {
        let files = self.args.data.iter().chain(&self.args.embeddings);
        let corrections = self.args.corrections.iter().map(|_| "corrections".to_owned());
        files.map(|path| shown(path)).chain(corrections).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn json(&self) -> anyhow::Result<String> {
        let LeftOut { unreadable, silent, silent_patches, copies, contradictions } = self.left_out;
        let pairs = |pairs: &[(PathBuf, PathBuf)]| -> Vec<Value> {
            pairs.iter().map(|(copy, of)| json!({ "file": shown(copy), "of": shown(of) })).collect()
        };
        let trained = self.trained;
        let Strength { mean, directions, .. } = trained.strength;
        let [first, ..] = self.judged else { anyhow::bail!("there is nothing to report") };
        let data_sets = self.judged.iter().map(|one| {
            json!({
                "name": one.name,
                "report": one.report,
                "before": one.before.as_ref().map(|(report, difference)| json!({
                    "report": report,
                    "difference": difference,
                })),
            })
        });
        let line = Line {
            data: self.data(),
            dataset: &first.name,
            out: shown(&self.args.out),
            model: &self.base.manifest.name,
            head: &self.args.head_name,
            hop_s: self.args.hop.hop,
            augment: self.args.augment,
            cross_validated: json!({
                "folds": trained.folds,
                "seed": self.args.seed,
                "penalties": trained.fold_strengths.iter().map(|strength| strength.l2).collect::<Vec<_>>(),
            }),
            penalty: trained.strength.l2,
            temperature: trained.temperature,
            prior: match self.args.no_prior {
                true => Value::Null,
                false => json!({ "head": self.from, "mean": mean, "directions": directions }),
            },
            dominated: self
                .material
                .dominated()
                .into_iter()
                .map(|one| json!({ "label": one.label, "artist": one.group, "share": one.share }))
                .collect(),
            left_out: json!({
                "unreadable": unreadable
                    .iter()
                    .map(|(file, error)| json!({ "file": shown(file), "error": error }))
                    .collect::<Vec<_>>(),
                "silent": silent.iter().map(|file| shown(file)).collect::<Vec<_>>(),
                "silent_patches": silent_patches,
                "copies": pairs(copies),
                "contradictions": contradictions
                    .iter()
                    .map(|files| files.iter().map(|file| shown(file)).collect::<Vec<_>>())
                    .collect::<Vec<_>>(),
            }),
            corrections: self.corrections,
            report: &first.report,
            data_sets: data_sets.collect(),
        };
        let mut value = serde_json::to_value(&line)?;
        super::super::rounding::round(&mut value);
        Ok(format!("{value}\n"))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
