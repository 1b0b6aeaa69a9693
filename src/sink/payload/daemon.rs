//! `…/info` and `…/stats`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{rfc3339, to_3_places};
use crate::event::{DaemonInfo, DaemonStats, SourceIdentity, SourceStats};

/// `…/info`: description of the daemon.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct InfoPayload<'a> {
    run: &'a str,
    instance: Option<&'a str>,
    version: &'static str,
    #[serde(serialize_with = "rfc3339")]
    started: Timestamp,
    model: &'a str,
    model_sha256: &'a str,
    head: &'a str,
    labels: &'a [Arc<str>],
    execution_provider: &'static str,
    execution_provider_reason: &'a str,
    lookahead_ms: f64,
    hop_s: f64,
    sources: Vec<IdentityPayload<'a>>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct IdentityPayload<'a> {
    name: &'a str,
    source_name: &'a str,
    uri: &'a str,
}

impl<'a> From<&'a DaemonInfo> for InfoPayload<'a> {
    fn from(info: &'a DaemonInfo) -> Self {
        let identity = |SourceIdentity { name, display_name, uri }: &'a SourceIdentity| IdentityPayload {
            name,
            source_name: display_name,
            uri,
        };
        Self {
            run: &info.run,
            instance: info.instance.as_deref(),
            version: info.version,
            started: info.started,
            model: &info.model,
            model_sha256: &info.model_sha256,
            head: &info.head,
            labels: &info.labels,
            execution_provider: info.execution_provider,
            execution_provider_reason: &info.execution_provider_reason,
            lookahead_ms: info.lookahead_ms,
            hop_s: info.hop_s,
            sources: info.sources.iter().map(identity).collect(),
        }
    }
}

/// `…/stats`: counters and timings since the start of the process.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatsPayload<'a> {
    run: &'a str,
    #[serde(serialize_with = "rfc3339")]
    ts: Timestamp,
    execution_provider: &'static str,
    #[serde(serialize_with = "to_3_places")]
    realtime_factor: Option<f64>,
    #[serde(serialize_with = "to_3_places")]
    rss_mb: Option<f64>,
    #[serde(serialize_with = "to_3_places")]
    cpu_cores: Option<f64>,
    mqtt: Option<ConnectionStats>,
    overload: Option<OverloadPayload>,
    sources: BTreeMap<&'a str, SourceStatsPayload<'a>>,
}

/// State of the MQTT connection, as part of [`StatsPayload`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct ConnectionStats {
    /// Always true in a message that arrives.
    pub(crate) connected: bool,
    /// Connections after the first.
    pub(crate) reconnects: u64,
    /// Events that wait for their acknowledgement.
    pub(crate) outbox: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct OverloadPayload {
    sources: usize,
    sources_fit: usize,
}

/// Counters of one source.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct SourceStatsPayload<'a> {
    state: &'static str,
    health: &'static str,
    health_reason: Option<&'a str>,
    produced: u64,
    scored: u64,
    dropped: u64,
    #[serde(serialize_with = "to_3_places")]
    skipped_s: Option<f64>,
    xruns: u64,
    reconnects: u64,
    #[serde(serialize_with = "to_3_places")]
    latency_ms_p50: Option<f64>,
    #[serde(serialize_with = "to_3_places")]
    latency_ms_p99: Option<f64>,
}

impl<'a> From<&'a DaemonStats> for StatsPayload<'a> {
    fn from(stats: &'a DaemonStats) -> Self {
        let overload = stats
            .overload
            .map(|overload| OverloadPayload { sources: overload.sources, sources_fit: overload.sources_fit });
        Self {
            run: &stats.run,
            ts: stats.at,
            execution_provider: stats.execution_provider,
            realtime_factor: stats.realtime_factor,
            rss_mb: stats.rss_mb,
            cpu_cores: stats.cpu_cores,
            mqtt: None,
            overload,
            sources: stats.sources.iter().map(|(name, source)| (&**name, source.into())).collect(),
        }
    }
}

impl StatsPayload<'_> {
    /// Adds the state of the MQTT connection.
    #[must_use]
    pub(crate) fn with_connection(self, connection: ConnectionStats) -> Self {
        Self { mqtt: Some(connection), ..self }
    }
}

impl<'a> From<&'a SourceStats> for SourceStatsPayload<'a> {
    fn from(stats: &'a SourceStats) -> Self {
        Self {
            state: stats.state.as_str(),
            health: stats.health.as_str(),
            health_reason: stats.health_reason.as_deref(),
            produced: stats.produced,
            scored: stats.scored,
            dropped: stats.dropped,
            skipped_s: stats.skipped_s,
            xruns: stats.xruns,
            reconnects: stats.reconnects,
            latency_ms_p50: stats.latency_ms_p50,
            latency_ms_p99: stats.latency_ms_p99,
        }
    }
}
