//! Trunk: stretches of frames to embeddings of patches.

use super::error::ModelError;
use super::pool::Pooling;
use super::session::TrunkSession;
use super::stream::{Features, Stretch};

/// A trunk on one execution provider, with its pooling.
pub(super) struct Trunk {
    session: TrunkSession,
    /// Pooling of a streamed trunk. The output of a windowed one is the embedding.
    pool: Option<Pool>,
    /// Frames per patch.
    patch: usize,
    input: Vec<f32>,
    output: Vec<f32>,
}

struct Pool {
    pooling: Pooling,
    /// Features per frame.
    dim: usize,
    /// Latest features of each source, by its index.
    sources: Vec<Features>,
    /// Scratch: pooled features of the current patches.
    pooled: Vec<f32>,
}

impl Trunk {
    /// Creates a windowed trunk for patches of `patch` frames.
    pub(super) fn windowed(session: TrunkSession, patch: usize) -> Self {
        Self { session, pool: None, patch, input: Vec::new(), output: Vec::new() }
    }

    /// Creates a streamed trunk with `dim` features per frame.
    pub(super) fn streamed(session: TrunkSession, patch: usize, pooling: Pooling, dim: usize) -> Self {
        let pool = Some(Pool { pooling, dim, sources: Vec::new(), pooled: Vec::new() });
        Self { session, pool, patch, input: Vec::new(), output: Vec::new() }
    }

    /// Discards the features of the source with index `source`.
    pub(super) fn forget_source(&mut self, source: usize) {
        if let Some(features) = self.pool.as_mut().and_then(|pool| pool.sources.get_mut(source)) {
            *features = Features::default();
        }
    }

    /// Discards the features of all sources.
    pub(super) fn forget(&mut self) {
        if let Some(pool) = &mut self.pool {
            pool.sources.clear();
        }
    }

    /// Appends the embedding of every patch of `stretches`, in order. Stretches of one source must
    /// come in order; one that does not follow its predecessor must hold a whole patch. Otherwise
    /// frames are missing, and the patch's index within this call is added to `missing`.
    ///
    /// # Errors
    /// The runtime fails.
    pub(super) fn embed(
        &mut self,
        stretches: &[&Stretch],
        embedding: &mut Vec<f32>,
        missing: &mut Vec<usize>,
    ) -> Result<(), ModelError> {
        missing.clear();
        let mut patches = 0;
        for group in stretches.chunk_by(|a, b| a.rows.len() == b.rows.len()) {
            self.output.clear();
            let input = match group {
                [one] => &one.rows,
                _ => {
                    self.input.clear();
                    group.iter().for_each(|stretch| self.input.extend_from_slice(&stretch.rows));
                    &self.input
                }
            };
            self.session.run(input, group.len(), &mut self.output)?;
            self.hand_out(group, embedding, &mut patches, missing)?;
        }
        Ok(())
    }

    /// Converts the network's output for `group` to embeddings.
    fn hand_out(
        &mut self,
        group: &[&Stretch],
        embedding: &mut Vec<f32>,
        patches: &mut usize,
        missing: &mut Vec<usize>,
    ) -> Result<(), ModelError> {
        let Some(Pool { pooling, dim, sources, pooled }) = &mut self.pool else {
            embedding.extend_from_slice(&self.output);
            return Ok(());
        };
        pooled.clear();
        for (stretch, features) in group.iter().zip(self.output.chunks_exact(self.output.len() / group.len()))
        {
            if features.len() != stretch.frames * *dim {
                return Err(ModelError::Run(format!(
                    "the trunk gives {} features for {} frames, not {dim} each",
                    features.len(),
                    stretch.frames
                )));
            }
            if sources.len() <= stretch.source {
                sources.resize_with(stretch.source + 1, Features::default);
            }
            let source = &mut sources[stretch.source];
            source.take(stretch, features, *dim);
            for start in &stretch.patches {
                match source.of_patch(*start, self.patch, *dim) {
                    Some(rows) => pooling.pool(rows, pooled),
                    None => {
                        missing.push(*patches);
                        pooled.resize(pooled.len() + 2 * *dim, 0.0);
                    }
                }
                *patches += 1;
            }
        }
        pooling.embed(pooled, embedding);
        Ok(())
    }
}
