//! True peak (ITU-R BS.1770, annex 2): the maximum of the interpolated signal.

use ebur128::{EbuR128, Mode};

use super::error::DspError;
use crate::audio::SampleRate;

/// Meter of the largest magnitude of all channels since the last call of [`TruePeakMeter::take`].
pub(super) struct TruePeakMeter {
    meter: EbuR128,
    channels: u16,
    most: f64,
}

impl TruePeakMeter {
    /// Creates an empty meter.
    ///
    /// # Errors
    /// The meter does not support the rate or the number of channels.
    pub(super) fn new(rate: SampleRate, channels: u16) -> Result<Self, DspError> {
        let meter = EbuR128::new(channels.into(), rate.hertz(), Mode::TRUE_PEAK)
            .map_err(|_| DspError::TruePeak(rate, channels))?;
        Ok(Self { meter, channels, most: 0.0 })
    }

    /// Processes `interleaved`, a whole number of samples per channel.
    pub(super) fn push(&mut self, interleaved: &[f32]) {
        // Fails only for an incomplete sample.
        if interleaved.is_empty() || self.meter.add_frames_f32(interleaved).is_err() {
            return;
        }
        for channel in 0..self.channels.into() {
            self.most = self.most.max(self.meter.prev_true_peak(channel).unwrap_or(0.0));
        }
    }

    /// Largest magnitude since the last call; full scale is 1.
    pub(super) fn take(&mut self) -> f32 {
        std::mem::take(&mut self.most) as f32
    }

    /// Returns to the initial state.
    pub(super) fn reset(&mut self) {
        self.meter.reset();
        self.most = 0.0;
    }
}
