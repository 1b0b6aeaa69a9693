//! Values that stay the same during a run.

use std::sync::Arc;
use std::time::Duration;

/// Values that stay the same during a run.
pub(crate) struct RunContext {
    /// Random id of this process run.
    pub(crate) run: Arc<str>,
    /// Bundle name.
    pub(crate) model: Arc<str>,
    /// Head name.
    pub(crate) head: Arc<str>,
    /// Labels of the genre head.
    pub(crate) labels: Vec<Arc<str>>,
    /// Labels of the tag head.
    pub(crate) tags: Vec<Arc<str>>,
    /// Execution provider in use.
    pub(crate) execution_provider: &'static str,
    /// Seconds between patches.
    pub(crate) hop_s: f64,
    /// Interval at which states are repeated.
    pub(crate) heartbeat: Duration,
    /// Messages whose latency ends with a broker's acknowledgement.
    pub(crate) acknowledged: Acknowledged,
    /// True if subscribers may change settings.
    pub(crate) control: bool,
}

/// Messages that a broker acknowledges.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Acknowledged {
    pub(crate) windows: bool,
    pub(crate) events: bool,
}
