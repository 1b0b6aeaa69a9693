//! Golden answers of a bundle with a new head.

use std::collections::BTreeMap;

use ndarray::{ArrayView2, ArrayViewMut1};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use super::new_head::NewHead;
use crate::learn::posteriors;

/// The base's golden tensors, without the scores of heads that are gone, and with those of the new
/// head for the golden embeddings of each trunk: by the fit itself, in double precision and over
/// standardised features, before its weights were folded and rounded.
pub(super) fn scores(
    bytes: &[u8],
    head: &NewHead<'_>,
    files: &BTreeMap<String, Vec<u8>>,
    dim: usize,
) -> Result<Vec<u8>, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut views: BTreeMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
    let is_there = |head: &str| files.contains_key(&format!("heads/{head}.toml"));
    views.retain(|name, _| {
        let of = name.split_once(".scores.").map(|(_, head)| head);
        of.is_none_or(|of| of != head.name && is_there(of))
    });
    let mut answers: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, embedding) in &views {
        let Some(trunk) = name.strip_suffix(".embedding") else { continue };
        let values: Vec<f32> =
            embedding.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let rows = values.len() / dim.max(1);
        let embedding = ArrayView2::from_shape((rows, dim), &values).map_err(|error| error.to_string())?;
        let mut scores = head.fit.standardised_logits(embedding) / head.temperature;
        scores
            .rows_mut()
            .into_iter()
            .for_each(|mut row: ArrayViewMut1<'_, f64>| posteriors(head.labelling, &mut row));
        let bytes = scores.iter().flat_map(|score| (*score as f32).to_le_bytes()).collect();
        answers.push((format!("{trunk}.scores.{}", head.name), vec![rows, head.labels.len()], bytes));
    }
    if answers.is_empty() {
        return Err("it has no tensor `TRUNK.embedding`".into());
    }
    for (name, shape, bytes) in &answers {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        views.insert(name.clone(), view.map_err(|error| error.to_string())?);
    }
    serialize(views, None).map_err(|error| error.to_string())
}
