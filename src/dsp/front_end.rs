//! Blocks in, patches out: the whole front end of one source.

use jiff::{SignedDuration, Timestamp};

use super::intake::{Continuity, Intake};
use super::patches::Grid;
use super::{DspError, LogMel, LogMelParams, PatchParams};
use crate::audio::{Block, Level, Patch, PatchSpan, SourceId};

/// Rows of room beyond what a patch and a piece of input need, so that rows are moved seldom.
const SPARE_ROWS: usize = 128;

/// A patch that is ready to be scored, lent for the length of a call.
#[derive(Debug, Clone, Copy)]
pub struct PatchView<'a> {
    /// The source that it was cut from.
    pub source: SourceId,
    /// Counts the patches that were produced for the source, dropped ones included, from 0.
    pub index: u64,
    /// Where it lies in the source, in seconds.
    pub span: PatchSpan,
    /// Wall-clock time of its end by the source's last anchor; before any anchor, counted from the Unix epoch.
    pub ends_at: Timestamp,
    /// Loudness at its end.
    pub level: Level,
    /// Number of frames.
    pub frames: usize,
    /// Number of mel bands.
    pub bands: usize,
    /// Log-mel values, row-major `[frames, bands]`.
    pub log_mel: &'a [f32],
}

impl PatchView<'_> {
    /// A copy of its own; allocates.
    pub fn to_patch(&self) -> Patch {
        Patch {
            source: self.source,
            index: self.index,
            span: self.span,
            ends_at: self.ends_at,
            level: self.level,
            log_mel: self.log_mel.to_vec(),
        }
    }
}

/// What became of a source's patches so far: `produced = emitted + dropped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Patches that were begun and then emitted or dropped.
    pub produced: u64,
    /// Patches that were handed out.
    pub emitted: u64,
    /// Patches that a gap cut off.
    pub dropped: u64,
}

/// The front end of one source, from blocks of any rate and width to patches.
///
/// Patches, levels and spans are the same to the bit however the sound is cut into
/// blocks. A gap, or a change of rate or channels, starts a new segment: framing and
/// loudness begin anew, the patches that were begun are dropped and counted, and spans
/// go on in the source's own time.
///
/// Nothing is allocated after the first block of a format; see [`FrontEnd::push`].
pub struct FrontEnd {
    source: SourceId,
    intake: Intake,
    log_mel: LogMel,
    grid: Grid,
    counters: Counters,
    /// Wall-clock time and source time, in seconds, of the last anchor.
    anchor: Option<(Timestamp, f64)>,
    /// Whether any sample was heard at all.
    heard: bool,
    segment: Segment,
    /// Model-rate samples of one piece.
    samples: Vec<f32>,
    /// The segment's first model-rate samples, as long as a sound that is too short for a patch may have to be repeated.
    opening: Vec<f32>,
    opening_length: usize,
}

/// Frames since the last gap.
#[derive(Default)]
struct Segment {
    /// Rows from `first` on, row-major.
    rows: Vec<f32>,
    /// Frame number of the first row.
    first: u64,
    /// Number of the frame after the last row.
    end: u64,
    /// The next patch of the segment.
    next: u64,
}

impl FrontEnd {
    /// A front end that has heard nothing yet.
    ///
    /// # Errors
    /// When a parameter is out of its range.
    pub fn new(source: SourceId, params: &LogMelParams, patch: &PatchParams) -> Result<Self, DspError> {
        let log_mel = LogMel::new(params)?;
        let grid = Grid::new(patch, params)?;
        let opening_length = params.samples_for(patch.frames);
        Ok(Self {
            source,
            intake: Intake::new(params, true),
            log_mel,
            grid,
            counters: Counters::default(),
            anchor: None,
            heard: false,
            segment: Segment::default(),
            samples: Vec::new(),
            opening: Vec::with_capacity(opening_length),
            opening_length,
        })
    }

