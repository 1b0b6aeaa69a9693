//! Node-name conflict detection: reads the retained `status` and `info` before the first publish.
//! Pure. `lifecycle/name.rs` chooses the test; `lifecycle.rs` acts on the result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::discovery::{Discovery, PreviousRun};
use super::protocol::{BrokerLimits, BrokerSignal, ConnectRequest, InboundMessage};
use crate::sink::topics::Topics;

/// Time after the SUBACK in which retained messages arrive.
const RETAINED_TIMEOUT: Duration = Duration::from_millis(400);

/// Content of another run's `info`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PeerInfo {
    pub(crate) run: Arc<str>,
    /// Id of its installation, if any, which survives restarts.
    pub(crate) instance: Option<Arc<str>>,
    /// Start time as text, which sorts like the time.
    pub(crate) started: String,
    /// Names of its sources.
    pub(crate) sources: Vec<Arc<str>>,
    pub(crate) labels: Vec<Arc<str>>,
}

impl PeerInfo {
    /// Parses an `info` payload; `None` if it is not one.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let info: Value = serde_json::from_slice(payload).ok()?;
        let texts = |key: &str, inner: Option<&str>| -> Vec<Arc<str>> {
            let list = info[key].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .filter_map(|item| inner.map_or(item, |key| &item[key]).as_str())
                .map(Arc::from)
                .collect()
        };
        Some(Self {
            run: info["run"].as_str()?.into(),
            instance: info["instance"].as_str().map(Arc::from),
            started: info["started"].as_str().unwrap_or_default().to_owned(),
            sources: texts("sources", Some("name")),
            labels: texts("labels", None),
        })
    }
}

/// Retained messages under a node name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NameLookup {
    /// Content of `info`.
    pub(crate) peer: Option<PeerInfo>,
    /// `status` is `online`.
    pub(crate) online: bool,
    /// The peer has published during the lookup.
    pub(crate) peer_is_alive: bool,
    pub(crate) has_device_discovery: bool,
    pub(crate) has_legacy_discovery: bool,
}

impl NameLookup {
    /// Retained messages that a new run replaces or erases.
    pub(crate) fn previous_run(&self) -> PreviousRun {
        let PeerInfo { sources, labels, .. } = self.peer.clone().unwrap_or_default();
        PreviousRun { sources, labels, device: self.has_device_discovery, legacy: self.has_legacy_discovery }
    }

    /// Returns true if another daemon than `instance` is registered as online. A broker may not
    /// have noticed yet that an earlier run of `instance` is gone.
    pub(crate) fn seems_taken(&self, instance: Option<&str>) -> bool {
        let is_other = |peer: &PeerInfo| instance.is_none() || peer.instance.as_deref() != instance;
        self.online && self.peer.as_ref().is_some_and(is_other)
    }

    /// Returns true if that daemon has also published during the lookup.
    pub(crate) fn is_taken(&self, instance: Option<&str>) -> bool {
        self.seems_taken(instance) && self.peer_is_alive
    }
}

/// A lookup of one node name.
#[derive(Debug, Clone)]
pub(crate) struct LookupQuery {
    /// Connection without a last will, which would act for the daemon that uses the name.
    pub(crate) request: ConnectRequest,
    /// Topics under the node name.
    pub(crate) topics: Topics,
    pub(crate) discovery: Discovery,
    /// Id of this installation.
    pub(crate) instance: Option<Arc<str>>,
    /// Maximum wait for a publication of a registered daemon.
    pub(crate) peer_timeout: Duration,
}

/// Progress of a lookup, as a state machine. If another daemon is registered, it waits up to
/// `peer_timeout` for a publication of that daemon or for its `offline`: every daemon publishes
/// `stats` each 30 seconds, and a broker may keep the `online` of a daemon that is gone.
#[derive(Debug)]
pub(crate) struct NameProbe {
    query: LookupQuery,
    found: NameLookup,
    limits: Option<BrokerLimits>,
    /// End of the lookup, once the subscriptions are acknowledged.
    deadline: Option<Instant>,
    /// End of the wait for a registered daemon, once one was found.
    peer_deadline: Option<Instant>,
}

impl NameProbe {
    pub(crate) fn new(query: LookupQuery) -> Self {
        Self { query, found: NameLookup::default(), limits: None, deadline: None, peer_deadline: None }
    }

    /// Topics to subscribe to after the CONNACK.
    pub(crate) fn filters(&self) -> Vec<String> {
        let topics = &self.query.topics;
        let [device, legacy] = self.query.discovery.marker_topics(topics);
        vec![topics.status(), topics.of_node("info"), topics.of_node("stats"), device, legacy]
    }

    /// Handles a signal. Returns true if the lookup is complete.
    pub(crate) fn on_signal(&mut self, signal: BrokerSignal, now: Instant) -> bool {
        match signal {
            BrokerSignal::Connected(limits) => self.limits = Some(limits),
            BrokerSignal::Subscribed(_) => self.deadline = Some(now + RETAINED_TIMEOUT),
            BrokerSignal::Message(message) => self.on_message(&message),
            _ => {}
        }
        let found = &self.found;
        if self.deadline.is_some()
            && found.seems_taken(self.query.instance.as_deref())
            && !found.peer_is_alive
        {
            let peer_timeout = self.query.peer_timeout;
            let peer_deadline = *self.peer_deadline.get_or_insert_with(|| now + peer_timeout);
            self.deadline = self.deadline.max(Some(peer_deadline));
            return false;
        }
        self.peer_deadline.is_some()
    }

    fn on_message(&mut self, message: &InboundMessage) {
        let topics = &self.query.topics;
        let [device, legacy] = self.query.discovery.marker_topics(topics);
        let (topic, found) = (&message.topic, &mut self.found);
        let (info, stats) = (topics.of_node("info"), topics.of_node("stats"));
        found.peer_is_alive |= !message.retain && (*topic == info || *topic == stats);
        if *topic == topics.status() {
            found.online = message.payload == b"online";
        } else if *topic == info {
            found.peer = PeerInfo::parse(&message.payload);
        } else if *topic == device {
            found.has_device_discovery = !message.payload.is_empty();
        } else if *topic == legacy {
            found.has_legacy_discovery = !message.payload.is_empty();
        }
    }

    /// Time at which the lookup is complete without further signals.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Result and limits of the broker; `None` before the CONNACK.
    pub(crate) fn into_result(self) -> Option<(NameLookup, BrokerLimits)> {
        Some((self.found, self.limits?))
    }
}

#[cfg(test)]
mod tests;
