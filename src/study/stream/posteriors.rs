//! Posteriors of a stream in a safetensors file.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};

use super::figures::TruthInterval;
use crate::audio::{Level, PatchSpan};
use crate::event::GatePosteriors;

/// Error of reading or writing a posteriors file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PosteriorsError {
    #[error("`{path}`: {error}")]
    File { path: String, error: io::Error },
    #[error("`{path}` is not a file of `genred eval --save-posteriors`: {what}")]
    Content {
        path: String,
        /// Description of the fault.
        what: String,
    },
}

/// Scored patch of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScoredPatch {
    pub span: PatchSpan,
    /// Level at the end of the patch.
    pub level: Level,
    pub posteriors: Vec<f32>,
    /// `None` if the bundle has no gate.
    pub gate: Option<GatePosteriors>,
}

/// Piece at its place in a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlacedPiece {
    /// Path of the recording.
    pub path: String,
    /// Start in the stream, in seconds.
    pub start: f64,
    /// End in the stream, in seconds.
    pub end: f64,
    /// Label in the list; `None` if the list has none.
    pub label: Option<Arc<str>>,
    /// Verdict of `classify` on the patches that lie within the piece; `None` if there are none.
    pub by_head: Option<Arc<str>>,
}

impl PlacedPiece {
    /// Interval with its right genre: the label, or else the verdict on the whole piece.
    pub(crate) fn truth(&self, by_label: bool) -> TruthInterval {
        let genre = if by_label { &self.label } else { &self.by_head };
        TruthInterval { start: self.start, end: self.end, genre: genre.clone() }
    }
}

/// Scores of a model for a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StreamPosteriors {
    /// Name of the bundle.
    pub model: String,
    /// Name of the head.
    pub head: String,
    pub labels: Vec<Arc<str>>,
    /// Seconds from one patch to the next.
    pub hop_s: f64,
    /// Number of joins at which the sample rate or the channel count changes. There the front end
    /// starts over, and no patch crosses the join.
    pub format_changes: usize,
    pub pieces: Vec<PlacedPiece>,
    pub patches: Vec<ScoredPatch>,
}

/// Metadata of the file, as one JSON object.
#[derive(Serialize, Deserialize)]
struct PosteriorsMetadata {
    model: String,
    head: String,
    labels: Vec<String>,
    hop_s: f64,
    format_changes: usize,
    has_gate: bool,
    /// Path, label and verdict of each piece.
    pieces: Vec<(String, Option<String>, Option<String>)>,
}

const ABOUT: &str = "stream";

impl StreamPosteriors {
    /// Writes a safetensors file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), PosteriorsError> {
        let text = |label: &Option<Arc<str>>| label.as_ref().map(ToString::to_string);
        let about = PosteriorsMetadata {
            model: self.model.clone(),
            head: self.head.clone(),
            labels: self.labels.iter().map(ToString::to_string).collect(),
            hop_s: self.hop_s,
            format_changes: self.format_changes,
            has_gate: self.patches.iter().all(|patch| patch.gate.is_some()),
            pieces: self
                .pieces
                .iter()
                .map(|piece| (piece.path.clone(), text(&piece.label), text(&piece.by_head)))
                .collect(),
        };
        let patches = || self.patches.iter();
        let doubles =
            |values: &mut dyn Iterator<Item = f64>| values.flat_map(f64::to_le_bytes).collect::<Vec<u8>>();
        let singles =
            |values: &mut dyn Iterator<Item = f32>| values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
        let (count, pieces) = (self.patches.len(), self.pieces.len());
        let tensors = [
            (
                "pieces",
                Dtype::F64,
                [pieces, 2],
                doubles(&mut self.pieces.iter().flat_map(|piece| [piece.start, piece.end])),
            ),
            (
                "spans",
                Dtype::F64,
                [count, 2],
                doubles(&mut patches().flat_map(|patch| [patch.span.start, patch.span.end])),
            ),
            (
                "levels",
                Dtype::F32,
                [count, 3],
                singles(
                    &mut patches()
                        .flat_map(|ScoredPatch { level, .. }| [level.lufs_s, level.tone_s, level.repeated_s]),
                ),
            ),
            (
                "gate",
                Dtype::F32,
                [count, 3],
                singles(&mut patches().flat_map(|patch| {
                    patch.gate.map_or([1.0, 0.0, 0.0], |gate| [gate.music, gate.speech, gate.noise])
                })),
            ),
            (
                "posteriors",
                Dtype::F32,
                [count, self.labels.len()],
                singles(&mut patches().flat_map(|patch| patch.posteriors.iter().copied())),
            ),
        ];
        let wrong = |error: io::Error| PosteriorsError::File { path: path.display().to_string(), error };
        let mut views = BTreeMap::new();
        for (name, dtype, shape, bytes) in &tensors {
            let view = TensorView::new(*dtype, shape.to_vec(), bytes);
            views.insert(*name, view.map_err(|error| wrong(io::Error::other(error)))?);
        }
        let about = serde_json::to_string(&about).map_err(|error| wrong(error.into()))?;
        let metadata = HashMap::from([(ABOUT.to_owned(), about)]);
        let bytes = serialize(views, Some(metadata)).map_err(|error| wrong(io::Error::other(error)))?;
        std::fs::write(path, bytes).map_err(wrong)
    }

    /// Reads a file that [`write`](Self::write) made.
    ///
    /// # Errors
    /// The file cannot be read or has other content.
    pub(crate) fn read(path: &Path) -> Result<Self, PosteriorsError> {
        let shown = path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|error| PosteriorsError::File { path: shown.clone(), error })?;
        parse(&bytes).map_err(|what| PosteriorsError::Content { path: shown, what })
    }
}

