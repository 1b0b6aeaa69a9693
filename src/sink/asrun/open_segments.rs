//! Segments of a source that may still be renamed.

use std::sync::Arc;

use crate::asrun::{Lufs, Ms, QuarterLoudness};
use crate::event::{NamedSegment, SourceState};

/// Longest gap that does not end a segment: the clock anchor of a source moves every minute.
const MAX_GAP: Ms = 500;
/// Patches that may wait for their final verdict; beyond it, none is expected.
const MAX_PENDING_PATCHES: usize = 4096;

/// Contribution of one patch to its segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoggedPatch {
    /// End of the patch before it, or its own start.
    pub(crate) start: Ms,
    /// End of the patch.
    pub(crate) end: Ms,
    /// Middle between the two in the time of the source, which neither a clock change nor a stalled
    /// connection moves.
    pub(crate) middle: f64,
    /// Loudness in LUFS, at least −70.
    pub(crate) lufs: f64,
    /// Patches that were dropped before it.
    pub(crate) dropped: u64,
    /// Posterior of the segment's label.
    pub(crate) posterior: Option<f32>,
}

/// Key of a segment: audio with another key begins another segment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SegmentKey {
    pub(crate) state: SourceState,
    /// Label, or name of the state.
    pub(crate) label: Arc<str>,
    pub(crate) title: Option<Arc<str>>,
}

/// Row of `segment`.
#[derive(Debug, Clone)]
pub(super) struct SegmentRow {
    /// Key of the row, once it has been written.
    pub(crate) id: Option<i64>,
    pub(crate) source: Arc<str>,
    pub(crate) start: Ms,
    pub(crate) end: Ms,
    pub(crate) key: SegmentKey,
    pub(crate) dropped: u64,
    /// True if it differs from the row.
    pub(crate) changed: bool,
    /// Sum and number of the posteriors of the label.
    confidence: (f64, u64),
    loudness: QuarterLoudness,
    /// Its patches while it may be cut or renamed; empty once it is final.
    patches: Vec<LoggedPatch>,
}

impl SegmentRow {
    fn begin(source: &Arc<str>, key: &SegmentKey, start: Ms) -> Self {
        Self {
            id: None,
            source: source.clone(),
            start,
            end: start,
            key: key.clone(),
            dropped: 0,
            changed: true,
            confidence: (0.0, 0),
            loudness: QuarterLoudness::at(start),
            patches: Vec::new(),
        }
    }

    pub(super) fn scored(&self) -> u64 {
        self.loudness.scored
    }

    pub(super) fn confidence(&self) -> Option<f64> {
        let (sum, count) = self.confidence;
        (count > 0).then(|| sum / count as f64)
    }

    pub(super) fn lufs(&self) -> Option<Lufs> {
        self.loudness.lufs()
    }

    fn is_final(&self) -> bool {
        self.patches.is_empty()
    }

    fn add(&mut self, patch: LoggedPatch) {
        self.end = self.end.max(patch.end);
        self.dropped += patch.dropped;
        self.loudness.add(patch.lufs);
        if let Some(p) = patch.posterior {
            self.confidence = (self.confidence.0 + f64::from(p), self.confidence.1 + 1);
        }
        self.patches.push(patch);
        self.changed = true;
    }

    /// Copy with some of its patches.
    fn part(&self, patches: &[LoggedPatch]) -> Self {
        let start = patches.first().map_or(self.start, |patch| patch.start);
        let mut part = Self::begin(&self.source, &self.key, start);
        patches.iter().for_each(|patch| part.add(*patch));
        part
    }

    /// Makes the segment final, with the verdict of `segment` if there is one.
    fn finish(&mut self, segment: Option<&NamedSegment>) {
        self.patches = Vec::new();
        let Some(NamedSegment { verdict, .. }) = segment else { return };
        (self.key.state, self.key.label) = (verdict.state, verdict.genre.clone());
        let count = self.scored();
        self.confidence = verdict.confidence.map_or((0.0, 0), |p| (f64::from(p) * count as f64, count));
    }

    /// Merges the segment after it, if both are final and have the same key. Returns true if
    /// merged.
    fn merge(&mut self, next: &Self) -> bool {
        let merges = self.is_final()
            && next.is_final()
            && self.key == next.key
            && (next.start - self.end).abs() <= MAX_GAP;
        if merges {
            self.end = self.end.max(next.end);
            self.dropped += next.dropped;
            self.loudness.merge(&next.loudness);
            self.confidence = (self.confidence.0 + next.confidence.0, self.confidence.1 + next.confidence.1);
            self.changed = true;
        }
        merges
    }
}

