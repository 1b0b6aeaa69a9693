//! JSON of the API. Keys that MQTT has too are the same.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::hub::{HubContent, SourceEventRecord, SourceView};
use crate::event::DaemonInfo;
use crate::sink::payload::trace::TracePayload;
use crate::sink::payload::{
    AttributesPayload, EventPayload, SettingsPayload, SourceStatsPayload, StatePayload, words,
};

/// State of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourcePayload<'a> {
    /// Name, as in topics and addresses.
    name: &'a str,
    /// Name, as configured.
    source_name: &'a str,
    /// Address, credentials removed.
    uri: &'a str,
    /// True while audio arrives.
    online: bool,
    /// Published state, as on `…/state`; null before the first.
    state: Option<StatePayload<'a>>,
    /// Best labels and title, as on `…/attributes`; null before the first.
    attributes: Option<AttributesPayload<'a>>,
    /// `starting`, `healthy`, `slow`, `overloaded`, `stalled`, `recovering` or `failed`.
    health: &'static str,
    /// Reason, for people; null where the source is healthy.
    health_reason: Option<&'a str>,
    /// Time of the last change of `health`.
    #[schema(value_type = String, format = DateTime)]
    health_since: String,
    /// Time of the sound at the end of the newest patch; null before the first.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_audio: Option<String>,
    /// Seconds between the sound and its decision; null before the first.
    behind_s: Option<f64>,
    /// Published genre over the last ten minutes: start and end in milliseconds since the Unix
    /// epoch, and the label or state. Absent from server-sent events.
    #[serde(skip_serializing_if = "Option::is_none")]
    ribbon: Option<Vec<(i64, i64, Arc<str>)>>,
    /// Settings that can be changed, as on `…/settings`; null where control is off.
    settings: Option<SettingsPayload<'a>>,
    /// Counters, as on `…/stats`, at most 30 seconds old; null before the first.
    stats: Option<SourceStatsPayload<'a>>,
}

impl<'a> SourcePayload<'a> {
    /// Payload of a source, with or without its ribbon.
    pub(crate) fn new(view: &'a SourceView, with_ribbon: bool) -> Self {
        let identity = view.identity.as_ref();
        let ribbon = || view.ribbon.iter().map(|piece| (piece.start_ms, piece.end_ms, piece.genre.clone()));
        Self {
            name: &view.name,
            source_name: identity.map_or(&*view.name, |identity| &*identity.display_name),
            uri: identity.map_or("", |identity| &*identity.uri),
            online: view.online,
            state: view.state.as_deref().map(StatePayload::from),
            attributes: view.attributes.as_deref().map(AttributesPayload::from),
            health: view.health.as_str(),
            health_reason: view.health_reason.as_deref(),
            health_since: rfc3339(view.health_since),
            last_audio: view.heard_to.map(rfc3339),
            behind_s: view.behind_s.map(|seconds| (seconds * 1e3).round() / 1e3),
            ribbon: with_ribbon.then(|| ribbon().collect()),
            settings: view.settings.as_deref().map(SettingsPayload::from),
            stats: view.stats.as_ref().map(SourceStatsPayload::from),
        }
    }
}

/// All sources.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourcesPayload<'a> {
    /// In the order of the configuration.
    pub(crate) sources: Vec<SourcePayload<'a>>,
}

/// Description of the daemon.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DaemonPayload<'a> {
    /// Random id of this process run.
    run: &'a str,
    /// Version of the program.
    version: &'static str,
    /// Name in topics.
    node: &'a str,
    /// Start of the process.
    #[schema(value_type = String, format = DateTime)]
    started: String,
    /// Bundle name.
    model: &'a str,
    /// Head name.
    head: &'a str,
    /// Labels of the head.
    labels: &'a [Arc<str>],
    /// Seconds between patches.
    hop_s: f64,
    /// `cpu` or `cuda`.
    execution_provider: &'static str,
    /// True if clients may change settings and send corrections.
    control: bool,
    /// True if there is an as-run log, and therefore a history.
    log: bool,
    /// Limits of `POST /classify`; null where it is not available.
    classify: Option<ClassifyLimits>,
    /// Number of live sources that could be analysed without a pause; null without an overload.
    sources_fit: Option<usize>,
    /// Names of the sources, in the order of the configuration.
    sources: Vec<&'a str>,
    /// Present time.
    #[schema(value_type = String, format = DateTime)]
    now: String,
}

/// Limits of `POST /classify`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct ClassifyLimits {
    /// Largest file, in MiB.
    pub(crate) max_mb: u32,
    /// Longest part of a stream, in seconds.
    pub(crate) max_s: f64,
    /// Streams that are accepted: `public` addresses, `any`, or `off`.
    pub(crate) urls: &'static str,
}

impl<'a> DaemonPayload<'a> {
    /// Payload of a daemon that has described itself.
    pub(crate) fn new(info: &'a DaemonInfo, content: &'a HubContent, context: PageContext<'a>) -> Self {
        let PageContext { node, control, log, classify } = context;
        Self {
            run: &info.run,
            version: info.version,
            node,
            started: rfc3339(info.started),
            model: &info.model,
            head: &info.head,
            labels: &info.labels,
            hop_s: info.hop_s,
            execution_provider: info.execution_provider,
            control,
            log,
            classify,
            sources_fit: content.overload.map(|overload| overload.sources_fit),
            sources: content.sources.iter().map(|view| &*view.name).collect(),
            now: rfc3339(Timestamp::now()),
        }
    }
}

/// Values of [`DaemonPayload`] that come from the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageContext<'a> {
    pub(crate) node: &'a str,
    pub(crate) control: bool,
    pub(crate) log: bool,
    pub(crate) classify: Option<ClassifyLimits>,
}

/// Explanation of the newest decision of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplanationPayload<'a> {
    /// Name, as in topics.
    pub(crate) source: &'a str,
    /// Reason for the published genre, and condition for another, in words.
    pub(crate) words: String,
    #[serde(flatten)]
    pub(crate) trace: TracePayload,
}

impl<'a> ExplanationPayload<'a> {
    /// Explanation in numbers and words.
    pub(crate) fn new(source: &'a str, trace: TracePayload) -> Self {
        Self { source, words: words::because(&trace).text, trace }
    }
}

/// Event with its source.
#[derive(Debug, Serialize)]
pub(crate) struct SourceEventPayload<'a> {
    source: &'a str,
    #[serde(flatten)]
    event: EventPayload<'a>,
}

impl<'a> From<&'a SourceEventRecord> for SourceEventPayload<'a> {
    fn from(record: &'a SourceEventRecord) -> Self {
        Self { source: &record.source, event: EventPayload::from(&*record.event) }
    }
}

/// Time in RFC 3339 form, with milliseconds.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}
