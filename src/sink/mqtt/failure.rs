//! Reasons for failed connections, in words that help.

use std::io;

use rumqttc::v5;
use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

use super::config::MqttConfigError;
use super::reason::Reason;

/// Failure of a connection, and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Same for every repetition.
    pub reason: String,
    /// Remedy for the user.
    pub cure: &'static str,
    /// Class, for the sink's own remedy.
    pub kind: Kind,
    /// It came before the CONNACK.
    pub early: bool,
}

/// Failures after which another way to connect, or another message, may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The other side closed the connection.
    Closed,
    /// There was no answer.
    Silent,
    /// The answer is not of this version of MQTT.
    Garbled,
    /// The broker does not speak this version of MQTT.
    Version,
    /// The broker does not take a retained last will.
    WillRetain,
    /// The broker does not take a last will of this quality of service.
    WillQos,
    /// The broker does not take the client id.
    ClientId,
    /// The broker refuses the client for another reason: it speaks this version.
    Refused,
    /// The broker refuses the oldest message that it has not acknowledged.
    Message(Reason),
    /// Nothing of these.
    Other,
}

/// What a port may be for.
const CLOSED_CURE: &str =
    "see the broker's log; a port for TLS (`mqtts://`) or WebSockets (`ws://`) closes other connections";

const BAD_LOGIN: (&str, &str) =
    ("wrong user name or password", "check `mqtt.username` and `mqtt.password` (or `mqtt.password_file`)");

// Mosquitto says this of a wrong password, too.
const NOT_AUTHORISED: (&str, &str) = (
    "not authorised",
    "check `mqtt.username` and `mqtt.password` (or `mqtt.password_file`), and whether the broker lets this user in",
);

const BAD_CLIENT_ID: (&str, &str) =
    ("the broker does not accept the client id", "choose a shorter `node`, of letters and digits");

/// Where TLS fails, and what then helps.
const TLS_CURE: &str = "check the broker's certificate, and `mqtt.ca_file`";

