//! Description and statistics of the running daemon.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{SourceHealth, SourceState};

/// Description of the daemon: what it runs, with which model, on which sources.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonInfo {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Random id of the installation, the same at every start; `None` without a state folder.
    pub instance: Option<Arc<str>>,
    /// Version of the program.
    pub version: &'static str,
    /// Start of the process.
    pub started: Timestamp,
    /// Bundle name.
    pub model: Arc<str>,
    /// SHA-256 of the trunk file.
    pub model_sha256: Arc<str>,
    /// Head name.
    pub head: Arc<str>,
    /// Labels of the head.
    pub labels: Vec<Arc<str>>,
    /// Execution provider in use: `cpu` or `cuda`.
    pub execution_provider: &'static str,
    /// Reason for the choice of that provider.
    pub execution_provider_reason: Arc<str>,
    /// Lookahead of the trunk, in milliseconds.
    pub lookahead_ms: f64,
    /// Seconds between patches.
    pub hop_s: f64,
    /// The sources, in the order of the configuration.
    pub sources: Vec<SourceIdentity>,
}

/// Name and address of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceIdentity {
    /// Name, as in topics.
    pub name: Arc<str>,
    /// Name, as configured.
    pub display_name: Arc<str>,
    /// Address, credentials removed.
    pub uri: Arc<str>,
}

/// Counters and timings of the daemon.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonStats {
    /// Random id of this process run.
    pub run: Arc<str>,
    /// Time of the snapshot.
    pub at: Timestamp,
    /// Execution provider in use: `cpu` or `cuda`.
    pub execution_provider: &'static str,
    /// Seconds of audio scored per second of inference; `None` before the first patch.
    pub realtime_factor: Option<f64>,
    /// Resident memory in MiB; `None` where the system does not report it.
    pub rss_mb: Option<f64>,
    /// Mean number of processor cores in use since the last snapshot.
    pub cpu_cores: Option<f64>,
    /// Overload; `None` while all live sources are analysed without a pause.
    pub overload: Option<OverloadStats>,
    /// Per source, by name in topics.
    pub sources: BTreeMap<Arc<str>, SourceStats>,
}

/// Overload: there are more live sources than the machine can analyse, and they take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverloadStats {
    /// Live sources that deliver audio.
    pub sources: usize,
    /// Estimated number of them that could be analysed without a pause.
    pub sources_fit: usize,
}

/// Counters of one source; `produced = scored + dropped` whenever nothing is in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceStats {
    /// Published state.
    pub state: SourceState,
    /// Health of the input.
    pub health: SourceHealth,
    /// Reason, for people; `None` where the source is healthy.
    pub health_reason: Option<Arc<str>>,
    /// Patches produced.
    pub produced: u64,
    /// Patches scored.
    pub scored: u64,
    /// Patches dropped.
    pub dropped: u64,
    /// Audio skipped because of an overload, in seconds; neither loudness nor dead air is measured
    /// in it.
    pub skipped_s: Option<f64>,
    /// Overflows of the capture ring buffer.
    pub xruns: u64,
    /// Times that the source was reopened.
    pub reconnects: u64,
    /// Median time from the arrival of a patch's last sample to its decision, in milliseconds.
    pub latency_ms_p50: Option<f64>,
    /// 99th percentile of the same.
    pub latency_ms_p99: Option<f64>,
}
