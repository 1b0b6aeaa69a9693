//! What a station is expected to sound like, and whether it does: its format, how much it talks, and both its channels.

use std::collections::VecDeque;
use std::sync::Arc;

use super::balance::Balance;
use super::config::ImbalanceConfig;
use super::event::{Change, State, Verdict};
use crate::audio::Level;

/// What is expected of a source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WatchConfig {
    /// Genres that belong; empty: any.
    pub format: Vec<String>,
    /// Seconds of other music after which the source is off format.
    pub off_format_after_s: f64,
    /// Share of an hour, above 0 and at most 1, that may be talk; `None`: any.
    pub max_talk_share: Option<f64>,
    /// When one of two channels counts as missing.
    pub imbalance: ImbalanceConfig,
}

/// The hour that talk is counted over, in seconds.
const HOUR: f64 = 3600.0;
/// It is counted in pieces of this many seconds.
const PIECE: f64 = 60.0;
/// Talk ends being too much below this part of the limit, so that it does not flap.
const ENDS_BELOW: f64 = 0.9;
/// So many seconds of music that belongs, others in between left out, end being off format: a wrong word in between does not.
const BELONGS_FOR: f64 = 15.0;
/// The most seconds that one verdict can stand for: after a hole it says nothing of the time before it.
const MOST_SECONDS: f64 = 3.0;

/// Holds what is published of one source against what is expected. Pure: time is the source's own.
///
/// Music of a genre that does not belong adds up until one that does has been published for some seconds; speech, silence and
/// noise neither add nor take away. Talk adds up over the last hour.
#[derive(Debug)]
pub struct Watch {
    /// Whether each label belongs; empty: all do.
    belongs: Vec<bool>,
    off_format_after_s: f64,
    /// Seconds of talk in an hour that are too many.
    limit: Option<f64>,
    last: Option<f64>,
    off_seconds: f64,
    /// Seconds of music that belongs since the last that does not.
    belonging: f64,
    off: bool,
    /// Beginning and seconds of talk of each piece of the last hour.
    talk: VecDeque<(f64, f64)>,
    too_much: bool,
    balance: Balance,
    /// True if audio arrives slower than real time.
    slow: bool,
}

impl Watch {
    /// One that has heard nothing yet.
    ///
    /// # Errors
    /// A genre of the format is not among `labels`.
    pub fn new(labels: &[Arc<str>], config: &WatchConfig) -> Result<Self, String> {
        if let Some(unknown) =
            config.format.iter().find(|genre| !labels.iter().any(|label| **label == ***genre))
        {
            let known: Vec<&str> = labels.iter().map(|label| &**label).collect();
            return Err(format!(
                "`format` names `{unknown}`, which the model does not know; known are `{}`",
                known.join("`, `")
            ));
        }
        let belongs = |label: &Arc<str>| config.format.iter().any(|genre| **genre == **label);
        Ok(Self {
            belongs: if config.format.is_empty() { Vec::new() } else { labels.iter().map(belongs).collect() },
            off_format_after_s: config.off_format_after_s,
            limit: config.max_talk_share.map(|share| share * HOUR),
            last: None,
            off_seconds: 0.0,
            belonging: 0.0,
            off: false,
            talk: VecDeque::new(),
            too_much: false,
            balance: Balance::new(&config.imbalance),
            slow: false,
        })
    }

    /// Takes in what is published from the patch at `time` (seconds) on, and its level; what changed by it.
    pub fn observe(&mut self, time: f64, verdict: Verdict, level: &Level) -> Vec<Change> {
        let seconds = self.last.map_or(0.0, |last| (time - last).clamp(0.0, MOST_SECONDS));
        self.last = Some(time);
        let mut changes = Vec::new();
        changes.extend(self.hold_against_format(seconds, verdict));
        changes.extend(self.count_talk(time, seconds, verdict));
        changes.extend(self.balance.observe(time, level, verdict.state != State::Silence));
        changes
    }

    /// Takes note of the rate of a stream that is slower than real time; `None` for one that is not.
    pub fn set_slow(&mut self, rate: Option<f32>) -> Option<Change> {
        match (std::mem::replace(&mut self.slow, rate.is_some()), rate) {
            (false, Some(rate)) => Some(Change::SlowStarted { rate }),
            (true, None) => Some(Change::SlowEnded),
            _ => None,
        }
    }

    /// Nothing is heard any more: what was raised ends.
    pub fn lose(&mut self) -> Vec<Change> {
        self.last = None;
        (self.off_seconds, self.belonging) = (0.0, 0.0);
        self.talk.clear();
        let ends = [
            std::mem::take(&mut self.off).then_some(Change::OffFormatEnded),
            std::mem::take(&mut self.too_much).then_some(Change::TalkLimitEnded),
            self.balance.lose(),
            self.set_slow(None),
        ];
        ends.into_iter().flatten().collect()
    }

