//! Embeddings with labels that come from elsewhere than recordings: augmented copies and
//! pseudo-labelled rows made by scripts, a listener's corrections.
//!
//! As a file it is one of safetensors: `embedding` float32 `[n, dim]`, and either `target` float32
//! `[n, labels]` (shares of labels, 0 to 1) or `label` int64 or int32 `[n]`. Optional are `weight`
//! float32 `[n]`, `track` and `group` int64 or int32 `[n]`, and `judged` uint8 `[n]`. The metadata
//! hold `labels`, a JSON array of names, and may hold `tracks` and `groups`, JSON arrays of the
//! names that those numbers index.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};

use super::vocabulary::Renaming;

/// Labelled embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingSet {
    /// Name of the data set, which precedes the names of its tracks in the bundle's list.
    pub name: String,
    /// In any order.
    pub rows: Vec<EmbeddingRow>,
}

/// Labels of a row and their shares, 0 to 1.
pub(super) type Shares = Vec<(Arc<str>, f32)>;

/// One embedding of a patch with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingRow {
    /// Of the base bundle's trunk.
    pub embedding: Vec<f32>,
    /// Labels with their shares, 0 to 1; one share of 1 for an ordinary label.
    pub targets: Shares,
    /// Rows of a track are evaluated together. If a data set of that name has such a track, they
    /// are patches of it.
    pub track: Arc<str>,
    /// Rows of a group are never on both sides of a split.
    pub group: Arc<str>,
    /// Above 0; a track of weight 1 weighs as much as any other. A track has the mean of its rows'
    /// weights.
    pub weight: f64,
    /// False for a row that is used for training only.
    pub is_judged: bool,
}

/// Fault of a file of embeddings.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {what}", file.display())]
pub struct EmbeddingSetError {
    /// The file.
    pub file: PathBuf,
    /// Description of the fault.
    pub what: String,
}

impl EmbeddingRow {
    /// Row of one certain label and weight 1, which is evaluated.
    pub fn labelled(embedding: Vec<f32>, label: &str, track: &str, group: &str) -> Self {
        Self {
            embedding,
            targets: vec![(label.into(), 1.0)],
            track: track.into(),
            group: group.into(),
            weight: 1.0,
            is_judged: true,
        }
    }
}

impl EmbeddingSet {
    /// An empty set.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: EmbeddingRow) {
        self.rows.push(row);
    }

    /// Renames labels. Shares of two labels that become one are added where rows are gathered.
    pub fn rename(&mut self, map: &[Renaming]) {
        for (label, _) in self.rows.iter_mut().flat_map(|row| &mut row.targets) {
            if let Some(renaming) = map.iter().find(|renaming| *renaming.from == **label) {
                *label = renaming.to.as_str().into();
            }
        }
    }

    /// Reads `file`, whose embeddings have `dim` values each. The set has the name in the metadata,
    /// or the file's.
    ///
    /// # Errors
    /// The file cannot be read, a tensor is missing or of another size, or a value is out of its
    /// range.
    pub fn read(file: &Path, dim: usize) -> Result<Self, EmbeddingSetError> {
        let wrong = |what: String| EmbeddingSetError { file: file.to_path_buf(), what };
        let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse(&bytes, &stem, dim).map_err(wrong)
    }

    fn parse(bytes: &[u8], stem: &str, dim: usize) -> Result<Self, String> {
        let text = |error: SafeTensorError| error.to_string();
        let tensors = SafeTensors::deserialize(bytes).map_err(text)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let labels =
            names(&metadata, "labels")?.ok_or("the metadata have no `labels`, a JSON array of names")?;
        let view = tensors.tensor("embedding").map_err(|_| "there is no tensor `embedding`")?;
        let count = match view.shape() {
            [count, width] if *width == dim => *count,
            shape => return Err(format!("`embedding` is {shape:?}; the trunk's embeddings are [n, {dim}]")),
        };
        let embeddings = floats(&view, "embedding")?;
        let targets = targets(&tensors, &labels, count)?;
        let weights = match column(&tensors, "weight", count)? {
            Some(view) => floats(&view, "weight")?,
            None => vec![1.0; count],
        };
        let judged = match column(&tensors, "judged", count)? {
            Some(view) if view.dtype() == Dtype::U8 => view.data().iter().map(|byte| *byte != 0).collect(),
            Some(view) => return Err(format!("`judged` is {:?}, not uint8", view.dtype())),
            None => vec![true; count],
        };
        let tracks = named(&tensors, "track", count, names(&metadata, "tracks")?.as_deref())?;
        let groups = named(&tensors, "group", count, names(&metadata, "groups")?.as_deref())?;
        let mut set = Self::new(metadata.get("name").map_or(stem, String::as_str));
        for (row, targets) in targets.into_iter().enumerate() {
            let embedding = embeddings[row * dim..][..dim].to_vec();
            let weight = f64::from(weights[row]);
            if !(weight.is_finite() && weight > 0.0) || embedding.iter().any(|value| !value.is_finite()) {
                return Err(format!(
                    "row {row} has a value that is not finite, or a weight that is not above 0"
                ));
            }
            let track = tracks.as_ref().map_or_else(|| row.to_string().into(), |tracks| tracks[row].clone());
            let group = groups.as_ref().map_or_else(|| track.clone(), |groups| groups[row].clone());
            set.push(EmbeddingRow { embedding, targets, track, group, weight, is_judged: judged[row] });
        }
        match set.rows.is_empty() {
            true => Err("it has no row".into()),
            false => Ok(set),
        }
    }
}

