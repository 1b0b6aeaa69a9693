//! Log messages about the broker, without repetitions.

use std::time::{Duration, Instant};

use super::failure::ConnectionFailure;
use super::notice::ConnectionNotice;
use super::protocol::BrokerLimits;
use super::server::Server;
use super::suppression::{MessageSize, RefusedMessage};
use crate::backoff::HEALTHY;

/// Time after which a persistent failure is logged again.
const REMINDER: Duration = Duration::from_secs(600);

/// Logs each failure once, and its end.
#[derive(Debug)]
pub(crate) struct ConnectionReporter {
    server: Server,
    /// Time of the first failure since the last connection.
    since: Option<Instant>,
    attempts: u32,
    /// Messages and the time of their last repetition.
    logged: Vec<(String, Instant)>,
    /// Messages that are logged once per process.
    logged_forever: Vec<String>,
    was_connected: bool,
    /// A failure was logged since the last connection.
    failure_logged: bool,
    /// Last logged numbers of dropped events and windows, and the time.
    losses: (u64, u64, Option<Instant>),
}

impl ConnectionReporter {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            since: None,
            attempts: 0,
            logged: Vec::new(),
            logged_forever: Vec::new(),
            was_connected: false,
            failure_logged: false,
            losses: (0, 0, None),
        }
    }

    /// Logs `notice`. `events_kept`: unacknowledged events survive a restart.
    pub(crate) fn report(&mut self, notice: &ConnectionNotice, now: Instant, events_kept: bool) {
        match notice {
            ConnectionNotice::Connected { limits, waiting_events } => {
                self.connected(now, *waiting_events, limits);
                self.restricted(limits);
            }
            ConnectionNotice::FellBack => self.fell_back(),
            ConnectionNotice::Lost { failure, refused, lasted, retry_in, waiting_events } => {
                let explained = refused.as_ref().is_some_and(|refused| self.refused(refused, now));
                if *lasted >= HEALTHY {
                    self.healthy();
                }
                match explained {
                    true => self.interrupted(now),
                    false => self.failed(failure, now, *retry_in, *waiting_events),
                }
            }
            ConnectionNotice::Abandoned { waiting_events } => self.abandoned(*waiting_events, events_kept),
            ConnectionNotice::Refused(refused) => {
                self.refused(refused, now);
            }
            ConnectionNotice::Oversized { message, max_packet } => self.oversized(message, *max_packet),
            ConnectionNotice::Missing { messages, suppressed } => self.missing(messages, *suppressed),
            ConnectionNotice::NotEchoed { topic } => self.not_echoed(topic, now),
            ConnectionNotice::NotSubscribed(refused) => self.not_subscribed(refused, now),
            ConnectionNotice::NameTaken { node } => {
                tracing::warn!(node, "another genred publishes under this node name");
            }
            ConnectionNotice::NameYielded { node } => {
                tracing::warn!(node, "another genred has published under this node name for longer");
            }
            ConnectionNotice::Renamed { node } => tracing::info!(node, "publishing under this node name"),
            ConnectionNotice::FlushTimeout { waiting_events } => {
                tracing::warn!(waiting_events, "stopping before all events are acknowledged");
            }
            ConnectionNotice::LeaveTimeout => {
                tracing::warn!("the MQTT broker did not acknowledge `offline` in time");
            }
        }
    }

    /// Records a connection whose end was logged with a refused message.
    fn interrupted(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.attempts += 1;
    }

    /// Logs a failed connection or attempt.
    fn failed(
        &mut self,
        failure: &ConnectionFailure,
        now: Instant,
        retry_in: Duration,
        waiting_events: usize,
    ) {
        let since = *self.since.get_or_insert(now);
        self.attempts += 1;
        let retry_in_s = format!("{:.1}", retry_in.as_secs_f64());
        let reason = failure.reason.as_str();
        match self.logged.iter_mut().find(|(said, _)| said == reason) {
            Some((_, at)) if now.duration_since(*at) < REMINDER => {
                tracing::debug!(broker = %self.server, reason, retry_in_s, "no connection to the MQTT broker");
            }
            Some((_, at)) => {
                *at = now;
                self.failure_logged = true;
                let down_s = now.duration_since(since).as_secs();
                tracing::warn!(broker = %self.server, reason, cure = failure.cure, down_s, waiting_events, "still no connection to the MQTT broker");
            }
            None => {
                self.logged.push((reason.to_owned(), now));
                self.failure_logged = true;
                tracing::warn!(broker = %self.server, reason, cure = failure.cure, retry_in_s, "no connection to the MQTT broker, going on without it");
            }
        }
    }

    /// Logs a connection, unless it follows failures that were not logged either.
    fn connected(&mut self, now: Instant, waiting_events: usize, limits: &BrokerLimits) {
        let broker = &self.server;
        let protocol = limits.version;
        match self.since.take() {
            Some(since) => {
                let down_s = format!("{:.1}", now.duration_since(since).as_secs_f64());
                let attempts = self.attempts;
                let again = if self.was_connected {
                    "connected to the MQTT broker again"
                } else {
                    "connected to the MQTT broker"
                };
                if self.failure_logged || !self.was_connected {
                    tracing::info!(%broker, %protocol, down_s, attempts, waiting_events, "{again}");
                } else {
                    tracing::debug!(%broker, %protocol, down_s, attempts, waiting_events, "{again}");
                }
            }
            None => tracing::info!(%broker, %protocol, "connected to the MQTT broker"),
        }
        if let Some(id) = &limits.assigned_id
            && self.is_news("client id", now)
        {
            tracing::info!(broker = %self.server, id, "the MQTT broker chose the client id");
        }
        (self.was_connected, self.failure_logged, self.attempts) = (true, false, 0);
    }

    fn fell_back(&mut self) {
        if self.is_first("3.1.1") {
            tracing::info!(broker = %self.server, "the broker does not speak MQTT 5; MQTT 3.1.1 is used until the daemon ends");
        }
    }

    /// Logs missing features of the broker.
    fn restricted(&mut self, limits: &BrokerLimits) {
        if !limits.retain && self.is_first("retain") {
            tracing::warn!(broker = %self.server, "the MQTT broker takes no retained messages: late subscribers see nothing until the next message, and a restarted Home Assistant no entities until its birth message; allow them (mosquitto: `retain_available true`)");
        }
        if limits.max_qos == 0 && self.is_first("qos") {
            tracing::warn!(broker = %self.server, "the MQTT broker offers quality of service 0 alone: events may be lost; allow 1 (mosquitto: `max_qos 1`)");
        }
    }

    fn oversized(&mut self, message: &MessageSize, limit: usize) {
        let MessageSize { topic, bytes } = message;
        if self.is_first(&format!("large {topic}")) {
            let broker = &self.server;
            let lost = consequence(topic);
            tracing::warn!(%broker, topic, bytes, limit, "message is too large for the MQTT broker and is not sent: {lost}; raise the broker's limit (mosquitto: `max_packet_size`)");
        }
    }

    /// Logs a message that the broker refused with a reason code or by closing the connection.
    /// Returns true if it was not logged recently.
    fn refused(&mut self, refused: &RefusedMessage, now: Instant) -> bool {
        let RefusedMessage { message: MessageSize { topic, bytes }, reason, suppressed } = refused;
        let leaf = topic.rsplit('/').next().unwrap_or_default();
        // One log message for all sources.
        if !self.is_news(&format!("refused {leaf} {}", reason.map_or(0, |reason| reason.0)), now) {
            return false;
        }
        let (broker, lost) = (&self.server, consequence(topic));
        let then = if *suppressed { "it is not sent again" } else { "it is tried again later" };
        match reason {
            Some(reason) => {
                tracing::warn!(%broker, topic, bytes, %reason, cure = reason.cure(), "the MQTT broker refuses a message, {then}: {lost}");
            }
            None => {
                tracing::warn!(%broker, topic, bytes, "the MQTT broker closes the connection when this message is published, {then}: {lost}; allow this user to publish there, or raise the broker's size limit (mosquitto: `max_packet_size`), and restart genred");
            }
        }
        true
    }

    /// Logs messages that the broker acknowledged and did not store.
    fn missing(&mut self, messages: &[MessageSize], suppressed: bool) {
        let Some(MessageSize { topic, bytes }) = messages.first() else { return };
        let (broker, lost, count) = (&self.server, consequence(topic), messages.len());
        if suppressed {
            tracing::warn!(%broker, topic, bytes, count, "the MQTT broker drops messages of this size silently; they are not sent again: {lost}; raise the broker's limit (mosquitto: `message_size_limit`) and restart genred");
        } else {
            tracing::warn!(%broker, topic, bytes, count, "the MQTT broker takes this message and does not pass it on: {lost}; allow this user to publish there, in the broker's access list (`genred test-mqtt` tells more)");
        }
    }

    /// Logs the total numbers of dropped events and windows.
    pub(crate) fn dropped(&mut self, events: u64, windows: u64, now: Instant) {
        let (said_events, said_windows, at) = self.losses;
        let quiet = at.is_some_and(|at| now.duration_since(at) < REMINDER);
        // The first lost event is logged at once.
        if (events, windows) == (said_events, said_windows) || (quiet && (said_events > 0 || events == 0)) {
            return;
        }
        self.losses = (events, windows, Some(now));
        tracing::warn!(
            broker = %self.server, events, windows,
            "messages dropped: the MQTT broker is away for too long or too slow"
        );
    }

    /// Logs the end of the daemon without a connection. `kept`: waiting events survive.
    fn abandoned(&self, waiting_events: usize, kept: bool) {
        let fate =
            if kept { "waiting events are kept for the next start" } else { "waiting events are lost" };
        tracing::warn!(broker = %self.server, waiting_events, "ending without a connection to the MQTT broker; {fate}");
    }

    fn not_subscribed(&mut self, refused: &[(String, &'static str)], now: Instant) {
        for (topic, lost) in refused {
            if self.is_news(topic, now) {
                tracing::warn!(broker = %self.server, topic, "the MQTT broker refuses a subscription: {lost}; allow this user to read the topic");
            }
        }
    }

    fn not_echoed(&mut self, topic: &str, now: Instant) {
        if self.is_news("not echoed", now) {
            tracing::warn!(broker = %self.server, topic, "published messages are not echoed back; check publish permission (`genred test-mqtt` tells more)");
        }
    }

    /// Returns true the first time.
    fn is_first(&mut self, what: &str) -> bool {
        let news = !self.logged_forever.iter().any(|said| said == what);
        self.logged_forever.extend(news.then(|| what.to_owned()));
        news
    }

    /// Returns true if `what` was not logged recently, and records it.
    fn is_news(&mut self, what: &str, now: Instant) -> bool {
        match self.logged.iter_mut().find(|(said, _)| said == what) {
            Some((_, at)) if now.duration_since(*at) < REMINDER => return false,
            Some((_, at)) => *at = now,
            None => self.logged.push((what.to_owned(), now)),
        }
        true
    }

    /// Forgets earlier failures after a connection that lasted.
    fn healthy(&mut self) {
        self.logged.clear();
    }
}

/// Consequence of missing messages on `topic`.
fn consequence(topic: &str) -> &'static str {
    match topic.rsplit('/').next().unwrap_or_default() {
        "config" => "Home Assistant does not learn of these entities",
        "info" => {
            "subscribers do not learn what runs here, and another daemon of the same `node` is not detected"
        }
        "attributes" => "labels, tags and titles are missing",
        "event" => "events do not arrive",
        "state" => "states do not arrive",
        "status" | "availability" => "subscribers do not learn who is online",
        "window" => "windows do not arrive",
        _ => "its content does not arrive",
    }
}

#[cfg(test)]
mod tests;
