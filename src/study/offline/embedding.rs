//! Audio to embeddings of patches, block by block.

use sha2::{Digest, Sha256};

use crate::audio::{Block, Level, PatchSpan, SourceId};
use crate::dsp::{DspError, FrontEnd, PatchView};
use crate::model::{Cutter, Model, ModelError, Stretch, hex};

/// Stretches per run of the model for audio that is available at once. On a CPU, larger batches
/// gain nothing.
pub(crate) const FILE_BATCH: usize = 8;

/// Output of the trunk for a piece of audio, before any head.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedAudio {
    /// Decoded length in seconds.
    pub duration_s: f64,
    /// Fingerprint of the recording, independent of its file name and container:
    /// SHA-256, in lower-case hexadecimal digits, of the decoded samples at their own rate,
    /// interleaved, each rounded to 16 bits (times 32768, clamped; what is not a number counts as
    /// 0), little-endian. Equal for WAV and FLAC of the same 16-bit samples. Empty if it was not
    /// computed.
    pub pcm_sha256: String,
    /// Positions of its patches, in order.
    pub spans: Vec<PatchSpan>,
    /// Loudness at the end of each patch.
    pub levels: Vec<Level>,
    /// Row-major `[patches, dim]`.
    pub embeddings: Vec<f32>,
}

/// Front end and trunk for one piece of audio. Patches are embedded when a batch is complete.
pub(crate) struct PatchEmbedder {
    front_end: FrontEnd,
    pending: PendingStretches,
    embedded: EmbeddedAudio,
    batch: usize,
}

impl PatchEmbedder {
    /// Creates the embedder of audio that the model knows as `source`, with `batch` stretches per
    /// run. An earlier use of the same index ends.
    ///
    /// # Errors
    /// The hop is out of range.
    pub(crate) fn new(
        model: &mut Model,
        source: usize,
        hop_seconds: f64,
        batch: usize,
    ) -> Result<Self, DspError> {
        model.forget_source(source);
        let patches = model.feed().patches(hop_seconds);
        Ok(Self {
            front_end: FrontEnd::new(SourceId(0), model.front_end(), &patches)?,
            pending: PendingStretches {
                cutter: Cutter::new(model.feed(), source),
                stretches: vec![Stretch::default()],
                count: 0,
            },
            embedded: EmbeddedAudio::default(),
            batch,
        })
    }

    /// Processes a block. Returns true if a batch is complete; [`PatchEmbedder::embed`] is then
    /// due.
    ///
    /// # Errors
    /// The rate or channel count is not supported.
    pub(crate) fn push(&mut self, block: &Block) -> Result<bool, DspError> {
        let Self { front_end, pending, embedded, .. } = self;
        embedded.duration_s += block.rate.seconds(block.samples() as u64);
        front_end.push(block, &mut |view| pending.add(&view, embedded))?;
        Ok(self.pending.count >= self.batch)
    }

    /// Ends the audio: completes its last patches, which still have to be embedded.
    ///
    /// # Errors
    /// There was no audio.
    pub(crate) fn end(&mut self) -> Result<(), DspError> {
        let Self { front_end, pending, embedded, .. } = self;
        front_end.finish(&mut |view| pending.add(&view, embedded))
    }

    /// Embeds the pending patches.
    ///
    /// # Errors
    /// The model fails.
    pub(crate) fn embed(&mut self, model: &mut Model) -> Result<(), ModelError> {
        self.pending.embed(model, &mut self.embedded.embeddings)
    }

    /// Everything embedded so far. Spans and levels of patches that are pending are included.
    pub(crate) fn embedded(&mut self) -> &mut EmbeddedAudio {
        &mut self.embedded
    }

    /// Returns the output.
    pub(crate) fn into_embedded(self) -> EmbeddedAudio {
        self.embedded
    }
}

/// Stretches that are embedded in the next run.
struct PendingStretches {
    cutter: Cutter,
    /// Complete stretches, then the one that is being filled.
    stretches: Vec<Stretch>,
    /// Number of complete stretches.
    count: usize,
}

impl PendingStretches {
    fn add(&mut self, view: &PatchView<'_>, embedded: &mut EmbeddedAudio) {
        embedded.spans.push(view.patch.span);
        embedded.levels.push(view.patch.level);
        if self.cutter.add(view, &mut self.stretches[self.count]) {
            self.count += 1;
            if self.stretches.len() == self.count {
                self.stretches.push(Stretch::default());
            }
        }
    }

    fn embed(&mut self, model: &mut Model, embeddings: &mut Vec<f32>) -> Result<(), ModelError> {
        let complete: Vec<&Stretch> = self.stretches[..self.count].iter().collect();
        embeddings.extend_from_slice(model.embed(&complete)?);
        // The incomplete stretch becomes the first.
        self.stretches.swap(0, self.count);
        self.stretches[1..].iter_mut().for_each(Stretch::clear);
        self.count = 0;
        Ok(())
    }
}

/// Hash of decoded samples.
#[derive(Default)]
pub(super) struct PcmHasher {
    digest: Sha256,
    bytes: Vec<u8>,
}

impl PcmHasher {
    pub(super) fn update(&mut self, interleaved: &[f32]) {
        self.bytes.clear();
        // The cast clamps, and converts what is not a number to 0.
        self.bytes
            .extend(interleaved.iter().flat_map(|sample| ((sample * 32_768.0).round() as i16).to_le_bytes()));
        self.digest.update(&self.bytes);
    }

    pub(super) fn finish(self) -> String {
        hex(&self.digest.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: `printf '\000\000\377\177\000\200\001\000\000\000' | sha256sum`.
    #[test]
    fn the_hash_is_that_of_16_bit_samples_for_any_chunking() {
        let samples = [0.0, 1.5, -7.0, 0.6 / 32_768.0, f32::NAN];
        let whole = {
            let mut hasher = PcmHasher::default();
            hasher.update(&samples);
            hasher.finish()
        };
        let mut pieces = PcmHasher::default();
        samples.chunks(2).for_each(|piece| pieces.update(piece));
        assert_eq!(whole, "0b536f3fb4b6508694d0a9bbe940f7227caa3072f1bc92cd32021d3a998322d5");
        assert_eq!(pieces.finish(), whole);
    }
}
