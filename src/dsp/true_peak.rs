//! True peak (ITU-R BS.1770, annex 2): what the curve between the samples reaches.

use ebur128::{EbuR128, Mode};

use super::DspError;
use crate::audio::SampleRate;

/// The largest magnitude since it was last taken, of all channels.
pub(super) struct TruePeak {
    meter: EbuR128,
    channels: u16,
    most: f64,
}

impl TruePeak {
    /// A meter that has heard nothing.
    ///
    /// # Errors
    /// When the meter refuses the rate or the number of channels.
    pub(super) fn new(rate: SampleRate, channels: u16) -> Result<Self, DspError> {
        let meter = EbuR128::new(channels.into(), rate.hertz(), Mode::TRUE_PEAK)
            .map_err(|_| DspError::TruePeak(rate, channels))?;
        Ok(Self { meter, channels, most: 0.0 })
    }

    /// Hears `interleaved`, a whole number of samples a channel.
    pub(super) fn hear(&mut self, interleaved: &[f32]) {
        // It refuses only what is no whole number of samples.
        if interleaved.is_empty() || self.meter.add_frames_f32(interleaved).is_err() {
            return;
        }
        for channel in 0..self.channels.into() {
            self.most = self.most.max(self.meter.prev_true_peak(channel).unwrap_or(0.0));
        }
    }

    /// The largest magnitude since the last call; full scale is 1.
    pub(super) fn take(&mut self) -> f32 {
        std::mem::take(&mut self.most) as f32
    }

    /// Forgets what it heard.
    pub(super) fn reset(&mut self) {
        self.meter.reset();
        self.most = 0.0;
    }
}
