//! Failures of the MQTT 5 client.

use rumqttc::v5;

use super::{BAD_CLIENT_ID, BAD_LOGIN, CHECK_URL, ConnectionFailure, FailureKind, NOT_AUTHORISED};
use crate::sink::mqtt::reason_code::ReasonCode;

impl ConnectionFailure {
    /// Describes an error of the MQTT 5 client.
    pub(crate) fn of_v5(error: &v5::ConnectionError) -> Self {
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
                let reason = ReasonCode(*reason_code as u8);
                let kind = match reason {
                    ReasonCode::PACKET_TOO_LARGE => FailureKind::Message(reason),
                    _ => FailureKind::Closed,
                };
                let reason = format!("the broker closed the connection: {reason}");
                Self::new(kind, reason, "see the broker's log")
            }
            // A PUBACK with a code that the specification does not list: mosquitto 2.0 sends 0x95.
            // The library reports the error of a CONNACK for all packets.
            Error::MqttState(State::Deserialization(
                Bytes::InvalidConnectReturnCode(code) | Bytes::InvalidReason(code),
            )) => {
                let reason = ReasonCode(*code);
                Self::new(
                    FailureKind::Message(reason),
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
            other => Self::new(FailureKind::Other, other.to_string(), CHECK_URL),
        }
    }

    fn of_code_v5(code: v5::mqttbytes::v5::ConnectReturnCode) -> Self {
        use v5::mqttbytes::v5::ConnectReturnCode as Code;
        let mut kind = FailureKind::Refused;
        let (reason, cure) = match code {
            Code::BadUserNamePassword => BAD_LOGIN,
            Code::NotAuthorized => NOT_AUTHORISED,
            Code::ClientIdentifierNotValid | Code::BadClientId => {
                kind = FailureKind::ClientId;
                BAD_CLIENT_ID
            }
            Code::RetainNotSupported => {
                kind = FailureKind::WillRetain;
                (
                    "the broker takes no retained messages",
                    "allow them in the broker (mosquitto: `retain_available true`)",
                )
            }
            Code::QoSNotSupported => {
                kind = FailureKind::WillQos;
                (
                    "the broker offers quality of service 0 alone",
                    "allow 1 in the broker (mosquitto: `max_qos 1`)",
                )
            }
            Code::UnsupportedProtocolVersion
            | Code::RefusedProtocolVersion
            | Code::MalformedPacket
            | Code::ProtocolError => {
                kind = FailureKind::Version;
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
            (Error::ConnectionRefused(Code::NotAuthorized), FailureKind::Refused, "not authorised"),
            (Error::ConnectionRefused(Code::BadUserNamePassword), FailureKind::Refused, "wrong user name"),
            (Error::ConnectionRefused(Code::UnsupportedProtocolVersion), FailureKind::Version, "MQTT 5"),
            (Error::ConnectionRefused(Code::ClientIdentifierNotValid), FailureKind::ClientId, "client id"),
            (Error::ConnectionRefused(Code::RetainNotSupported), FailureKind::WillRetain, "retained"),
            (Error::ConnectionRefused(Code::QoSNotSupported), FailureKind::WillQos, "quality of service 0"),
            (Error::MqttState(taken_over), FailureKind::Closed, "session taken over"),
            (
                Error::MqttState(too_large),
                FailureKind::Message(ReasonCode::PACKET_TOO_LARGE),
                "too large (0x95)",
            ),
            (Error::MqttState(State::ConnectionAborted), FailureKind::Closed, "closed the connection"),
        ];
        for (error, kind, words) in cases {
            let failure = ConnectionFailure::of_v5(&error);
            assert_eq!(failure.kind, kind, "{error}");
            assert!(failure.reason.contains(words) && !failure.cure.is_empty(), "{failure:?}");
        }
    }
}
