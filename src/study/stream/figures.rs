//! Figures of the decision stage: published genres against the right ones.

use std::sync::Arc;

use serde::Serialize;

use crate::event::SourceState;

/// Genres over time.
#[derive(Debug, Clone)]
pub(crate) struct GenreTimeline {
    /// Times in seconds, in order; each genre differs from the previous one.
    changes: Vec<(f64, Arc<str>)>,
}

impl Default for GenreTimeline {
    fn default() -> Self {
        Self { changes: vec![(0.0, SourceState::Uncertain.as_str().into())] }
    }
}

impl GenreTimeline {
    /// Adds a change to `genre` at `time`, in seconds, unless it is the present genre.
    pub(crate) fn publish(&mut self, time: f64, genre: &Arc<str>) {
        if self.changes.last().is_none_or(|(_, last)| last != genre) {
            self.changes.push((time, genre.clone()));
        }
    }

    /// Changes with their times, without the initial `uncertain`.
    pub(crate) fn changes(&self) -> &[(f64, Arc<str>)] {
        &self.changes[1..]
    }

    /// Genre just before `time`.
    fn before(&self, time: f64) -> &Arc<str> {
        let after = self.changes.partition_point(|(at, _)| *at < time).max(1);
        &self.changes[after - 1].1
    }

    /// Changes from `start` until before `end`.
    fn within(&self, start: f64, end: f64) -> &[(f64, Arc<str>)] {
        let at = |time: f64| self.changes.partition_point(|(at, _)| *at < time).max(1);
        &self.changes[at(start)..at(end)]
    }
}

/// Part of a stream in which one genre is right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TruthInterval {
    /// Start, in seconds.
    pub start: f64,
    /// End, in seconds.
    pub end: f64,
    /// Right genre; an interval without one is not judged.
    pub genre: Option<Arc<str>>,
}

/// Operating point of the decision stage on one stream. Shares are of the judged time, 0–1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StreamFigures {
    /// Judged time, in hours.
    pub hours: f64,
    /// Changes within an interval, except the first change to the right genre. In the first
    /// interval of a stream, all but the first change.
    pub false_changes: usize,
    pub false_changes_per_hour: f64,
    /// Joins to another right genre that was not published already.
    pub real_changes: usize,
    /// Real changes whose right genre was not published before the next join.
    pub missed_changes: usize,
    /// Median time in seconds from a real change to its right genre. A missed change counts as
    /// infinite. `None` without real changes, or if half of them are missed.
    pub delay_s_median: Option<f64>,
    /// 90th percentile of the same times.
    pub delay_s_p90: Option<f64>,
    /// Share of the right genre in the as-run log.
    #[serde(rename = "right_in_hindsight")]
    pub right_in_log: f64,
    /// Share of the right genre in what is published.
    pub right: f64,
    /// Share of `uncertain`.
    pub uncertain: f64,
    /// Share of `speech`.
    pub speech: f64,
    /// Share of `noise`.
    pub noise: f64,
    /// Share of `silence`.
    pub silence: f64,
}

impl StreamFigures {
    /// Judges the published genres and those of the as-run log. With `alone`, each interval is a
    /// stream of its own: every change after its first one is false, except to silence, and none is
    /// real.
    pub(crate) fn new(
        published: &GenreTimeline,
        retrospective: &GenreTimeline,
        truth: &[TruthInterval],
        alone: bool,
    ) -> Self {
        let right_in_log = Self::judge(retrospective, truth, alone).right;
        Self { right_in_log, ..Self::judge(published, truth, alone) }
    }

