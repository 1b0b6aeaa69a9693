//! Blocks in, log-mel frames out.

use super::intake::{Continuity, Intake, Measures};
use super::{DspError, LogMel, LogMelParams};
use crate::audio::Block;

/// The front end as far as the frames: sanitise, downmix, resample, log-mel.
///
/// For whoever wants the frames of a sound and no patches, such as `genred features`.
pub struct FrameStream {
    intake: Intake,
    log_mel: LogMel,
    samples: Vec<f32>,
}

impl FrameStream {
    /// A stream that has heard nothing yet.
    ///
    /// # Errors
    /// When a parameter is out of its range.
    pub fn new(params: &LogMelParams) -> Result<Self, DspError> {
        Ok(Self {
            intake: Intake::new(params, Measures::Nothing),
            log_mel: LogMel::new(params)?,
            samples: Vec::new(),
        })
    }

    /// Hears `block` and appends the frames that it completes to `out`, row-major `[frames, bands]`.
    /// A gap or a change of format starts a new signal: the frames that it cuts off are left out.
    ///
    /// # Errors
    /// When the block's rate or channel count isn't supported.
    pub fn push(&mut self, block: &Block, out: &mut Vec<f32>) -> Result<(), DspError> {
        if self.intake.accept(block)? == Continuity::Starts {
            self.log_mel.reset();
            self.samples.reserve(self.intake.max_output());
        }
        for piece in Intake::pieces(block) {
            self.intake.feed(piece, &mut self.samples);
            self.log_mel.push(&self.samples, out);
        }
        Ok(())
    }

    /// The sound has ended: appends the last frames.
    ///
    /// # Errors
    /// When there was no sample.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), DspError> {
        if self.intake.heard() == 0 {
            return Err(DspError::Empty);
        }
        self.intake.finish(&mut self.samples);
        self.log_mel.push(&self.samples, out);
        self.log_mel.finish(out);
        Ok(())
    }
}
