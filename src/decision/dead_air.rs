//! Dead air: silence, and sound that no listener stays for.

use crate::audio::Level;

use super::config::{DeadAirConfig, SilenceConfig};
use super::event::DeadAir;
use super::silence::Silence;
use super::trace;

/// For so many seconds sound must be other than a tone or a loop to end that: a click does not.
const BREAK: f64 = 2.0;
/// Short-term loudness is that of so many seconds (EBU Tech 3341), and falls when all of them are quiet.
const LOUDNESS: f64 = 3.0;

/// Whether a source is dead air, and by what.
#[derive(Debug)]
pub struct DeadAirWatch {
    config: DeadAirConfig,
    pub(super) silence: Silence,
    /// A tone or a loop that goes on, and when it was heard last.
    stuck: Option<(DeadAir, f64)>,
    present: Option<DeadAir>,
}

impl DeadAirWatch {
    /// One that has heard nothing yet.
    pub fn new(config: &DeadAirConfig, silence: &SilenceConfig) -> Self {
        Self { config: config.clone(), silence: Silence::new(silence), stuck: None, present: None }
    }

    /// Takes in the level at `time` (seconds); what makes it dead air now.
    pub fn update(&mut self, time: f64, level: &Level) -> Option<DeadAir> {
        let silent = self.silence.update(time, level.lufs_s);
        let lasts = |seconds: f32, after: f64| after > 0.0 && f64::from(seconds) >= after;
        // What is too quiet to be heard is judged as silence alone, and given that time.
        let heard = match self.silence.is_loud(level.lufs_s) {
            true if lasts(level.tone_s, self.config.tone_after_s) => Some(DeadAir::Tone),
            true if lasts(level.repeated_s, self.config.loop_after_s) => Some(DeadAir::Loop),
            _ => None,
        };
        self.stuck = match (heard, self.stuck) {
            (Some(heard), _) => Some((heard, time)),
            (None, Some((stuck, last))) if time - last < BREAK => Some((stuck, last)),
            _ => None,
        };
        self.present = if silent { Some(DeadAir::Silence) } else { self.stuck.map(|(stuck, _)| stuck) };
        self.present
    }

    /// What makes it dead air since the last update.
    pub fn present(&self) -> Option<DeadAir> {
        self.present
    }

    /// How many seconds of it there have been at `time`, the one of the last update, whose level was `level`.
    pub fn lasted(&self, time: f64, level: &Level) -> f64 {
        match self.present {
            Some(DeadAir::Silence) => self.silence.quiet_for(time) + LOUDNESS,
            Some(DeadAir::Tone) => level.tone_s.into(),
            Some(DeadAir::Loop) => level.repeated_s.into(),
            None => 0.0,
        }
    }

    /// How the loudness stands at `time`, the one of the last update.
    pub fn explain(&self, time: f64) -> trace::Level {
        trace::Level { dead_air: self.present, ..self.silence.explain(time) }
    }

    /// Forgets everything; whether it was dead air.
    pub fn reset(&mut self) -> bool {
        self.silence.reset();
        self.stuck = None;
        self.present.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> DeadAirWatch {
        DeadAirWatch::new(
            &DeadAirConfig { loop_after_s: 20.0, tone_after_s: 10.0 },
            &SilenceConfig { threshold_lufs: -60.0, after: 2.0 },
        )
    }

    fn level(lufs_s: f32, tone_s: f32, repeated_s: f32) -> Level {
        Level { tone_s, repeated_s, ..Level::of_loudness(lufs_s) }
    }

    #[test]
    fn each_has_its_time() {
        let mut watch = watch();
        for (time, level, expected) in [
            (0.0, level(-20.0, 0.0, 0.0), None),
            (1.0, level(-20.0, 9.9, 19.9), None),
            (2.0, level(-20.0, 10.0, 0.0), Some(DeadAir::Tone)),
            (3.0, level(-20.0, 0.5, 20.0), Some(DeadAir::Loop)),
            (4.0, level(-20.0, 0.0, 0.0), Some(DeadAir::Loop)), // a click
            (5.0, level(-20.0, 0.0, 0.0), None),
            // Too quiet to be heard: a loop of it is silence, which wants two seconds.
            (6.0, level(-65.0, 100.0, 100.0), None),
            (8.0, level(-65.0, 100.0, 100.0), Some(DeadAir::Silence)),
            (9.0, level(-20.0, 100.0, 100.0), Some(DeadAir::Tone)),
        ] {
            assert_eq!(watch.update(time, &level), expected, "at {time}");
        }
        assert!(watch.reset() && !watch.reset());
        assert_eq!(watch.present(), None);
    }

    #[test]
    fn zero_leaves_either_out() {
        let config = DeadAirConfig { loop_after_s: 0.0, tone_after_s: 0.0 };
        let mut watch = DeadAirWatch::new(&config, &SilenceConfig::default());
        assert_eq!(watch.update(0.0, &level(-20.0, 1e6, 1e6)), None);
    }
}
