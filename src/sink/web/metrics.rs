//! Metrics for Prometheus.
//!
//! Nothing is counted here: a collector reads the counters that the pipeline updates, whenever
//! Prometheus asks. Names and units follow the conventions of Prometheus. Labels are bounded: the
//! only free ones are source, genre and names of the model.

mod daemon;
mod family;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::event::DaemonInfo;
use crate::status::DaemonStatus;
use family::MetricWriter;

/// Text format of an exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricsFormat {
    /// Prometheus text format 0.0.4, which every tool reads.
    Prometheus,
    /// OpenMetrics 1.0, with units.
    OpenMetrics,
}

impl MetricsFormat {
    /// Format for a client that sends `accept` as its `Accept` header.
    pub(crate) fn for_client(accept: Option<&str>) -> Self {
        match accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// Value of the `Content-Type` header.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Encodes all metrics at the present moment.
///
/// # Errors
/// Never in practice: the text is written to memory.
pub(crate) fn encode(
    status: &Arc<DaemonStatus>,
    info: &Arc<DaemonInfo>,
    format: MetricsFormat,
) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(StatusCollector { status: status.clone(), info: info.clone() }));
    let mut text = String::new();
    match format {
        MetricsFormat::Prometheus => prometheus_text::encode(&mut text, &registry)?,
        MetricsFormat::OpenMetrics => text::encode(&mut text, &registry)?,
    }
    Ok(text)
}

/// Collector over the status of the daemon.
#[derive(Debug)]
struct StatusCollector {
    status: Arc<DaemonStatus>,
    info: Arc<DaemonInfo>,
}

impl Collector for StatusCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = MetricWriter::new(encoder);
        daemon::encode(&mut writer, &self.status, &self.info)?;
        source::encode(&mut writer, &self.status.sources, Instant::now(), Timestamp::now())
    }
}

#[cfg(test)]
mod tests;