    fn hold_against_format(&mut self, seconds: f64, verdict: Verdict) -> Option<Change> {
        let belongs = *self.belongs.get(verdict.label?)?;
        if belongs {
            self.belonging += seconds;
            if self.belonging < BELONGS_FOR {
                return None;
            }
            self.off_seconds = 0.0;
            return std::mem::take(&mut self.off).then_some(Change::OffFormatEnded);
        }
        self.belonging = 0.0;
        self.off_seconds += seconds;
        let starts = !self.off && self.off_seconds >= self.off_format_after_s;
        self.off |= starts;
        starts.then_some(Change::OffFormatStarted)
    }

    fn count_talk(&mut self, time: f64, seconds: f64, verdict: Verdict) -> Option<Change> {
        let limit = self.limit?;
        if self.talk.back().is_none_or(|(begin, _)| time >= begin + PIECE) {
            self.talk.push_back((time, 0.0));
        }
        while self.talk.front().is_some_and(|(begin, _)| time - begin >= HOUR) {
            self.talk.pop_front();
        }
        if verdict.state == State::Speech
            && let Some((_, talk)) = self.talk.back_mut()
        {
            *talk += seconds;
        }
        let sum: f64 = self.talk.iter().map(|(_, talk)| talk).sum();
        let was = self.too_much;
        self.too_much = if was { sum >= limit * ENDS_BELOW } else { sum > limit };
        match (was, self.too_much) {
            (false, true) => Some(Change::TalkLimitStarted),
            (true, false) => Some(Change::TalkLimitEnded),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(format: &[&str], off_format_after_s: f64, max_talk_share: Option<f64>) -> Watch {
        let labels: Vec<Arc<str>> = ["jazz", "pop", "rock"].map(Arc::from).into();
        let format = format.iter().map(|genre| (*genre).to_owned()).collect();
        Watch::new(
            &labels,
            &WatchConfig { format, off_format_after_s, max_talk_share, ..WatchConfig::default() },
        )
        .unwrap()
    }

    /// One verdict a second; the seconds at which something changed, and what.
    fn follow(watch: &mut Watch, from: u32, pieces: &[(u32, Verdict)]) -> Vec<(u32, Change)> {
        let mut time = from;
        let mut found = Vec::new();
        for (seconds, verdict) in pieces {
            for _ in 0..*seconds {
                found.extend(
                    watch
                        .observe(time.into(), *verdict, &Level::of_loudness(-20.0))
                        .into_iter()
                        .map(|change| (time, change)),
                );
                time += 1;
            }
        }
        found
    }

    const JAZZ: usize = 0;
    const ROCK: usize = 2;

    fn music(label: usize) -> Verdict {
        Verdict::music(label, 0.9)
    }

    #[test]
    fn other_music_adds_up_until_the_own_returns() {
        let speech = Verdict::state(State::Speech);
        let mut watch = watch(&["rock", "pop"], 60.0, None);
        let pieces = [
            (100, music(ROCK)),
            (50, music(JAZZ)), // not long enough
            (20, music(ROCK)), // starts over
            (40, music(JAZZ)), // from 170
            (500, speech),     // counts for neither side
            (10, music(ROCK)), // from 710: too short to be meant
            (30, music(JAZZ)), // from 720: 20 more seconds
            (14, music(ROCK)), // from 750: too short, too
            (5, music(JAZZ)),
            (10, music(ROCK)), // from 769
            (5, speech),
            (10, music(ROCK)), // from 784: 5 more seconds
        ];
        assert_eq!(
            follow(&mut watch, 0, &pieces),
            [(739, Change::OffFormatStarted), (788, Change::OffFormatEnded)]
        );
    }

    #[test]
    fn talk_is_counted_over_an_hour() {
        let speech = Verdict::state(State::Speech);
        let mut watch = watch(&[], 0.0, Some(0.25));
        // 900 seconds are a quarter of an hour's; the 901st is too many.
        let found = follow(&mut watch, 0, &[(600, music(ROCK)), (1000, speech), (3000, music(ROCK))]);
        assert_eq!(found[0], (1500, Change::TalkLimitStarted));
        // It ends below 810: the fourth minute of talk, from 780 on, leaves the hour.
        assert_eq!(found[1..], [(4380, Change::TalkLimitEnded)]);
    }

    #[test]
    fn a_lost_source_is_accused_of_nothing() {
        let mut watch = watch(&["rock"], 10.0, Some(0.01));
        let found = follow(&mut watch, 0, &[(20, music(JAZZ)), (60, Verdict::state(State::Speech))]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(watch.lose(), [Change::OffFormatEnded, Change::TalkLimitEnded]);
        assert_eq!(watch.lose(), []);
        assert_eq!(follow(&mut watch, 1000, &[(9, music(JAZZ))]), []);
    }

    #[test]
    fn without_expectations_nothing_is_raised() {
        let mut watch = watch(&[], 1.0, None);
        assert_eq!(follow(&mut watch, 0, &[(5000, music(JAZZ)), (5000, Verdict::state(State::Speech))]), []);
    }

    #[test]
    fn a_genre_that_the_model_does_not_know_is_named() {
        let labels: Vec<Arc<str>> = vec!["jazz".into()];
        let config =
            WatchConfig { format: vec!["polka".into()], off_format_after_s: 1.0, ..WatchConfig::default() };
        let error = Watch::new(&labels, &config).unwrap_err();
        assert!(error.contains("`polka`") && error.contains("`jazz`"), "{error}");
    }
}