    fn judge(timeline: &GenreTimeline, truth: &[TruthInterval], alone: bool) -> Self {
        let mut false_changes = 0;
        let mut delays = Vec::new();
        let mut shares = [0.0; 5];
        let mut seconds = 0.0;
        let mut last: Option<&Arc<str>> = None;
        for (index, interval) in truth.iter().enumerate() {
            let Some(right) = &interval.genre else { continue };
            let mut changes = timeline.within(interval.start, interval.end);
            let mut before = timeline.before(interval.start);
            let is_first = index == 0 || alone;
            if alone
                && let [(at, restart), rest @ ..] = changes
                && *at <= interval.start
            {
                // Each begins as `uncertain`, which is not a change.
                (before, changes) = (restart, rest);
            }
            let first_right = changes.iter().find(|(_, genre)| genre == right);
            false_changes += if alone {
                count_without_silence(changes).saturating_sub(1)
            } else if is_first {
                changes.len().saturating_sub(1)
            } else {
                changes.len() - usize::from(before != right && first_right.is_some())
            };
            if !is_first && before != right && last.is_some_and(|last| last != right) {
                delays.push(first_right.map_or(f64::INFINITY, |(at, _)| at - interval.start));
            }
            last = Some(right);
            seconds += interval.end - interval.start;
            let starts = std::iter::once((interval.start, before))
                .chain(changes.iter().map(|(at, genre)| (*at, genre)));
            let ends = changes.iter().map(|(at, _)| *at).chain([interval.end]);
            for ((start, genre), end) in starts.zip(ends) {
                let states =
                    [SourceState::Uncertain, SourceState::Speech, SourceState::Noise, SourceState::Silence]
                        .map(SourceState::as_str);
                let is = std::iter::once(genre == right).chain(states.map(|state| &**genre == state));
                shares.iter_mut().zip(is).filter(|(_, is)| *is).for_each(|(share, _)| *share += end - start);
            }
        }
        delays.sort_by(f64::total_cmp);
        let [right, uncertain, speech, noise, silence] =
            shares.map(|share| if seconds > 0.0 { share / seconds } else { 0.0 });
        let hours = seconds / 3600.0;
        Self {
            hours,
            false_changes,
            false_changes_per_hour: if hours > 0.0 { false_changes as f64 / hours } else { 0.0 },
            real_changes: delays.len(),
            missed_changes: delays.iter().filter(|delay| delay.is_infinite()).count(),
            delay_s_median: quantile(&delays, 0.5),
            delay_s_p90: quantile(&delays, 0.9),
            right_in_log: right,
            right,
            uncertain,
            speech,
            noise,
            silence,
        }
    }
}

/// Number of changes, without those to silence and to `uncertain` after silence: a track may have
/// pauses.
fn count_without_silence(changes: &[(f64, Arc<str>)]) -> usize {
    let mut heard: Vec<&Arc<str>> = Vec::new();
    let mut is_silent = false;
    for (_, genre) in changes {
        let goes_on = is_silent && **genre == *SourceState::Uncertain.as_str();
        is_silent = goes_on || **genre == *SourceState::Silence.as_str();
        if !is_silent && heard.last() != Some(&genre) {
            heard.push(genre);
        }
    }
    heard.len()
}

