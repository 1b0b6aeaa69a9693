//! Heads: small classifiers on a trunk's embedding, evaluated here rather than in ONNX. The dense
//! products are in `layer.rs`.
//!
//! `logits = (weight · x + bias) / temperature`, then a softmax over the units of a `single` head
//! or a sigmoid per unit of a `multi` one. `x` is the embedding; where the head has a hidden layer,
//! it is `relu(hidden.weight · embedding + hidden.bias)`. With a label map, the posterior of a
//! label is the sum over its units.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::error::ModelError;
use super::layer::{Layer, LayerWeights};
use crate::event::SourceState;

/// Name of the optional head whose posteriors are published as tags.
pub(super) const TAG_HEAD: &str = "tags";

/// Name of the optional head that separates music from speech and noise.
pub(crate) const GATE_HEAD: &str = "gate";

/// Relation between the labels of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// One label per patch; posteriors sum to 1.
    Single,
    /// Any number of labels per patch; posteriors are independent.
    Multi,
}

/// A loaded head.
#[derive(Debug, Clone)]
pub struct Head {
    name: Arc<str>,
    /// File name of the weights.
    pub(super) weights: String,
    kind: HeadKind,
    labels: Vec<Arc<str>>,
    /// Label index of each unit.
    label_of_unit: Vec<usize>,
    hidden: Option<Layer>,
    output: Layer,
    temperature: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    name: String,
    kind: HeadKind,
    embedding_id: String,
    weights: String,
    labels: Vec<String>,
    units: Option<Vec<String>>,
    hidden: Option<usize>,
    #[serde(default)]
    label_map: BTreeMap<String, Vec<String>>,
    calibration: Calibration,
    #[serde(default, rename = "provenance")]
    _provenance: toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Calibration {
    Temperature { temperature: f64 },
}

impl Head {
    /// Reads `file` (TOML) and the weights file that it names, in the same folder.
    ///
    /// # Errors
    /// The file cannot be read, is for another embedding, or is inconsistent; the message names the
    /// file.
    pub fn load(file: &Path, embedding_id: &str, dim: usize) -> Result<Self, ModelError> {
        let wrong = |what: String| ModelError::Head { file: file.to_path_buf(), what };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let raw: RawHead = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if raw.embedding_id != embedding_id {
            return Err(wrong(format!(
                "it is made for the embedding `{}`, the bundle provides `{embedding_id}`",
                raw.embedding_id
            )));
        }
        // The labels of the gate are states on purpose.
        if raw.name != GATE_HEAD
            && let Some(label) = raw.labels.iter().find(|label| SourceState::named(label).is_some())
        {
            return Err(wrong(format!(
                "the label `{label}` is the name of a state, which genres share a topic with; rename it in `labels`, for example to `{}-music`, or train again with another folder name",
                label.trim().to_lowercase()
            )));
        }
        if Path::new(&raw.weights).components().count() != 1 {
            return Err(wrong(format!("weights `{}` must be a file beside it", raw.weights)));
        }
        let weights = file.with_file_name(&raw.weights);
        let bytes =
            std::fs::read(&weights).map_err(|error| wrong(format!("{}: {error}", weights.display())))?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| wrong(format!("{}: {error}", raw.weights)))?;
        let units = raw.units.as_ref().unwrap_or(&raw.labels);
        let (hidden, inputs) = match raw.hidden {
            Some(count) => (Some(Layer::read(&tensors, "hidden.", count, dim).map_err(&wrong)?), count),
            None => (None, dim),
        };
        let output = Layer::read(&tensors, "", units.len(), inputs).map_err(&wrong)?;
        let label_of_unit = label_of_unit(&raw, units).map_err(&wrong)?;
        let Calibration::Temperature { temperature } = raw.calibration;
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(wrong(format!("temperature {temperature} is not a positive number")));
        }
        let labels = raw.labels.iter().map(|label| label.as_str().into()).collect();
        Ok(Self {
            name: raw.name.into(),
            weights: raw.weights,
            kind: raw.kind,
            labels,
            label_of_unit,
            hidden,
            output,
            temperature,
        })
    }

    /// Returns the name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the relation between the labels.
    pub fn kind(&self) -> HeadKind {
        self.kind
    }

    /// Labels, in the order of the posteriors.
    pub fn labels(&self) -> &[Arc<str>] {
        &self.labels
    }

    /// Layers of a head with one unit per label: the hidden one, if any, and the output.
    pub fn layers(&self) -> Option<(Option<LayerWeights<'_>>, LayerWeights<'_>)> {
        let is_plain = self.label_of_unit.iter().copied().eq(0..self.labels.len());
        is_plain.then(|| (self.hidden.as_ref().map(Layer::weights), self.output.weights()))
    }

    /// Divisor of the logits.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Posteriors, 0 to 1, one per label, of one embedding of `dim` values.
    pub fn posteriors(&self, embedding: &[f32]) -> Vec<f32> {
        self.posteriors_of_each(embedding).pop().unwrap_or_default()
    }

    /// Posteriors of each of several embeddings, `[n, dim]` row-major, in one pass over the
    /// weights.
    pub fn posteriors_of_each(&self, embeddings: &[f32]) -> Vec<Vec<f32>> {
        let mut units = match &self.hidden {
            Some(hidden) => {
                let active: Vec<f32> =
                    hidden.run(embeddings).into_iter().map(|value| value.max(0.0) as f32).collect();
                self.output.run(&active)
            }
            None => self.output.run(embeddings),
        };
        units.iter_mut().for_each(|unit| *unit /= self.temperature);
        units.chunks_exact_mut(self.label_of_unit.len()).map(|units| self.labelled(units)).collect()
    }

    /// Converts logits of units to posteriors of labels.
    fn labelled(&self, units: &mut [f64]) -> Vec<f32> {
        match self.kind {
            HeadKind::Single => softmax(units),
            HeadKind::Multi => units.iter_mut().for_each(|unit| *unit = 1.0 / (1.0 + (-*unit).exp())),
        }
        let mut posteriors = vec![0.0; self.labels.len()];
        for (unit, label) in units.iter().zip(&self.label_of_unit) {
            posteriors[*label] += *unit;
        }
        posteriors.into_iter().map(|p: f64| p.min(1.0) as f32).collect()
    }
}