/// The newest segments of a source, in order. A segment bears the published verdict until the
/// decision stage has a final one. The last final segment is kept as well, since the next one may
/// be merged into it.
#[derive(Debug, Default)]
pub(super) struct OpenSegments {
    segments: Vec<SegmentRow>,
    /// True while the next patch extends the last segment.
    grows: bool,
    /// True if the last segment would grow, had it not become final: the next one continues it.
    was_cut: bool,
}

impl OpenSegments {
    /// Adds a patch under `key`. Returns true if a new segment begins with it.
    pub(super) fn add(&mut self, source: &Arc<str>, key: &SegmentKey, patch: LoggedPatch) -> bool {
        let is_new = !self.grows && !std::mem::take(&mut self.was_cut);
        if !self.grows {
            self.segments.push(SegmentRow::begin(source, key, patch.start));
            self.grows = true;
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.add(patch);
        }
        is_new
    }

    /// Returns true if a patch from `start` to `end` continues audio up to `position`. Patches
    /// overlap, so that a dropped one need not leave a gap.
    pub(super) fn is_continuous(position: Ms, start: Ms, end: Ms) -> bool {
        start <= position + MAX_GAP && end >= position - MAX_GAP
    }

    /// Lets the next patch begin another segment. Returns false if that was so already.
    pub(super) fn close(&mut self) -> bool {
        self.was_cut = false;
        std::mem::take(&mut self.grows)
    }

    /// Returns true if so many patches wait that no final verdict is expected.
    pub(super) fn is_overdue(&self) -> bool {
        self.segments.iter().map(|segment| segment.patches.len()).sum::<usize>() >= MAX_PENDING_PATCHES
    }

    /// Applies a final verdict: patches within `segment` get its key, segments are cut at its ends,
    /// and earlier patches become final as they are. Without a segment, all patches do. Returns
    /// final segments that differ from their rows, and the keys of rows that are to be deleted.
    pub(super) fn apply_final(&mut self, segment: Option<&NamedSegment>) -> (Vec<SegmentRow>, Vec<i64>) {
        let old = std::mem::take(&mut self.segments);
        let mut ids: Vec<i64> = old.iter().filter_map(|row| row.id).collect();
        let place = |patch: &LoggedPatch| match segment {
            Some(of) if patch.middle >= of.end => PatchPlace::After,
            Some(of) if patch.middle >= of.start => PatchPlace::Within,
            _ => PatchPlace::Before,
        };
        let mut new: Vec<SegmentRow> = Vec::new();
        let mut push = |part: SegmentRow| {
            if !new.last_mut().is_some_and(|last| last.merge(&part)) {
                new.push(part);
            }
        };
        for row in old {
            if row.is_final() {
                push(row);
                continue;
            }
            for patches in row.patches.chunk_by(|one, next| place(one) == place(next)) {
                let mut part = row.part(patches);
                match patches.first().map(place) {
                    Some(PatchPlace::Within) => part.finish(segment),
                    Some(PatchPlace::Before) => part.finish(None),
                    _ => {}
                }
                push(part);
            }
        }
        let is_cut = new.last().is_some_and(SegmentRow::is_final);
        self.was_cut |= self.grows && is_cut;
        self.grows &= !is_cut;
        ids.reverse();
        for row in &mut new {
            let id = ids.pop();
            row.changed |= row.id != id;
            row.id = id;
        }
        let last_final = new.iter().rposition(SegmentRow::is_final);
        self.segments = new.split_off(last_final.unwrap_or(0));
        new.retain(|row| row.changed);
        (new, ids)
    }

    /// Segments that differ from their rows.
    pub(super) fn changed(&mut self) -> impl Iterator<Item = &mut SegmentRow> {
        self.segments.iter_mut().filter(|segment| segment.changed)
    }

    /// Forgets all rows: the file is a new one.
    pub(super) fn forget_ids(&mut self) {
        for segment in &mut self.segments {
            (segment.id, segment.changed) = (None, true);
        }
    }
}

/// Place of a patch relative to a final segment.
#[derive(Clone, Copy, PartialEq)]
enum PatchPlace {
    Before,
    Within,
    After,
}
