//! Reasons for failed connections, with a remedy for each.

mod tls;
mod v311;
mod v5;

use std::io;

use super::reason_code::ReasonCode;
use super::setting_error::MqttConfigError;

/// A failed connection attempt, or the end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectionFailure {
    /// Cause, identical for every repetition.
    pub(crate) reason: String,
    /// Remedy for the user.
    pub(crate) cure: &'static str,
    pub(crate) kind: FailureKind,
    /// It happened before the CONNACK.
    pub(crate) early: bool,
}

/// Classes of failures that call for another version, last will, client id or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The broker closed the connection.
    Closed,
    /// There was no answer.
    Silent,
    /// The answer is not of this version of MQTT.
    Garbled,
    /// The broker does not speak this version of MQTT.
    Version,
    /// The broker does not accept a retained last will.
    WillRetain,
    /// The broker does not accept a last will of this quality of service.
    WillQos,
    /// The broker does not accept the client id.
    ClientId,
    /// The broker refuses the client for another reason: it speaks this version.
    Refused,
    /// The broker refuses the oldest message that it has not acknowledged.
    Message(ReasonCode),
    Other,
}

const CLOSED_CURE: &str =
    "see the broker's log; a port for TLS (`mqtts://`) or WebSockets (`ws://`) closes other connections";

const CHECK_URL: &str = "check `mqtt.url` and the broker's log";

const BAD_LOGIN: (&str, &str) =
    ("wrong user name or password", "check `mqtt.username` and `mqtt.password` (or `mqtt.password_file`)");

// Mosquitto also answers a wrong password with this code.
const NOT_AUTHORISED: (&str, &str) = (
    "not authorised",
    "check `mqtt.username` and `mqtt.password` (or `mqtt.password_file`), and whether the broker lets this user in",
);

const BAD_CLIENT_ID: (&str, &str) =
    ("the broker does not accept the client id", "choose a shorter `node`, of letters and digits");

impl ConnectionFailure {
    /// A failure that is not known to be [early](Self::early).
    pub(crate) fn new(kind: FailureKind, reason: impl Into<String>, cure: &'static str) -> Self {
        Self { reason: reason.into(), cure, kind, early: false }
    }

    fn silent() -> Self {
        Self::new(FailureKind::Silent, "no answer in time", "check the host and the network between")
    }

    fn mute() -> Self {
        Self::new(
            FailureKind::Other,
            "the broker stopped answering",
            "check the broker and the network between",
        )
    }

    fn aborted() -> Self {
        Self::new(
            FailureKind::Closed,
            "the broker closed the connection",
            "see the broker's log; another client with the same id, wrong credentials or a size limit are the usual causes",
        )
    }

    fn garbled(error: &dyn std::fmt::Display) -> Self {
        Self::new(
            FailureKind::Garbled,
            format!("the broker breaks the protocol ({error})"),
            "check that `mqtt.url` names an MQTT broker, without TLS",
        )
    }

    /// The client neither sent nor received anything for too long.
    pub(crate) fn stalled() -> Self {
        Self::new(
            FailureKind::Silent,
            "the connection has stalled",
            "check the broker and the network between",
        )
    }

    /// A file of the configuration that cannot be read (any more).
    pub(crate) fn of_files(error: &MqttConfigError) -> Self {
        Self::new(
            FailureKind::Other,
            error.to_string(),
            "mend the file; it is read again at the next attempt",
        )
    }

    fn of_web(error: &dyn std::error::Error) -> Self {
        // A failure of the network or of TLS is more specific.
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Self::of_io(io);
            }
            cause = inner.source();
        }
        Self::new(
            FailureKind::Other,
            format!("the server does not take a WebSocket for MQTT ({error})"),
            "check port and path in `mqtt.url` (`/mqtt` is the usual path, RabbitMQ has `/ws`)",
        )
    }

    /// Describes a failure of the network or of TLS.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::of_tls(tls);
        }
        let text = error.to_string();
        let (reason, cure) = match error.kind() {
            io::ErrorKind::ConnectionRefused => (
                "connection refused",
                "is the broker running, and does it listen on this address? (mosquitto takes only local clients until its `listener` is configured)",
            ),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => {
                return Self::new(FailureKind::Closed, "the broker closed the connection", CLOSED_CURE);
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ("no route to the broker", "check the network and the host in `mqtt.url`")
            }
            io::ErrorKind::TimedOut => return Self::silent(),
            // The standard library has no error kind for name resolution.
            _ if text.contains("lookup address") || text.contains("could not resolve") => (
                "the host name cannot be resolved",
                "check the host in `mqtt.url` and the name server; a name in `.local` needs multicast DNS on this machine (on Debian: `apt install libnss-mdns`): else give the broker's IP address",
            ),
            _ => return Self::new(FailureKind::Other, text, CHECK_URL),
        };
        Self::new(FailureKind::Other, reason, cure)
    }
}