/// Labels and shares of each row, from `target` or `label`.
fn targets(tensors: &SafeTensors<'_>, labels: &[Arc<str>], count: usize) -> Result<Vec<Shares>, String> {
    if let Ok(view) = tensors.tensor("target") {
        if view.shape() != [count, labels.len()] {
            let (shape, wanted) = (view.shape(), labels.len());
            return Err(format!("`target` is {shape:?}, not [{count}, {wanted}] as rows and labels are"));
        }
        let values = floats(&view, "target")?;
        if let Some(at) = values.iter().position(|share| !(0.0..=1.0).contains(share)) {
            return Err(format!("row {} of `target` has a share that is not 0 to 1", at / labels.len()));
        }
        let shares = |row: &[f32]| {
            let present = labels.iter().zip(row).filter(|(_, share)| **share > 0.0);
            present.map(|(label, share)| (label.clone(), *share)).collect()
        };
        return Ok(values.chunks_exact(labels.len().max(1)).map(shares).collect());
    }
    let numbers = integers(tensors, "label", count)?.ok_or("there is neither `target` nor `label`")?;
    let of = |(row, number): (usize, i64)| {
        let label = usize::try_from(number).ok().and_then(|number| labels.get(number));
        label
            .map(|label| vec![(label.clone(), 1.0)])
            .ok_or_else(|| format!("row {row} has the label {number}"))
    };
    numbers.into_iter().enumerate().map(of).collect()
}

/// One name per row, from `names` if there are any, otherwise the number itself.
fn named(
    tensors: &SafeTensors<'_>,
    tensor: &str,
    count: usize,
    names: Option<&[Arc<str>]>,
) -> Result<Option<Vec<Arc<str>>>, String> {
    let Some(numbers) = integers(tensors, tensor, count)? else { return Ok(None) };
    let name = |number: i64| match names {
        Some(names) => usize::try_from(number)
            .ok()
            .and_then(|number| names.get(number).cloned())
            .ok_or_else(|| format!("`{tensor}` has {number}, and the metadata name {}", names.len())),
        None => Ok(number.to_string().into()),
    };
    numbers.into_iter().map(name).collect::<Result<Vec<_>, _>>().map(Some)
}

fn names(metadata: &HashMap<String, String>, key: &str) -> Result<Option<Vec<Arc<str>>>, String> {
    let Some(text) = metadata.get(key) else { return Ok(None) };
    let names: Vec<String> =
        serde_json::from_str(text).map_err(|error| format!("`{key}` of the metadata: {error}"))?;
    Ok(Some(names.into_iter().map(Into::into).collect()))
}

/// The tensor `name` `[count]`, where there is one.
fn column<'a>(tensors: &SafeTensors<'a>, name: &str, count: usize) -> Result<Option<TensorView<'a>>, String> {
    match tensors.tensor(name) {
        Ok(view) if view.shape() == [count] => Ok(Some(view)),
        Ok(view) => Err(format!("`{name}` is {:?}, not [{count}]", view.shape())),
        Err(_) => Ok(None),
    }
}

