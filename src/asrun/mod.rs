//! Layer 1: content of the as-run log, and reports of it. Pure: no clock, no files.
//!
//! Times are whole milliseconds since 1970 (UTC), so that sums are exact.

pub mod html;
pub mod period;
pub mod render;
pub mod tally;

use std::collections::BTreeMap;

use serde::Serialize;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Ms = i64;

/// States other than music, in the order of a report.
pub const STATES: [&str; 4] = ["speech", "noise", "uncertain", "silence"];

/// Loudness in LUFS.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lufs {
    /// Level of the mean energy.
    pub mean: f64,
    /// Minimum of the short-term loudness, at least −70.
    pub min: f64,
    /// Maximum of the short-term loudness.
    pub max: f64,
}

/// Sound with one label and one title, without a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSegment {
    /// Start.
    pub start: Ms,
    /// End.
    pub end: Ms,
    /// `music`, `speech`, `noise`, `uncertain` or `silence`.
    pub state: String,
    /// Genre if `state` is `music`, else the state: the final one, or the published one until then.
    pub label: String,
    /// Mean posterior of the label, 0–1; `Some` only for `music`.
    pub confidence: Option<f64>,
    /// Patches scored.
    pub scored: u64,
    /// Patches dropped.
    pub dropped: u64,
    /// Title that the stream announced.
    pub title: Option<String>,
    /// Loudness of the patches; `None` without patches.
    pub lufs: Option<Lufs>,
}

#[cfg(test)]
impl LogSegment {
    fn sample(start: Ms, end: Ms, state: &str, label: &str) -> Self {
        Self {
            start,
            end,
            state: state.into(),
            label: label.into(),
            confidence: None,
            scored: 1,
            dropped: 0,
            title: None,
            lufs: None,
        }
    }
}

/// Cause of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageCause {
    /// The source was lost while the daemon ran.
    Lost,
    /// The daemon did not run.
    Down,
}

impl OutageCause {
    /// Name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Down => "down",
        }
    }
}

/// Time without audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Start.
    pub start: Ms,
    /// End.
    pub end: Ms,
    /// Cause.
    pub cause: OutageCause,
}

/// Event in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Time.
    pub ts: Ms,
    /// `event_type` of its message.
    pub kind: String,
}

/// Short-term loudness of the patches that end in one quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuarterLoudness {
    /// Start of the quarter.
    pub start: Ms,
    /// Patches scored.
    pub scored: u64,
    /// Patches dropped.
    pub dropped: u64,
    /// Sum over the patches of 10^(LUFS / 10).
    pub energy: f64,
    /// Minimum, in LUFS.
    pub min: f64,
    /// Maximum, in LUFS.
    pub max: f64,
}

impl QuarterLoudness {
    /// Length of a quarter of an hour.
    pub const LENGTH: Ms = 15 * 60 * 1000;

    /// Empty quarter of an hour that contains `ts`.
    pub fn at(ts: Ms) -> Self {
        let start = ts.div_euclid(Self::LENGTH) * Self::LENGTH;
        Self { start, scored: 0, dropped: 0, energy: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    /// Adds a patch.
    pub fn add(&mut self, lufs: f64) {
        self.scored += 1;
        self.energy += 10f64.powf(lufs / 10.0);
        self.min = self.min.min(lufs);
        self.max = self.max.max(lufs);
    }

    /// Adds all patches of another.
    pub fn merge(&mut self, other: &Self) {
        self.scored += other.scored;
        self.dropped += other.dropped;
        self.energy += other.energy;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Loudness; `None` without a patch.
    pub fn lufs(&self) -> Option<Lufs> {
        let mean = 10.0 * (self.energy / self.scored as f64).log10();
        (self.scored > 0).then(|| Lufs { mean: mean.max(-70.0), min: self.min, max: self.max })
    }
}

/// Rows of the log for one source and one range of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceLog {
    /// Name in topics.
    pub source: String,
    /// Name for people.
    pub name: String,
    /// In the order of writing: where two overlap, the later one counts.
    pub segments: Vec<LogSegment>,
    /// In any order.
    pub outages: Vec<Outage>,
    /// In any order.
    pub events: Vec<LogEvent>,
    /// In any order.
    pub levels: Vec<QuarterLoudness>,
    /// Time off the declared format, from events; disjoint.
    pub off_format: Vec<(Ms, Ms)>,
}

/// One period of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeriodRow {
    /// Start.
    pub start: Ms,
    /// End.
    pub end: Ms,
    /// Milliseconds of audio by label.
    pub heard: BTreeMap<String, Ms>,
    /// Labels of `heard` that are genres.
    pub genres: Vec<String>,
    /// Milliseconds in which the source was lost.
    pub lost: Ms,
    /// Milliseconds in which the daemon did not run.
    pub down: Ms,
    /// Remaining milliseconds: dropped, paused, not started yet or ended.
    pub unheard: Ms,
    /// Changes of the published genre.
    pub changes: u64,
    /// Milliseconds off the declared format.
    pub off_format: Ms,
    /// Patches scored.
    pub scored: u64,
    /// Patches dropped.
    pub dropped: u64,
    /// Loudness of the audio.
    pub lufs: Option<Lufs>,
    /// Events by type.
    pub events: BTreeMap<String, u64>,
}

impl PeriodRow {
    /// Length in milliseconds.
    pub fn length(&self) -> Ms {
        self.end - self.start
    }

    /// Fraction `part` of the period, 0–1.
    pub fn share(&self, part: Ms) -> f64 {
        if self.length() > 0 { part as f64 / self.length() as f64 } else { 0.0 }
    }

    /// Fraction of the period with audio, 0–1.
    pub fn coverage(&self) -> f64 {
        self.share(self.heard.values().sum())
    }
}

/// Interval of the time of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AirInterval<'a> {
    /// Start.
    pub start: Ms,
    /// End.
    pub end: Ms,
    /// Label, or the cause of an outage.
    pub what: AirContent<'a>,
}

/// Content of an [`AirInterval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AirContent<'a> {
    /// Audio.
    Heard {
        /// Genre or state.
        label: &'a str,
        /// True for music.
        is_music: bool,
    },
    /// The source was lost.
    Lost,
    /// The daemon did not run.
    Down,
}

/// Report on all sources over the same periods.
#[derive(Debug, Clone, PartialEq)]
pub struct AsRunReport {
    /// Start.
    pub from: Ms,
    /// End.
    pub to: Ms,
    /// One per source.
    pub sources: Vec<SourceReport>,
}

/// Report on one source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReport {
    /// Name in topics.
    pub source: String,
    /// Name for people.
    pub name: String,
    /// One row per period.
    pub rows: Vec<PeriodRow>,
    /// The whole time.
    pub total: PeriodRow,
    /// The whole time in slots of equal length: the longest content of each, `None` without audio.
    pub slots: Vec<Option<String>>,
}

impl SourceReport {
    /// Labels that occur: genres by descending time, then [`STATES`] in their order.
    pub fn labels(&self) -> Vec<&str> {
        let mut genres: Vec<&str> = self.total.genres.iter().map(String::as_str).collect();
        let heard = |label: &str| self.total.heard.get(label).copied().unwrap_or_default();
        genres.sort_by_key(|label| (-heard(label), label.to_string()));
        let states = STATES.into_iter().filter(|state| self.total.heard.contains_key(*state));
        genres.into_iter().chain(states).collect()
    }
}
