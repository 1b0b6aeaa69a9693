//! Layer 0: taps, through which clients observe a source in detail.
//!
//! A tap counts its watchers. The pipeline makes explanations and copies log-mel frames only while
//! there are some.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Chunks of log-mel frames that a tap keeps, one per patch.
const MAX_CHUNKS: usize = 16;

/// Largest value of a log-mel frame that is represented; larger ones are clamped to it.
pub(crate) const LOG_MEL_MAX: f32 = 6.0;

/// Tap of one source.
#[derive(Debug, Default)]
pub(crate) struct SourceTap {
    explanation_watchers: AtomicUsize,
    frame_watchers: AtomicUsize,
    frames: Mutex<FrameRing>,
}

/// Consecutive log-mel frames.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FrameChunk {
    /// Number of the chunk, ascending.
    pub(crate) number: u64,
    /// Number of frames in all chunks before it.
    pub(crate) first_frame: u64,
    /// Wall-clock time of the start of the first frame, in milliseconds since the Unix epoch.
    pub(crate) at_ms: i64,
    /// Length of a frame, in milliseconds.
    pub(crate) frame_ms: f64,
    /// Bytes per frame.
    pub(crate) bands: usize,
    /// One byte per band, low bands first: 0 to [`LOG_MEL_MAX`] as 0 to 255.
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct FrameRing {
    chunks: VecDeque<Arc<FrameChunk>>,
    next_number: u64,
    /// Number of frames in all chunks.
    frames: u64,
    /// Run of continuous audio and number of the frame after the last one.
    next_frame: Option<(u64, u64)>,
}

/// Frames of a patch, for [`SourceTap::push`].
pub(crate) struct PatchFrames<'a> {
    /// Number of the run of continuous audio.
    pub(crate) run: u64,
    /// Number of the first frame in the run.
    pub(crate) first: u64,
    /// Wall-clock time of the end of the last frame, in milliseconds since the Unix epoch.
    pub(crate) ends_at_ms: i64,
    /// Length of a frame, in milliseconds.
    pub(crate) frame_ms: f64,
    /// Values per frame.
    pub(crate) bands: usize,
    /// Row-major `[frames, bands]`.
    pub(crate) log_mel: &'a [f32],
}

/// Detail that a client watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TapDetail {
    /// Explanations of decisions.
    Explanations,
    /// Log-mel frames.
    Frames,
}

/// Watcher of a tap, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct TapWatcher {
    tap: Arc<SourceTap>,
    detail: TapDetail,
}

impl SourceTap {
    /// Adds a watcher of `detail`.
    pub(crate) fn watch(self: &Arc<Self>, detail: TapDetail) -> TapWatcher {
        self.watchers(detail).fetch_add(1, Relaxed);
        TapWatcher { tap: self.clone(), detail }
    }

    /// Returns true while `detail` has a watcher.
    pub(crate) fn is_watched(&self, detail: TapDetail) -> bool {
        self.watchers(detail).load(Relaxed) > 0
    }

    /// Adds those frames of a patch that no earlier patch contained.
    pub(crate) fn push(&self, patch: &PatchFrames<'_>) {
        let count = patch.log_mel.len() / patch.bands;
        let end = patch.first + count as u64;
        let mut ring = self.ring();
        let known = match ring.next_frame {
            Some((run, next)) if run == patch.run => next.clamp(patch.first, end),
            _ => patch.first,
        };
        ring.next_frame = Some((patch.run, end));
        let rows = &patch.log_mel[(known - patch.first) as usize * patch.bands..];
        if rows.is_empty() {
            return;
        }
        let length_ms = (rows.len() / patch.bands) as f64 * patch.frame_ms;
        let chunk = FrameChunk {
            number: ring.next_number,
            first_frame: ring.frames,
            at_ms: patch.ends_at_ms - length_ms.round() as i64,
            frame_ms: patch.frame_ms,
            bands: patch.bands,
            // The cast clamps, and takes NaN for 0.
            bytes: rows.iter().map(|value| (value * (255.0 / LOG_MEL_MAX)).round() as u8).collect(),
        };
        ring.next_number += 1;
        ring.frames += (rows.len() / patch.bands) as u64;
        if ring.chunks.len() == MAX_CHUNKS {
            ring.chunks.pop_front();
        }
        ring.chunks.push_back(Arc::new(chunk));
    }

