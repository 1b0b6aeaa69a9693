//! Analysis of one file without heads: embeddings, frames and descriptors.

use std::path::Path;

use super::embedding::{EmbeddedAudio, FILE_BATCH, PatchEmbedder, PcmHasher};
use super::error::FileError;
use crate::audio::{Block, PatchSpan, SampleRate};
use crate::dsp::descriptors::{DescriptorStream, Descriptors};
use crate::dsp::{DspError, FrameStream, LogMelParams};
use crate::model::Model;
use crate::source::{self, Read, Source};

/// Embeds the patches of one file.
///
/// # Errors
/// The file cannot be read, is empty, or the model fails.
pub fn embed_file(file: &Path, model: &mut Model, hop_seconds: f64) -> Result<EmbeddedAudio, FileError> {
    embed_altered_file(file, model, hop_seconds, |_| {})
}

/// Embeds the patches of one file after `alter` has changed each block of its audio; length and
/// hash are those of the original. A changed rate must be the same for all blocks.
///
/// # Errors
/// See [`embed_file`].
pub fn embed_altered_file(
    file: &Path,
    model: &mut Model,
    hop_seconds: f64,
    mut alter: impl FnMut(&mut Block),
) -> Result<EmbeddedAudio, FileError> {
    let failed = failure_of(file);
    let mut source = source::open::open_file(file)?;
    let mut embedder = PatchEmbedder::new(model, 0, hop_seconds, FILE_BATCH).map_err(failed)?;
    let (mut hasher, mut duration_s) = (PcmHasher::default(), 0.0);
    for_each_block(source.as_mut(), |block| {
        duration_s += block.rate.seconds(block.samples() as u64);
        hasher.update(&block.interleaved);
        alter(block);
        if embedder.push(block).map_err(failed)? {
            embedder.embed(model)?;
        }
        Ok(())
    })?;
    embedder.end().map_err(failed)?;
    embedder.embed(model)?;
    Ok(EmbeddedAudio { duration_s, pcm_sha256: hasher.finish(), ..embedder.into_embedded() })
}

/// Computes the log-mel frames of one file: row-major `[frames, bands]`.
///
/// # Errors
/// The file cannot be read or is empty.
pub fn features(file: &Path, front_end: &LogMelParams) -> Result<Vec<f32>, FileError> {
    let failed = failure_of(file);
    let mut source = source::open::open_file(file)?;
    let mut stream = FrameStream::new(front_end).map_err(failed)?;
    let mut frames = Vec::new();
    for_each_block(source.as_mut(), |block| stream.push(block, &mut frames).map_err(failed))?;
    stream.finish(&mut frames).map_err(failed)?;
    Ok(frames)
}

/// Computes the descriptors of one file's windows, three seconds each, in order.
///
/// # Errors
/// The file cannot be read or is empty.
pub fn descriptors(file: &Path) -> Result<Vec<(PatchSpan, Descriptors)>, FileError> {
    let failed = failure_of(file);
    let mut source = source::open::open_file(file)?;
    let mut stream = DescriptorStream::new().map_err(failed)?;
    let mut rows = Vec::new();
    for_each_block(source.as_mut(), |block| {
        stream.push(block, &mut |span, row| rows.push((span, row))).map_err(failed)
    })?;
    stream.finish(&mut |span, row| rows.push((span, row))).map_err(failed)?;
    Ok(rows)
}

/// Converts errors of the front end to errors of `file`.
pub(super) fn failure_of(file: &Path) -> impl Fn(DspError) -> FileError + Copy {
    move |error| FileError::Dsp { file: file.to_path_buf(), error }
}

/// Passes every block of `source` to `process`.
pub(super) fn for_each_block(
    source: &mut dyn Source,
    mut process: impl FnMut(&mut Block) -> Result<(), FileError>,
) -> Result<(), FileError> {
    // The source sets the actual rate and channels.
    let mut block = Block::with_capacity(SampleRate::HZ_48000, 2, 8192);
    loop {
        match source.read(&mut block)? {
            Read::Audio => process(&mut block)?,
            Read::Idle => {}
            Read::End => return Ok(()),
        }
    }
}
