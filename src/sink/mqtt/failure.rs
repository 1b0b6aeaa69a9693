//! Why a connection failed, in words that help, said once.

use std::io;
use std::time::{Duration, Instant};

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

use super::config::Server;

/// A failure that goes on is said again after this long.
const REMINDER: Duration = Duration::from_secs(600);

/// What to call a failure, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Same for every repetition.
    pub reason: String,
    /// What the user can do.
    pub cure: &'static str,
}

impl Failure {
    /// Puts a client error into words.
    pub fn of(error: &ConnectionError) -> Self {
        let (reason, cure) = match error {
            ConnectionError::Io(error) => return Self::of_io(error),
            ConnectionError::MqttState(StateError::Io(error)) => return Self::of_io(error),
            ConnectionError::MqttState(StateError::Deserialization(rumqttc::mqttbytes::Error::Io(error))) => {
                return Self::of_io(error);
            }
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
                ("no answer in time".to_owned(), "check the host and the network between")
            }
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                ("the broker stopped answering".to_owned(), "check the broker and the network between")
            }
            ConnectionError::MqttState(StateError::ConnectionAborted) => (
                "the broker closed the connection".to_owned(),
                "see the broker's log; another client with the same id, wrong credentials or a size limit are the usual causes",
            ),
            ConnectionError::ConnectionRefused(code) => return Self::of_code(*code),
            ConnectionError::NotConnAck(_) | ConnectionError::MqttState(_) => (
                format!("the broker breaks the protocol ({error})"),
                "check that `mqtt.url` names an MQTT broker, without TLS",
            ),
            other => (other.to_string(), "check `mqtt.url` and the broker's log"),
        };
        Self { reason, cure }
    }

    /// The client neither sent nor received anything for too long.
    pub fn stalled() -> Self {
        Self {
            reason: "the connection stands still".to_owned(),
            cure: "check the broker and the network between",
        }
    }

    fn of_io(error: &io::Error) -> Self {
        let text = error.to_string();
        let (reason, cure) = match error.kind() {
            io::ErrorKind::ConnectionRefused => (
                "connection refused",
                "is the broker running, and does it listen on this address? (mosquitto takes only local clients until its `listener` is configured)",
            ),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                ("the broker closed the connection", "see the broker's log")
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ("no route to the broker", "check the network and the host in `mqtt.url`")
            }
            io::ErrorKind::TimedOut => ("no answer in time", "check the host and the network between"),
            // The standard library gives name resolution no kind of its own.
            _ if text.contains("lookup address") || text.contains("could not resolve") => {
                ("the host name cannot be resolved", "check the host in `mqtt.url` and the name server")
            }
            _ => return Self { reason: text, cure: "check `mqtt.url` and the broker's log" },
        };
        Self { reason: reason.to_owned(), cure }
    }

    fn of_code(code: ConnectReturnCode) -> Self {
        let (reason, cure) = match code {
            ConnectReturnCode::BadUserNamePassword => (
                "wrong user name or password",
                "check `mqtt.username` and `mqtt.password` (or `mqtt.password_file`)",
            ),
            // Mosquitto says this of a wrong password, too.
            ConnectReturnCode::NotAuthorized => (
                "not authorised",
                "check `mqtt.username` and `mqtt.password` (or `mqtt.password_file`), and whether the broker lets this user in",
            ),
            ConnectReturnCode::BadClientId => {
                ("the broker does not accept the client id", "choose a shorter `node`")
            }
            ConnectReturnCode::ServiceUnavailable => ("the broker is not available", "see the broker's log"),
            _ => ("the broker does not speak MQTT 3.1.1", "enable protocol version 3.1.1 in the broker"),
        };
        Self { reason: reason.to_owned(), cure }
    }
}

/// Says each failure once, and when it is over.
#[derive(Debug)]
pub struct Reporter {
    server: Server,
    since: Option<Instant>,
    attempts: u32,
    said: Vec<(String, Instant)>,
    ever: bool,
}

impl Reporter {
    /// For the broker at `server`.
    pub fn new(server: Server) -> Self {
        Self { server, since: None, attempts: 0, said: Vec::new(), ever: false }
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
                let down_s = now.duration_since(since).as_secs();
                tracing::warn!(broker = %self.server, reason, cure = failure.cure, down_s, waiting_events, "still no connection to the MQTT broker");
            }
            None => {
                self.said.push((reason.to_owned(), now));
                tracing::warn!(broker = %self.server, reason, cure = failure.cure, retry_in_s, "no connection to the MQTT broker, going on without it");
            }
        }
    }

    /// A connection was made.
    pub fn connected(&mut self, now: Instant, waiting_events: usize) {
        match self.since.take() {
            Some(since) => {
                let down_s = format!("{:.1}", now.duration_since(since).as_secs_f64());
                let attempts = self.attempts;
                let again = if self.ever {
                    "connected to the MQTT broker again"
                } else {
                    "connected to the MQTT broker"
                };
                tracing::info!(broker = %self.server, down_s, attempts, waiting_events, "{again}");
            }
            None => tracing::info!(broker = %self.server, "connected to the MQTT broker"),
        }
        self.ever = true;
        self.attempts = 0;
    }

    /// The connection has lasted: what is said next is news.
    pub fn healthy(&mut self) {
        self.said.clear();
    }
}
