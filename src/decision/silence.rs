//! Silence detection: loudness below the threshold, with hysteresis.

use super::config::SilenceConfig;
use super::time::{Seconds, SourceTime};

/// Silence ends this many LU above the threshold (hysteresis).
const HYSTERESIS_LU: f32 = 3.0;

/// Longest time from one patch to the next without a gap: slightly more than the longest hop.
const LONGEST_STEP: Seconds = Seconds(3.5);

/// Detector of sound that stays below the loudness threshold.
#[derive(Debug)]
pub(super) struct SilenceDetector {
    config: SilenceConfig,
    quiet_since: Option<SourceTime>,
    last: Option<SourceTime>,
    silent: bool,
}

impl SilenceDetector {
    pub(super) fn new(config: &SilenceConfig) -> Self {
        Self { config: config.clone(), quiet_since: None, last: None, silent: false }
    }

    /// Continues with another configuration.
    pub(super) fn configure(&mut self, config: &SilenceConfig) {
        self.config = config.clone();
    }

    /// Updates the detector with the loudness at `time`. Returns true if the source is silent.
    pub(super) fn update(&mut self, time: SourceTime, lufs_s: f32) -> bool {
        // Skipped audio, as in an overload, does not count as quiet.
        let passed = self.last.replace(time).map_or(Seconds::ZERO, |last| time - last);
        if passed > LONGEST_STEP {
            self.quiet_since = self.quiet_since.map(|since| since + passed);
        }
        if lufs_s < self.quiet_below() {
            self.quiet_since.get_or_insert(time);
            self.silent |= self.quiet_for(time) >= Seconds(self.config.after_s);
        } else {
            self.reset();
        }
        self.silent
    }

    /// Time below the threshold after which the source counts as silent.
    pub(super) fn after(&self) -> Seconds {
        Seconds(self.config.after_s)
    }

    /// True if a patch of this loudness is evidence of a genre.
    pub(super) fn is_loud(&self, lufs_s: f32) -> bool {
        lufs_s >= self.config.threshold_lufs
    }

    /// Threshold in LUFS, with the hysteresis while silent.
    pub(super) fn quiet_below(&self) -> f32 {
        self.config.threshold_lufs + if self.silent { HYSTERESIS_LU } else { 0.0 }
    }

    /// Time for which the loudness has been below the threshold.
    pub(super) fn quiet_for(&self, time: SourceTime) -> Seconds {
        self.quiet_since.map_or(Seconds::ZERO, |since| time - since)
    }

    pub(super) fn reset(&mut self) {
        self.quiet_since = None;
        self.silent = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_audio_does_not_count_as_silence() {
        let mut silence = SilenceDetector::new(&SilenceConfig { threshold_lufs: -60.0, after_s: 4.0 });
        for (time, expected) in
            [(0.0, false), (1.0, false), (2.0, false), (20.0, false), (21.0, false), (22.0, true)]
        {
            assert_eq!(silence.update(SourceTime(time), -65.0), expected, "at {time}");
        }
        assert_eq!(silence.quiet_for(SourceTime(22.0)), Seconds(4.0));
    }

    #[test]
    fn silence_begins_after_its_time_and_ends_above_the_hysteresis() {
        let mut silence = SilenceDetector::new(&SilenceConfig { threshold_lufs: -60.0, after_s: 2.0 });
        for (time, lufs_s, expected) in [
            (0.0, -61.0, false),
            (1.0, -59.0, false), // starts over
            (2.0, -61.0, false),
            (3.0, -61.0, false),
            (4.0, -61.0, true),
            (5.0, -58.0, true), // within the margin
            (6.0, -56.0, false),
            (7.0, -58.0, false),
        ] {
            assert_eq!(silence.update(SourceTime(time), lufs_s), expected, "at {time}");
        }
    }
}
