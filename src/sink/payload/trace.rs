//! Lines of the trace socket, which `genred why` reads.
//!
//! Unlike the payloads of topics, they are read by the version of the program that wrote them.
//! A *state* is a label, `speech` or `noise`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{LabelPayload, loudness, rfc3339, to_4_places};
use crate::decision::trace::RankedShare;
use crate::event::{GatePosteriors, NamedVerdict};
use crate::sink::PatchExplanation;

/// First line: the daemon, and the last published states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TraceHello {
    /// Random id of this start of the process.
    pub(crate) run: Arc<str>,
    /// Version of the program.
    pub(crate) version: Arc<str>,
    /// Name in topics.
    pub(crate) node: Arc<str>,
    /// The sources, as configured.
    pub(crate) sources: Vec<TracedSource>,
}

/// Source in [`TraceHello`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TracedSource {
    /// Name, as in topics.
    pub(crate) name: Arc<str>,
    /// Name, as configured.
    pub(crate) source_name: Arc<str>,
    /// Published state; `null` before the first.
    pub(crate) published: Option<PublishedPayload>,
    /// Last changes of the genre, newest last.
    pub(crate) changes: Vec<GenreChange>,
}

/// Change of the published genre, state names included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GenreChange {
    /// Time of the decision.
    #[serde(serialize_with = "rfc3339")]
    pub(crate) ts: Timestamp,
    /// Genre before.
    pub(crate) from: Arc<str>,
    /// Genre now.
    pub(crate) to: Arc<str>,
}

/// Published state of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct PublishedPayload {
    /// `music`, `speech`, `silence`, `noise`, `uncertain` or `lost`.
    pub(crate) state: Arc<str>,
    /// A label where `state` is `music`, else the state's name.
    pub(crate) genre: Arc<str>,
    /// Mean posterior of `genre` in the music since the last change, 0–1; `null` unless the state
    /// is `music`.
    #[serde(serialize_with = "to_4_places")]
    pub(crate) confidence: Option<f32>,
    /// Time since which `genre` has been published.
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    pub(crate) since: Timestamp,
}

/// Line per scored patch: its posteriors, and the decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct TracePayload {
    /// Wall-clock time of the patch's end.
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    pub(crate) ts: Timestamp,
    /// Index of the patch.
    pub(crate) patch: u64,
    /// Start in the source, in seconds.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) start: f64,
    /// End in the source, in seconds.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) end: f64,
    /// Posterior of every label for this patch alone, best first.
    pub(crate) posteriors: Vec<LabelPayload>,
    /// Gate posteriors; `null` where the model has no gate.
    pub(crate) gate: Option<GatePayload>,
    /// Loudness and dead air.
    pub(crate) level: LevelPayload,
    /// True if the patch counted as evidence.
    pub(crate) weighed: bool,
    /// Present segment.
    pub(crate) sound: SoundPayload,
    /// Comparison with the state that may be published next; `null` before any evidence, and in
    /// silence.
    pub(crate) choice: Option<ChoicePayload>,
    /// Held state: the published one, unless that is `silence` or `uncertain`.
    pub(crate) held: Option<Arc<str>>,
    /// Seconds after which it is given up; `null` unless another state has a larger share.
    #[serde(serialize_with = "to_thousandths_or_null")]
    pub(crate) kept_for_s: Option<f64>,
    /// State published after this patch.
    pub(crate) published: PublishedPayload,
}

/// Posteriors of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct GatePayload {
    /// Music, singing included.
    #[serde(serialize_with = "to_4_places")]
    pub(crate) music: f32,
    /// Speech, over music or alone.
    #[serde(serialize_with = "to_4_places")]
    pub(crate) speech: f32,
    /// Neither.
    #[serde(serialize_with = "to_4_places")]
    pub(crate) noise: f32,
}

/// Loudness, silence and other dead air.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct LevelPayload {
    /// Short-term loudness in LUFS at the patch's end.
    #[serde(serialize_with = "loudness")]
    pub(crate) lufs_s: f32,
    /// Threshold of quiet: `silence.threshold_lufs`, plus a margin while silent.
    #[serde(serialize_with = "loudness")]
    pub(crate) quiet_below: f32,
    /// Seconds of quiet.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) quiet_s: f64,
    /// `silence.after_s`
    pub(crate) after: f64,
    /// Cause of dead air: `silence`, `loop` or `tone`; `null` without dead air.
    pub(crate) dead_air: Option<Arc<str>>,
    /// Seconds of a single pure tone.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) tone_s: f64,
    /// Seconds of repeated sound.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) repeated_s: f64,
}