fn softmax(logits: &mut [f64]) {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - top).exp();
        sum += *logit;
    }
    logits.iter_mut().for_each(|logit| *logit /= sum);
}

fn label_of_unit(raw: &RawHead, units: &[String]) -> Result<Vec<usize>, String> {
    if raw.labels.is_empty() {
        return Err("it has no labels".into());
    }
    let mut sorted: Vec<_> = raw.labels.iter().collect();
    sorted.sort();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("label `{}` is listed twice", pair[0]));
    }
    let index = |label: &String| raw.labels.iter().position(|known| known == label);
    if let Some(stray) = raw.label_map.keys().find(|label| index(label).is_none()) {
        return Err(format!("the label map names `{stray}`, which is not among the labels"));
    }
    units
        .iter()
        .map(|unit| {
            let mut homes =
                raw.label_map.iter().filter(|(_, units)| units.contains(unit)).map(|(label, _)| label);
            match (homes.next(), homes.next()) {
                (Some(_), Some(_)) => Err(format!("unit `{unit}` is mapped to two labels")),
                (Some(label), None) => index(label).ok_or_else(|| format!("unit `{unit}` has no label")),
                (None, _) => index(unit).ok_or_else(|| format!("unit `{unit}` is mapped to no label")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes and loads a head of two inputs. A row holds two weights and a bias.
    fn load(toml: &str, rows: &[[f32; 3]]) -> Result<Head, ModelError> {
        let folder = tempfile::tempdir().unwrap();
        let bytes =
            |values: Vec<f32>| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let weight = bytes(rows.iter().flat_map(|row| [row[0], row[1]]).collect());
        let bias = bytes(rows.iter().map(|row| row[2]).collect());
        let view = |shape: Vec<usize>, data| {
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, data)
        };
        let tensors = [
            ("weight", view(vec![rows.len(), 2], &weight).unwrap()),
            ("bias", view(vec![rows.len()], &bias).unwrap()),
        ];
        std::fs::write(folder.path().join("h.safetensors"), safetensors::serialize(tensors, None).unwrap())
            .unwrap();
        let text = format!(
            "name = 'h'\nembedding_id = 'e'\nweights = 'h.safetensors'\n{toml}\n[calibration]\nkind = 'temperature'\ntemperature = 2.0\n"
        );
        std::fs::write(folder.path().join("h.toml"), text).unwrap();
        Head::load(&folder.path().join("h.toml"), "e", 2)
    }

    #[test]
    fn a_single_head_sums_the_softmax_of_its_units_by_label() {
        let map = "kind = 'single'\nlabels = ['rock', 'jazz']\nunits = ['hard rock', 'jazz', 'classic rock']\nlabel_map = { rock = ['hard rock', 'classic rock'] }";
        let head = load(map, &[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]).unwrap();
        // By hand: logits / 2 = (1, 3, 1) for the embedding (1, 3).
        let exp = [1f64.exp(), 3f64.exp(), 1f64.exp()];
        let sum: f64 = exp.iter().sum();
        let posteriors = head.posteriors(&[1.0, 3.0]);
        assert!((f64::from(posteriors[0]) - (exp[0] + exp[2]) / sum).abs() < 1e-6, "{posteriors:?}");
        assert!((f64::from(posteriors[1]) - exp[1] / sum).abs() < 1e-6, "{posteriors:?}");
    }

    #[test]
    fn a_multi_head_takes_each_sigmoid_alone() {
        let head = load("kind = 'multi'\nlabels = ['a', 'b']", &[[0.0, 0.0, 0.0], [0.0, 0.0, 4.0]]).unwrap();
        let posteriors = head.posteriors(&[1.0, 1.0]);
        assert!((posteriors[0] - 0.5).abs() < 1e-6);
        assert!((f64::from(posteriors[1]) - 1.0 / (1.0 + (-2f64).exp())).abs() < 1e-6);
    }

    #[test]
    fn a_hidden_layer_cuts_off_what_is_negative() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        // Ten inputs: shorter than one group of lanes.
        let mut first = vec![0.0; 30];
        (first[0], first[9], first[10], first[29]) = (1.0, 2.0, -1.0, 0.5);
        let parts = [
            ("hidden.weight", vec![3, 10], bytes(&first)),
            ("hidden.bias", vec![3], bytes(&[0.5, 0.0, 1.0])),
            ("weight", vec![2, 3], bytes(&[1.0, 5.0, 0.0, 0.0, 0.0, 2.0])),
            ("bias", vec![2], bytes(&[0.0, 1.0])),
        ];
        let views = parts.iter().map(|(name, shape, data)| {
            let view =
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap();
            (*name, view)
        });
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(folder.path().join("h.safetensors"), file).unwrap();
        let toml = |hidden: usize| {
            format!(
                "name = 'h'\nkind = 'single'\nembedding_id = 'e'\nweights = 'h.safetensors'\nlabels = ['a', 'b']\nhidden = {hidden}\n[calibration]\nkind = 'temperature'\ntemperature = 1.0\n"
            )
        };
        let path = folder.path().join("h.toml");
        std::fs::write(&path, toml(3)).unwrap();
        let head = Head::load(&path, "e", 10).unwrap();
        let mut embedding = [0f32; 10];
        (embedding[0], embedding[9]) = (1.0, 2.0);
        // By hand: hidden = relu(1 + 4 + 0.5, -1, 1 + 1) = (5.5, 0, 2); logits = (5.5, 4 + 1).
        let expected = 1.0 / (1.0 + (-0.5f64).exp());
        let posteriors = head.posteriors(&embedding);
        assert!((f64::from(posteriors[0]) - expected).abs() < 1e-6, "{posteriors:?}");

        std::fs::write(&path, toml(4)).unwrap();
        let error = Head::load(&path, "e", 10).unwrap_err().to_string();
        assert!(error.contains("4 units of 10 weights are declared"), "{error}");
    }

    #[test]
    fn huge_logits_stay_finite() {
        let head =
            load("kind = 'single'\nlabels = ['a', 'b']", &[[1e30, 0.0, 0.0], [-1e30, 0.0, 0.0]]).unwrap();
        assert_eq!(head.posteriors(&[1.0, 1.0]), [1.0, 0.0]);
    }

    #[test]
    fn heads_that_do_not_fit_are_refused_by_name() {
        let rows = [[0.0; 3], [0.0; 3]];
        let check = |toml: &str, rows: &[[f32; 3]], expected: &str| {
            let error = load(toml, rows).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("kind = 'single'\nlabels = ['a']", &rows, "1 units of 2 weights are declared");
        check("kind = 'single'\nlabels = ['a', 'a']", &rows, "`a` is listed twice");
        check(
            "kind = 'single'\nlabels = ['a', 'b']\nunits = ['a', 'c']",
            &rows,
            "unit `c` is mapped to no label",
        );
        check("kind = 'single'\nlabels = ['a', 'b']\nlabel_map = { x = ['a'] }", &rows, "names `x`");
        for label in ["silence", "lost", "uncertain", "noise", "speech", "music", "Silence", "MUSIC"] {
            check(&format!("kind = 'single'\nlabels = ['a', '{label}']"), &rows, "is the name of a state");
        }
        check("kind = 'both'\nlabels = ['a', 'b']", &rows, "unknown variant `both`");
        check("kind = 'multi'\nlabels = ['a', 'b']", &[[f32::NAN, 0.0, 0.0], [0.0; 3]], "not finite");
    }
}
