//! Conversion of patches to trunk input, and of trunk output to features of patches.
//!
//! A windowed trunk takes whole patches. A streamed trunk takes a *stretch*: consecutive frames
//! with a halo on either side, computed once for all patches that share them. Each source has a
//! [`Cutter`], which cuts its patches into stretches, and, at the trunk, a [`Features`].

use crate::audio::{self, Patch, PatchSpan, SourceId};
use crate::dsp::{PatchParams, PatchView};

use super::level::GainNormalizer;

/// Input requirements of a trunk.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Frames per patch.
    pub patch: usize,
    /// Bands per frame.
    pub bands: usize,
    /// Requirements of a streamed trunk; `None` for a windowed one.
    pub streamed: Option<Streamed>,
}

/// Input requirements of a streamed trunk.
#[derive(Debug, Clone)]
pub struct Streamed {
    /// Frames of the halo before a run.
    pub before: usize,
    /// Frames of the halo after a run.
    pub after: usize,
    /// Divisor of the number of frames per run.
    pub block: usize,
    /// Log-mel value, after the input gain, of frames without audio.
    pub padding: f32,
    /// Input gain.
    pub level: Option<GainNormalizer>,
    /// Minimum audio per run, in seconds.
    pub min_run_s: f64,
}

impl Feed {
    /// Returns the parameters of patches for this trunk.
    pub fn patches(&self, hop_seconds: f64) -> PatchParams {
        let alone = PatchParams::new(self.patch, hop_seconds);
        let Some(streamed) = &self.streamed else { return alone };
        // A run also computes its halo, so patches at short hops share one run.
        let group = (streamed.min_run_s / hop_seconds).ceil().max(1.0) as usize;
        PatchParams { before: streamed.before + streamed.block, after: streamed.after, group, ..alone }
    }
}

/// Consecutive frames of one source that one run processes, and the patches that end with them.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// Index of the source.
    pub source: usize,
    /// Segment of the source. Frame numbers start at 0 in each segment.
    pub segment: u64,
    /// Number of the first frame with features; negative before the start of the segment.
    pub first: i64,
    /// Number of frames with features.
    pub frames: usize,
    /// Input of the trunk, row-major `[frames and halo, bands]`.
    pub rows: Vec<f32>,
    /// First frame of each patch.
    pub patches: Vec<u64>,
}

impl Stretch {
    /// Creates the stretch of one patch, `[frames, bands]`, without context, in segment `segment`.
    pub fn of_patch(feed: &Feed, segment: u64, log_mel: &[f32]) -> Self {
        let patch = Patch {
            source: SourceId(0),
            index: 0,
            span: PatchSpan { start: 0.0, end: 0.0 },
            ends_at: jiff::Timestamp::UNIX_EPOCH,
            level: audio::Level::default(),
        };
        let view = PatchView {
            patch,
            segment,
            start: 0,
            more: false,
            bands: feed.bands,
            log_mel,
            context: log_mel,
            lead: 0,
            received_to_s: 0.0,
        };
        let mut stretch = Self::default();
        Cutter::new(feed, 0).add(&view, &mut stretch);
        stretch
    }

    /// Removes rows and patches; keeps the allocations.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.patches.clear();
    }
}

/// Cuts one source's patches into stretches.
#[derive(Debug, Clone)]
pub struct Cutter {
    feed: Feed,
    source: usize,
    segment: u64,
    /// Frame after the last one that was cut; `None` if the next stretch must hold a whole patch.
    end: Option<u64>,
}

impl Cutter {
    /// Creates the cutter of the source with index `source`.
    pub fn new(feed: &Feed, source: usize) -> Self {
        Self { feed: feed.clone(), source, segment: 0, end: None }
    }

    /// Handles a stretch that is not scored: the next one holds a whole patch.
    pub fn lost(&mut self) {
        self.end = None;
    }

