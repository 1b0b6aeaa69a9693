//! Shares of music and speech in the last hour.

use std::collections::VecDeque;

use super::time::{Seconds, SourceTime};
use super::verdict::Verdict;
use crate::event::{SourceState, StateShares};

/// Length of the sliding window.
const HOUR: Seconds = Seconds(3600.0);
/// Resolution of the window.
const BUCKET: Seconds = Seconds(60.0);
/// Longest time that one verdict counts for. After a gap, it is no evidence of the time before it.
const MAX_VERDICT_TIME: Seconds = Seconds(3.0);
/// Time with a verdict below which the shares say too little.
const LEAST: Seconds = Seconds(60.0);

/// Counts the time of each published state over the last hour of a source.
///
/// Only time with a verdict counts: outages, pauses and skipped audio neither raise nor lower a
/// share.
#[derive(Debug, Default)]
pub struct HourShares {
    last: Option<SourceTime>,
    buckets: VecDeque<ShareBucket>,
}

/// Times of one minute.
#[derive(Debug)]
struct ShareBucket {
    start: SourceTime,
    all: Seconds,
    music: Seconds,
    speech: Seconds,
}

impl HourShares {
    /// Counts the verdict that is published from `time` on for the time since the last call.
    pub fn observe(&mut self, time: SourceTime, verdict: Verdict) {
        let elapsed =
            self.last.map_or(Seconds::ZERO, |last| (time - last).clamp(Seconds::ZERO, MAX_VERDICT_TIME));
        self.last = Some(time);
        if self.buckets.back().is_none_or(|bucket| time >= bucket.start + BUCKET) {
            let (all, music, speech) = (Seconds::ZERO, Seconds::ZERO, Seconds::ZERO);
            self.buckets.push_back(ShareBucket { start: time, all, music, speech });
        }
        while self.buckets.front().is_some_and(|bucket| time - bucket.start >= HOUR) {
            self.buckets.pop_front();
        }
        let Some(bucket) = self.buckets.back_mut() else { return };
        bucket.all += elapsed;
        match verdict.state {
            SourceState::Music => bucket.music += elapsed,
            SourceState::Speech => bucket.speech += elapsed,
            _ => {}
        }
    }

    /// Ends the time of the last verdict, because the source is lost or paused.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// Shares of the time with a verdict; `None` before there is a minute of it.
    pub fn shares(&self) -> Option<StateShares> {
        let sum = |part: fn(&ShareBucket) -> Seconds| self.buckets.iter().map(part).sum::<Seconds>();
        let Seconds(all) = sum(|bucket| bucket.all);
        let Seconds(least) = LEAST;
        let share = |Seconds(part): Seconds| (part / all) as f32;
        (all >= least).then(|| StateShares {
            music: share(sum(|bucket| bucket.music)),
            speech: share(sum(|bucket| bucket.speech)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publishes `state` once per second for `seconds`, and returns the time after that.
    fn publish(shares: &mut HourShares, from: u32, seconds: u32, state: SourceState) -> u32 {
        for second in from..from + seconds {
            shares.observe(SourceTime(second.into()), Verdict::state(state));
        }
        from + seconds
    }

    fn percent(shares: &HourShares) -> Option<(u32, u32)> {
        let percent = |share: f32| (share * 100.0).round() as u32;
        shares.shares().map(|shares| (percent(shares.music), percent(shares.speech)))
    }

    #[test]
    fn shares_are_of_the_time_so_far() {
        let mut shares = HourShares::default();
        assert_eq!(percent(&shares), None);
        let time = publish(&mut shares, 0, 60, SourceState::Music);
        assert_eq!(percent(&shares), None, "a second is missing");
        let time = publish(&mut shares, time, 30, SourceState::Speech);
        assert_eq!(percent(&shares), Some((66, 34)));
        publish(&mut shares, time, 90, SourceState::Silence);
        assert_eq!(percent(&shares), Some((33, 17)));
    }

    #[test]
    fn an_hour_later_all_is_forgotten() {
        let mut shares = HourShares::default();
        let time = publish(&mut shares, 0, 1800, SourceState::Speech);
        let time = publish(&mut shares, time, 1800, SourceState::Music);
        assert_eq!(percent(&shares), Some((50, 50)));
        let time = publish(&mut shares, time, 900, SourceState::Music);
        assert_eq!(percent(&shares), Some((75, 25)));
        publish(&mut shares, time, 1800, SourceState::Music);
        assert_eq!(percent(&shares), Some((100, 0)));
        assert!(shares.buckets.len() <= 61);
    }

    #[test]
    fn outages_do_not_count() {
        let mut shares = HourShares::default();
        let time = publish(&mut shares, 0, 120, SourceState::Music);
        shares.interrupt();
        publish(&mut shares, time + 600, 120, SourceState::Speech);
        assert_eq!(percent(&shares), Some((50, 50)));
    }
}
