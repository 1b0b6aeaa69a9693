//! Evaluation of the decision stage on recordings that are joined to one stream.
//!
//! A model scores a stream once ([`score_stream`]). Its posteriors can be saved in a file and
//! replayed under any settings ([`decide`]).

mod figures;
mod posteriors;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub(crate) use figures::{GenreTimeline, StreamFigures, TruthInterval};
pub(crate) use posteriors::{PlacedPiece, ScoredPatch, StreamPosteriors};

use super::Renaming;
use super::dataset::{DatasetError, Table};
use super::offline::{self, Cut, FileError};
use crate::decision::{DeadAirConfig, Decider, DecisionConfig, Observation, SilenceConfig, SourceTime};
use crate::event::SourceState;
use crate::model::Model;

/// Error of scoring a stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    List(#[from] DatasetError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Part of a recording, with its label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StreamPiece {
    pub cut: Cut,
    /// Label in the list; `None` if the list has none.
    pub label: Option<Arc<str>>,
}

impl StreamPiece {
    /// Reads the rows of a CSV file, in order. Columns: `path`, relative to the folder of the file;
    /// optional `label` or `genre`, `start`, and `end` or `seconds`, all times in seconds. `map`
    /// renames labels.
    ///
    /// # Errors
    /// The file cannot be read, has no `path` column or no row, or holds an invalid time; the
    /// message names the line.
    pub(crate) fn list(path: &Path, map: &[Renaming]) -> Result<Vec<Self>, DatasetError> {
        let wrong = |what: String| DatasetError::Index { path: path.into(), what };
        let table = Table::read(path)?;
        let file = table
            .column(&["path"])
            .ok_or_else(|| wrong(format!("there is no column `path`; it has {}", table.header.join(", "))))?;
        let [label, start, end, seconds] =
            [&["label", "genre"][..], &["start"], &["end"], &["seconds"]].map(|names| table.column(names));
        if end.is_some() && seconds.is_some() {
            return Err(wrong("it has both `end` and `seconds`; one of them says where a part ends".into()));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut pieces = Vec::new();
        for (line, row) in &table.rows {
            let cell =
                |column: Option<usize>| column.and_then(|at| row.get(at)).filter(|text| !text.is_empty());
            let time = |column: Option<usize>, name: &str| match cell(column).map(str::parse::<f64>) {
                None => Ok(None),
                Some(Ok(time)) if (0.0..=1e6).contains(&time) => Ok(Some(time)),
                Some(_) => Err(wrong(format!("line {line}: `{name}` is no time in seconds"))),
            };
            let name = cell(Some(file)).ok_or_else(|| wrong(format!("line {line} has an empty `path`")))?;
            let begin = time(start, "start")?.unwrap_or(0.0);
            let until = match time(seconds, "seconds")? {
                Some(seconds) => Some(begin + seconds),
                None => time(end, "end")?,
            };
            if until.is_some_and(|until| until <= begin) {
                return Err(wrong(format!("line {line}: the part ends before it begins")));
            }
            let rename = |label: &str| {
                let renamed = map.iter().find(|renaming| renaming.from == label);
                renamed.map_or(label, |renaming| &renaming.to).into()
            };
            pieces.push(Self {
                cut: Cut { path: folder.join(name), start: begin, end: until },
                label: cell(label).map(rename),
            });
        }
        match pieces.is_empty() {
            true => Err(wrong("it has no row".into())),
            false => Ok(pieces),
        }
    }
}

/// Decisions on a stream.
#[derive(Debug, Clone)]
pub(crate) struct DecidedStream {
    /// Published genres.
    pub published: GenreTimeline,
    /// Genres in the as-run log, which are decided in retrospect.
    pub retrospective: GenreTimeline,
}

/// Scores `pieces` as one stream. Front end and model get no information about the joins.
///
/// # Errors
/// A recording cannot be read, a piece holds no audio, or the model fails.
pub(crate) fn score_stream(
    pieces: &[StreamPiece],
    model: &mut Model,
    hop_seconds: f64,
    silence: &SilenceConfig,
    begin: impl FnMut(&Path),
) -> Result<StreamPosteriors, StreamError> {
    let cuts: Vec<Cut> = pieces.iter().map(|piece| piece.cut.clone()).collect();
    let joined = offline::embed_cuts(&cuts, model, hop_seconds, begin)?;
    let embedded = &joined.embedded;
    let embeddings = embedded.embeddings.chunks_exact(model.embedding_dim());
    let patches: Vec<ScoredPatch> = embedded
        .spans
        .iter()
        .zip(&embedded.levels)
        .zip(embeddings)
        .map(|((span, level), embedding)| ScoredPatch {
            span: *span,
            level: *level,
            posteriors: model.head().posteriors(embedding),
            gate: model.gate().map(|gate| gate.posteriors(embedding)),
        })
        .collect();

    let windows = offline::score_patches(embedded, model.head(), model.gate(), silence);
    let labels = model.head().labels();
    let played = joined.bounds.windows(2).zip(pieces).map(|(bounds, piece)| {
        let (start, end) = (bounds[0], bounds[1]);
        let within = windows.iter().filter(|window| window.span.start >= start && window.span.end <= end);
        let within: Vec<_> = within.cloned().collect();
        let by_head = (!within.is_empty()).then(|| {
            let (verdict, _) = offline::verdict_of(&within, model.head().kind(), silence);
            match (verdict.state, verdict.label.and_then(|label| labels.get(label))) {
                (SourceState::Music, Some(label)) => label.clone(),
                (state, _) => state.as_str().into(),
            }
        });
        let path = piece.cut.path.display().to_string();
        PlacedPiece { path, start, end, label: piece.label.clone(), by_head }
    });
    Ok(StreamPosteriors {
        pieces: played.collect(),
        model: model.bundle().manifest.name.clone(),
        head: model.head().name().to_string(),
        labels: labels.to_vec(),
        hop_s: hop_seconds,
        format_changes: joined.format_changes,
        patches,
    })
}

/// Runs the decision stage on a stream. With `alone`, each piece is decided by itself from an empty
/// state, without the patches across a join.
pub(crate) fn decide(
    stream: &StreamPosteriors,
    decision: &DecisionConfig,
    silence: &SilenceConfig,
    alone: bool,
) -> DecidedStream {
    let mut decided =
        DecidedStream { published: GenreTimeline::default(), retrospective: GenreTimeline::default() };
    let whole = PlacedPiece {
        start: f64::NEG_INFINITY,
        end: f64::INFINITY,
        path: String::new(),
        label: None,
        by_head: None,
    };
    let parts = if alone { &stream.pieces[..] } else { std::slice::from_ref(&whole) };
    let uncertain: Arc<str> = SourceState::Uncertain.as_str().into();
    for part in parts {
        if alone {
            decided.published.publish(part.start, &uncertain);
            decided.retrospective.publish(part.start, &uncertain);
        }
        let mut decider = Decider::new(&stream.labels, decision, silence, &DeadAirConfig::default());
        let within = |patch: &&ScoredPatch| patch.span.start >= part.start && patch.span.end <= part.end;
        for patch in stream.patches.iter().filter(within) {
            let (start, end) = (SourceTime(patch.span.start), SourceTime(patch.span.end));
            let (posteriors, gate, level) = (&patch.posteriors[..], patch.gate, patch.level);
            decider.observe(Observation { start, end, posteriors, gate, level });
            decided.published.publish(patch.span.end, &decider.genre(decider.verdict()));
        }
        decider.finish();
        for segment in decider.final_segments() {
            decided.retrospective.publish(segment.start.0, &decider.genre(segment.verdict));
        }
    }
    decided
}
