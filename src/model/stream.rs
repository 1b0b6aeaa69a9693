//! From patches to what a trunk takes, and from its features back to patches. Pure.
//!
//! A windowed trunk takes a patch whole. A streamed one takes a *stretch*: some frames with a halo on either
//! side, which are computed once for all patches that they belong to. Each source has a [`Cutter`], which says
//! what comes next, on the side where its patches are made, and a [`Features`] where the trunk runs.

use crate::audio::{self, Patch, PatchSpan, SourceId};
use crate::dsp::{PatchParams, PatchView};

use super::level::Level;

/// How a trunk wants to be fed.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Frames of a patch.
    pub patch: usize,
    /// Bands of a frame.
    pub bands: usize,
    /// Of a streamed trunk.
    pub streamed: Option<Streamed>,
}

/// What a streamed trunk needs beside a patch.
#[derive(Debug, Clone)]
pub struct Streamed {
    /// Frames before those of a run.
    pub before: usize,
    /// Frames after those of a run.
    pub after: usize,
    /// The frames of a run are a multiple of this.
    pub block: usize,
    /// Levelled log-mel value where there is no sound.
    pub padding: f32,
    /// The level at which it hears.
    pub level: Option<Level>,
    /// No run is for less sound than this, in seconds.
    pub min_run_s: f64,
}

impl Feed {
    /// How patches must be handed out for this trunk.
    pub fn patches(&self, hop_seconds: f64) -> PatchParams {
        let alone = PatchParams::new(self.patch, hop_seconds);
        let Some(streamed) = &self.streamed else { return alone };
        // A run costs as much as its halo, too: patches at short hops share one.
        let group = (streamed.min_run_s / hop_seconds).ceil().max(1.0) as usize;
        PatchParams { before: streamed.before + streamed.block, after: streamed.after, group, ..alone }
    }
}

/// A piece of a source that goes through the trunk in one go, and the patches that end with it.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// Index of the source.
    pub source: usize,
    /// Segment of the source; frames are numbered anew in each.
    pub segment: u64,
    /// Number of the first frame that the trunk gives features of; negative before the segment's first.
    pub first: i64,
    /// Frames that it gives features of.
    pub frames: usize,
    /// What it takes, row-major `[frames and halo, bands]`.
    pub rows: Vec<f32>,
    /// First frames of the patches.
    pub patches: Vec<u64>,
}

impl Stretch {
    /// A patch `[frames, bands]` with nothing around it, as the only one of segment number `segment`.
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

    /// Forgets everything but its room.
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
    /// Frame after the last one that the trunk was given; `None` where it must be given a whole patch.
    end: Option<u64>,
}

impl Cutter {
    /// A cutter for source number `source`.
    pub fn new(feed: &Feed, source: usize) -> Self {
        Self { feed: feed.clone(), source, segment: 0, end: None }
    }

    /// The last stretch was not, or will not be, scored: the next one starts with a whole patch.
    pub fn lost(&mut self) {
        self.end = None;
    }

    /// Adds a patch to `stretch`, which was empty at the first of a group; `true` once it is whole.
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

/// Levels the frames of a stretch and its halo; what is not there is padding.
fn fill(streamed: &mut Streamed, bands: usize, view: &PatchView<'_>, stretch: &mut Stretch) {
    let wanted = stretch.frames + streamed.before + streamed.after;
    let start = stretch.first - streamed.before as i64;
    let (from, frames) = (view.start as i64 - view.lead as i64, view.context.len() / bands);
    let missing = (from - start).clamp(0, wanted as i64) as usize;
    let skipped = (start - from).clamp(0, frames as i64) as usize;
    let taken = (frames - skipped).min(wanted - missing);
    // Exactly: there are hundreds of these.
    stretch.rows.reserve_exact(wanted * bands);
    stretch.rows.resize(missing * bands, streamed.padding);
    stretch.rows.extend_from_slice(&view.context[skipped * bands..(skipped + taken) * bands]);
    if let Some(level) = &mut streamed.level {
        level.lift(view.log_mel, &mut stretch.rows[missing * bands..]);
    }
    stretch.rows.resize(wanted * bands, streamed.padding);
}

/// Features of one source's last frames.
#[derive(Debug, Default)]
pub struct Features {
    segment: u64,
    /// Frame number of the first row.
    first: i64,
    /// `[frames, features]`
    rows: Vec<f32>,
}

impl Features {
    /// Takes the features of a stretch, `[stretch.frames, dim]`. Frames that came before are replaced where they
    /// overlap, and forgotten where there is a hole between or no patch of `patch` frames can need them.
    pub fn take(&mut self, stretch: &Stretch, features: &[f32], dim: usize) {
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
        // Exactly: there are hundreds of these.
        self.rows.reserve_exact(features.len());
        self.rows.extend_from_slice(features);
    }

    /// The features of the patch of `frames` frames that begins at `start`; `None` where some are missing.
    pub fn of_patch(&self, start: u64, frames: usize, dim: usize) -> Option<&[f32]> {
        let from = usize::try_from(start as i64 - self.first).ok()?;
        self.rows.get(from * dim..(from + frames) * dim)
    }
}

#[cfg(test)]
mod tests;
