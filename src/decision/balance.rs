//! Whether one of two channels is missing.

use crate::audio::Level;

use super::config::ImbalanceConfig;
use super::event::{Change, Side};

/// The imbalance ends this many dB below the threshold, so that it does not flap.
const HYSTERESIS_DB: f32 = 6.0;

/// Holds the louder of two channels against the other.
#[derive(Debug)]
pub struct Balance {
    config: ImbalanceConfig,
    /// The channel that has been too quiet, and since when.
    since: Option<(Side, f64)>,
    raised: Option<Side>,
}

impl Balance {
    /// One that has heard nothing yet.
    pub fn new(config: &ImbalanceConfig) -> Self {
        Self { config: config.clone(), since: None, raised: None }
    }

    /// Takes in the level at `time` (seconds); what changed by it. Silence, which `audible` is false in, says nothing.
    pub fn observe(&mut self, time: f64, level: &Level, audible: bool) -> Vec<Change> {
        if self.config.threshold_db <= 0.0 || !audible || level.lufs_s <= Level::FLOOR {
            // What was raised stands; what was not begins anew.
            self.since = None;
            return Vec::new();
        }
        let quiet = level.balance_db.and_then(|balance| self.quiet(balance));
        let mut changes = Vec::new();
        if self.raised.is_some() && quiet != self.raised {
            self.raised = None;
            changes.push(Change::ImbalanceEnded);
        }
        let Some(side) = quiet else {
            self.since = None;
            return changes;
        };
        let since = match self.since {
            Some((before, since)) if before == side => since,
            _ => time,
        };
        self.since = Some((side, since));
        if self.raised.is_none() && time - since >= self.config.after_s {
            self.raised = Some(side);
            changes
                .push(Change::ImbalanceStarted { quiet: side, balance_db: level.balance_db.unwrap_or(0.0) });
        }
        changes
    }

    /// Nothing is heard any more: what was raised ends.
    pub fn lose(&mut self) -> Option<Change> {
        self.since = None;
        self.raised.take().map(|_| Change::ImbalanceEnded)
    }

    /// The channel that is too quiet.
    fn quiet(&self, balance_db: f32) -> Option<Side> {
        let side = if balance_db > 0.0 { Side::Right } else { Side::Left };
        let margin = if self.raised == Some(side) { HYSTERESIS_DB } else { 0.0 };
        (balance_db.abs() >= self.config.threshold_db - margin).then_some(side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_leg_is_told_after_its_time_and_once() {
        let mut balance = Balance::new(&ImbalanceConfig { threshold_db: 20.0, after_s: 3.0 });
        let started = |quiet, balance_db| vec![Change::ImbalanceStarted { quiet, balance_db }];
        for (time, balance_db, audible, expected) in [
            (0.0, Some(19.0), true, vec![]),
            (1.0, Some(25.0), true, vec![]),
            (3.0, Some(25.0), true, vec![]),
            (4.0, Some(25.0), true, started(Side::Right, 25.0)),
            (5.0, Some(15.0), true, vec![]),  // within the margin
            (6.0, Some(60.0), false, vec![]), // silence
            (7.0, Some(13.0), true, vec![Change::ImbalanceEnded]),
            (8.0, Some(-40.0), true, vec![]),
            (9.0, Some(40.0), true, vec![]), // the other side: its time begins anew
            (11.0, Some(40.0), true, vec![]),
            (12.0, Some(40.0), true, started(Side::Right, 40.0)),
            (13.0, Some(-40.0), true, vec![Change::ImbalanceEnded]),
            (16.0, Some(-40.0), true, started(Side::Left, -40.0)),
            (17.0, None, true, vec![Change::ImbalanceEnded]),
        ] {
            let level = Level { balance_db, ..Level::of_loudness(-20.0) };
            assert_eq!(balance.observe(time, &level, audible), expected, "at {time}");
        }
    }

    #[test]
    fn a_lost_source_has_no_imbalance_and_zero_leaves_it_out() {
        let level = Level { balance_db: Some(60.0), ..Level::of_loudness(-20.0) };
        let mut balance = Balance::new(&ImbalanceConfig { threshold_db: 20.0, after_s: 0.0 });
        assert_eq!(balance.observe(0.0, &level, true).len(), 1);
        assert_eq!((balance.lose(), balance.lose()), (Some(Change::ImbalanceEnded), None));
        let mut off = Balance::new(&ImbalanceConfig { threshold_db: 0.0, after_s: 0.0 });
        assert_eq!(off.observe(0.0, &level, true), []);
    }
}
