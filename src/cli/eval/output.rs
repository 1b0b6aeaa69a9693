//! Reports of `genred eval`, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::super::rounding::round;
use super::args::EvalArgs;
use crate::model::TrunkKind;
use crate::study::{Comparison, Dataset, Evaluation, Report, Vocabulary, examples, render};

/// Evaluation with the settings that its report names.
pub(super) struct EvaluationOutput<'a> {
    pub(crate) args: &'a EvalArgs,
    pub(crate) data: &'a Path,
    pub(crate) dataset: &'a Dataset,
    pub(crate) model: &'a str,
    pub(crate) trunk: TrunkKind,
    pub(crate) heads: Vec<&'a Arc<str>>,
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) evaluation: &'a Evaluation,
    pub(crate) is_listed: bool,
    pub(crate) report: &'a Report,
    pub(crate) comparison: Option<&'a Comparison>,
}

/// Object that `--json` prints.
#[derive(Serialize)]
struct EvaluationLine<'a> {
    data: String,
    #[serde(rename = "where")]
    filters: Vec<String>,
    model: &'a str,
    head: &'a str,
    trunk: &'a str,
    hop_s: f64,
    vocabulary: VocabularyPart<'a>,
    training_material: TrainingMaterialPart<'a>,
    files: usize,
    duration_s: f64,
    left_out: LeftOutPart<'a>,
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<ComparisonPart<'a>>,
}

#[derive(Serialize)]
struct VocabularyPart<'a> {
    restricted: bool,
    mapped: &'a BTreeMap<String, String>,
    merged: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct TrainingMaterialPart<'a> {
    listed: bool,
    included: usize,
    excluded: usize,
    by_id: &'a BTreeMap<Arc<str>, String>,
    by_sound: Vec<&'a str>,
}

#[derive(Serialize)]
struct LeftOutPart<'a> {
    unreadable: Vec<BTreeMap<&'static str, String>>,
    unknown_labels: &'a [Arc<str>],
    unknown_files: usize,
    copies: Vec<BTreeMap<&'static str, String>>,
    contradictions: Vec<Vec<String>>,
    unlabelled_rows: usize,
    other_files: usize,
}

#[derive(Serialize)]
struct ComparisonPart<'a> {
    head: &'a str,
    #[serde(flatten)]
    differences: &'a Comparison,
}

