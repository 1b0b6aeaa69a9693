//! Location of the audio of a track (ISO/IEC 14496-12, 8.7).

use super::super::super::boxes::{find, number, word};

/// Positions and lengths of the chunks of a track, with adjacent ones merged; `frame` is the number
/// of bytes of an audio frame.
pub(super) fn extents(table: &[u8], frame: u64) -> Vec<(u64, u64)> {
    let mut extents = Vec::new();
    let Some(offsets) = offsets(table) else { return extents };
    let Some(mut samples) = SampleSizes::of(table, frame) else { return extents };
    let runs = find(table, &[b"stsc"]).and_then(|stsc| stsc.get(8..)).unwrap_or_default();
    let mut runs = runs.chunks_exact(12).peekable();
    let mut count = 0;
    for (index, at) in offsets.enumerate() {
        while let Some(first) = runs.peek().and_then(|run| word(run, 0))
            && first as usize <= index + 1
        {
            count = runs.next().and_then(|run| word(run, 4)).unwrap_or(0);
        }
        let bytes = samples.take(count);
        push(&mut extents, at, bytes);
    }
    extents
}

/// Appends `bytes` at `at`, to the last extent if they are contiguous.
pub(super) fn push(extents: &mut Vec<(u64, u64)>, at: u64, bytes: u64) {
    match extents.last_mut() {
        _ if bytes == 0 => {}
        Some((last, length)) if last.checked_add(*length) == Some(at) => {
            *length = length.saturating_add(bytes)
        }
        _ => extents.push((at, bytes)),
    }
}

/// Positions of the chunks.
fn offsets(table: &[u8]) -> Option<impl Iterator<Item = u64>> {
    let (content, width) = match find(table, &[b"stco"]) {
        Some(stco) => (stco, 4),
        None => (find(table, &[b"co64"])?, 8),
    };
    let count = word(content, 4)? as usize;
    Some(content.get(8..)?.chunks_exact(width).take(count).filter_map(number))
}

/// Sample sizes in file order.
struct SampleSizes<'a> {
    /// Bytes per sample, if constant.
    constant: Option<u64>,
    /// Number of samples left.
    left: u64,
    sizes: &'a [u8],
}

impl<'a> SampleSizes<'a> {
    fn of(table: &'a [u8], frame: u64) -> Option<Self> {
        let stsz = find(table, &[b"stsz"])?;
        let (constant, left) = (u64::from(word(stsz, 4)?), u64::from(word(stsz, 8)?));
        // QuickTime writes 1, or the bytes of one channel, for frames; other writers store several
        // frames in one sample.
        let constant = match constant {
            0 => None,
            size if size > frame && size.is_multiple_of(frame) => Some(size),
            _ => Some(frame),
        };
        Some(Self { constant, left, sizes: stsz.get(12..)? })
    }

    /// Bytes of the next `count` samples.
    fn take(&mut self, count: u32) -> u64 {
        let count = u64::from(count).min(self.left);
        self.left -= count;
        if let Some(size) = self.constant {
            return count.saturating_mul(size);
        }
        let bytes = (count as usize).saturating_mul(4).min(self.sizes.len());
        let (taken, rest) = self.sizes.split_at(bytes);
        self.sizes = rest;
        taken.chunks_exact(4).filter_map(number).sum()
    }
}
