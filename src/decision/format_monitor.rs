//! Monitoring of a station against its declared format, talk limit and channels.

use std::collections::VecDeque;
use std::sync::Arc;

use super::channel_balance::ChannelBalance;
use super::config::ImbalanceConfig;
use super::time::{Seconds, SourceTime};
use super::verdict::Verdict;
use crate::audio::Level;
use crate::event::{SourceEvent, SourceState};

/// Declared format and limits of a source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FormatMonitorConfig {
    /// Genres of the format; empty: any genre.
    pub format: Vec<String>,
    /// Seconds of other music after which the source is off format.
    pub off_format_after_s: f64,
    /// Largest share of talk in an hour, above 0 and at most 1; `None`: no limit.
    pub max_talk_share: Option<f64>,
    /// Limits of channel imbalance.
    pub imbalance: ImbalanceConfig,
}

/// Sliding window of the talk limit.
const HOUR: Seconds = Seconds(3600.0);
/// Resolution of that window.
const TALK_BUCKET: Seconds = Seconds(60.0);
/// Fraction of the limit below which talk counts as within the limit again (hysteresis).
const TALK_HYSTERESIS: f64 = 0.9;
/// Music of the format that ends the state off format. One wrong label does not.
const ON_FORMAT_AFTER: Seconds = Seconds(15.0);
/// Longest time that one verdict counts for. After a gap, it is no evidence of the time before it.
const MAX_VERDICT_TIME: Seconds = Seconds(3.0);

/// Comparison of the published verdicts of one source with its declared format and limits.
///
/// Time of music outside the format adds up until music of the format has been published for some
/// seconds. Speech, silence and noise do not count. Talk is counted over the last hour.
#[derive(Debug)]
pub struct FormatMonitor {
    /// One flag per label, true if it is of the format; empty: every label is.
    in_format: Vec<bool>,
    off_format_after: Seconds,
    /// Talk in an hour.
    talk_limit: Option<Seconds>,
    last: Option<SourceTime>,
    /// Time of music outside the format.
    outside: Seconds,
    /// Time of music of the format since the last music outside it.
    inside: Seconds,
    is_off_format: bool,
    /// Start and talk of each bucket of the last hour.
    talk: VecDeque<(SourceTime, Seconds)>,
    is_over_talk_limit: bool,
    balance: ChannelBalance,
    /// True if audio arrives slower than real time.
    is_slow: bool,
}

/// Genre of a format that is not among the labels of the head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`format` names `{genre}`, which the model does not know; known are `{}`", known.join("`, `"))]
pub struct UnknownGenreError {
    /// The genre.
    pub genre: String,
    /// Labels of the head.
    pub known: Vec<Arc<str>>,
}

impl FormatMonitor {
    /// Creates a monitor for the labels of a head.
    ///
    /// # Errors
    /// A genre of the format is not in `labels`.
    pub fn new(labels: &[Arc<str>], config: &FormatMonitorConfig) -> Result<Self, UnknownGenreError> {
        if let Some(unknown) =
            config.format.iter().find(|genre| !labels.iter().any(|label| **label == ***genre))
        {
            return Err(UnknownGenreError { genre: unknown.clone(), known: labels.to_vec() });
        }
        let is_in_format = |label: &Arc<str>| config.format.iter().any(|genre| **genre == **label);
        Ok(Self {
            in_format: match config.format.is_empty() {
                true => Vec::new(),
                false => labels.iter().map(is_in_format).collect(),
            },
            off_format_after: Seconds(config.off_format_after_s),
            talk_limit: config.max_talk_share.map(|share| HOUR * share),
            last: None,
            outside: Seconds::ZERO,
            inside: Seconds::ZERO,
            is_off_format: false,
            talk: VecDeque::new(),
            is_over_talk_limit: false,
            balance: ChannelBalance::new(&config.imbalance),
            is_slow: false,
        })
    }

    /// Processes the verdict that is published from `time` on and the level of the patch that ends
    /// there. Returns the events to publish.
    pub fn observe(&mut self, time: SourceTime, verdict: Verdict, level: &Level) -> Vec<SourceEvent> {
        let elapsed =
            self.last.map_or(Seconds::ZERO, |last| (time - last).clamp(Seconds::ZERO, MAX_VERDICT_TIME));
        self.last = Some(time);
        let mut changes = Vec::new();
        changes.extend(self.check_format(elapsed, verdict));
        changes.extend(self.count_talk(time, elapsed, verdict));
        changes.extend(self.balance.observe(time, level, verdict.state != SourceState::Silence));
        changes
    }

    /// Sets the rate of a stream that is slower than real time; `None` for any other stream.
    pub fn set_slow(&mut self, rate: Option<f32>) -> Option<SourceEvent> {
        match (std::mem::replace(&mut self.is_slow, rate.is_some()), rate) {
            (false, Some(rate)) => Some(SourceEvent::StreamSlowStarted { rate }),
            (true, None) => Some(SourceEvent::StreamSlowEnded),
            _ => None,
        }
    }

    /// Ends every raised condition, because the source is lost or paused.
    pub fn lose(&mut self) -> Vec<SourceEvent> {
        self.last = None;
        (self.outside, self.inside) = (Seconds::ZERO, Seconds::ZERO);
        self.talk.clear();
        let ends = [
            std::mem::take(&mut self.is_off_format).then_some(SourceEvent::OffFormatEnded),
            std::mem::take(&mut self.is_over_talk_limit).then_some(SourceEvent::TalkLimitEnded),
            self.balance.lose(),
            self.set_slow(None),
        ];
        ends.into_iter().flatten().collect()
    }

