//! Why a connection failed, in words that help, said once.

use std::io;
use std::time::{Duration, Instant};

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

use super::config::MqttConfigError;
use super::server::Server;

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

/// What a port may be for.
const CLOSED_CURE: &str =
    "see the broker's log; a port for TLS (`mqtts://`) or WebSockets (`ws://`) closes other connections";

/// Where TLS fails, and what then helps.
const TLS_CURE: &str = "check the broker's certificate, and `mqtt.ca_file`";

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
            ConnectionError::Tls(rumqttc::TlsError::Io(error)) => return Self::of_handshake(error),
            ConnectionError::Tls(rumqttc::TlsError::TLS(error)) => return Self::of_tls(error),
            ConnectionError::Tls(error) => (format!("TLS failed ({error})"), TLS_CURE),
            ConnectionError::Websocket(_)
            | ConnectionError::WsConnect(_)
            | ConnectionError::InvalidUrl(_)
            | ConnectionError::ResponseValidation(_) => return Self::of_web(error),
            ConnectionError::NotConnAck(_) | ConnectionError::MqttState(_) => (
                format!("the broker breaks the protocol ({error})"),
                "check that `mqtt.url` names an MQTT broker, without TLS",
            ),
            other => (other.to_string(), "check `mqtt.url` and the broker's log"),
        };
        Self { reason, cure }
    }

    /// A file that is named in the configuration cannot be used (any more).
    pub fn of_files(error: &MqttConfigError) -> Self {
        Self { reason: error.to_string(), cure: "mend the file; it is read again at the next attempt" }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, CertificateError as Fault, Error};
        let (reason, cure) = match error {
            Error::InvalidCertificate(Fault::UnknownIssuer) => (
                "the broker's certificate is not signed by an authority that is trusted here",
                "give the broker's authority with `mqtt.ca_file`",
            ),
            Error::InvalidCertificate(Fault::NotValidForName | Fault::NotValidForNameContext { .. }) => (
                "the broker's certificate is made out to another name",
                "use a name of the certificate in `mqtt.url`, or have the certificate made out to that host",
            ),
            Error::InvalidCertificate(Fault::Expired | Fault::ExpiredContext { .. }) => (
                "the broker's certificate has expired",
                "renew the broker's certificate, and check the clocks",
            ),
            Error::InvalidCertificate(Fault::NotValidYet | Fault::NotValidYetContext { .. }) => {
                ("the broker's certificate is not valid yet", "check the clocks")
            }
            Error::AlertReceived(
                Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::HandshakeFailure,
            ) => (
                "the broker does not accept this client's certificate, or wants one",
                "check `mqtt.client_cert` and `mqtt.client_key`",
            ),
            Error::InvalidMessage(_) => return Self::no_tls(),
            Error::InvalidCertificate(fault) if format!("{fault:?}").contains("CaUsedAsEndEntity") => (
                "the broker shows the certificate of an authority as its own",
                "issue the broker a certificate of its own (`CA:FALSE`), signed by that authority",
            ),
            other => return Self { reason: format!("TLS failed ({other})"), cure: TLS_CURE },
        };
        Self { reason: reason.to_owned(), cure }
    }

    /// A failure while TLS is begun.
    pub fn of_handshake(error: &io::Error) -> Self {
        let closed =
            [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        if closed.contains(&error.kind()) { Self::no_tls() } else { Self::of_io(error) }
    }

    fn no_tls() -> Self {
        Self {
            reason: "the broker does not speak TLS on this port".to_owned(),
            cure: "check the port in `mqtt.url`, or begin it with `mqtt://` or `ws://` (without TLS)",
        }
    }

    fn of_web(error: &ConnectionError) -> Self {
        // TLS and the network below it have reasons of their own.
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Self::of_io(io);
            }
            cause = inner.source();
        }
        Self {
            reason: format!("the server does not take a WebSocket for MQTT ({error})"),
            cure: "check port and path in `mqtt.url` (`/mqtt` is the usual path, RabbitMQ has `/ws`)",
        }
    }

    /// The client neither sent nor received anything for too long.
    pub fn stalled() -> Self {
        Self {
            reason: "the connection stands still".to_owned(),
            cure: "check the broker and the network between",
        }
    }

    /// Puts a failure of the network, or of TLS on it, into words.
    pub fn of_io(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::of_tls(tls);
        }
        let text = error.to_string();
        let (reason, cure) = match error.kind() {
            io::ErrorKind::ConnectionRefused => (
                "connection refused",
                "is the broker running, and does it listen on this address? (mosquitto takes only local clients until its `listener` is configured)",
            ),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                ("the broker closed the connection", CLOSED_CURE)
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ("no route to the broker", "check the network and the host in `mqtt.url`")
            }
            io::ErrorKind::TimedOut => ("no answer in time", "check the host and the network between"),
            // The standard library gives name resolution no kind of its own.
            _ if text.contains("lookup address") || text.contains("could not resolve") => (
                "the host name cannot be resolved",
                "check the host in `mqtt.url` and the name server; a name in `.local` needs multicast DNS on this machine (on Debian: `apt install libnss-mdns`): else give the broker's IP address",
            ),
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
    /// What was last said of messages that were dropped, and when.
    losses: (u64, u64, Option<Instant>),
}

