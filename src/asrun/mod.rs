//! Floor 1: what the as-run log holds, and the report that is made of it. Pure: no clock, no files.
//!
//! Times are milliseconds since 1970 (UTC), so that what is added up comes out even.

pub mod html;
pub mod period;
pub mod render;
pub mod tally;

use std::collections::BTreeMap;

use serde::Serialize;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Ms = i64;

/// The states that are no music, in the order in which they are shown.
pub const STATES: [&str; 4] = ["speech", "noise", "uncertain", "silence"];

/// Loudness in LUFS.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lufs {
    /// Level of the mean energy.
    pub mean: f64,
    /// The least short-term loudness, at least −70.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Sound of one label and one title, heard without a hole.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// When it begins.
    pub start: Ms,
    /// When it ends.
    pub end: Ms,
    /// `music`, `speech`, `noise`, `uncertain` or `silence`.
    pub state: String,
    /// The genre: a label where `state` is `music`, else the state. As it was settled, or published while it is not.
    pub label: String,
    /// Mean posterior of the label, 0–1; `None` unless the state is `music`.
    pub confidence: Option<f64>,
    /// Patches scored.
    pub scored: u64,
    /// Patches dropped.
    pub dropped: u64,
    /// Title that the stream announced.
    pub title: Option<String>,
    /// Loudness of its patches; `None` where there is none.
    pub lufs: Option<Lufs>,
}

#[cfg(test)]
impl Segment {
    /// One of a patch, for tests.
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

/// Why nothing could be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The source was lost while the daemon ran.
    Lost,
    /// The daemon did not run.
    Down,
}

impl Cause {
    /// The name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Down => "down",
        }
    }
}

/// Time in which nothing could be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it begins.
    pub start: Ms,
    /// When it ends.
    pub end: Ms,
    /// Why.
    pub cause: Cause,
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub ts: Ms,
    /// Its `event_type`.
    pub kind: String,
}

/// The short-term loudness of the patches that end in a quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// When the quarter begins.
    pub start: Ms,
    /// Patches scored.
    pub scored: u64,
    /// Patches dropped.
    pub dropped: u64,
    /// Sum over the patches of 10^(LUFS / 10).
    pub energy: f64,
    /// Least, in LUFS.
    pub min: f64,
    /// Greatest, in LUFS.
    pub max: f64,
}

impl Level {
    /// What they are cut by.
    pub const LENGTH: Ms = 15 * 60 * 1000;

    /// The quarter of an hour that `ts` lies in, still empty.
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

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.scored += other.scored;
        self.dropped += other.dropped;
        self.energy += other.energy;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// What it comes to; `None` without a patch.
    pub fn lufs(&self) -> Option<Lufs> {
        let mean = 10.0 * (self.energy / self.scored as f64).log10();
        (self.scored > 0).then(|| Lufs { mean: mean.max(-70.0), min: self.min, max: self.max })
    }
}

/// What the log holds of one source in the time that is asked about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Name in topics.
    pub source: String,
    /// Name for people.
    pub name: String,
    /// In the order in which they were written: where two overlap, the later one counts.
    pub segments: Vec<Segment>,
    /// In any order.
    pub outages: Vec<Outage>,
    /// In any order.
    pub events: Vec<Event>,
    /// In any order.
    pub levels: Vec<Level>,
    /// Time off the declared format, from events; disjoint.
    pub off_format: Vec<(Ms, Ms)>,
}

/// A period of a source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// When it begins.
    pub start: Ms,
    /// When it ends.
    pub end: Ms,
    /// Milliseconds by label, of what was heard.
    pub heard: BTreeMap<String, Ms>,
    /// Labels of `heard` that are genres.
    pub genres: Vec<String>,
    /// Milliseconds in which the source was lost.
    pub lost: Ms,
    /// Milliseconds in which the daemon did not run.
    pub down: Ms,
    /// The rest, in milliseconds: dropped, paused, not yet begun or ended.
    pub unheard: Ms,
    /// Decided changes of the published genre.
    pub changes: u64,
    /// Milliseconds off the declared format.
    pub off_format: Ms,
    /// Patches scored.
    pub scored: u64,
    /// Patches dropped.
    pub dropped: u64,
    /// Loudness of what was heard.
    pub lufs: Option<Lufs>,
    /// Events by type.
    pub events: BTreeMap<String, u64>,
}

impl Row {
    /// Its length in milliseconds.
    pub fn length(&self) -> Ms {
        self.end - self.start
    }

    /// A part of it, 0–1.
    pub fn share(&self, part: Ms) -> f64 {
        if self.length() > 0 { part as f64 / self.length() as f64 } else { 0.0 }
    }

    /// What part of it was heard, 0–1.
    pub fn coverage(&self) -> f64 {
        self.share(self.heard.values().sum())
    }
}

/// A stretch of a source's time, and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// When it begins.
    pub start: Ms,
    /// When it ends.
    pub end: Ms,
    /// A label, or why nothing was heard.
    pub what: What<'a>,
}

/// What a [`Piece`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What<'a> {
    /// Heard.
    Heard {
        /// The genre or state.
        label: &'a str,
        /// Whether it is music.
        is_music: bool,
    },
    /// The source was lost.
    Lost,
    /// The daemon did not run.
    Down,
}

/// A report: all rows of all sources over the same periods.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// From when.
    pub from: Ms,
    /// To when.
    pub to: Ms,
    /// By source.
    pub sources: Vec<SourceReport>,
}

/// The rows of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReport {
    /// Name in topics.
    pub source: String,
    /// Name for people.
    pub name: String,
    /// One a period.
    pub rows: Vec<Row>,
    /// The whole time.
    pub total: Row,
    /// The whole time in slots of equal length: what each was most of, `None` where unheard.
    pub slots: Vec<Option<String>>,
}

impl SourceReport {
    /// Labels that occur, genres first, the most heard first, then [`STATES`] in their order.
    pub fn labels(&self) -> Vec<&str> {
        let mut genres: Vec<&str> = self.total.genres.iter().map(String::as_str).collect();
        let heard = |label: &str| self.total.heard.get(label).copied().unwrap_or_default();
        genres.sort_by_key(|label| (-heard(label), label.to_string()));
        let states = STATES.into_iter().filter(|state| self.total.heard.contains_key(*state));
        genres.into_iter().chain(states).collect()
    }
}
