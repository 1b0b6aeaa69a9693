//! Silence by loudness.

use super::config::SilenceConfig;
use super::event::DeadAir;
use super::trace::Level;

/// Above the threshold by this many LU, silence ends: noise at the threshold must not flap.
const HYSTERESIS_LU: f32 = 3.0;

/// Longest time between two patches without a hole between them, in seconds: the longest hop, and a little.
const LONGEST_STEP: f64 = 3.5;

/// Whether it has been too quiet for too long.
#[derive(Debug)]
pub struct Silence {
    config: SilenceConfig,
    quiet_since: Option<f64>,
    /// Time of the last update.
    last: Option<f64>,
    silent: bool,
}

impl Silence {
    /// One that has heard nothing yet.
    pub fn new(config: &SilenceConfig) -> Self {
        Self { config: config.clone(), quiet_since: None, last: None, silent: false }
    }

    /// Goes on with another configuration.
    pub fn configure(&mut self, config: &SilenceConfig) {
        self.config = config.clone();
    }

    /// Takes in the loudness at `time` (seconds); whether it is silent now.
    pub fn update(&mut self, time: f64, lufs_s: f32) -> bool {
        // Audio that was not heard, as in an overload, is not known to be quiet.
        let passed = self.last.replace(time).map_or(0.0, |last| time - last);
        if passed > LONGEST_STEP {
            self.quiet_since = self.quiet_since.map(|since| since + passed);
        }
        if lufs_s < self.quiet_below() {
            self.quiet_since.get_or_insert(time);
            self.silent |= self.quiet_for(time) >= self.config.after;
        } else {
            self.reset();
        }
        self.silent
    }

    /// How it stands at `time`, the one of the last update.
    pub fn explain(&self, time: f64) -> Level {
        Level {
            dead_air: self.silent.then_some(DeadAir::Silence),
            quiet_below: self.quiet_below(),
            quiet_s: self.quiet_for(time),
            after: self.config.after,
        }
    }

    /// Whether a patch of this loudness is worth scoring for its genre.
    pub fn is_loud(&self, lufs_s: f32) -> bool {
        lufs_s >= self.config.threshold_lufs
    }

    /// The threshold as it is now, in LUFS.
    fn quiet_below(&self) -> f32 {
        self.config.threshold_lufs + if self.silent { HYSTERESIS_LU } else { 0.0 }
    }

    /// For how many seconds the loudness has been too low at `time`.
    pub fn quiet_for(&self, time: f64) -> f64 {
        self.quiet_since.map_or(0.0, |since| time - since)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.quiet_since = None;
        self.silent = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_only_while_it_is_heard() {
        let mut silence = Silence::new(&SilenceConfig { threshold_lufs: -60.0, after: 4.0 });
        for (time, expected) in
            [(0.0, false), (1.0, false), (2.0, false), (20.0, false), (21.0, false), (22.0, true)]
        {
            assert_eq!(silence.update(time, -65.0), expected, "at {time}");
        }
        assert_eq!(silence.quiet_for(22.0), 4.0);
    }

    #[test]
    fn it_takes_time_to_begin_and_a_margin_to_end() {
        let mut silence = Silence::new(&SilenceConfig { threshold_lufs: -60.0, after: 2.0 });
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
            assert_eq!(silence.update(time, lufs_s), expected, "at {time}");
        }
    }
}
