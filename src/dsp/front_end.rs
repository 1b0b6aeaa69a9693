//! Front end of one source: conversion of blocks to patches.

use jiff::{SignedDuration, Timestamp};

use super::error::DspError;
use super::frame_segment::{FrameSegment, SPARE_ROWS};
use super::intake::{Continuity, Intake, Measures};
use super::log_mel::LogMel;
use super::params::LogMelParams;
use super::patches::{PatchGrid, PatchParams};
use crate::audio::{Block, Level, Patch, PatchSpan, SourceId};

/// Patch that is ready for inference, borrowed for the duration of a call.
#[derive(Debug, Clone, Copy)]
pub struct PatchView<'a> {
    /// Position and level of the patch.
    pub patch: Patch,
    /// Number of the source's segment; frame numbers restart at 0 in each.
    pub segment: u64,
    /// Frame number of its first frame in the segment.
    pub start: u64,
    /// True if others of its group follow immediately.
    pub more: bool,
    /// Number of mel bands.
    pub bands: usize,
    /// Log-mel values, row-major `[frames, bands]`.
    pub log_mel: &'a [f32],
    /// Log-mel values including the surrounding frames: from [`PatchParams::before`] before the
    /// oldest patch of its group to [`PatchParams::after`] after this patch, as far as available.
    pub context: &'a [f32],
    /// Number of frames in `context` before the patch.
    pub lead: usize,
    /// End of the received input when the last required frame was complete, in seconds of the
    /// source.
    pub received_to_s: f64,
}

/// Patch counts of a source: `produced = emitted + dropped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PatchCounters {
    /// Patches that were started and then emitted or dropped.
    pub produced: u64,
    /// Patches that were emitted.
    pub emitted: u64,
    /// Patches that a gap interrupted.
    pub dropped: u64,
}

/// Front end of one source, from blocks of any rate and channel count to patches.
///
/// Patches, levels and spans are bit-identical for any chunking of the input. A gap, or a change of
/// rate or channels, starts a new segment: framing and loudness restart, incomplete patches are
/// dropped and counted, and spans continue in the source's own time.
///
/// Nothing is allocated or freed after the first patch; see [`FrontEnd::push`].
pub struct FrontEnd {
    source: SourceId,
    intake: Intake,
    log_mel: LogMel,
    grid: PatchGrid,
    params: PatchParams,
    /// Patch parameters that apply from the next segment on.
    next: Option<(PatchGrid, PatchParams)>,
    counters: PatchCounters,
    /// Wall-clock time and source time in seconds of the last anchor.
    anchor: Option<(Timestamp, f64)>,
    /// True once any sample was received.
    received: bool,
    /// End of the received input, in seconds of the source.
    received_to_s: f64,
    /// Skipped audio of less than a hop whose patch is not counted yet, in seconds.
    skipped_s: f64,
    segment: FrameSegment,
    /// Model-rate samples of one piece.
    samples: Vec<f32>,
    /// First model-rate samples of the segment, from which a signal shorter than a patch is
    /// repeated.
    opening: Vec<f32>,
    opening_length: usize,
}

impl FrontEnd {
    /// Creates an empty front end.
    ///
    /// # Errors
    /// A parameter is out of range.
    pub fn new(source: SourceId, params: &LogMelParams, patch: &PatchParams) -> Result<Self, DspError> {
        let log_mel = LogMel::new(params)?;
        let grid = PatchGrid::new(patch, params)?;
        let opening_length = params.samples_for(patch.frames);
        Ok(Self {
            source,
            intake: Intake::new(params, Measures::Level),
            log_mel,
            grid,
            params: *patch,
            next: None,
            counters: PatchCounters::default(),
            anchor: None,
            received: false,
            received_to_s: 0.0,
            skipped_s: 0.0,
            segment: FrameSegment::default(),
            samples: Vec::new(),
            opening: Vec::with_capacity(opening_length),
            opening_length,
        })
    }

    /// Adds the true peak to the level of patches, at three times the cost of all other level
    /// measurements.
    pub fn with_true_peak(mut self) -> Self {
        self.intake = Intake::new(self.log_mel.params(), Measures::LevelAndPeak);
        self
    }

    /// Applies other patch parameters from the next gap on. Indices continue, and the patch length
    /// is unchanged.
    ///
    /// # Errors
    /// A parameter is out of range.
    pub fn set_patches(&mut self, patch: &PatchParams) -> Result<(), DspError> {
        let patch = PatchParams { frames: self.params.frames, ..*patch };
        self.next = Some((PatchGrid::new(&patch, self.log_mel.params())?, patch));
        Ok(())
    }

