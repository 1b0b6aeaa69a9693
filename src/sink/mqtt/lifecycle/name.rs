//! Node name of this run, and conflicts about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sink::mqtt::name_probe::{NameLookup, PeerInfo};
use crate::state_dir::numbered;

/// Time within which a live daemon publishes: it sends `stats` each 30 seconds, and a broker
/// detects a lost client after one and a half keep-alive intervals.
const PEER_TIMEOUT: Duration = Duration::from_secs(35);

/// Node name of this run.
#[derive(Debug)]
pub(crate) struct NodeName {
    requested: Arc<str>,
    /// Number of the candidate: the requested name, `<node>-2`, `<node>-3` …
    number: usize,
    /// The name must be the requested one.
    fixed: bool,
    /// Id of this installation, which survives restarts.
    instance: Option<Arc<str>>,
    /// A lookup found no other daemon under the candidate.
    confirmed: bool,
    /// A run that has used the name for longer, and the time of its last `info`.
    rival: Option<(Arc<str>, Instant)>,
}

impl NodeName {
    /// A fixed name.
    pub(crate) fn new(requested: Arc<str>) -> Self {
        Self { requested, number: 1, fixed: true, instance: None, confirmed: false, rival: None }
    }

    /// Allows alternatives if another daemon uses the name.
    pub(crate) fn allow_alternatives(&mut self) {
        self.fixed = false;
    }

    /// Sets the id of this installation. Its earlier runs do not conflict with this one.
    pub(crate) fn set_instance(&mut self, instance: Arc<str>) {
        self.instance = Some(instance);
    }

    pub(super) fn requested(&self) -> &Arc<str> {
        &self.requested
    }

    pub(super) fn instance(&self) -> Option<&Arc<str>> {
        self.instance.as_ref()
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.fixed
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Name to look up or to use.
    pub(super) fn candidate(&self) -> String {
        numbered(&self.requested, self.number)
    }

    pub(super) fn confirm(&mut self) {
        self.confirmed = true;
    }

    /// Proceeds to the next alternative.
    pub(super) fn advance(&mut self) {
        self.confirmed = false;
        self.number += 1;
    }

    /// Maximum wait for a registered daemon to publish. An alternative name is cheaper than a wait.
    pub(super) fn peer_timeout(&self) -> Duration {
        if self.fixed { PEER_TIMEOUT } else { Duration::ZERO }
    }

    /// Returns true if another daemon uses the candidate.
    pub(super) fn is_taken(&self, found: &NameLookup) -> bool {
        let instance = self.instance.as_deref();
        if self.fixed { found.is_taken(instance) } else { found.seems_taken(instance) }
    }

    /// Handles the `info` of another run. The run that started later yields, after two messages: a
    /// single one may be a delayed echo, while a live daemon answers each `info` of this run.
    pub(super) fn yields_to(&mut self, peer: &PeerInfo, own: (&str, &str), now: Instant) -> bool {
        let is_older = !peer.started.is_empty() && (peer.started.as_str(), &*peer.run) < own;
        let rival = self.rival.take().filter(|(_, at)| now.saturating_duration_since(*at) < PEER_TIMEOUT);
        let repeated = rival.is_some_and(|(run, _)| run == peer.run);
        if is_older {
            self.rival = Some((Arc::clone(&peer.run), now));
        }
        is_older && repeated
    }
}
