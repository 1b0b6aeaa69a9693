//! What `genred why` reads: how a source stands after one patch, and who it is that says so.
//!
//! Unlike the payloads of topics these are read by the same version of the program that wrote them. A *state* is a
//! label, `speech` or `noise`. Evidence is posterior times seconds.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{LabelP, loudness, rfc3339, to_4_places};

/// The first line: what runs here, and what was published last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Random id of this start of the process.
    pub run: Arc<str>,
    /// Version of the program.
    pub version: Arc<str>,
    /// Name in topics.
    pub node: Arc<str>,
    /// The sources, as configured.
    pub sources: Vec<Source>,
}

/// A source as [`Hello`] shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Name, as in topics.
    pub name: Arc<str>,
    /// Name, as configured.
    pub source_name: Arc<str>,
    /// What is published; `null` before anything is.
    pub published: Option<Published>,
    /// The last changes of the genre, the newest last.
    pub changes: Vec<Change>,
}

/// A change of the published genre, state names included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When it was decided.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// Before.
    pub from: Arc<str>,
    /// Now.
    pub to: Arc<str>,
}

/// What is published of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// `music`, `speech`, `silence`, `noise`, `uncertain` or `lost`.
    pub state: Arc<str>,
    /// A label where `state` is `music`, else the state's name.
    pub genre: Arc<str>,
    /// Mean posterior of `genre` in the music since the last change, 0–1; `null` unless the state is `music`.
    #[serde(serialize_with = "to_4_places")]
    pub confidence: Option<f32>,
    /// Since when `genre` has been what it is.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
}

/// One line a scored patch: what it showed, and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Wall-clock time of the patch's end.
    #[serde(serialize_with = "rfc3339")]
    pub ts: Timestamp,
    /// Index of the patch.
    pub patch: u64,
    /// Start in the source, in seconds.
    #[serde(serialize_with = "to_thousandths")]
    pub start: f64,
    /// End in the source, in seconds.
    #[serde(serialize_with = "to_thousandths")]
    pub end: f64,
    /// Every label by the patch alone, best first.
    pub posteriors: Vec<LabelP>,
    /// What it is, whatever its genre; `null` where the model has no gate.
    pub gate: Option<Gate>,
    /// Silence.
    pub level: Level,
    /// Whether the patch counted as evidence.
    pub weighed: bool,
    /// The sound since the last change.
    pub run: Run,
    /// How what may be published next stands; `null` before any evidence, and in silence.
    pub choice: Option<Choice>,
    /// What is held: it is what is published, unless that is `silence` or `uncertain`.
    pub held: Option<Arc<str>>,
    /// Whether it was chosen since the last change.
    pub settled: bool,
    /// How many seconds more what was chosen before the last change is held at most.
    #[serde(serialize_with = "to_thousandths_or_null")]
    pub carried_for: Option<f64>,
    /// What is published after it.
    pub published: Published,
}

/// Posteriors of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Music, singing included.
    #[serde(serialize_with = "to_4_places")]
    pub music: f32,
    /// Speech, over music or alone.
    #[serde(serialize_with = "to_4_places")]
    pub speech: f32,
    /// Neither.
    #[serde(serialize_with = "to_4_places")]
    pub noise: f32,
}

/// Dead air: silence by loudness, and what else it is told by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Short-term loudness in LUFS at the patch's end.
    #[serde(serialize_with = "loudness")]
    pub lufs_s: f32,
    /// Below this it is quiet: `silence.threshold_lufs`, and in silence a margin more.
    #[serde(serialize_with = "loudness")]
    pub quiet_below: f32,
    /// For how many seconds it has been quiet.
    #[serde(serialize_with = "to_thousandths")]
    pub quiet_s: f64,
    /// `silence.after`
    pub after: f64,
    /// What makes it dead air: `silence`, `loop` or `tone`; `null` where it is none.
    pub dead_air: Option<Arc<str>>,
    /// For how many seconds it has been one pure tone.
    #[serde(serialize_with = "to_thousandths")]
    pub tone_s: f64,
    /// For how many seconds it has repeated itself.
    #[serde(serialize_with = "to_thousandths")]
    pub repeated_s: f64,
}