impl Reporter {
    /// For the broker at `server`.
    pub fn new(server: Server) -> Self {
        Self { server, since: None, attempts: 0, said: Vec::new(), ever: false, losses: (0, 0, None) }
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

    /// What was published on `topic` did not come back.
    pub fn unheard(&mut self, topic: &str) {
        if self.is_news("unheard") {
            tracing::warn!(broker = %self.server, topic, "the MQTT broker takes messages and passes none on: is this user allowed to publish? `genred test-mqtt` tells");
        }
    }

    /// Whether this has not been said for a while.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// The messages and levels that `said` logs.
    fn logged(say: impl FnOnce(&mut Reporter)) -> Vec<String> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&log);
        let writer = move || Shared(Arc::clone(&shared));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(writer)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            say(&mut Reporter::new(Server { host: "h".to_owned(), ..Server::local(1883) }));
        });
        let bytes = log.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn refused() -> Failure {
        Failure::of(&ConnectionError::Io(io::ErrorKind::ConnectionRefused.into()))
    }

    #[test]
    fn each_reason_is_said_once_and_the_end_with_its_length() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let second = Duration::from_secs(1);
        let lines = logged(|reporter| {
            for seconds in 0..20 {
                reporter.failed(&refused(), at(seconds), second, 0);
            }
            reporter.failed(&Failure::stalled(), at(20), second, 3);
            reporter.failed(&refused(), at(700), second, 3);
            reporter.connected(at(701), 3);
            // A connection that flaps is not news either.
            reporter.failed(&refused(), at(702), second, 0);
            reporter.healthy();
            reporter.failed(&refused(), at(800), second, 0);
        });
        let starts = [
            "WARN no connection to the MQTT broker, going on without it broker=h:1883 reason=\"connection refused\"",
            "WARN no connection to the MQTT broker, going on without it broker=h:1883 reason=\"the connection stands still\"",
            "WARN still no connection to the MQTT broker broker=h:1883 reason=\"connection refused\"",
            "INFO connected to the MQTT broker broker=h:1883 down_s=\"701.0\" attempts=22 waiting_events=3",
            "WARN no connection to the MQTT broker, going on without it broker=h:1883 reason=\"connection refused\"",
        ];
        assert_eq!(lines.len(), starts.len(), "{lines:#?}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn losses_are_said_at_once_and_then_seldom() {
        let start = Instant::now();
        let lines = logged(|reporter| {
            reporter.dropped(0, 0, start);
            reporter.dropped(0, 1, start);
            reporter.dropped(0, 50, start + Duration::from_secs(1));
            for events in 1..100 {
                reporter.dropped(events, 50, start + Duration::from_secs(1 + events));
            }
            reporter.dropped(5000, 50, start + REMINDER * 2);
        });
        let figures: Vec<&str> = lines.iter().filter_map(|line| line.split("h:1883 ").nth(1)).collect();
        assert_eq!(figures, ["events=0 windows=1", "events=1 windows=50", "events=5000 windows=50"]);
    }

    #[test]
    fn every_failure_has_a_cure() {
        let lookup = io::Error::other("failed to lookup address information: Name or service not known");
        let cases = [
            (
                ConnectionError::Io(io::ErrorKind::ConnectionRefused.into()),
                "connection refused",
                "is the broker running",
            ),
            (ConnectionError::Io(lookup), "the host name cannot be resolved", "`mqtt.url`"),
            (ConnectionError::NetworkTimeout, "no answer in time", "network"),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword),
                "wrong user name or password",
                "`mqtt.password`",
            ),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized),
                "not authorised",
                "`mqtt.username`",
            ),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::RefusedProtocolVersion),
                "the broker does not speak MQTT 3.1.1",
                "enable",
            ),
            (
                ConnectionError::MqttState(StateError::ConnectionAborted),
                "the broker closed the connection",
                "log",
            ),
            (
                ConnectionError::MqttState(StateError::Io(io::ErrorKind::ConnectionReset.into())),
                "the broker closed the connection",
                "log",
            ),
            (
                ConnectionError::MqttState(StateError::AwaitPingResp),
                "the broker stopped answering",
                "network",
            ),
        ];
        for (error, reason, cure) in cases {
            let failure = Failure::of(&error);
            assert_eq!(failure.reason, reason);
            assert!(failure.cure.contains(cure), "{}", failure.cure);
        }
    }
}
