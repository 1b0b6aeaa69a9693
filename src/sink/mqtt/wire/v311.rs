//! Events of the library's MQTT 3.1.1 client.

use rumqttc::{Outgoing, Packet};

use crate::sink::mqtt::protocol::{BrokerLimits, BrokerSignal, InboundMessage, ProtocolVersion};
use crate::sink::mqtt::reason_code::ReasonCode;

/// Converts an event of the library.
pub(super) fn signal(event: rumqttc::Event) -> BrokerSignal {
    use rumqttc::{Event, SubscribeReasonCode as Code};
    match event {
        Event::Incoming(Packet::ConnAck(_)) => {
            BrokerSignal::Connected(BrokerLimits::none(ProtocolVersion::V311))
        }
        Event::Incoming(Packet::SubAck(ack)) => {
            let refusal = |code: Code| (code == Code::Failure).then_some(ReasonCode::UNSPECIFIED);
            BrokerSignal::Subscribed(ack.return_codes.into_iter().map(refusal).collect())
        }
        Event::Incoming(Packet::Publish(message)) => BrokerSignal::Message(InboundMessage {
            topic: message.topic,
            retain: message.retain,
            payload: message.payload.to_vec(),
        }),
        Event::Incoming(Packet::PubAck(ack)) => BrokerSignal::Acknowledged(ack.pkid, None),
        Event::Outgoing(outgoing) => outgoing_signal(&outgoing),
        Event::Incoming(_) => BrokerSignal::Other,
    }
}

/// Converts the report of a written packet, which is the same in both versions.
pub(super) fn outgoing_signal(outgoing: &Outgoing) -> BrokerSignal {
    match outgoing {
        Outgoing::Publish(packet_id) => BrokerSignal::Sent(*packet_id),
        Outgoing::Disconnect => BrokerSignal::Disconnected,
        _ => BrokerSignal::Other,
    }
}
