//! Pooling: features of the frames of a patch to its embedding.

use multiversion::multiversion;
use safetensors::SafeTensors;

use super::layer::{Layer, floats};

/// Maximum and mean over frames, normalized, and a dense layer on them.
///
/// With `p` the maxima of the features followed by their means, the embedding is
/// `relu(W p + b) * dense.scale + dense.shift` followed by `p * pooled.scale + pooled.shift`.
#[derive(Debug, Clone)]
pub(super) struct Pooling {
    features: usize,
    dense: Layer,
    dense_norm: Affine,
    pooled_norm: Affine,
}

#[derive(Debug, Clone)]
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Pooling {
    /// Reads a pooling file for `features` features per frame and an embedding of `dim` values.
    ///
    /// # Errors
    /// A tensor is missing or has the wrong size; the message names it.
    pub(super) fn read(bytes: &[u8], features: usize, dim: usize) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let pooled = 2 * features;
        let Some(units) = dim.checked_sub(pooled).filter(|units| *units > 0) else {
            return Err(format!(
                "an embedding of {dim} has no room for {pooled} pooled features and a layer"
            ));
        };
        Ok(Self {
            features,
            dense: Layer::read(&tensors, "dense.", units, pooled)?,
            dense_norm: Affine::read(&tensors, "dense.", units)?,
            pooled_norm: Affine::read(&tensors, "pooled.", pooled)?,
        })
    }

    /// Appends the maxima and means of the patch with the features `rows`, `[frames, features]`.
    pub(super) fn pool(&self, rows: &[f32], pooled: &mut Vec<f32>) {
        let start = pooled.len();
        pooled.resize(start + 2 * self.features, 0.0);
        let (maxima, means) = pooled[start..].split_at_mut(self.features);
        pool(rows, maxima, means);
    }

    /// Appends the embeddings of several pooled patches.
    pub(super) fn embed(&self, pooled: &[f32], embedding: &mut Vec<f32>) {
        let units = self.dense.run(pooled);
        let patches = pooled.chunks_exact(2 * self.features);
        for (pooled, units) in patches.zip(units.chunks_exact(self.dense_norm.scale.len())) {
            self.dense_norm.apply(units.iter().map(|unit| unit.max(0.0) as f32), embedding);
            self.pooled_norm.apply(pooled.iter().copied(), embedding);
        }
    }
}

/// Maximum and mean of each feature over the rows.
#[multiversion(targets("x86_64+avx2+fma"))]
fn pool(rows: &[f32], maxima: &mut [f32], means: &mut [f32]) {
    maxima.fill(f32::NEG_INFINITY);
    means.fill(0.0);
    for row in rows.chunks_exact(maxima.len()) {
        for ((value, largest), sum) in row.iter().zip(maxima.iter_mut()).zip(means.iter_mut()) {
            *largest = if *value > *largest { *value } else { *largest };
            *sum += value;
        }
    }
    let frames = (rows.len() / maxima.len()) as f32;
    means.iter_mut().for_each(|sum| *sum /= frames);
}

impl Affine {
    fn read(tensors: &SafeTensors<'_>, prefix: &str, values: usize) -> Result<Self, String> {
        let read = |name: &str| {
            let name = format!("{prefix}{name}");
            let found = floats(tensors, &name)?;
            match found.len() == values && found.iter().all(|value| value.is_finite()) {
                true => Ok(found),
                false => Err(format!("tensor `{name}` must hold {values} finite values")),
            }
        };
        Ok(Self { scale: read("scale")?, shift: read("shift")? })
    }

    fn apply(&self, values: impl Iterator<Item = f32>, out: &mut Vec<f32>) {
        let norms = self.scale.iter().zip(&self.shift);
        out.extend(values.zip(norms).map(|(value, (scale, shift))| value * scale + shift));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(parts: &[(&str, Vec<usize>, &[f32])]) -> Vec<u8> {
        let bytes: Vec<Vec<u8>> = parts
            .iter()
            .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let views = parts.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
            (*name, view.unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    fn parts<'a>() -> Vec<(&'a str, Vec<usize>, &'a [f32])> {
        vec![
            ("dense.weight", vec![1, 4], &[1.0, -1.0, 2.0, 0.0]),
            ("dense.bias", vec![1], &[0.5]),
            ("dense.scale", vec![1], &[2.0]),
            ("dense.shift", vec![1], &[-1.0]),
            ("pooled.scale", vec![4], &[1.0, 2.0, 1.0, 1.0]),
            ("pooled.shift", vec![4], &[0.0, 0.0, 10.0, 0.0]),
        ]
    }

    #[test]
    fn maximum_mean_and_dense_layer_are_those_of_the_formula() {
        let pooling = Pooling::read(&file(&parts()), 2, 5).unwrap();
        let (mut pooled, mut embedding) = (Vec::new(), Vec::new());
        // Two frames: maxima (3, -1), means (1, -2); by hand 3 + 1 + 2 + 0.5 = 6.5.
        pooling.pool(&[3.0, -1.0, -1.0, -3.0], &mut pooled);
        // Negative units become 0.
        pooling.pool(&[-9.0, 0.0], &mut pooled);
        assert_eq!(pooled, [3.0, -1.0, 1.0, -2.0, -9.0, 0.0, -9.0, 0.0]);
        pooling.embed(&pooled, &mut embedding);
        assert_eq!(embedding, [12.0, 3.0, -2.0, 11.0, -2.0, -1.0, -9.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn files_that_do_not_fit_are_refused_by_name() {
        let error = |features, dim, parts: &[(&str, Vec<usize>, &[f32])]| {
            Pooling::read(&file(parts), features, dim).unwrap_err()
        };
        assert!(error(3, 5, &parts()).contains("no room"), "{}", error(3, 5, &parts()));
        assert!(error(2, 6, &parts()).contains("2 units of 4 weights"));
        let short: Vec<_> = parts().into_iter().filter(|(name, ..)| *name != "pooled.shift").collect();
        assert!(error(2, 5, &short).contains("pooled.shift"));
    }
}