/// Present segment: audio since the last change point, described by one mixture of states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct SoundPayload {
    /// Seconds since its most probable start.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) age_s: f64,
    /// Probability of the patch under the segment before it, 0–1; `null` for the first patch.
    #[serde(serialize_with = "to_thousandths_or_null")]
    pub(crate) fit: Option<f64>,
    /// Probability of a later change point, 0–1.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) changing: f64,
    /// Every state, the one with the largest share first.
    pub(crate) states: Vec<SharePayload>,
}

/// Share of one state in the present segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct SharePayload {
    /// The state.
    pub(crate) state: Arc<str>,
    /// Its share, 0–1.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) share: f64,
}

/// Comparison of the state that may be held next with the held one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct ChoicePayload {
    /// State that was held before.
    pub(crate) held: Option<Arc<str>>,
    /// The state.
    pub(crate) candidate: Arc<str>,
    /// State that it must lead; `null` where none is held: it must lead an even share of all
    /// states.
    pub(crate) against: Option<Arc<str>>,
    /// Share by which it leads; negative if it trails.
    #[serde(serialize_with = "to_thousandths")]
    pub(crate) ahead: f64,
    /// `decision.switch_margin`
    pub(crate) needed: f64,
    /// True if it leads by that much and is held since.
    pub(crate) passes: bool,
}

impl PublishedPayload {
    /// Verdict that has been published since `since`.
    pub(crate) fn new(verdict: &NamedVerdict, since: Timestamp) -> Self {
        Self {
            state: verdict.state.as_str().into(),
            genre: verdict.genre.clone(),
            confidence: verdict.confidence,
            since,
        }
    }
}

impl From<&PatchExplanation> for TracePayload {
    fn from(explanation: &PatchExplanation) -> Self {
        let PatchExplanation { patch, reasons, .. } = explanation;
        let name = |number: usize| explanation.state_names.get(number).cloned().unwrap_or_default();
        let share = |of: &RankedShare| SharePayload { state: name(of.state), share: of.share };
        let gate = explanation
            .gate
            .filter(|gate| [gate.music, gate.speech, gate.noise].iter().all(|p| p.is_finite()));
        Self {
            ts: patch.ends_at,
            patch: patch.index,
            start: patch.span.start,
            end: patch.span.end,
            posteriors: LabelPayload::list(&explanation.posteriors),
            gate: gate.map(|GatePosteriors { music, speech, noise }| GatePayload { music, speech, noise }),
            level: LevelPayload {
                lufs_s: patch.level.lufs_s,
                quiet_below: reasons.level.quiet_below,
                quiet_s: reasons.level.quiet.0,
                after: reasons.level.after.0,
                dead_air: reasons.level.dead_air.map(|cause| cause.as_str().into()),
                tone_s: patch.level.tone_s.into(),
                repeated_s: patch.level.repeated_s.into(),
            },
            weighed: reasons.weighed,
            sound: SoundPayload {
                age_s: reasons.segment.age.0,
                fit: reasons.segment.fit,
                changing: reasons.segment.changing,
                states: reasons.segment.states.iter().map(share).collect(),
            },
            choice: reasons.comparison.map(|choice| ChoicePayload {
                held: choice.held.map(name),
                candidate: name(choice.candidate),
                against: choice.against.map(name),
                ahead: choice.ahead,
                needed: choice.needed,
                passes: choice.passes,
            }),
            held: reasons.held.map(name),
            kept_for_s: reasons.kept_for.map(|left| left.0),
            published: PublishedPayload::new(&explanation.published, explanation.since),
        }
    }
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
        let payload = TracePayload::from(&samples::explanation());
        let text = serde_json::to_string(&payload).unwrap();
        insta::assert_snapshot!(text, @r#"{"ts":"2026-11-03T14:03:07.000Z","patch":186,"start":185.984,"end":188.976,"posteriors":[{"label":"jazz","p":0.41},{"label":"rock","p":0.38},{"label":"blues","p":0.21}],"gate":{"music":0.97,"speech":0.02,"noise":0.01},"level":{"lufs_s":-14.23,"quiet_below":-60.0,"quiet_s":0.0,"after":2.0,"dead_air":null,"tone_s":0.0,"repeated_s":0.0},"weighed":true,"sound":{"age_s":68.0,"fit":0.334,"changing":0.021,"states":[{"state":"jazz","share":0.459},{"state":"rock","share":0.272},{"state":"blues","share":0.222},{"state":"speech","share":0.031},{"state":"noise","share":0.016}]},"choice":{"held":"rock","candidate":"jazz","against":"rock","ahead":0.187,"needed":0.25,"passes":false},"held":"rock","kept_for_s":96.0,"published":{"state":"music","genre":"rock","confidence":0.46,"since":"2026-11-03T14:01:59.000Z"}}"#);
        assert_eq!(serde_json::from_str::<TracePayload>(&text).unwrap(), payload);
    }
}