/// Values of a float32 tensor.
pub(super) fn floats(view: &TensorView<'_>, name: &str) -> Result<Vec<f32>, String> {
    match view.dtype() {
        Dtype::F32 => {
            Ok(view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        }
        other => Err(format!("`{name}` is {other:?}, not float32")),
    }
}

fn integers(tensors: &SafeTensors<'_>, name: &str, count: usize) -> Result<Option<Vec<i64>>, String> {
    let Some(view) = column(tensors, name, count)? else { return Ok(None) };
    let data = view.data();
    let numbers = match view.dtype() {
        Dtype::I64 => data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
        Dtype::I32 => {
            data.as_chunks::<4>().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect()
        }
        other => return Err(format!("`{name}` is {other:?}, not int64 or int32")),
    };
    Ok(Some(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of named tensors: type, shape, bytes.
    fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)], metadata: &[(&str, &str)]) -> Vec<u8> {
        let views: Vec<_> = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
            })
            .collect();
        let metadata = metadata.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        safetensors::serialize(views, Some(metadata)).unwrap()
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn i64s(values: &[i64]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn soft_targets_names_and_weights_are_read() {
        let bytes = file(
            &[
                ("embedding", Dtype::F32, &[2, 3], f32s(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
                ("target", Dtype::F32, &[2, 2], f32s(&[0.25, 0.75, 1.0, 0.0])),
                ("weight", Dtype::F32, &[2], f32s(&[0.5, 2.0])),
                ("track", Dtype::I64, &[2], i64s(&[1, 0])),
                ("judged", Dtype::U8, &[2], vec![0, 1]),
            ],
            &[("labels", r#"["jazz", "rock"]"#), ("tracks", r#"["a/1", "a/2"]"#), ("name", "copies")],
        );
        let set = EmbeddingSet::parse(&bytes, "file", 3).unwrap();
        assert_eq!((&*set.name, set.rows.len()), ("copies", 2));
        let first = EmbeddingRow {
            embedding: vec![1.0, 2.0, 3.0],
            targets: vec![("jazz".into(), 0.25), ("rock".into(), 0.75)],
            track: "a/2".into(),
            group: "a/2".into(),
            weight: 0.5,
            is_judged: false,
        };
        assert_eq!(set.rows[0], first);
        let second = EmbeddingRow::labelled(vec![4.0, 5.0, 6.0], "jazz", "a/1", "a/1");
        assert_eq!(set.rows[1], EmbeddingRow { weight: 2.0, ..second });
    }

    #[test]
    fn labels_are_renamed() {
        let mut set = EmbeddingSet::new("s");
        set.push(EmbeddingRow::labelled(vec![0.0], "disco", "a", "a"));
        set.push(EmbeddingRow::labelled(vec![0.0], "rock", "b", "b"));
        set.rename(&["disco=disco-funk".parse().unwrap()]);
        let labels: Vec<&str> = set.rows.iter().map(|row| &*row.targets[0].0).collect();
        assert_eq!(labels, ["disco-funk", "rock"]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let embedding = || ("embedding", Dtype::F32, &[2_usize, 1][..], f32s(&[1.0, 2.0]));
        let labels = ("labels", r#"["jazz", "rock"]"#);
        let check =
            |more: Vec<(&str, Dtype, &[usize], Vec<u8>)>, metadata: &[(&str, &str)], expected: &str| {
                let tensors: Vec<_> = std::iter::once(embedding()).chain(more).collect();
                let error = EmbeddingSet::parse(&file(&tensors, metadata), "f", 1).unwrap_err();
                assert!(error.contains(expected), "{error}");
            };
        let label = |of: &[i64]| ("label", Dtype::I64, &[2_usize][..], i64s(of));
        check(vec![label(&[0, 1])], &[], "no `labels`");
        check(vec![], &[labels], "neither `target` nor `label`");
        check(vec![label(&[0, 2])], &[labels], "row 1 has the label 2");
        check(vec![("target", Dtype::F32, &[2, 1], f32s(&[1.0, 1.0]))], &[labels], "not [2, 2]");
        check(
            vec![("target", Dtype::F32, &[2, 2], f32s(&[0.0, 1.0, 1.5, 0.0]))],
            &[labels],
            "row 1 of `target`",
        );
        let weight = ("weight", Dtype::F32, &[2_usize][..], f32s(&[1.0, 0.0]));
        check(vec![label(&[0, 1]), weight], &[labels], "row 1 has a value");
        let group = ("group", Dtype::I64, &[2_usize][..], i64s(&[0, 7]));
        check(vec![label(&[0, 1]), group], &[labels, ("groups", r#"["a"]"#)], "`group` has 7");
        let bytes = file(&[embedding(), label(&[0, 1])], &[labels]);
        assert!(EmbeddingSet::parse(&bytes, "f", 2).unwrap_err().contains("embeddings are [n, 2]"));
        assert!(EmbeddingSet::parse(b"no safetensors", "f", 1).is_err());
    }
}
