//! Statistics of music that come with a bundle.
//!
//! A safetensors file with the float32 tensors `mean` `[dim]`, `deviation` `[dim]` and `factor`
//! `[rank, dim]`: the principal axes of the standardised embedding, scaled by their deviations.

use ndarray::{Array1, Array2};
use safetensors::SafeTensors;

use super::embedding_set::floats;
use crate::learn::MusicStatistics;
use crate::model::{Bundle, ModelError};

/// Statistics of the embeddings of music; `None` where the bundle has none.
///
/// # Errors
/// The file is damaged or does not fit the embedding.
pub fn music_statistics(bundle: &Bundle) -> Result<Option<MusicStatistics>, ModelError> {
    let embedding = &bundle.manifest.embedding;
    let Some(path) = &embedding.statistics else { return Ok(None) };
    let bytes = bundle.read(path)?;
    let statistics = parse(&bytes, embedding.dim)
        .map_err(|what| ModelError::Manifest { file: bundle.folder.join(path), what })?;
    Ok(Some(statistics))
}

fn parse(bytes: &[u8], dim: usize) -> Result<MusicStatistics, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let read = |name: &str| {
        let view = tensors.tensor(name).map_err(|_| format!("there is no tensor `{name}`"))?;
        let values = floats(&view, name)?;
        match values.is_empty() || values.len() % dim != 0 {
            true => Err(format!("`{name}` is {:?}; the embedding has {dim} values", view.shape())),
            false => Ok(values.into_iter().map(f64::from).collect::<Vec<f64>>()),
        }
    };
    let factor = read("factor")?;
    let factor =
        Array2::from_shape_vec((factor.len() / dim, dim), factor).map_err(|error| error.to_string())?;
    MusicStatistics::new(Array1::from(read("mean")?), Array1::from(read("deviation")?), factor)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use safetensors::serialize;
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;

    fn file(tensors: &[(&str, Vec<f32>)]) -> Vec<u8> {
        let bytes: Vec<(&str, usize, Vec<u8>)> = tensors
            .iter()
            .map(|(name, values)| {
                (*name, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, count, bytes)| (*name, TensorView::new(Dtype::F32, vec![*count], bytes).unwrap()));
        serialize(views, None).unwrap()
    }

    #[test]
    fn a_file_holds_mean_deviation_and_factor() {
        let whole = [("mean", vec![1.0, 2.0]), ("deviation", vec![1.0, 0.5]), ("factor", vec![1.0, 0.0])];
        assert_eq!(parse(&file(&whole), 2).unwrap().dim(), 2);
        assert!(parse(&file(&whole), 3).unwrap_err().contains("the embedding has 3 values"));
        assert!(parse(&file(&whole[..2]), 2).unwrap_err().contains("no tensor `factor`"));
        assert!(parse(b"nothing", 2).is_err());
    }
}
