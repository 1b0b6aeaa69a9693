//! Failures of the MQTT 3.1.1 client.

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

use super::{BAD_CLIENT_ID, BAD_LOGIN, CHECK_URL, ConnectionFailure, FailureKind, NOT_AUTHORISED};

impl ConnectionFailure {
    /// Describes an error of the MQTT 3.1.1 client.
    pub(crate) fn of(error: &ConnectionError) -> Self {
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
            other => Self::new(FailureKind::Other, other.to_string(), CHECK_URL),
        }
    }

    fn of_code(code: ConnectReturnCode) -> Self {
        let mut kind = FailureKind::Refused;
        let (reason, cure) = match code {
            ConnectReturnCode::BadUserNamePassword => BAD_LOGIN,
            ConnectReturnCode::NotAuthorized => NOT_AUTHORISED,
            ConnectReturnCode::BadClientId => {
                kind = FailureKind::ClientId;
                BAD_CLIENT_ID
            }
            ConnectReturnCode::ServiceUnavailable => ("the broker is not available", "see the broker's log"),
            _ => {
                kind = FailureKind::Version;
                (
                    "the broker does not speak MQTT 3.1.1",
                    "set `mqtt.protocol = \"5\"`, or enable 3.1.1 in the broker",
                )
            }
        };
        Self::new(kind, reason, cure)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

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
            let failure = ConnectionFailure::of(&error);
            assert_eq!(failure.reason, reason);
            assert!(failure.cure.contains(cure), "{}", failure.cure);
        }
    }
}