    fn check_format(&mut self, elapsed: Seconds, verdict: Verdict) -> Option<SourceEvent> {
        let is_in_format = *self.in_format.get(verdict.label?)?;
        if is_in_format {
            self.inside += elapsed;
            if self.inside < ON_FORMAT_AFTER {
                return None;
            }
            self.outside = Seconds::ZERO;
            return std::mem::take(&mut self.is_off_format).then_some(SourceEvent::OffFormatEnded);
        }
        self.inside = Seconds::ZERO;
        self.outside += elapsed;
        let starts = !self.is_off_format && self.outside >= self.off_format_after;
        self.is_off_format |= starts;
        starts.then_some(SourceEvent::OffFormatStarted)
    }

    fn count_talk(&mut self, time: SourceTime, elapsed: Seconds, verdict: Verdict) -> Option<SourceEvent> {
        let limit = self.talk_limit?;
        if self.talk.back().is_none_or(|(start, _)| time >= *start + TALK_BUCKET) {
            self.talk.push_back((time, Seconds::ZERO));
        }
        while self.talk.front().is_some_and(|(start, _)| time - *start >= HOUR) {
            self.talk.pop_front();
        }
        if verdict.state == SourceState::Speech
            && let Some((_, talk)) = self.talk.back_mut()
        {
            *talk += elapsed;
        }
        let sum: Seconds = self.talk.iter().map(|(_, talk)| *talk).sum();
        let was_over = self.is_over_talk_limit;
        self.is_over_talk_limit = if was_over { sum >= limit * TALK_HYSTERESIS } else { sum > limit };
        match (was_over, self.is_over_talk_limit) {
            (false, true) => Some(SourceEvent::TalkLimitStarted),
            (true, false) => Some(SourceEvent::TalkLimitEnded),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(format: &[&str], off_format_after_s: f64, max_talk_share: Option<f64>) -> FormatMonitor {
        let labels: Vec<Arc<str>> = ["jazz", "pop", "rock"].map(Arc::from).into();
        let format = format.iter().map(|genre| (*genre).to_owned()).collect();
        FormatMonitor::new(
            &labels,
            &FormatMonitorConfig {
                format,
                off_format_after_s,
                max_talk_share,
                ..FormatMonitorConfig::default()
            },
        )
        .unwrap()
    }

    /// Feeds one verdict per second and returns the changes with their times in seconds.
    fn follow(monitor: &mut FormatMonitor, from: u32, pieces: &[(u32, Verdict)]) -> Vec<(u32, SourceEvent)> {
        let mut time = from;
        let mut found = Vec::new();
        for (seconds, verdict) in pieces {
            for _ in 0..*seconds {
                found.extend(
                    monitor
                        .observe(SourceTime(time.into()), *verdict, &Level::of_loudness(-20.0))
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
    fn music_outside_the_format_adds_up_until_the_format_returns() {
        let speech = Verdict::state(SourceState::Speech);
        let mut monitor = monitor(&["rock", "pop"], 60.0, None);
        let pieces = [
            (100, music(ROCK)),
            (50, music(JAZZ)), // not long enough
            (20, music(ROCK)), // starts over
            (40, music(JAZZ)), // from 170
            (500, speech),     // does not count
            (10, music(ROCK)), // from 710: too short
            (30, music(JAZZ)), // from 720: 20 more seconds
            (14, music(ROCK)), // from 750: too short, too
            (5, music(JAZZ)),
            (10, music(ROCK)), // from 769
            (5, speech),
            (10, music(ROCK)), // from 784: 5 more seconds
        ];
        assert_eq!(
            follow(&mut monitor, 0, &pieces),
            [(739, SourceEvent::OffFormatStarted), (788, SourceEvent::OffFormatEnded)]
        );
    }

    #[test]
    fn talk_is_counted_over_an_hour() {
        let speech = Verdict::state(SourceState::Speech);
        let mut monitor = monitor(&[], 0.0, Some(0.25));
        // The limit is 900 seconds; the 901st exceeds it.
        let found = follow(&mut monitor, 0, &[(600, music(ROCK)), (1000, speech), (3000, music(ROCK))]);
        assert_eq!(found[0], (1500, SourceEvent::TalkLimitStarted));
        // It ends below 810: the fourth minute of talk, from 780 on, leaves the hour.
        assert_eq!(found[1..], [(4380, SourceEvent::TalkLimitEnded)]);
    }

    #[test]
    fn a_lost_source_ends_every_condition() {
        let mut monitor = monitor(&["rock"], 10.0, Some(0.01));
        let found = follow(&mut monitor, 0, &[(20, music(JAZZ)), (60, Verdict::state(SourceState::Speech))]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(monitor.lose(), [SourceEvent::OffFormatEnded, SourceEvent::TalkLimitEnded]);
        assert_eq!(monitor.lose(), []);
        assert_eq!(follow(&mut monitor, 1000, &[(9, music(JAZZ))]), []);
    }

    #[test]
    fn without_limits_nothing_is_raised() {
        let mut monitor = monitor(&[], 1.0, None);
        assert_eq!(
            follow(&mut monitor, 0, &[(5000, music(JAZZ)), (5000, Verdict::state(SourceState::Speech))]),
            []
        );
    }

    #[test]
    fn an_unknown_genre_is_named() {
        let labels: Vec<Arc<str>> = vec!["jazz".into()];
        let config = FormatMonitorConfig {
            format: vec!["polka".into()],
            off_format_after_s: 1.0,
            ..FormatMonitorConfig::default()
        };
        let error = FormatMonitor::new(&labels, &config).unwrap_err().to_string();
        assert!(error.contains("`polka`") && error.contains("`jazz`"), "{error}");
    }
}
