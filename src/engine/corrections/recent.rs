//! Embeddings of the newest patches of a source, in a bounded buffer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::Patch;
use crate::command::LabelCommand;
use crate::sink::corrections::{HeardPatch, to_half};

/// Audio whose embeddings are kept, in seconds of the source.
const KEPT_S: f64 = LabelCommand::LONGEST_S;

/// Patches that are kept: one minute at the shortest hop. With 624 values each, this is 300 KB per
/// source, and 75 KB at a hop of 1 s.
const MAX_PATCHES: usize = 240;

/// Tolerance of requested spans: patches end on a grid of 16 ms.
const TOLERANCE_S: f64 = 0.02;

/// Embeddings of the newest patches of one source.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    patches: VecDeque<KeptPatch>,
    /// Time at which the newest patch was added.
    newest: Option<Instant>,
}

#[derive(Debug)]
struct KeptPatch {
    start: f64,
    end: f64,
    is_quiet: bool,
    heard: HeardPatch,
}

/// Patches selected from [`Recent`].
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selection {
    /// Patches that are loud enough to learn from, oldest first.
    pub(crate) patches: Vec<HeardPatch>,
    /// Number of patches that are too quiet.
    pub(crate) quiet: usize,
}

impl Recent {
    /// Adds a scored patch, unless its embedding is not finite.
    pub(crate) fn push(&mut self, patch: &Patch, embedding: &[f32], is_quiet: bool, now: Instant) {
        let span = patch.span;
        // The time of the source has restarted: earlier patches have no place in it.
        if self.patches.back().is_some_and(|last| span.end <= last.end) {
            self.patches.clear();
        }
        while self.patches.len() >= MAX_PATCHES
            || self.patches.front().is_some_and(|first| first.start < span.end - KEPT_S - TOLERANCE_S)
        {
            self.patches.pop_front();
        }
        if embedding.is_empty() || !embedding.iter().all(|value| value.is_finite()) {
            return;
        }
        self.newest = Some(now);
        let embedding: Arc<[u16]> = embedding.iter().map(|value| to_half(*value)).collect();
        let end_ms = patch.ends_at.as_millisecond();
        let start_ms = end_ms - ((span.end - span.start) * 1000.0).round() as i64;
        let heard = HeardPatch { start_ms, end_ms, embedding };
        self.patches.push_back(KeptPatch { start: span.start, end: span.end, is_quiet, heard });
    }

    /// Patches within the last `seconds` before the end of the newest one; none if the newest one
    /// is older than [`KEPT_S`].
    pub(crate) fn last(&self, seconds: f64, now: Instant) -> Selection {
        let stale = |at: Instant| now.saturating_duration_since(at) > Duration::from_secs_f64(KEPT_S);
        let Some(last) = self.patches.back().filter(|_| !self.newest.is_none_or(stale)) else {
            return Selection::default();
        };
        let from = last.end - seconds - TOLERANCE_S;
        let wanted = self.patches.iter().filter(|kept| kept.start >= from);
        let (quiet, loud): (Vec<&KeptPatch>, Vec<&KeptPatch>) = wanted.partition(|kept| kept.is_quiet);
        Selection { patches: loud.into_iter().map(|kept| kept.heard.clone()).collect(), quiet: quiet.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    use crate::audio::{Level, PatchSpan, SourceId};
    use crate::sink::corrections::from_half;

    const PATCH_S: f64 = 2.992;

    fn patch(index: u64, hop: f64) -> Patch {
        let start = index as f64 * hop;
        let ends_at = Timestamp::from_millisecond(((start + PATCH_S) * 1000.0) as i64).unwrap();
        Patch {
            source: SourceId(0),
            index,
            span: PatchSpan { start, end: start + PATCH_S },
            ends_at,
            level: Level::of_loudness(-20.0),
        }
    }

    fn filled(count: u64, hop: f64, now: Instant) -> Recent {
        let mut recent = Recent::default();
        for index in 0..count {
            recent.push(&patch(index, hop), &[index as f32, 1.0], index % 10 == 0, now);
        }
        recent
    }

    fn indices(selection: &Selection) -> Vec<u64> {
        selection.patches.iter().map(|patch| from_half(patch.embedding[0]) as u64).collect()
    }

    #[test]
    fn the_last_seconds_are_whole_patches_without_the_quiet_ones() {
        let now = Instant::now();
        let recent = filled(100, 1.0, now);
        // 99 ends at 101.992; those that begin at 96.992 or later.
        assert_eq!(indices(&recent.last(5.0, now)), [97, 98, 99]);
        assert_eq!(indices(&recent.last(3.0, now)), [99]);
        let all = recent.last(KEPT_S, now);
        // 42 to 99, of which 50, 60, 70, 80 and 90 are quiet.
        assert_eq!((all.patches.len(), all.quiet, indices(&all)[0]), (53, 5, 42));
    }

    #[test]
    fn memory_is_bounded_at_every_hop() {
        let now = Instant::now();
        for (hop, most) in [(0.25, 229), (1.0, 58), (3.0, 20)] {
            let recent = filled(1000, hop, now);
            assert!(
                recent.patches.len() <= most && recent.patches.len() + 2 >= most,
                "{}",
                recent.patches.len()
            );
        }
        assert!(filled(5000, 0.01, now).patches.len() <= MAX_PATCHES);
    }

    #[test]
    fn what_is_old_or_of_another_time_is_not_given() {
        let now = Instant::now();
        let mut recent = filled(10, 1.0, now);
        assert_eq!(recent.last(30.0, now + Duration::from_secs(59)).patches.len(), 9);
        assert_eq!(recent.last(30.0, now + Duration::from_secs(61)), Selection::default());
        recent.push(&patch(1, 1.0), &[77.0, 1.0], false, now);
        assert_eq!(indices(&recent.last(30.0, now)), [77]);
        // After a gap only what followed it lies in the last seconds.
        recent.push(&patch(300, 1.0), &[78.0, 1.0], false, now);
        recent.push(&patch(301, 1.0), &[f32::NAN, 1.0], false, now);
        recent.push(&patch(302, 1.0), &[], false, now);
        assert_eq!(indices(&recent.last(60.0, now)), [78]);
        assert_eq!(Recent::default().last(30.0, now), Selection::default());
    }
}
