//! Conversion of blocks to log-mel frames.

use super::error::DspError;
use super::intake::{Continuity, Intake, Measures};
use super::log_mel::LogMel;
use super::params::LogMelParams;
use crate::audio::Block;

/// Front end up to the frames: sanitise, downmix, resample, log-mel.
///
/// For callers that need frames but no patches, such as `genred features`.
pub struct FrameStream {
    intake: Intake,
    log_mel: LogMel,
    samples: Vec<f32>,
}

impl FrameStream {
    /// Creates an empty stream.
    ///
    /// # Errors
    /// A parameter is out of range.
    pub fn new(params: &LogMelParams) -> Result<Self, DspError> {
        Ok(Self {
            intake: Intake::new(params, Measures::Nothing),
            log_mel: LogMel::new(params)?,
            samples: Vec::new(),
        })
    }

    /// Processes `block` and appends the completed frames to `out`, row-major `[frames, bands]`. A
    /// gap or a change of format starts a new signal and drops incomplete frames.
    ///
    /// # Errors
    /// The block's rate or channel count is not supported.
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

    /// Ends the signal and appends the last frames.
    ///
    /// # Errors
    /// There was no sample.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), DspError> {
        if self.intake.received() == 0 {
            return Err(DspError::Empty);
        }
        self.intake.finish(&mut self.samples);
        self.log_mel.push(&self.samples, out);
        self.log_mel.finish(out);
        Ok(())
    }
}
