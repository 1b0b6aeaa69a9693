//! Missing-channel detection.

use crate::audio::Level;

use super::config::ImbalanceConfig;
use super::time::{Seconds, SourceTime};
use crate::event::{Channel, SourceEvent};

/// The imbalance ends this many dB below the threshold (hysteresis).
const HYSTERESIS_DB: f32 = 6.0;

/// Detector of a channel that stays much quieter than the other.
#[derive(Debug)]
pub(super) struct ChannelBalance {
    config: ImbalanceConfig,
    /// Channel that is too quiet, and the time at which that began.
    since: Option<(Channel, SourceTime)>,
    raised: Option<Channel>,
}

impl ChannelBalance {
    pub(super) fn new(config: &ImbalanceConfig) -> Self {
        Self { config: config.clone(), since: None, raised: None }
    }

    /// Updates the detector with the level at `time`. Returns the events to publish. Silence
    /// (`audible` is false) neither raises nor ends an imbalance.
    pub(super) fn observe(&mut self, time: SourceTime, level: &Level, audible: bool) -> Vec<SourceEvent> {
        if self.config.threshold_db <= 0.0 || !audible || level.lufs_s <= Level::FLOOR {
            // A raised imbalance stays raised; the time of one that is not raised starts over.
            self.since = None;
            return Vec::new();
        }
        let quiet = level.balance_db.and_then(|balance| self.quiet(balance));
        let mut changes = Vec::new();
        if self.raised.is_some() && quiet != self.raised {
            self.raised = None;
            changes.push(SourceEvent::ImbalanceEnded);
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
        if self.raised.is_none() && time - since >= Seconds(self.config.after_s) {
            self.raised = Some(side);
            changes.push(SourceEvent::ImbalanceStarted {
                quiet: side,
                balance_db: level.balance_db.unwrap_or(0.0),
            });
        }
        changes
    }

    /// Ends a raised imbalance, because the source is lost or paused.
    pub(super) fn lose(&mut self) -> Option<SourceEvent> {
        self.since = None;
        self.raised.take().map(|_| SourceEvent::ImbalanceEnded)
    }

    /// Channel that is too quiet.
    fn quiet(&self, balance_db: f32) -> Option<Channel> {
        let side = if balance_db > 0.0 { Channel::Right } else { Channel::Left };
        let margin = if self.raised == Some(side) { HYSTERESIS_DB } else { 0.0 };
        (balance_db.abs() >= self.config.threshold_db - margin).then_some(side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_channel_is_reported_once_after_its_time() {
        let mut balance = ChannelBalance::new(&ImbalanceConfig { threshold_db: 20.0, after_s: 3.0 });
        let started = |quiet, balance_db| vec![SourceEvent::ImbalanceStarted { quiet, balance_db }];
        for (time, balance_db, audible, expected) in [
            (0.0, Some(19.0), true, vec![]),
            (1.0, Some(25.0), true, vec![]),
            (3.0, Some(25.0), true, vec![]),
            (4.0, Some(25.0), true, started(Channel::Right, 25.0)),
            (5.0, Some(15.0), true, vec![]),  // within the margin
            (6.0, Some(60.0), false, vec![]), // silence
            (7.0, Some(13.0), true, vec![SourceEvent::ImbalanceEnded]),
            (8.0, Some(-40.0), true, vec![]),
            (9.0, Some(40.0), true, vec![]), // the other side: its time starts over
            (11.0, Some(40.0), true, vec![]),
            (12.0, Some(40.0), true, started(Channel::Right, 40.0)),
            (13.0, Some(-40.0), true, vec![SourceEvent::ImbalanceEnded]),
            (16.0, Some(-40.0), true, started(Channel::Left, -40.0)),
            (17.0, None, true, vec![SourceEvent::ImbalanceEnded]),
        ] {
            let level = Level { balance_db, ..Level::of_loudness(-20.0) };
            assert_eq!(balance.observe(SourceTime(time), &level, audible), expected, "at {time}");
        }
    }

    #[test]
    fn a_lost_source_has_no_imbalance_and_zero_disables_it() {
        let level = Level { balance_db: Some(60.0), ..Level::of_loudness(-20.0) };
        let mut balance = ChannelBalance::new(&ImbalanceConfig { threshold_db: 20.0, after_s: 0.0 });
        assert_eq!(balance.observe(SourceTime(0.0), &level, true).len(), 1);
        assert_eq!((balance.lose(), balance.lose()), (Some(SourceEvent::ImbalanceEnded), None));
        let mut off = ChannelBalance::new(&ImbalanceConfig { threshold_db: 0.0, after_s: 0.0 });
        assert_eq!(off.observe(SourceTime(0.0), &level, true), []);
    }
}
