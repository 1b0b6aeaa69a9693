//! Log messages about the broker: each failure once, and its end.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::server::Server;
use super::wire::Limits;
use super::withheld::{Refused, Sized};

/// A failure that goes on is said again after this long.
const REMINDER: Duration = Duration::from_secs(600);

/// Says each failure once, and when it is over.
#[derive(Debug)]
pub struct Reporter {
    server: Server,
    since: Option<Instant>,
    attempts: u32,
    said: Vec<(String, Instant)>,
    /// Messages that are logged once in the life of the process.
    for_good: Vec<String>,
    ever: bool,
    /// A failure was logged after the last connection was.
    complained: bool,
    /// Last report of dropped messages, and its time.
    losses: (u64, u64, Option<Instant>),
}

impl Reporter {
    /// For the broker at `server`.
    pub fn new(server: Server) -> Self {
        Self {
            server,
            since: None,
            attempts: 0,
            said: Vec::new(),
            for_good: Vec::new(),
            ever: false,
            complained: false,
            losses: (0, 0, None),
        }
    }

    /// A connection ended on a message, which has been said.
    pub fn interrupted(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.attempts += 1;
    }

    /// A connection, or an attempt, ended.
    pub fn failed(&mut self, failure: &Failure, now: Instant, retry_in: Duration, waiting_events: usize) {
        let since = *self.since.get_or_insert(now);
        self.attempts += 1;
        let retry_in_s = format!("{:.1}", retry_in.as_secs_f64());
        let reason = failure.reason.as_str();
        match self.said.iter_mut().find(|(said, _)| said == reason) {
            Some((_, at)) if now.duration_since(*at) < REMINDER => {
                tracing::debug!(broker = %self.server, reason, retry_in_s, "no connection to the MQTT broker");
            }
            Some((_, at)) => {
                *at = now;
                self.complained = true;
                let down_s = now.duration_since(since).as_secs();
                tracing::warn!(broker = %self.server, reason, cure = failure.cure, down_s, waiting_events, "still no connection to the MQTT broker");
            }
            None => {
                self.said.push((reason.to_owned(), now));
                self.complained = true;
                tracing::warn!(broker = %self.server, reason, cure = failure.cure, retry_in_s, "no connection to the MQTT broker, going on without it");
            }
        }
    }

    /// A connection was made. Of one that is closed and made again and again, the log says no more than of its failures.
    pub fn connected(&mut self, now: Instant, waiting_events: usize, limits: &Limits) {
        let broker = &self.server;
        let protocol = limits.version;
        match self.since.take() {
            Some(since) => {
                let down_s = format!("{:.1}", now.duration_since(since).as_secs_f64());
                let attempts = self.attempts;
                let again = if self.ever {
                    "connected to the MQTT broker again"
                } else {
                    "connected to the MQTT broker"
                };
                if self.complained || !self.ever {
                    tracing::info!(%broker, %protocol, down_s, attempts, waiting_events, "{again}");
                } else {
                    tracing::debug!(%broker, %protocol, down_s, attempts, waiting_events, "{again}");
                }
            }
            None => tracing::info!(%broker, %protocol, "connected to the MQTT broker"),
        }
        if let Some(id) = &limits.assigned_id
            && self.is_news("id")
        {
            tracing::info!(broker = %self.server, id, "the MQTT broker chose the client id");
        }
        (self.ever, self.complained, self.attempts) = (true, false, 0);
    }

    /// MQTT 5 was tried, and MQTT 3.1.1 works.
    pub fn fell_back(&mut self) {
        if self.said_once("3.1.1") {
            tracing::info!(broker = %self.server, "the broker does not speak MQTT 5; MQTT 3.1.1 is used until the daemon ends");
        }
    }

    /// Logs what the broker does not offer.
    pub fn restricted(&mut self, limits: &Limits) {
        if !limits.retain && self.said_once("retain") {
            tracing::warn!(broker = %self.server, "the MQTT broker takes no retained messages: late subscribers see nothing until the next message, and a restarted Home Assistant no entities until its birth message; allow them (mosquitto: `retain_available true`)");
        }
        if limits.max_qos == 0 && self.said_once("qos") {
            tracing::warn!(broker = %self.server, "the MQTT broker offers quality of service 0 alone: events may be lost; allow 1 (mosquitto: `max_qos 1`)");
        }
    }