/// Smallest value of `sorted` that at least the fraction `q` of the values do not exceed; `None` if
/// it is infinite.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(changes: &[(f64, &str)]) -> GenreTimeline {
        let mut timeline = GenreTimeline::default();
        changes.iter().for_each(|(at, genre)| timeline.publish(*at, &(*genre).into()));
        timeline
    }

    fn truth(parts: &[(f64, &str)]) -> Vec<TruthInterval> {
        let mut start = 0.0;
        parts
            .iter()
            .map(|(end, genre)| {
                let genre = Some((*genre).into()).filter(|_| !genre.is_empty());
                let interval = TruthInterval { start, end: *end, genre };
                start = *end;
                interval
            })
            .collect()
    }

    #[test]
    fn a_scripted_hour() {
        let parts = truth(&[(1000.0, "rock"), (2000.0, "jazz"), (3000.0, "jazz"), (3600.0, "speech")]);
        let published = timeline(&[
            (4.0, "pop"),          // the first label is no false change
            (10.0, "rock"),        // false, though right: nothing had changed
            (1006.0, "pop"),       // false: on the way to
            (1009.0, "jazz"),      // the real change, 9 s late
            (1500.0, "uncertain"), // false,
            (1510.0, "jazz"),      // and false
            (2100.0, "blues"),     // false: nothing changed at 2000
            (2700.0, "jazz"),      // false
            (3003.0, "speech"),    // the real change, 3 s late
        ]);
        let log = timeline(&[(0.0, "rock"), (999.0, "jazz"), (3000.0, "blues")]);
        let figures = StreamFigures::new(&published, &log, &parts, false);
        assert!((figures.right_in_log - 2999.0 / 3600.0).abs() < 1e-9);
        assert_eq!((figures.hours, figures.false_changes, figures.false_changes_per_hour), (1.0, 6, 6.0));
        assert_eq!((figures.real_changes, figures.missed_changes), (2, 0));
        assert_eq!((figures.delay_s_median, figures.delay_s_p90), (Some(3.0), Some(9.0)));
        let close = |share: f64, seconds: f64| assert!((share * 3600.0 - seconds).abs() < 1e-9, "{share}");
        close(figures.right, 990.0 + 991.0 - 10.0 + 400.0 + 597.0);
        close(figures.uncertain, 4.0 + 10.0);
        close(figures.speech, 597.0);
        assert_eq!((figures.noise, figures.silence), (0.0, 0.0));
    }

    #[test]
    fn a_missed_change_has_an_infinite_delay() {
        let parts = truth(&[(10.0, "a"), (20.0, "b"), (30.0, "a"), (40.0, "c"), (50.0, "d")]);
        // b is missed; a is published already; c is late; d is missed.
        let figures = StreamFigures::judge(&timeline(&[(1.0, "a"), (36.0, "c")]), &parts, false);
        assert_eq!((figures.real_changes, figures.missed_changes), (3, 2));
        assert_eq!((figures.delay_s_median, figures.delay_s_p90, figures.false_changes), (None, None, 0));
        let figures = StreamFigures::judge(
            &timeline(&[(1.0, "a"), (12.0, "b"), (22.0, "a"), (36.0, "c")]),
            &parts,
            false,
        );
        assert_eq!((figures.real_changes, figures.missed_changes), (4, 1));
        assert_eq!((figures.delay_s_median, figures.delay_s_p90), (Some(2.0), None));
    }

    #[test]
    fn intervals_without_a_genre_are_not_judged() {
        let parts = truth(&[(100.0, "a"), (200.0, ""), (300.0, "b")]);
        let figures = StreamFigures::judge(
            &timeline(&[(1.0, "a"), (110.0, "x"), (120.0, "y"), (205.0, "b")]),
            &parts,
            false,
        );
        assert_eq!((figures.false_changes, figures.real_changes), (0, 1));
        assert_eq!((figures.delay_s_median, figures.hours), (Some(5.0), 200.0 / 3600.0));
        let none = StreamFigures::judge(&GenreTimeline::default(), &[], false);
        assert_eq!((none.hours, none.false_changes_per_hour, none.right), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_change_at_a_join_belongs_to_the_piece_that_begins_there() {
        let parts = truth(&[(10.0, "a"), (20.0, "b")]);
        let figures = StreamFigures::judge(&timeline(&[(1.0, "a"), (10.0, "b")]), &parts, false);
        assert_eq!((figures.false_changes, figures.delay_s_median), (0, Some(0.0)));
    }

    #[test]
    fn alone_every_change_after_the_first_is_false() {
        let parts = truth(&[(10.0, "a"), (20.0, "b"), (30.0, "b")]);
        let published = timeline(&[
            (2.0, "a"),
            (8.0, "b"), // false
            (10.0, "uncertain"),
            (12.0, "b"),
            (20.0, "uncertain"),
            (23.0, "a"),
            (24.0, "silence"), // a pause
            (24.5, "uncertain"),
            (24.6, "a"),
            (25.0, "b"), // false, though right
        ]);
        let figures = StreamFigures::new(&published, &published, &parts, true);
        assert_eq!((figures.false_changes, figures.real_changes), (2, 0));
        assert!((figures.right - (6.0 + 8.0 + 5.0) / 30.0).abs() < 1e-9, "{}", figures.right);
        assert!((figures.uncertain - 7.1 / 30.0).abs() < 1e-9, "{}", figures.uncertain);
    }
}