    /// Chunks from number `from` on, oldest first.
    pub(crate) fn chunks_from(&self, from: u64) -> Vec<Arc<FrameChunk>> {
        self.ring().chunks.iter().filter(|chunk| chunk.number >= from).cloned().collect()
    }

    fn watchers(&self, detail: TapDetail) -> &AtomicUsize {
        match detail {
            TapDetail::Explanations => &self.explanation_watchers,
            TapDetail::Frames => &self.frame_watchers,
        }
    }

    fn ring(&self) -> MutexGuard<'_, FrameRing> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TapWatcher {
    fn drop(&mut self) {
        if self.tap.watchers(self.detail).fetch_sub(1, Relaxed) == 1 && self.detail == TapDetail::Frames {
            // The next watcher begins with new frames.
            let mut ring = self.tap.ring();
            (ring.next_frame, ring.chunks) = (None, VecDeque::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(tap: &SourceTap, run: u64, first: u64, frames: usize, value: f32) {
        let log_mel = vec![value; frames * 2];
        let ends_at_ms = (first + frames as u64) as i64 * 16;
        tap.push(&PatchFrames { run, first, ends_at_ms, frame_ms: 16.0, bands: 2, log_mel: &log_mel });
    }

    #[test]
    fn overlapping_patches_give_every_frame_once() {
        let tap = SourceTap::default();
        push(&tap, 0, 0, 10, 1.0);
        push(&tap, 0, 4, 10, 2.0);
        push(&tap, 0, 4, 10, 3.0);
        let chunks = tap.chunks_from(0);
        let seen: Vec<_> = chunks.iter().map(|chunk| (chunk.at_ms, chunk.bytes.len() / 2)).collect();
        assert_eq!(seen, [(0, 10), (160, 4)]);
        assert_eq!(tap.chunks_from(1).len(), 1);
    }

    #[test]
    fn a_gap_starts_with_a_whole_patch() {
        let tap = SourceTap::default();
        push(&tap, 0, 100, 10, 1.0);
        push(&tap, 1, 0, 10, 1.0);
        assert_eq!(tap.chunks_from(0).iter().map(|chunk| chunk.bytes.len()).collect::<Vec<_>>(), [20, 20]);
    }

    #[test]
    fn values_outside_the_scale_are_clamped() {
        let tap = SourceTap::default();
        for (number, value) in [-1.0, f32::NAN, 3.0, LOG_MEL_MAX, 1e9].into_iter().enumerate() {
            push(&tap, number as u64, 0, 1, value);
        }
        let values: Vec<u8> = tap.chunks_from(0).iter().map(|chunk| chunk.bytes[0]).collect();
        assert_eq!(values, [0, 0, 128, 255, 255]);
    }

    #[test]
    fn memory_is_bounded() {
        let tap = SourceTap::default();
        (0..1000).for_each(|run| push(&tap, run, 0, 10, 1.0));
        assert_eq!(tap.chunks_from(0).len(), MAX_CHUNKS);
    }

    #[test]
    fn watchers_are_counted() {
        let tap = Arc::new(SourceTap::default());
        let (first, second) = (tap.watch(TapDetail::Frames), tap.watch(TapDetail::Frames));
        push(&tap, 0, 0, 1, 1.0);
        drop(first);
        assert!(tap.is_watched(TapDetail::Frames) && !tap.is_watched(TapDetail::Explanations));
        assert_eq!(tap.chunks_from(0).len(), 1);
        drop(second);
        assert!(!tap.is_watched(TapDetail::Frames) && tap.chunks_from(0).is_empty());
    }
}