    /// What became of the patches so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Hears `block` and hands every patch that it completes to `emit`, in order.
    ///
    /// Allocates nothing, but for the first block of a rate and channel count.
    ///
    /// # Errors
    /// When the block's rate or channel count isn't supported; the block is left out then.
    pub fn push(&mut self, block: &Block, emit: &mut dyn FnMut(PatchView<'_>)) -> Result<(), DspError> {
        if self.intake.accept(block)? == Continuity::Starts {
            self.start_segment();
        }
        if let Some(time) = block.anchor {
            self.anchor = Some((time, self.intake.seconds_at(block.span.start)));
        }
        for piece in Intake::pieces(block) {
            self.heard = true;
            self.intake.feed(piece, &mut self.samples);
            self.absorb(emit);
        }
        Ok(())
    }

    /// A finite source has ended: hands out what its end completes.
    ///
    /// Where at least half a hop would stay unheard, one more patch is aligned to the end.
    /// A sound that is too short for any patch is repeated cyclically, in samples at the
    /// model's rate, to exactly one. Afterwards the front end is ready for another segment.
    ///
    /// # Errors
    /// When there was never a sample.
    pub fn finish(&mut self, emit: &mut dyn FnMut(PatchView<'_>)) -> Result<(), DspError> {
        if !self.heard {
            return Err(DspError::Empty);
        }
        self.intake.finish(&mut self.samples);
        self.absorb(emit);
        self.log_mel.finish(&mut self.segment.rows);
        self.emit_complete(emit);
        let (frames, end) = (self.grid.frames, self.segment.end);
        if self.segment.next > 0 {
            let unheard = end - (self.grid.start(self.segment.next - 1) + frames);
            if self.grid.is_half_a_hop(unheard) {
                self.emit_at(end - frames, emit);
            }
        } else if self.counters.emitted == 0 && !self.opening.is_empty() {
            self.repeat_opening();
            self.emit_at(0, emit);
        }
        self.log_mel.reset();
        self.segment.restart();
        self.opening.clear();
        Ok(())
    }

    /// Drops the patches that were begun, and starts to count frames anew.
    fn start_segment(&mut self) {
        let mut begun = 0;
        while self.grid.start(self.segment.next + begun) < self.segment.end {
            begun += 1;
        }
        self.counters.produced += begun;
        self.counters.dropped += begun;
        self.segment.restart();
        self.log_mel.reset();
        self.opening.clear();
        let params = self.log_mel.params();
        let piece_rows = self.intake.max_output() / params.hop_length + 2;
        let rows = self.grid.frames as usize + piece_rows + SPARE_ROWS;
        self.segment.rows.reserve(rows * params.bands);
        self.samples.clear();
        self.samples.reserve(self.intake.max_output());
    }

    /// Turns the samples of one piece into frames, and those into patches.
    fn absorb(&mut self, emit: &mut dyn FnMut(PatchView<'_>)) {
        if self.counters.emitted == 0 {
            let missing = self.opening_length - self.opening.len();
            self.opening.extend_from_slice(&self.samples[..missing.min(self.samples.len())]);
        }
        self.log_mel.push(&self.samples, &mut self.segment.rows);
        self.emit_complete(emit);
    }

    /// Emits the patches of the grid that are complete, then lets go of rows that none needs.
    fn emit_complete(&mut self, emit: &mut dyn FnMut(PatchView<'_>)) {
        let bands = self.log_mel.params().bands;
        self.segment.end = self.segment.first + (self.segment.rows.len() / bands) as u64;
        loop {
            let start = self.grid.start(self.segment.next);
            if start + self.grid.frames > self.segment.end {
                // A patch that is aligned to the end may need the last rows, too.
                let needed = start.min(self.segment.end.saturating_sub(self.grid.frames));
                self.segment.forget_before(needed, bands);
                return;
            }
            self.emit_at(start, emit);
            self.segment.next += 1;
        }
    }

    /// Emits the patch that starts at frame `start`, whose rows are all there.
    fn emit_at(&mut self, start: u64, emit: &mut dyn FnMut(PatchView<'_>)) {
        let params = self.log_mel.params();
        let (bands, hop, rate) = (params.bands, params.hop_length as u64, params.sample_rate);
        let first = (start - self.segment.first) as usize * bands;
        let frames = self.grid.frames;
        let origin = self.intake.origin_seconds();
        let end_sample = (start + frames) * hop;
        let span =
            PatchSpan { start: origin + rate.seconds(start * hop), end: origin + rate.seconds(end_sample) };
        let index = self.counters.produced;
        self.counters.produced += 1;
        self.counters.emitted += 1;
        emit(PatchView {
            source: self.source,
            index,
            span,
            ends_at: self.time_at(span.end),
            level: self.intake.level_at(end_sample),
            frames: frames as usize,
            bands,
            log_mel: &self.segment.rows[first..first + frames as usize * bands],
        });
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

impl Segment {
    fn restart(&mut self) {
        self.rows.clear();
        (self.first, self.end, self.next) = (0, 0, 0);
    }

    /// Lets go of the rows before frame `needed`, once there are enough of them to be worth the move.
    fn forget_before(&mut self, needed: u64, bands: usize) {
        let rows = needed.saturating_sub(self.first);
        if rows >= SPARE_ROWS as u64 {
            let gone = rows as usize * bands;
            self.rows.copy_within(gone.., 0);
            self.rows.truncate(self.rows.len() - gone);
            self.first = needed;
        }
    }
}

#[cfg(test)]
mod tests;
