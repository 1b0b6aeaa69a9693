//! Several recordings as one stream, one after the other without a break.

use std::path::{Path, PathBuf};

use super::embedding::{EmbeddedAudio, FILE_BATCH, PatchEmbedder};
use super::error::FileError;
use super::files::failure_of;
use crate::audio::{Block, SampleRate, Span};
use crate::model::Model;
use crate::source::{self, Read, SourceError};

/// A part of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The recording.
    pub path: PathBuf,
    /// Start, in seconds.
    pub start: f64,
    /// End, in seconds; `None` for the end of the recording.
    pub end: Option<f64>,
}

/// Output of the trunk for cuts played one after the other.
#[derive(Debug, Clone)]
pub struct Joined {
    /// All cuts together.
    pub embedded: EmbeddedAudio,
    /// Start of each cut, in seconds, and the end of the last one.
    pub bounds: Vec<f64>,
    /// Places at which rate or channels change: there the front end restarts, and no patch
    /// crosses.
    pub format_changes: usize,
}

/// Embeds `cuts` as one stream, through one front end that gets no information about the joins.
///
/// # Errors
/// A recording cannot be read, a cut holds no audio, or the model fails.
pub fn embed_cuts(
    cuts: &[Cut],
    model: &mut Model,
    hop_seconds: f64,
    mut begin: impl FnMut(&Path),
) -> Result<Joined, FileError> {
    let first = cuts.first().map(|cut| cut.path.clone()).unwrap_or_default();
    let mut embedder = PatchEmbedder::new(model, 0, hop_seconds, FILE_BATCH).map_err(failure_of(&first))?;
    let (mut bounds, mut format_changes) = (vec![0.0], 0);
    let mut block = Block::with_capacity(SampleRate::HZ_48000, 2, 8192);
    let mut part = block.clone();
    let mut position = 0;
    for cut in cuts {
        begin(&cut.path);
        let mut source = source::open::open_file(&cut.path)?;
        let mut is_begun = false;
        loop {
            match source.read(&mut block)? {
                Read::Audio => {}
                Read::Idle => continue,
                Read::End => break,
            }
            let Some(kept) = within(cut, &block) else { continue };
            if kept.is_empty() {
                break;
            }
            let is_new = (part.rate, part.channels) != (block.rate, block.channels);
            format_changes += usize::from(is_new && position > 0);
            if part.rate != block.rate {
                // Numbered as if the rate had been constant, so that the number divided by the rate
                // is the time.
                position = block.rate.samples(part.rate.seconds(position));
            }
            take(&block, kept, &mut part);
            // A gap in the recording is one in the stream; a cut is none.
            part.gap = block.gap && is_begun;
            is_begun = true;
            part.span = Span { start: position, end: position + part.samples() as u64 };
            position = part.span.end;
            if embedder.push(&part).map_err(failure_of(&cut.path))? {
                embedder.embed(model)?;
            }
        }
        if !is_begun {
            let what = format!("`{}` holds no audio from {} s on", cut.path.display(), cut.start);
            return Err(SourceError::Permanent(what).into());
        }
        bounds.push(embedder.embedded().duration_s);
    }
    embedder.end().map_err(failure_of(&first))?;
    embedder.embed(model)?;
    Ok(Joined { embedded: embedder.into_embedded(), bounds, format_changes })
}

/// Samples (a channel) of `block` that belong to the cut, counted from the block's first; `None`
/// before its start, and an empty range after its end.
fn within(cut: &Cut, block: &Block) -> Option<std::ops::Range<usize>> {
    let samples = block.samples() as u64;
    let first = block.rate.samples(cut.start).saturating_sub(block.span.start);
    let end = cut.end.map_or(u64::MAX, |end| block.rate.samples(end));
    let last = end.saturating_sub(block.span.start).min(samples);
    if last == 0 {
        return Some(0..0);
    }
    (first < last).then_some(first as usize..last as usize)
}

/// Makes `part` a copy of some samples (a channel) of `block`.
fn take(block: &Block, samples: std::ops::Range<usize>, part: &mut Block) {
    let channels = usize::from(block.channels.max(1));
    (part.rate, part.channels, part.anchor) = (block.rate, block.channels, None);
    part.interleaved.clear();
    part.interleaved.extend_from_slice(&block.interleaved[samples.start * channels..samples.end * channels]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_exact_to_the_sample() {
        let rate = SampleRate::new(8000).unwrap();
        let block = Block {
            span: Span { start: 8000, end: 8100 },
            interleaved: vec![0.0; 200],
            ..Block::with_capacity(rate, 2, 100)
        };
        let cut = |start, end| Cut { path: PathBuf::new(), start, end };
        for (start, end, expected) in [
            (0.0, None, Some(0..100)),
            (1.005, None, Some(40..100)),
            (1.005, Some(1.0075), Some(40..60)),
            (0.0, Some(1.0), Some(0..0)), // ended before
            (1.0125, None, None),         // not yet
            (1.02, Some(2.0), None),
        ] {
            assert_eq!(within(&cut(start, end), &block), expected, "{start} to {end:?}");
        }
    }
}