    /// Patch counts so far.
    pub fn counters(&self) -> PatchCounters {
        self.counters
    }

    /// Processes `block` and passes every completed patch to `emit`, in order.
    ///
    /// Allocates nothing after the first patch, except for the first block of a rate and channel
    /// count.
    ///
    /// # Errors
    /// The block's rate or channel count is not supported; the block is ignored then.
    pub fn push(&mut self, block: &Block, emit: &mut dyn FnMut(PatchView<'_>)) -> Result<(), DspError> {
        if self.intake.accept(block)? == Continuity::Starts {
            self.start_segment(emit);
        }
        if let Some(time) = block.anchor {
            self.anchor = Some((time, block.rate.seconds(block.span.start)));
        }
        for piece in Intake::pieces(block) {
            self.received = true;
            self.intake.feed(piece, &mut self.samples);
            self.received_to_s = self.intake.received_to_s();
            self.absorb(emit);
        }
        Ok(())
    }

    /// Counts the patches of `seconds` of skipped audio as produced and dropped.
    pub fn skip(&mut self, seconds: f64) {
        self.skipped_s += seconds;
        let patches = (self.skipped_s / self.params.hop_seconds).floor().max(0.0);
        self.skipped_s -= patches * self.params.hop_seconds;
        self.counters.produced += patches as u64;
        self.counters.dropped += patches as u64;
    }

    /// Emits the patches that only wait for later frames or for the rest of their group.
    pub fn flush(&mut self, emit: &mut dyn FnMut(PatchView<'_>)) {
        self.emit_ready(true, emit);
    }

    /// Drops the patches that only wait for later frames or for the rest of their group.
    pub fn discard(&mut self) {
        let waiting = self.segment.waiting.drain(..).count() as u64;
        self.counters.produced += waiting;
        self.counters.dropped += waiting;
    }

    /// Ends a finite source: emits the patches that its end completes.
    ///
    /// If at least half a hop is left over, one more patch is aligned to the end. A signal too
    /// short for any patch is repeated cyclically, in samples at the model's rate, to exactly one.
    /// Afterwards the front end accepts another segment.
    ///
    /// # Errors
    /// There was never a sample.
    pub fn finish(&mut self, emit: &mut dyn FnMut(PatchView<'_>)) -> Result<(), DspError> {
        if !self.received {
            return Err(DspError::Empty);
        }
        self.intake.finish(&mut self.samples);
        self.absorb(emit);
        self.log_mel.finish(&mut self.segment.rows);
        self.complete();
        let (frames, end) = (self.grid.frames, self.segment.end);
        if self.segment.next > 0 {
            let leftover = end - (self.grid.start(self.segment.next - 1) + frames);
            if self.grid.is_half_a_hop(leftover) {
                self.enqueue(end - frames);
            }
        } else if self.counters.emitted == 0 && !self.opening.is_empty() {
            self.repeat_opening();
            self.enqueue(0);
        }
        self.emit_ready(true, emit);
        self.log_mel.reset();
        self.segment.restart();
        self.opening.clear();
        Ok(())
    }

    /// Emits waiting patches, drops incomplete ones, and restarts the frame count.
    fn start_segment(&mut self, emit: &mut dyn FnMut(PatchView<'_>)) {
        self.emit_ready(true, emit);
        let mut incomplete = 0;
        while self.grid.start(self.segment.next + incomplete) < self.segment.end {
            incomplete += 1;
        }
        self.counters.produced += incomplete;
        self.counters.dropped += incomplete;
        if let Some((grid, params)) = self.next.take() {
            (self.grid, self.params) = (grid, params);
        }
        self.segment.restart();
        self.log_mel.reset();
        self.opening.clear();
        let params = self.log_mel.params();
        let piece_rows = self.intake.max_output() / params.hop_length + 2;
        let PatchParams { frames, before, after, group, .. } = self.params;
        let group_rows = self.grid.start(group as u64) as usize + 1;
        let rows = before + frames + after + group_rows + piece_rows + SPARE_ROWS;
        self.segment.rows.reserve(rows * params.bands);
        self.segment.waiting.reserve(group + (after as u64 / self.grid.start(1).max(1)) as usize + 2);
        self.samples.clear();
        self.samples.reserve(self.intake.max_output());
    }

    /// Converts the samples of one piece to frames, and those to patches.
    fn absorb(&mut self, emit: &mut dyn FnMut(PatchView<'_>)) {
        // Once a patch is complete, the opening is not needed.
        if self.segment.next > 0 || self.counters.emitted > 0 {
            if self.opening.capacity() > 0 {
                self.opening = Vec::new();
            }
        } else {
            let missing = self.opening_length - self.opening.len();
            self.opening.extend_from_slice(&self.samples[..missing.min(self.samples.len())]);
        }
        self.log_mel.push(&self.samples, &mut self.segment.rows);
        self.complete();
        self.emit_ready(false, emit);
        let bands = self.log_mel.params().bands;
        let next = self.grid.start(self.segment.next);
        // A patch aligned to the end may need the last rows too.
        let next = next.min(self.segment.end.saturating_sub(self.grid.frames));
        let oldest = self.segment.waiting.front().map_or(next, |(_, start)| next.min(*start));
        self.segment.drop_before(oldest.saturating_sub(self.params.before as u64), bands);
    }

    /// Adds the grid's patches whose frames are complete to the waiting ones.
    fn complete(&mut self) {
        let bands = self.log_mel.params().bands;
        self.segment.end = self.segment.first + (self.segment.rows.len() / bands) as u64;
        loop {
            let start = self.grid.start(self.segment.next);
            if start + self.grid.frames > self.segment.end {
                return;
            }
            self.enqueue(start);
            self.segment.next += 1;
        }
    }

    /// Adds the patch that starts at frame `start` and whose rows are complete to the waiting ones.
    fn enqueue(&mut self, start: u64) {
        let params = self.log_mel.params();
        let (hop, rate) = (params.hop_length as u64, params.sample_rate);
        let origin = self.intake.origin_seconds();
        let end_sample = (start + self.grid.frames) * hop;
        let span =
            PatchSpan { start: origin + rate.seconds(start * hop), end: origin + rate.seconds(end_sample) };
        let patch = Patch {
            source: self.source,
            index: self.counters.produced + self.segment.waiting.len() as u64,
            span,
            ends_at: self.time_at(span.end),
            level: Level {
                tone_s: self.log_mel.tone_before(start + self.grid.frames) as f32
                    * (hop as f64 / f64::from(rate.hertz())) as f32,
                ..self.intake.level_at(end_sample)
            },
        };
        self.segment.waiting.push_back((patch, start));
    }

    /// Emits the groups of patches that have all surrounding frames, or all waiting patches if
    /// `all` is set.
    fn emit_ready(&mut self, all: bool, emit: &mut dyn FnMut(PatchView<'_>)) {
        let bands = self.log_mel.params().bands;
        let PatchParams { before, after, group, .. } = self.params;
        let frames = self.grid.frames;
        let received_to_s = self.received_to_s;
        let segment = &mut self.segment;
        loop {
            let count = group.min(segment.waiting.len());
            let Some((_, last)) = count.checked_sub(1).and_then(|index| segment.waiting.get(index)) else {
                return;
            };
            let is_ready = count == group && last + frames + after as u64 <= segment.end;
            if !is_ready && !all {
                return;
            }
            let last_end = segment.waiting[count - 1].0.span.end;
            // The rows of the oldest patch of the group cover those of the others.
            let first = segment.waiting[0].1.saturating_sub(before as u64).max(segment.first);
            for left in (0..count).rev() {
                let Some((patch, start)) = segment.waiting.pop_front() else { return };
                self.counters.produced += 1;
                self.counters.emitted += 1;
                let end = (start + frames + after as u64).min(segment.end);
                let row = |frame: u64| (frame - segment.first) as usize * bands;
                emit(PatchView {
                    patch,
                    segment: segment.number,
                    start,
                    more: left > 0,
                    bands,
                    log_mel: &segment.rows[row(start)..row(start + frames)],
                    context: &segment.rows[row(first)..row(end)],
                    lead: (start - first) as usize,
                    // The first patches of a group have waited for the last.
                    received_to_s: received_to_s - (last_end - patch.span.end),
                });
            }
        }
    }

    /// Replaces the rows by those of the opening, repeated to one patch.
    fn repeat_opening(&mut self) {
        self.segment.restart();
        self.log_mel.reset();
        let mut missing = self.opening_length;
        while missing > 0 {
            let now = missing.min(self.opening.len());
            self.log_mel.push(&self.opening[..now], &mut self.segment.rows);
            missing -= now;
        }
        let bands = self.log_mel.params().bands;
        self.segment.end = (self.segment.rows.len() / bands) as u64;
    }

    /// Wall-clock time of a source time in seconds.
    fn time_at(&self, seconds: f64) -> Timestamp {
        let (time, anchored) = self.anchor.unwrap_or((Timestamp::UNIX_EPOCH, 0.0));
        SignedDuration::try_from_secs_f64(seconds - anchored)
            .ok()
            .and_then(|since| time.checked_add(since).ok())
            .unwrap_or(time)
    }
}

#[cfg(test)]
mod tests;
