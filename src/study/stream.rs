//! Recordings joined to one stream, with known changes: how still decisions hold, and how soon they move.
//!
//! A model hears a stream once ([`hear`]); its posteriors can be kept in a file and decided under
//! any settings ([`decide`]).

mod figures;
mod posteriors;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use figures::{Figures, Stretch, Timeline};
pub use posteriors::{PosteriorsError, StreamPosteriors};

use super::Renaming;
use super::dataset::{DatasetError, Table};
use crate::audio::{Level, PatchSpan};
use crate::decision::{
    DeadAirConfig, Decider, DecisionConfig, GatePosteriors, Observation, SilenceConfig, State,
};
use crate::engine::offline::{self, Cut, FileError};
use crate::model::Model;

/// What goes wrong with streams.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The list.
    #[error(transparent)]
    List(#[from] DatasetError),
    /// A recording of it, or the model.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A part of a recording, and what it is said to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The part.
    pub cut: Cut,
    /// Its label in the list, where it has one.
    pub label: Option<Arc<str>>,
}

impl Piece {
    /// The rows of a CSV file, in order: `path`, from the folder of the file on; optionally `label` or `genre`, `start`,
    /// and `end` or `seconds`, both times in seconds. `map` renames labels.
    ///
    /// # Errors
    /// When it cannot be read, has no `path` column or no row, or a time is not one; the message names the line.
    pub fn list(path: &Path, map: &[Renaming]) -> Result<Vec<Self>, DatasetError> {
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

/// One patch of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Where it lies.
    pub span: PatchSpan,
    /// Level at its end.
    pub level: Level,
    /// Posteriors of the head.
    pub posteriors: Vec<f32>,
    /// Posteriors of the gate, where there is one.
    pub gate: Option<GatePosteriors>,
}

/// A piece as it lies in a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Its recording.
    pub path: String,
    /// Start, in seconds.
    pub start: f64,
    /// End, in seconds.
    pub end: f64,
    /// Its label in the list, where it has one.
    pub label: Option<Arc<str>>,
    /// Answer of the head to all of it: the verdict of `classify` on its patches, those across a
    /// join left out. `None` for a piece that is too short for one.
    pub by_head: Option<Arc<str>>,
}

impl Played {
    /// The piece with what is right by its label, or else by the head.
    pub fn stretch(&self, by_label: bool) -> Stretch {
        let genre = if by_label { &self.label } else { &self.by_head };
        Stretch { start: self.start, end: self.end, genre: genre.clone() }
    }
}

/// Published states of a stream.
#[derive(Debug, Clone)]
pub struct Decided {
    /// As it was published.
    pub published: Timeline,
    /// As it is logged, by what came after it as well.
    pub retrospective: Timeline,
}

/// Plays `pieces` as one stream through front end and model, neither of which is told of a join.
///
/// # Errors
/// When a recording cannot be read, a piece holds no sound, or the model fails.
pub fn hear(
    pieces: &[Piece],
    model: &mut Model,
    hop_seconds: f64,
    silence: &SilenceConfig,
    begin: impl FnMut(&Path),
) -> Result<StreamPosteriors, StreamError> {
    let cuts: Vec<Cut> = pieces.iter().map(|piece| piece.cut.clone()).collect();
    let joined = offline::hear_joined(&cuts, model, hop_seconds, begin)?;
    let heard = &joined.heard;
    let embeddings = heard.embeddings.chunks_exact(model.embedding_dim());
    let patches: Vec<Patch> = heard
        .spans
        .iter()
        .zip(&heard.levels)
        .zip(embeddings)
        .map(|((span, level), embedding)| Patch {
            span: *span,
            level: *level,
            posteriors: model.head().posteriors(embedding),
            gate: model.gate().map(|gate| gate.posteriors(embedding)),
        })
        .collect();

    let windows = offline::judge(heard, model.head(), model.gate(), silence);
    let labels = model.head().labels();
    let played = joined.bounds.windows(2).zip(pieces).map(|(bounds, piece)| {
        let (start, end) = (bounds[0], bounds[1]);
        let within = windows.iter().filter(|window| window.span.start >= start && window.span.end <= end);
        let within: Vec<_> = within.cloned().collect();
        let by_head = (!within.is_empty()).then(|| {
            let (verdict, _) = offline::verdict_of(&within, model.head().kind(), silence);
            match (verdict.state, verdict.label.and_then(|label| labels.get(label))) {
                (State::Music, Some(label)) => label.clone(),
                (state, _) => state.as_str().into(),
            }
        });
        let path = piece.cut.path.display().to_string();
        Played { path, start, end, label: piece.label.clone(), by_head }
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

/// Decides what is published of a stream. With `alone` each piece is decided by itself, from a start
/// that knows nothing, and patches across a join are left out.
pub fn decide(
    stream: &StreamPosteriors,
    decision: &DecisionConfig,
    silence: &SilenceConfig,
    alone: bool,
) -> Decided {
    let mut decided = Decided { published: Timeline::default(), retrospective: Timeline::default() };
    let whole = Played {
        start: f64::NEG_INFINITY,
        end: f64::INFINITY,
        path: String::new(),
        label: None,
        by_head: None,
    };
    let parts = if alone { &stream.pieces[..] } else { std::slice::from_ref(&whole) };
    let uncertain: Arc<str> = State::Uncertain.as_str().into();
    for part in parts {
        if alone {
            decided.published.publish(part.start, &uncertain);
            decided.retrospective.publish(part.start, &uncertain);
        }
        let mut decider = Decider::new(&stream.labels, decision, silence, &DeadAirConfig::default());
        let within = |patch: &&Patch| patch.span.start >= part.start && patch.span.end <= part.end;
        for patch in stream.patches.iter().filter(within) {
            let (start, time) = (patch.span.start, patch.span.end);
            let (posteriors, gate, level) = (&patch.posteriors[..], patch.gate, patch.level);
            decider.observe(Observation { start, time, posteriors, gate, level });
            decided.published.publish(time, &decider.genre(decider.verdict()));
        }
        decider.finish();
        for segment in decider.final_segments() {
            decided.retrospective.publish(segment.start, &decider.genre(segment.verdict));
        }
    }
    decided
}