fn parse(bytes: &[u8]) -> Result<StreamPosteriors, String> {
    let text = |error: safetensors::SafeTensorError| error.to_string();
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(text)?;
    let about =
        metadata.metadata().as_ref().and_then(|all| all.get(ABOUT)).ok_or("it has no such metadata")?;
    let about: PosteriorsMetadata = serde_json::from_str(about).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(text)?;
    let of = |name: &str, dtype: Dtype, columns: usize| {
        let view = tensors.tensor(name).map_err(text)?;
        match view.dtype() == dtype && matches!(view.shape(), [_, wide] if *wide == columns) {
            true => Ok(view),
            false => Err(format!("`{name}` has another shape or type")),
        }
    };
    let doubles = |name: &str| -> Result<Vec<[f64; 2]>, String> {
        let view = of(name, Dtype::F64, 2)?;
        let values = view.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        Ok(values.collect::<Vec<f64>>().as_chunks::<2>().0.to_vec())
    };
    let singles = |name: &str, columns: usize| -> Result<Vec<f32>, String> {
        let view = of(name, Dtype::F32, columns)?;
        Ok(view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    let (bounds, spans) = (doubles("pieces")?, doubles("spans")?);
    let (levels, gate) = (singles("levels", 3)?, singles("gate", 3)?);
    let labels = about.labels.len();
    let posteriors = singles("posteriors", labels)?;
    let patches = spans.len();
    if labels == 0
        || bounds.len() != about.pieces.len()
        || [levels.len(), gate.len()] != [3 * patches; 2]
        || posteriors.len() != patches * labels
    {
        return Err("its tables are of different lengths".into());
    }
    let pieces =
        about.pieces.into_iter().zip(&bounds).map(|((path, label, by_head), [start, end])| PlacedPiece {
            path,
            start: *start,
            end: *end,
            label: label.map(Into::into),
            by_head: by_head.map(Into::into),
        });
    let rows = spans.iter().zip(levels.as_chunks::<3>().0).zip(gate.as_chunks::<3>().0);
    let rows = rows.zip(posteriors.chunks_exact(labels));
    let patches =
        rows.map(|((([start, end], [lufs_s, tone_s, repeated_s]), [music, speech, noise]), posteriors)| {
            ScoredPatch {
                span: PatchSpan { start: *start, end: *end },
                level: Level { tone_s: *tone_s, repeated_s: *repeated_s, ..Level::of_loudness(*lufs_s) },
                posteriors: posteriors.to_vec(),
                gate: about.has_gate.then_some(GatePosteriors {
                    music: *music,
                    speech: *speech,
                    noise: *noise,
                }),
            }
        });
    Ok(StreamPosteriors {
        pieces: pieces.collect(),
        patches: patches.collect(),
        model: about.model,
        head: about.head,
        labels: about.labels.into_iter().map(Into::into).collect(),
        hop_s: about.hop_s,
        format_changes: about.format_changes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(gate: Option<GatePosteriors>) -> StreamPosteriors {
        let patch = |start: f64, p: f32| ScoredPatch {
            span: PatchSpan { start, end: start + 2.992 },
            level: Level { tone_s: 1.5, repeated_s: 0.5, ..Level::of_loudness(-23.0) },
            posteriors: vec![p, 1.0 - p],
            gate,
        };
        let piece = |path: &str, start, label: Option<&str>| PlacedPiece {
            path: path.into(),
            start,
            end: start + 4.0,
            label: label.map(Into::into),
            by_head: Some("jazz".into()),
        };
        StreamPosteriors {
            model: "m".into(),
            head: "h".into(),
            labels: vec!["jazz".into(), "rock".into()],
            hop_s: 1.0,
            format_changes: 1,
            pieces: vec![piece("a", 0.0, None), piece("b", 4.0, Some("rock"))],
            patches: vec![patch(0.0, 0.25), patch(1.0, 0.5), patch(2.0, 0.75)],
        }
    }

    #[test]
    fn a_written_file_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        for gate in [None, Some(GatePosteriors { music: 0.5, speech: 0.25, noise: 0.25 })] {
            stream(gate).write(&path).unwrap();
            assert_eq!(StreamPosteriors::read(&path).unwrap(), stream(gate));
        }
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        let error = |path: &Path| StreamPosteriors::read(path).unwrap_err().to_string();
        assert!(error(&path).contains("p`: "), "{}", error(&path));
        std::fs::write(&path, "path,label\n").unwrap();
        assert!(error(&path).contains("is not a file of"), "{}", error(&path));
        let mut short = stream(None);
        short.patches[1].posteriors.pop();
        assert!(short.write(&path).is_err());
        let plain = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
        std::fs::write(&path, serialize([("spans", plain)], None).unwrap()).unwrap();
        assert!(error(&path).contains("no such metadata"), "{}", error(&path));
    }
}