    /// A message is larger than the broker said it takes.
    pub fn too_large(&mut self, message: &Sized, limits: &Limits) {
        let Sized { topic, bytes } = message;
        if self.said_once(&format!("large {topic}")) {
            let (broker, limit) = (&self.server, limits.max_packet);
            let lost = lost_without(topic);
            tracing::warn!(%broker, topic, bytes, limit, "message is too large for the MQTT broker and is not sent: {lost}; raise the broker's limit (mosquitto: `max_packet_size`)");
        }
    }

    /// The broker refused a message with a reason code, or closed the connection on it. Whether that was news.
    pub fn refused(&mut self, refused: &Refused) -> bool {
        let Refused { message: Sized { topic, bytes }, reason, withheld } = refused;
        let leaf = topic.rsplit('/').next().unwrap_or_default();
        // One message for all sources.
        if !self.is_news(&format!("refused {leaf} {}", reason.map_or(0, |reason| reason.0))) {
            return false;
        }
        let (broker, lost) = (&self.server, lost_without(topic));
        let then = if *withheld { "it is not sent again" } else { "it is tried again later" };
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

    /// The broker took messages, and does not have them.
    pub fn swallowed(&mut self, messages: &[Sized], withheld: bool) {
        let Some(Sized { topic, bytes }) = messages.first() else { return };
        let (broker, lost, count) = (&self.server, lost_without(topic), messages.len());
        if withheld {
            tracing::warn!(%broker, topic, bytes, count, "the MQTT broker drops messages of this size without a word, they are not sent again: {lost}; raise the broker's limit (mosquitto: `message_size_limit`) and restart genred");
        } else {
            tracing::warn!(%broker, topic, bytes, count, "the MQTT broker takes this message and does not pass it on: {lost}; allow this user to publish there, in the broker's access list (`genred test-mqtt` tells more)");
        }
    }

    /// Totals of what was dropped so far.
    pub fn dropped(&mut self, events: u64, windows: u64, now: Instant) {
        let (said_events, said_windows, at) = self.losses;
        let quiet = at.is_some_and(|at| now.duration_since(at) < REMINDER);
        // The first lost event is always news.
        if (events, windows) == (said_events, said_windows) || (quiet && (said_events > 0 || events == 0)) {
            return;
        }
        self.losses = (events, windows, Some(now));
        tracing::warn!(
            broker = %self.server, events, windows,
            "messages dropped: the MQTT broker is away for too long, or slower than they come"
        );
    }

    /// The daemon ends, and never got through. `kept`: what waits is there at the next start.
    pub fn abandoned(&self, waiting_events: usize, kept: bool) {
        let fate = if kept { "what waits is kept for the next start" } else { "what waits is lost" };
        tracing::warn!(broker = %self.server, waiting_events, "ending without a connection to the MQTT broker; {fate}");
    }

    /// The broker refused subscriptions: topics, and what is lost by it.
    pub fn not_subscribed(&mut self, refused: &[(String, &'static str)]) {
        for (topic, lost) in refused {
            if self.is_news(topic) {
                tracing::warn!(broker = %self.server, topic, "the MQTT broker refuses a subscription: {lost}; allow this user to read the topic");
            }
        }
    }

    /// Reports that a message on `topic` did not come back.
    pub fn unheard(&mut self, topic: &str) {
        if self.is_news("unheard") {
            tracing::warn!(broker = %self.server, topic, "the MQTT broker takes messages and passes none on: is this user allowed to publish? `genred test-mqtt` tells");
        }
    }

    /// Returns true the first time in the life of the process.
    fn said_once(&mut self, what: &str) -> bool {
        let news = !self.for_good.iter().any(|said| said == what);
        self.for_good.extend(news.then(|| what.to_owned()));
        news
    }

    /// True if this has not been said for a while.
    fn is_news(&mut self, what: &str) -> bool {
        let now = Instant::now();
        match self.said.iter_mut().find(|(said, _)| said == what) {
            Some((_, at)) if now.duration_since(*at) < REMINDER => return false,
            Some((_, at)) => *at = now,
            None => self.said.push((what.to_owned(), now)),
        }
        true
    }

    /// The connection has lasted: what is said next is news.
    pub fn healthy(&mut self) {
        self.said.clear();
    }
}

/// Consequence of missing messages on a topic.
fn lost_without(topic: &str) -> &'static str {
    match topic.rsplit('/').next().unwrap_or_default() {
        "config" => "Home Assistant does not learn of these entities",
        "info" => {
            "subscribers do not learn what runs here, and another daemon of the same `node` goes unnoticed"
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