    /// Adds a patch to `stretch`, which must be empty at the first patch of a group. Returns
    /// whether the group is complete.
    pub fn add(&mut self, view: &PatchView<'_>, stretch: &mut Stretch) -> bool {
        stretch.patches.push(view.start);
        if view.more {
            return false;
        }
        (stretch.source, stretch.segment) = (self.source, view.segment);
        let end = view.start + self.feed.patch as u64;
        match &mut self.feed.streamed {
            None => {
                (stretch.first, stretch.frames) = (view.start as i64, self.feed.patch);
                stretch.rows.extend_from_slice(view.log_mel);
            }
            Some(streamed) => {
                let oldest = stretch.patches.first().copied().unwrap_or(view.start);
                let known = self.end.filter(|known| self.segment == view.segment && *known >= oldest);
                let new = end.saturating_sub(known.unwrap_or(oldest)) as usize;
                stretch.frames = new.next_multiple_of(streamed.block).max(streamed.block);
                stretch.first = end as i64 - stretch.frames as i64;
                fill(streamed, self.feed.bands, view, stretch);
            }
        }
        (self.segment, self.end) = (view.segment, Some(end));
        true
    }
}

/// Fills in the rows of a stretch and its halo, with input gain; missing frames become padding.
fn fill(streamed: &mut Streamed, bands: usize, view: &PatchView<'_>, stretch: &mut Stretch) {
    let wanted = stretch.frames + streamed.before + streamed.after;
    let start = stretch.first - streamed.before as i64;
    let (from, frames) = (view.start as i64 - view.lead as i64, view.context.len() / bands);
    let missing = (from - start).clamp(0, wanted as i64) as usize;
    let skipped = (start - from).clamp(0, frames as i64) as usize;
    let taken = (frames - skipped).min(wanted - missing);
    // `reserve_exact` saves memory: each of hundreds of sources has one.
    stretch.rows.reserve_exact(wanted * bands);
    stretch.rows.resize(missing * bands, streamed.padding);
    stretch.rows.extend_from_slice(&view.context[skipped * bands..(skipped + taken) * bands]);
    if let Some(level) = &mut streamed.level {
        level.lift(view.log_mel, &mut stretch.rows[missing * bands..]);
    }
    stretch.rows.resize(wanted * bands, streamed.padding);
}

/// Features of the latest frames of one source.
#[derive(Debug, Default)]
pub(super) struct Features {
    segment: u64,
    /// Frame number of the first row.
    first: i64,
    /// `[frames, features]`
    rows: Vec<f32>,
}

impl Features {
    /// Stores the features of a stretch, `[stretch.frames, dim]`. Overlapping earlier frames are
    /// replaced. Earlier frames are dropped after a gap, or once no patch needs them.
    pub(super) fn take(&mut self, stretch: &Stretch, features: &[f32], dim: usize) {
        let end = self.first + (self.rows.len() / dim) as i64;
        if self.segment != stretch.segment || stretch.first > end || stretch.first < self.first {
            (self.segment, self.first) = (stretch.segment, stretch.first);
            self.rows.clear();
        }
        let oldest = stretch.patches.iter().min().map_or(stretch.first, |start| *start as i64);
        let old = (oldest.min(stretch.first) - self.first).max(0) as usize;
        self.rows.copy_within(old * dim.., 0);
        self.first += old as i64;
        self.rows.truncate((stretch.first - self.first) as usize * dim);
        // `reserve_exact` saves memory: each of hundreds of sources has one.
        self.rows.reserve_exact(features.len());
        self.rows.extend_from_slice(features);
    }

    /// Features of the patch of `frames` frames that begins at `start`; `None` if some are missing.
    pub(super) fn of_patch(&self, start: u64, frames: usize, dim: usize) -> Option<&[f32]> {
        let from = usize::try_from(start as i64 - self.first).ok()?;
        self.rows.get(from * dim..(from + frames) * dim)
    }
}

#[cfg(test)]
mod tests;
