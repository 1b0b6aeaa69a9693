//! Golden patches: expected scores of a bundle on every execution provider.

use std::sync::Arc;

use super::ModelError;
use super::head::{self, Head};
use super::manifest::Bundle;
use super::stream::{Feed, Stretch};
use super::trunk::Trunk;
use crate::dsp;

/// Maximum absolute difference between computed and golden log-mel values.
const FRONT_END_TOLERANCE: f32 = 1e-3;

/// Patches with expected scores. Scoring them also warms up the provider.
pub struct Golden {
    /// Samples of the first patch, mono at the model's rate.
    samples: Vec<f32>,
    log_mel: Vec<f32>,
    embedding: Vec<f32>,
    /// Expected scores by head name. A head outside the bundle has none.
    scores: Vec<(Arc<str>, Vec<f32>)>,
    patches: usize,
    tolerance: f32,
}

impl Golden {
    /// Reads the bundle's golden file with the scores of `heads`. With `reference`, the expected
    /// values are those of the reference network where the file has them.
    ///
    /// # Errors
    /// The file is missing or damaged, or its tensors do not fit the manifest.
    pub fn read(bundle: &Bundle, heads: &[&Head], reference: bool) -> Result<Self, ModelError> {
        let entry = &bundle.manifest.golden;
        let wrong = |what: String| ModelError::Manifest { file: bundle.folder.join(&entry.file), what };
        let bytes = bundle.read(&entry.file)?;
        let tensors =
            safetensors::SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let log_mel = head::floats(&tensors, "log_mel").map_err(&wrong)?;
        let has_own = reference && tensors.tensor("reference.embedding").is_ok();
        let prefix = if has_own { "reference." } else { "" };
        let embedding = head::floats(&tensors, &format!("{prefix}embedding")).map_err(&wrong)?;
        let samples = head::floats(&tensors, "samples").map_err(&wrong)?;
        let values = bundle.patch_frames() * bundle.front_end.bands;
        let patches = log_mel.len() / values;
        if patches == 0
            || log_mel.len() != patches * values
            || embedding.len() != patches * bundle.manifest.trunk.embedding_dim
        {
            return Err(wrong("its tensors do not have the sizes that the manifest declares".into()));
        }
        let mut scores = Vec::new();
        for head in heads {
            if let Ok(expected) = head::floats(&tensors, &format!("{prefix}scores.{}", head.name())) {
                if expected.len() != patches * head.labels().len() {
                    return Err(wrong(format!("`scores.{}` does not fit the head's labels", head.name())));
                }
                scores.push((head.name().clone(), expected));
            }
        }
        Ok(Self { samples, log_mel, embedding, scores, patches, tolerance: entry.tolerance })
    }

    /// Computes the first patch from its samples, to verify that the manifest declares the front
    /// end that the trunk was trained with.
    ///
    /// # Errors
    /// The patch differs from the golden one.
    pub fn verify_front_end(&self, bundle: &Bundle) -> Result<(), ModelError> {
        let wrong = |what| ModelError::Manifest { file: bundle.folder.join("manifest.toml"), what };
        let found =
            dsp::log_mel(&self.samples, &bundle.front_end).map_err(|error| wrong(error.to_string()))?;
        let values = bundle.patch_frames() * bundle.front_end.bands;
        let worst = worst(found.as_slice().unwrap_or_default(), &self.log_mel[..values]);
        // 10 × the single-precision error, 1/100 of the effect of the nearest wrong parameter.
        if found.len() >= values && worst <= FRONT_END_TOLERANCE {
            return Ok(());
        }
        Err(wrong(format!(
            "`front_end` is not the one that the model was made for: its first golden patch differs by {worst}; \
             check `sample_rate` and the others"
        )))
    }

    /// Scores the patches and compares embeddings and head scores with the expected ones.
    ///
    /// # Errors
    /// The runtime fails or a score differs.
    pub fn verify(&self, trunk: &mut Trunk, feed: &Feed, heads: &[&Head]) -> Result<(), ModelError> {
        let mut embedding = Vec::new();
        let patches = self.log_mel.chunks_exact(self.log_mel.len() / self.patches);
        let stretches: Vec<Stretch> =
            patches.zip(1..).map(|(patch, segment)| Stretch::of_patch(feed, segment, patch)).collect();
        trunk.embed(&stretches.iter().collect::<Vec<_>>(), &mut embedding, &mut Vec::new())?;
        self.compare("embedding", &embedding, &self.embedding)?;
        for head in heads {
            if let Some((_, expected)) = self.scores.iter().find(|(name, _)| name == head.name()) {
                let dim = embedding.len() / self.patches;
                let found: Vec<f32> =
                    embedding.chunks_exact(dim).flat_map(|row| head.posteriors(row)).collect();
                self.compare(head.name(), &found, expected)?;
            }
        }
        Ok(())
    }

    fn compare(&self, what: &str, found: &[f32], expected: &[f32]) -> Result<(), ModelError> {
        let worst = worst(found, expected);
        if worst <= self.tolerance {
            return Ok(());
        }
        Err(ModelError::Mismatch(format!(
            "the model's `{what}` differs by {worst} from the bundle's golden answers, more than {}",
            self.tolerance
        )))
    }
}

/// Largest absolute difference. NaN propagates, so that it fails the check; `f32::max` ignores it.
fn worst(found: &[f32], expected: &[f32]) -> f32 {
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, |worst: f32, difference| {
        if difference > worst || difference.is_nan() { difference } else { worst }
    })
}
