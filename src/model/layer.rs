//! Dense layers of the heads and of the pooling: products of a weight matrix with embeddings.

use multiversion::multiversion;
use safetensors::SafeTensors;

/// Weights of a dense layer, `[units, inputs]` row-major, and its biases.
pub type LayerWeights<'a> = (&'a [f32], &'a [f32]);

/// A dense layer.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// `[units, inputs]`, row-major.
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Layer {
    pub(super) fn weights(&self) -> LayerWeights<'_> {
        (&self.weight, &self.bias)
    }

    /// Reads `{prefix}weight` and `{prefix}bias`.
    pub(super) fn read(
        tensors: &SafeTensors<'_>,
        prefix: &str,
        units: usize,
        inputs: usize,
    ) -> Result<Self, String> {
        let weight = floats(tensors, &format!("{prefix}weight"))?;
        let bias = floats(tensors, &format!("{prefix}bias"))?;
        if inputs == 0 || bias.len() != units || weight.len() != units * inputs {
            return Err(format!(
                "{units} units of {inputs} weights are declared, the file holds {} weights and {} biases",
                weight.len(),
                bias.len()
            ));
        }
        if weight.iter().chain(&bias).any(|value| !value.is_finite()) {
            return Err("its weights hold values that are not finite".into());
        }
        Ok(Self { weight, bias, inputs })
    }

    /// Applies the layer to several inputs. Returns one value per unit and input, `[n, units]`
    /// row-major.
    pub(super) fn run(&self, inputs: &[f32]) -> Vec<f64> {
        let (count, units) = (inputs.len() / self.inputs, self.bias.len());
        let mut out = vec![0.0; count * units];
        // Weights in the outer loop: each row is loaded from memory once and used for all inputs.
        let rows = self.weight.chunks_exact(self.inputs).zip(&self.bias);
        for (unit, (row, bias)) in rows.enumerate() {
            for (at, input) in inputs.chunks_exact(self.inputs).enumerate() {
                out[at * units + unit] = dot(row, input) + f64::from(*bias);
            }
        }
        out
    }
}

/// Dot product, in many parallel sums, so that no addition waits for the one before it. Each sum is
/// short enough for single precision; they are added in double precision.
#[multiversion(targets("x86_64+avx2+fma"))]
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 32;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() + rest
}

/// Values of a float32 tensor.
pub(super) fn floats(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>, String> {
    let view = tensors.tensor(name).map_err(|error| format!("tensor `{name}`: {error}"))?;
    if view.dtype() != safetensors::Dtype::F32 {
        return Err(format!("tensor `{name}` is {:?}, not float32", view.dtype()));
    }
    Ok(view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
