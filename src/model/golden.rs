//! Golden patches: expected scores of a bundle on every execution provider.

use std::sync::Arc;

use super::error::ModelError;
use super::head::Head;
use super::layer::floats;
use super::manifest::Bundle;
use super::stream::{Feed, Stretch};
use super::trunk::Trunk;
use super::trunk_entry::TrunkKind;
use crate::dsp;

/// Maximum absolute difference between computed and golden log-mel values.
const FRONT_END_TOLERANCE: f32 = 1e-3;

/// Patches with expected scores. Scoring them also warms up the provider.
pub(super) struct Golden {
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
    /// Reads a trunk's golden answers; `heads` are those whose scores the file may hold.
    ///
    /// # Errors
    /// The file is missing, damaged, or its tensors do not fit the manifest.
    pub(super) fn read(bundle: &Bundle, heads: &[&Head], trunk: TrunkKind) -> Result<Self, ModelError> {
        let entry = &bundle.manifest.golden;
        let wrong = |what: String| ModelError::Manifest { file: bundle.folder.join(&entry.file), what };
        let bytes = bundle.read(&entry.file)?;
        let tensors =
            safetensors::SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let log_mel = floats(&tensors, "log_mel").map_err(&wrong)?;
        let embedding = floats(&tensors, &format!("{trunk}.embedding")).map_err(&wrong)?;
        let samples = floats(&tensors, "samples").map_err(&wrong)?;
        let values = bundle.patch_frames() * bundle.front_end.bands;
        let patches = log_mel.len() / values;
        if patches == 0
            || log_mel.len() != patches * values
            || embedding.len() != patches * bundle.manifest.embedding.dim
        {
            return Err(wrong("its tensors do not have the sizes that the manifest declares".into()));
        }
        let mut scores = Vec::new();
        for head in heads {
            if let Ok(expected) = floats(&tensors, &format!("{trunk}.scores.{}", head.name())) {
                if expected.len() != patches * head.labels().len() {
                    return Err(wrong(format!(
                        "`{trunk}.scores.{}` does not fit the head's labels",
                        head.name()
                    )));
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
    pub(super) fn verify_front_end(&self, bundle: &Bundle) -> Result<(), ModelError> {
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
    pub(super) fn verify(&self, trunk: &mut Trunk, feed: &Feed, heads: &[&Head]) -> Result<(), ModelError> {
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