impl Failure {
    /// Puts a client error into words.
    pub fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::Io(error) => Self::of_io(error),
            ConnectionError::MqttState(StateError::Io(error)) => Self::of_io(error),
            ConnectionError::MqttState(StateError::Deserialization(rumqttc::mqttbytes::Error::Io(error))) => {
                Self::of_io(error)
            }
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Self::silent(),
            ConnectionError::MqttState(StateError::AwaitPingResp) => Self::mute(),
            ConnectionError::MqttState(StateError::ConnectionAborted) => Self::aborted(),
            ConnectionError::ConnectionRefused(code) => Self::of_code(*code),
            ConnectionError::Tls(error) => Self::of_tls_setup(error),
            ConnectionError::Websocket(_)
            | ConnectionError::WsConnect(_)
            | ConnectionError::InvalidUrl(_)
            | ConnectionError::ResponseValidation(_) => Self::of_web(error),
            ConnectionError::NotConnAck(_) | ConnectionError::MqttState(_) => Self::garbled(error),
            other => Self::new(Kind::Other, other.to_string(), "check `mqtt.url` and the broker's log"),
        }
    }

    /// The same for the client of MQTT 5.
    pub fn of_v5(error: &v5::ConnectionError) -> Self {
        use v5::ConnectionError as Error;
        use v5::StateError as State;
        use v5::mqttbytes::Error as Bytes;
        match error {
            Error::Io(error)
            | Error::MqttState(State::Io(error) | State::Deserialization(Bytes::Io(error))) => {
                Self::of_io(error)
            }
            Error::Timeout(_) => Self::silent(),
            Error::MqttState(State::AwaitPingResp) => Self::mute(),
            Error::MqttState(State::ConnectionAborted) => Self::aborted(),
            Error::MqttState(State::ServerDisconnect { reason_code, .. }) => {
                let reason = Reason(*reason_code as u8);
                let kind = match reason {
                    Reason::PACKET_TOO_LARGE => Kind::Message(reason),
                    _ => Kind::Closed,
                };
                let reason = format!("the broker closed the connection: {reason}");
                Self::new(kind, reason, "see the broker's log")
            }
            // A PUBACK whose code is not among those of the specification: mosquitto 2.0 sends 0x95. The library
            // gives all packets the error of CONNACK.
            Error::MqttState(State::Deserialization(
                Bytes::InvalidConnectReturnCode(code) | Bytes::InvalidReason(code),
            )) => {
                let reason = Reason(*code);
                Self::new(
                    Kind::Message(reason),
                    format!("the broker refuses a message: {reason}"),
                    reason.cure(),
                )
            }
            Error::ConnectionRefused(code) => Self::of_code_v5(*code),
            Error::Tls(error) => Self::of_tls_setup(error),
            Error::Websocket(_)
            | Error::WsConnect(_)
            | Error::InvalidUrl(_)
            | Error::ResponseValidation(_) => Self::of_web(error),
            Error::NotConnAck(_) | Error::MqttState(_) => Self::garbled(error),
            other => Self::new(Kind::Other, other.to_string(), "check `mqtt.url` and the broker's log"),
        }
    }

    /// A failure of an established connection, or one that says nothing of it.
    pub fn new(kind: Kind, reason: impl Into<String>, cure: &'static str) -> Self {
        Self { reason: reason.into(), cure, kind, early: false }
    }

    fn silent() -> Self {
        Self::new(Kind::Silent, "no answer in time", "check the host and the network between")
    }

    fn mute() -> Self {
        Self::new(Kind::Other, "the broker stopped answering", "check the broker and the network between")
    }

    fn aborted() -> Self {
        Self::new(
            Kind::Closed,
            "the broker closed the connection",
            "see the broker's log; another client with the same id, wrong credentials or a size limit are the usual causes",
        )
    }

    fn garbled(error: &dyn std::fmt::Display) -> Self {
        Self::new(
            Kind::Garbled,
            format!("the broker breaks the protocol ({error})"),
            "check that `mqtt.url` names an MQTT broker, without TLS",
        )
    }

    fn of_tls_setup(error: &rumqttc::TlsError) -> Self {
        match error {
            rumqttc::TlsError::Io(error) => Self::of_handshake(error),
            rumqttc::TlsError::TLS(error) => Self::of_tls(error),
            error => Self::new(Kind::Other, format!("TLS failed ({error})"), TLS_CURE),
        }
    }

    /// A file that is named in the configuration cannot be used (any more).
    pub fn of_files(error: &MqttConfigError) -> Self {
        Self::new(Kind::Other, error.to_string(), "mend the file; it is read again at the next attempt")
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
            other => return Self::new(Kind::Other, format!("TLS failed ({other})"), TLS_CURE),
        };
        Self::new(Kind::Other, reason, cure)
    }

    /// A failure while TLS is begun.
    pub fn of_handshake(error: &io::Error) -> Self {
        let closed =
            [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        if closed.contains(&error.kind()) { Self::no_tls() } else { Self::of_io(error) }
    }

    fn no_tls() -> Self {
        Self::new(
            Kind::Other,
            "the broker does not speak TLS on this port",
            "check the port in `mqtt.url`, or begin it with `mqtt://` or `ws://` (without TLS)",
        )
    }

    fn of_web(error: &dyn std::error::Error) -> Self {
        // TLS and the network below it have reasons of their own.
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Self::of_io(io);
            }
            cause = inner.source();
        }
        Self::new(
            Kind::Other,
            format!("the server does not take a WebSocket for MQTT ({error})"),
            "check port and path in `mqtt.url` (`/mqtt` is the usual path, RabbitMQ has `/ws`)",
        )
    }

    /// The client neither sent nor received anything for too long.
    pub fn stalled() -> Self {
        Self::new(Kind::Silent, "the connection stands still", "check the broker and the network between")
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
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => {
                return Self::new(Kind::Closed, "the broker closed the connection", CLOSED_CURE);
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ("no route to the broker", "check the network and the host in `mqtt.url`")
            }
            io::ErrorKind::TimedOut => return Self::silent(),
            // The standard library gives name resolution no kind of its own.
            _ if text.contains("lookup address") || text.contains("could not resolve") => (
                "the host name cannot be resolved",
                "check the host in `mqtt.url` and the name server; a name in `.local` needs multicast DNS on this machine (on Debian: `apt install libnss-mdns`): else give the broker's IP address",
            ),
            _ => return Self::new(Kind::Other, text, "check `mqtt.url` and the broker's log"),
        };
        Self::new(Kind::Other, reason, cure)
    }

    fn of_code(code: ConnectReturnCode) -> Self {
        let mut kind = Kind::Refused;
        let (reason, cure) = match code {
            ConnectReturnCode::BadUserNamePassword => BAD_LOGIN,
            ConnectReturnCode::NotAuthorized => NOT_AUTHORISED,
            ConnectReturnCode::BadClientId => {
                kind = Kind::ClientId;
                BAD_CLIENT_ID
            }
            ConnectReturnCode::ServiceUnavailable => ("the broker is not available", "see the broker's log"),
            _ => {
                kind = Kind::Version;
                (
                    "the broker does not speak MQTT 3.1.1",
                    "set `mqtt.protocol = \"5\"`, or enable 3.1.1 in the broker",
                )
            }
        };
        Self::new(kind, reason, cure)
    }

    fn of_code_v5(code: v5::mqttbytes::v5::ConnectReturnCode) -> Self {
        use v5::mqttbytes::v5::ConnectReturnCode as Code;
        let mut kind = Kind::Refused;
        let (reason, cure) = match code {
            Code::BadUserNamePassword => BAD_LOGIN,
            Code::NotAuthorized => NOT_AUTHORISED,
            Code::ClientIdentifierNotValid | Code::BadClientId => {
                kind = Kind::ClientId;
                BAD_CLIENT_ID
            }
            Code::RetainNotSupported => {
                kind = Kind::WillRetain;
                (
                    "the broker takes no retained messages",
                    "allow them in the broker (mosquitto: `retain_available true`)",
                )
            }
            Code::QoSNotSupported => {
                kind = Kind::WillQos;
                (
                    "the broker offers quality of service 0 alone",
                    "allow 1 in the broker (mosquitto: `max_qos 1`)",
                )
            }
            Code::UnsupportedProtocolVersion
            | Code::RefusedProtocolVersion
            | Code::MalformedPacket
            | Code::ProtocolError => {
                kind = Kind::Version;
                ("the broker does not speak MQTT 5", "leave `mqtt.protocol` out, or set it to \"3.1.1\"")
            }
            Code::ServerUnavailable | Code::ServiceUnavailable | Code::ServerBusy => {
                ("the broker is not available", "see the broker's log")
            }
            Code::Banned => ("the broker has banned this client", "see the broker's log"),
            Code::BadAuthenticationMethod => (
                "the broker wants another way to authenticate",
                "allow a user name and a password in the broker",
            ),
            Code::TopicNameInvalid => (
                "the broker does not take the topic of the last will",
                "choose another `mqtt.prefix` or `node`",
            ),
            Code::PacketTooLarge => ("the broker finds the CONNECT too large", "raise the broker's limit"),
            Code::QuotaExceeded | Code::ConnectionRateExceeded => {
                ("the broker limits this client", "raise the broker's quota for it")
            }
            Code::UseAnotherServer | Code::ServerMoved => {
                ("the broker sends its clients to another server", "name that one in `mqtt.url`")
            }
            _ => ("the broker refuses the connection", "see the broker's log"),
        };
        Self::new(kind, reason, cure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Codes of MQTT 5 (§2.4), in words.
    #[test]
    fn the_codes_of_mqtt_5_have_words() {
        use v5::ConnectionError as Error;
        use v5::StateError as State;
        use v5::mqttbytes::v5::{ConnectReturnCode as Code, DisconnectReasonCode};
        let taken_over = State::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            reason_string: None,
        };
        let too_large = State::Deserialization(v5::mqttbytes::Error::InvalidConnectReturnCode(0x95));
        let cases = [
            (Error::ConnectionRefused(Code::NotAuthorized), Kind::Refused, "not authorised"),
            (Error::ConnectionRefused(Code::BadUserNamePassword), Kind::Refused, "wrong user name"),
            (Error::ConnectionRefused(Code::UnsupportedProtocolVersion), Kind::Version, "MQTT 5"),
            (Error::ConnectionRefused(Code::ClientIdentifierNotValid), Kind::ClientId, "client id"),
            (Error::ConnectionRefused(Code::RetainNotSupported), Kind::WillRetain, "retained"),
            (Error::ConnectionRefused(Code::QoSNotSupported), Kind::WillQos, "quality of service 0"),
            (Error::MqttState(taken_over), Kind::Closed, "session taken over"),
            (Error::MqttState(too_large), Kind::Message(Reason::PACKET_TOO_LARGE), "too large (0x95)"),
            (Error::MqttState(State::ConnectionAborted), Kind::Closed, "closed the connection"),
        ];
        for (error, kind, words) in cases {
            let failure = Failure::of_v5(&error);
            assert_eq!(failure.kind, kind, "{error}");
            assert!(failure.reason.contains(words) && !failure.cure.is_empty(), "{failure:?}");
        }
    }
}
