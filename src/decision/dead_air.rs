//! Dead-air detection. Combines silence (`silence.rs`) with tones and loops into one cause.

use crate::audio::Level;

use super::config::{DeadAirConfig, SilenceConfig};
use super::silence::SilenceDetector;
use super::time::{Seconds, SourceTime};
use crate::event::DeadAirCause;

/// Length of other sound that ends a tone or a loop. Shorter sound, such as a click, does not.
const MIN_BREAK: Seconds = Seconds(2.0);
/// Window of short-term loudness (EBU Tech 3341), which falls once all of it is quiet.
const LOUDNESS_WINDOW: Seconds = Seconds(3.0);

/// Detector of dead air and of its cause.
#[derive(Debug)]
pub(super) struct DeadAirDetector {
    config: DeadAirConfig,
    pub(super) silence: SilenceDetector,
    /// Tone or loop in progress, and the time of its last patch.
    stuck: Option<(DeadAirCause, SourceTime)>,
    present: Option<DeadAirCause>,
}

impl DeadAirDetector {
    pub(super) fn new(config: &DeadAirConfig, silence: &SilenceConfig) -> Self {
        Self { config: config.clone(), silence: SilenceDetector::new(silence), stuck: None, present: None }
    }

    /// Updates the detector with the level at `time`. Returns the cause of dead air, or `None`.
    pub(super) fn update(&mut self, time: SourceTime, level: &Level) -> Option<DeadAirCause> {
        let silent = self.silence.update(time, level.lufs_s);
        let lasts = |seconds: f32, after: f64| after > 0.0 && f64::from(seconds) >= after;
        // Sound below the silence threshold can only become silence, after the time of silence.
        let audible = match self.silence.is_loud(level.lufs_s) {
            true if lasts(level.tone_s, self.config.tone_after_s) => Some(DeadAirCause::Tone),
            true if lasts(level.repeated_s, self.config.loop_after_s) => Some(DeadAirCause::Loop),
            _ => None,
        };
        self.stuck = match (audible, self.stuck) {
            (Some(cause), _) => Some((cause, time)),
            (None, Some((stuck, last))) if time - last < MIN_BREAK => Some((stuck, last)),
            _ => None,
        };
        self.present = if silent { Some(DeadAirCause::Silence) } else { self.stuck.map(|(stuck, _)| stuck) };
        self.present
    }

    /// Cause of dead air at the last update, or `None`.
    pub(super) fn present(&self) -> Option<DeadAirCause> {
        self.present
    }

    /// Length of the dead air at `time`, the time of the last update; `level` is of that update.
    pub(super) fn lasted(&self, time: SourceTime, level: &Level) -> Seconds {
        match self.present {
            Some(DeadAirCause::Silence) => self.silence.quiet_for(time) + LOUDNESS_WINDOW,
            Some(DeadAirCause::Tone) => Seconds(level.tone_s.into()),
            Some(DeadAirCause::Loop) => Seconds(level.repeated_s.into()),
            None => Seconds::ZERO,
        }
    }

    /// Resets the detector. Returns true if dead air was present.
    pub(super) fn reset(&mut self) -> bool {
        self.silence.reset();
        self.stuck = None;
        self.present.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detector() -> DeadAirDetector {
        DeadAirDetector::new(
            &DeadAirConfig { loop_after_s: 20.0, tone_after_s: 10.0 },
            &SilenceConfig { threshold_lufs: -60.0, after_s: 2.0 },
        )
    }

    fn level(lufs_s: f32, tone_s: f32, repeated_s: f32) -> Level {
        Level { tone_s, repeated_s, ..Level::of_loudness(lufs_s) }
    }

    #[test]
    fn each_cause_has_its_time() {
        let mut detector = detector();
        for (time, level, expected) in [
            (0.0, level(-20.0, 0.0, 0.0), None),
            (1.0, level(-20.0, 9.9, 19.9), None),
            (2.0, level(-20.0, 10.0, 0.0), Some(DeadAirCause::Tone)),
            (3.0, level(-20.0, 0.5, 20.0), Some(DeadAirCause::Loop)),
            (4.0, level(-20.0, 0.0, 0.0), Some(DeadAirCause::Loop)), // a click
            (5.0, level(-20.0, 0.0, 0.0), None),
            // Below the silence threshold: a loop counts as silence, after two seconds.
            (6.0, level(-65.0, 100.0, 100.0), None),
            (8.0, level(-65.0, 100.0, 100.0), Some(DeadAirCause::Silence)),
            (9.0, level(-20.0, 100.0, 100.0), Some(DeadAirCause::Tone)),
        ] {
            assert_eq!(detector.update(SourceTime(time), &level), expected, "at {time}");
        }
        assert!(detector.reset() && !detector.reset());
        assert_eq!(detector.present(), None);
    }

    #[test]
    fn zero_disables_tone_and_loop() {
        let config = DeadAirConfig { loop_after_s: 0.0, tone_after_s: 0.0 };
        let mut detector = DeadAirDetector::new(&config, &SilenceConfig::default());
        assert_eq!(detector.update(SourceTime(0.0), &level(-20.0, 1e6, 1e6)), None);
    }
}
