//! Conversion of blocks to rows of descriptors.

use super::super::error::DspError;
use super::super::intake::{Continuity, Intake, Measures};
use super::super::params::LogMelParams;
use super::super::patches::{PatchGrid, PatchParams};
use super::describer::Describer;
use super::framing::{RATE, parameters};
use super::row::Descriptors;
use crate::audio::{Block, PatchSpan};

/// Window length in seconds.
pub const WINDOW_SECONDS: f64 = 3.0;

/// Seconds from one window to the next.
pub const WINDOW_HOP_SECONDS: f64 = 1.0;

/// Window length in samples.
const WINDOW: usize = 3 * RATE.hertz() as usize;

/// Samples dropped at once.
const SPARE: u64 = 1 << 16;

/// Descriptors of a signal, window by window: sanitise, downmix, resample to [`RATE`]
/// and describe.
///
/// The windows follow the grid of the model's patches. Window `k` starts at second `k`. One more is
/// aligned to the end if at least half a hop is left over. A signal shorter than a window is
/// repeated cyclically, in samples, to one. A gap, or a change of rate or channels, starts a new
/// segment and drops the incomplete window.
pub struct DescriptorStream {
    intake: Intake,
    grid: PatchGrid,
    describer: Describer,
    /// Samples of one piece.
    piece: Vec<f32>,
    /// Samples of the segment from `first` on.
    samples: Vec<f32>,
    first: u64,
    /// Index of the next window of the segment.
    next: u64,
    received: bool,
    emitted: bool,
}

impl DescriptorStream {
    /// Creates an empty stream.
    ///
    /// # Errors
    /// None in practice: the window parameters are constant and valid.
    pub fn new() -> Result<Self, DspError> {
        let params = parameters();
        // A grid of samples is a grid of frames with a hop of one sample.
        let windows = PatchParams::new(WINDOW, WINDOW_HOP_SECONDS);
        let grid = PatchGrid::new(&windows, &LogMelParams { hop_length: 1, ..params.clone() })?;
        Ok(Self {
            intake: Intake::new(&params, Measures::Nothing),
            grid,
            describer: Describer::new(),
            piece: Vec::new(),
            samples: Vec::new(),
            first: 0,
            next: 0,
            received: false,
            emitted: false,
        })
    }

    /// Processes `block` and passes every completed window to `emit`, in order.
    ///
    /// # Errors
    /// The block's rate or channel count is not supported.
    pub fn push(
        &mut self,
        block: &Block,
        emit: &mut dyn FnMut(PatchSpan, Descriptors),
    ) -> Result<(), DspError> {
        if self.intake.accept(block)? == Continuity::Starts {
            self.restart();
        }
        for piece in Intake::pieces(block) {
            self.received = true;
            self.intake.feed(piece, &mut self.piece);
            self.samples.extend_from_slice(&self.piece);
            self.emit_complete(emit)?;
        }
        Ok(())
    }

    /// Ends the signal and emits the windows that its end completes.
    ///
    /// # Errors
    /// There was never a sample.
    pub fn finish(&mut self, emit: &mut dyn FnMut(PatchSpan, Descriptors)) -> Result<(), DspError> {
        if !self.received {
            return Err(DspError::Empty);
        }
        self.intake.finish(&mut self.piece);
        self.samples.extend_from_slice(&self.piece);
        self.emit_complete(emit)?;
        if self.next > 0 {
            let end = self.first + self.samples.len() as u64;
            let leftover = end - (self.grid.start(self.next - 1) + self.grid.frames);
            if self.grid.is_half_a_hop(leftover) {
                self.emit_at(end - self.grid.frames, emit)?;
            }
        } else if !self.emitted && !self.samples.is_empty() {
            let own = self.samples.len();
            self.samples.reserve(WINDOW - own);
            (own..WINDOW).for_each(|at| self.samples.push(self.samples[at - own]));
            self.emit_at(0, emit)?;
        }
        self.restart();
        Ok(())
    }

    fn restart(&mut self) {
        self.samples.clear();
        (self.first, self.next) = (0, 0);
    }

    /// Emits the complete windows of the grid, then drops samples that are no longer needed.
    fn emit_complete(&mut self, emit: &mut dyn FnMut(PatchSpan, Descriptors)) -> Result<(), DspError> {
        let end = self.first + self.samples.len() as u64;
        while self.grid.start(self.next) + self.grid.frames <= end {
            self.emit_at(self.grid.start(self.next), emit)?;
            self.next += 1;
        }
        // A window aligned to the end may need the last samples too.
        let needed = self.grid.start(self.next).min(end.saturating_sub(self.grid.frames));
        if needed >= self.first + SPARE {
            self.samples.drain(..(needed - self.first) as usize);
            self.first = needed;
        }
        Ok(())
    }

    /// Emits the window that starts at sample `start` and is complete.
    fn emit_at(&mut self, start: u64, emit: &mut dyn FnMut(PatchSpan, Descriptors)) -> Result<(), DspError> {
        let from = (start - self.first) as usize;
        let descriptors = self.describer.describe(&self.samples[from..from + WINDOW])?;
        let origin = self.intake.origin_seconds();
        let end = start + self.grid.frames;
        self.emitted = true;
        emit(PatchSpan { start: origin + RATE.seconds(start), end: origin + RATE.seconds(end) }, descriptors);
        Ok(())
    }
}