/// The sound since the last change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Seconds since it began.
    #[serde(serialize_with = "to_thousandths")]
    pub age: f64,
    /// Seconds of evidence, what has faded left out.
    #[serde(serialize_with = "to_thousandths")]
    pub seconds: f64,
    /// Seconds that wait beside it, and may be the beginning of the next.
    #[serde(serialize_with = "to_thousandths")]
    pub waiting: f64,
    /// The patch's distance from it; `null` where there is too little to be unlike of.
    #[serde(serialize_with = "to_thousandths_or_null")]
    pub patch_distance: Option<f64>,
    /// `decision.change_distance`
    pub change_distance: f64,
    /// What speaks for a change, in seconds.
    #[serde(serialize_with = "to_thousandths")]
    pub sum: f64,
    /// `decision.change_seconds`
    pub change_seconds: f64,
    /// Whether the patch completed a change.
    pub changed: bool,
    /// How far it is from the run before; `null` where there was none.
    #[serde(serialize_with = "to_thousandths_or_null")]
    pub step: Option<f64>,
    /// Every state, the one that most speaks for first.
    pub states: Vec<StateEvidence>,
}

/// What speaks for one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateEvidence {
    /// The state.
    pub state: Arc<str>,
    /// Seconds of evidence.
    #[serde(serialize_with = "to_thousandths")]
    pub seconds: f64,
    /// Their share of the run's, 0–1.
    #[serde(serialize_with = "to_thousandths")]
    pub share: f64,
}

/// What makes a state the one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// It leads the next: so after a change.
    Lead,
    /// It leads the held one: so without.
    Replace,
}

/// How the state that may be held next stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What it must do.
    pub rule: Rule,
    /// What was held before.
    pub held: Option<Arc<str>>,
    /// The state.
    pub candidate: Arc<str>,
    /// The one that it must lead.
    pub against: Arc<str>,
    /// By how many seconds of evidence it does; below 0 it trails.
    #[serde(serialize_with = "to_thousandths")]
    pub ahead: f64,
    /// By how many it must.
    #[serde(serialize_with = "to_thousandths")]
    pub needed: f64,
    /// Its share of the evidence, 0–1.
    #[serde(serialize_with = "to_thousandths")]
    pub share: f64,
    /// `decision.least`
    pub least: f64,
    /// Whether it did, and is held since.
    pub passes: bool,
}

fn to_thousandths<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    ((value * 1e3).round() / 1e3).serialize(serializer)
}

fn to_thousandths_or_null<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    super::to_3_places(value, serializer)
}

#[cfg(test)]
mod tests {
    use crate::sink::samples;

    use super::*;

    #[test]
    fn trace_and_back() {
        let text = serde_json::to_string(&samples::trace()).unwrap();
        insta::assert_snapshot!(text, @r#"{"ts":"2026-11-03T14:03:07.000Z","patch":186,"start":185.984,"end":188.976,"posteriors":[{"label":"jazz","p":0.41},{"label":"rock","p":0.38},{"label":"blues","p":0.21}],"gate":{"music":0.97,"speech":0.02,"noise":0.01},"level":{"lufs_s":-14.23,"quiet_below":-60.0,"quiet_s":0.0,"after":2.0,"dead_air":null,"tone_s":0.0,"repeated_s":0.0},"weighed":true,"run":{"age":68.0,"seconds":64.25,"waiting":0.0,"patch_distance":0.383,"change_distance":0.57,"sum":0.0,"change_seconds":1.5,"changed":false,"step":0.82,"states":[{"state":"jazz","seconds":29.5,"share":0.459},{"state":"rock","seconds":17.5,"share":0.272},{"state":"blues","seconds":14.25,"share":0.222},{"state":"speech","seconds":2.0,"share":0.031},{"state":"noise","seconds":1.0,"share":0.016}]},"choice":{"rule":"replace","held":"rock","candidate":"jazz","against":"rock","ahead":12.0,"needed":150.0,"share":0.459,"least":0.15,"passes":false},"held":"rock","settled":true,"carried_for":null,"published":{"state":"music","genre":"rock","confidence":0.46,"since":"2026-11-03T14:01:59.000Z"}}"#);
        assert_eq!(serde_json::from_str::<Trace>(&text).unwrap(), samples::trace());
    }
}
