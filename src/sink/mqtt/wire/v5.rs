//! Events of the library's MQTT 5 client.

use std::time::Duration;

use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5 as packet5;

use super::v311::outgoing_signal;
use crate::sink::mqtt::protocol::{
    BrokerLimits, BrokerSignal, InboundMessage, MAX_IN_FLIGHT, ProtocolVersion,
};
use crate::sink::mqtt::reason_code::ReasonCode;

/// Converts an event of the library.
pub(super) fn signal(event: v5::Event) -> BrokerSignal {
    use packet5::{Packet, PubAckReason as Ack, SubscribeReasonCode as Code};
    match event {
        v5::Event::Incoming(Packet::ConnAck(ack)) => BrokerSignal::Connected(limits(&ack)),
        v5::Event::Incoming(Packet::SubAck(ack)) => {
            let refusal = |code: Code| {
                Some(ReasonCode(match code {
                    Code::Success(_) => return None,
                    Code::Failure | Code::Unspecified => 0x80,
                    Code::ImplementationSpecific => 0x83,
                    Code::NotAuthorized => 0x87,
                    Code::TopicFilterInvalid => 0x8f,
                    Code::PkidInUse => 0x91,
                    Code::QuotaExceeded => 0x97,
                    Code::SharedSubscriptionsNotSupported => 0x9e,
                    Code::SubscriptionIdNotSupported => 0xa1,
                    Code::WildcardSubscriptionsNotSupported => 0xa2,
                }))
            };
            BrokerSignal::Subscribed(ack.return_codes.into_iter().map(refusal).collect())
        }
        v5::Event::Incoming(Packet::Publish(message)) => BrokerSignal::Message(InboundMessage {
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            retain: message.retain,
            payload: message.payload.to_vec(),
        }),
        v5::Event::Incoming(Packet::PubAck(ack)) => {
            let refusal = match ack.reason {
                Ack::Success | Ack::NoMatchingSubscribers => None,
                Ack::UnspecifiedError => Some(0x80),
                Ack::ImplementationSpecificError => Some(0x83),
                Ack::NotAuthorized => Some(0x87),
                Ack::TopicNameInvalid => Some(0x90),
                Ack::PacketIdentifierInUse => Some(0x91),
                Ack::QuotaExceeded => Some(0x97),
                Ack::PayloadFormatInvalid => Some(0x99),
            };
            BrokerSignal::Acknowledged(ack.pkid, refusal.map(ReasonCode))
        }
        v5::Event::Outgoing(outgoing) => outgoing_signal(&outgoing),
        v5::Event::Incoming(_) => BrokerSignal::Other,
    }
}

/// Reads the limits of a CONNACK.
fn limits(ack: &packet5::ConnAck) -> BrokerLimits {
    let mut limits = BrokerLimits::none(ProtocolVersion::V5);
    let Some(properties) = &ack.properties else { return limits };
    if let Some(size) = properties.max_packet_size {
        limits.max_packet = limits.max_packet.min(usize::try_from(size).unwrap_or(usize::MAX));
    }
    limits.retain = properties.retain_available != Some(0);
    limits.max_qos = properties.max_qos.unwrap_or(1).min(1);
    if let Some(maximum) = properties.receive_max {
        // At its maximum the library takes no other request either, DISCONNECT included.
        limits.max_in_flight = usize::from(maximum.saturating_sub(1)).clamp(1, MAX_IN_FLIGHT);
    }
    if let Some(seconds) = properties.server_keep_alive.filter(|seconds| *seconds > 0) {
        limits.keep_alive = Duration::from_secs(seconds.into());
    }
    limits.assigned_id.clone_from(&properties.assigned_client_identifier);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CONNACK of a mosquitto 2.0 with `max_packet_size 600`, `max_qos 0`, `retain_available
    /// false`, `max_keepalive 20`.
    #[test]
    fn limits_are_read_from_the_connack() {
        let bytes = [
            0x20, 0x15, 0, 0, 0x12, 0x13, 0, 20, 0x21, 0, 20, 0x22, 0, 10, 0x27, 0, 0, 2, 88, 0x24, 0, 0x25,
            0,
        ];
        let mut stream = (&bytes[..]).into();
        let Ok(packet5::Packet::ConnAck(ack)) = packet5::Packet::read(&mut stream, None) else { panic!() };
        let found = limits(&ack);
        assert_eq!((found.max_packet, found.max_qos, found.retain), (600, 0, false));
        assert_eq!((found.max_in_flight, found.keep_alive), (19, Duration::from_secs(20)));
        let plain = packet5::ConnAck { properties: None, ..ack };
        assert_eq!(limits(&plain), BrokerLimits::none(ProtocolVersion::V5));
    }

    #[test]
    fn refusals_are_read_from_acknowledgements() {
        let read = |bytes: &[u8]| {
            let packet = packet5::Packet::read(&mut bytes.into(), None).unwrap();
            signal(v5::Event::Incoming(packet))
        };
        assert_eq!(read(&[0x40, 2, 0, 7]), BrokerSignal::Acknowledged(7, None));
        // No matching subscribers.
        assert_eq!(read(&[0x40, 3, 0, 7, 0x10]), BrokerSignal::Acknowledged(7, None));
        assert_eq!(
            read(&[0x40, 3, 0, 7, 0x87]),
            BrokerSignal::Acknowledged(7, Some(ReasonCode::NOT_AUTHORIZED))
        );
        assert_eq!(
            read(&[0x90, 5, 0, 7, 0, 1, 0x87]),
            BrokerSignal::Subscribed(vec![None, Some(ReasonCode::NOT_AUTHORIZED)])
        );
    }
}