impl EvaluationOutput<'_> {
    pub(crate) fn json(&self) -> anyhow::Result<String> {
        let evaluation = self.evaluation;
        let shown = |path: &PathBuf| path.display().to_string();
        let seen = evaluation.seen.tracks();
        let is_included = self.args.include_training_material;
        let line = EvaluationLine {
            data: self.data.display().to_string(),
            filters: self.args.filters.iter().map(|f| format!("{}={}", f.column, f.value)).collect(),
            model: self.model,
            head: self.heads[0],
            trunk: self.trunk.as_str(),
            hop_s: self.args.hop.hop,
            vocabulary: VocabularyPart {
                restricted: self.vocabulary.is_restricted,
                mapped: &self.vocabulary.mapped,
                merged: &self.vocabulary.merged,
            },
            training_material: TrainingMaterialPart {
                listed: self.is_listed,
                included: if is_included { seen } else { 0 },
                excluded: if is_included { 0 } else { seen },
                by_id: &evaluation.seen.by_id,
                by_sound: evaluation.seen.by_sound.iter().map(AsRef::as_ref).collect(),
            },
            files: evaluation.files,
            duration_s: evaluation.seconds,
            left_out: LeftOutPart {
                unreadable: evaluation
                    .unreadable
                    .iter()
                    .map(|(file, error)| BTreeMap::from([("file", shown(file)), ("error", error.clone())]))
                    .collect(),
                unknown_labels: &self.vocabulary.unknown,
                unknown_files: evaluation.unknown,
                copies: evaluation
                    .copies
                    .iter()
                    .map(|(copy, of)| BTreeMap::from([("file", shown(copy)), ("of", shown(of))]))
                    .collect(),
                contradictions: evaluation
                    .contradictions
                    .iter()
                    .map(|files| files.iter().map(shown).collect())
                    .collect(),
                unlabelled_rows: self.dataset.unlabelled,
                other_files: self.dataset.ignored.len(),
            },
            report: self.report,
            comparison: self
                .comparison
                .map(|differences| ComparisonPart { head: self.heads[1], differences }),
        };
        let mut value = serde_json::to_value(&line)?;
        round(&mut value);
        Ok(format!("{value}\n"))
    }

    pub(crate) fn text(&self) -> String {
        let evaluation = self.evaluation;
        let filters: Vec<String> =
            self.args.filters.iter().map(|f| format!(", {}={}", f.column, f.value)).collect();
        let mut text = format!(
            "head `{}` of `{}` on `{}`{}: {} files, {:.1} min, a patch every {} s\n",
            self.heads[0],
            self.model,
            self.data.display(),
            filters.concat(),
            evaluation.files,
            evaluation.seconds / 60.0,
            self.args.hop.hop,
        );
        for note in self.notes() {
            let _ = writeln!(text, "{note}");
        }
        text.push('\n');
        text.push_str(&render::report(self.report));
        if let Some(differences) = self.comparison {
            let _ = write!(text, "\n{}", render::comparison(differences, self.heads[0], self.heads[1]));
        }
        text
    }

    /// Notes on the figures, one line each.
    fn notes(&self) -> Vec<String> {
        let (evaluation, words) = (self.evaluation, self.vocabulary);
        let mut notes = Vec::new();
        let seen = evaluation.seen.tracks();
        if seen > 0 && self.args.include_training_material {
            notes.push(format!(
                "NOT A TEST: the model was trained on {seen} of these tracks ({}); the figures are too good",
                evaluation.seen
            ));
        } else if seen > 0 {
            notes
                .push(format!("left out: {seen} tracks that the model was trained on ({})", evaluation.seen));
        }
        if !self.is_listed {
            notes.push("the training material of the head is unknown".into());
        }
        let pairs = |pairs: &BTreeMap<String, String>| {
            examples(pairs.iter().map(|(from, to)| format!("{from} as {to}")).collect::<Vec<_>>().into_iter())
        };
        if !words.mapped.is_empty() {
            notes.push(format!("labels of the data: {}", pairs(&words.mapped)));
        }
        if !words.merged.is_empty() {
            notes.push(format!("answers counted: {}", pairs(&words.merged)));
        }
        if words.is_restricted {
            notes.push(format!("restricted to the {} labels that the data has", words.labels.len()));
        }
        let shown = |path: &PathBuf| format!("`{}`", path.display());
        let mut left_out = |count: usize, what: String| {
            if count > 0 {
                notes.push(format!("left out: {count} {what}"));
            }
        };
        let unreadable = evaluation.unreadable.iter().map(|(file, _)| shown(file));
        left_out(evaluation.unreadable.len(), format!("files that cannot be read: {}", examples(unreadable)));
        let unknown = words.unknown.iter().map(|label| label.to_string());
        left_out(
            evaluation.unknown,
            format!("files with labels that the head does not know: {}", examples(unknown)),
        );
        let copies = evaluation.copies.iter().map(|(copy, of)| format!("{} as {}", shown(copy), shown(of)));
        left_out(
            evaluation.copies.len(),
            format!("files that sound exactly as another: {}", examples(copies)),
        );
        let twins = evaluation.contradictions.iter().flatten().map(shown).collect::<Vec<_>>();
        let count = twins.len();
        left_out(
            count,
            format!("files that sound exactly alike under different labels: {}", examples(twins.into_iter())),
        );
        left_out(self.dataset.unlabelled, "rows without a label".into());
        left_out(self.report.patches_left_out, "patches that are not music".into());
        if self.report.tracks_without_music > 0 {
            notes.push(format!(
                "{} tracks have no patch of music, and are judged by the others",
                self.report.tracks_without_music
            ));
        }
        notes
    }
}
