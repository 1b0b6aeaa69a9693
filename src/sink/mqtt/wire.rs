//! One connection to the broker, in MQTT 3.1.1 or MQTT 5. Nothing outside this file and
//! `failure.rs` depends on which.

use std::fmt;
use std::time::Duration;

use rumqttc::v5;
use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::v5::mqttbytes::v5 as packet5;
use rumqttc::{NetworkOptions, Outgoing, Packet, QoS, SubscribeFilter, TlsConfiguration};

use super::KEEP_ALIVE;
use super::config::MqttConfig;
use super::failure::{Failure, Kind};
use super::publication::{MAX_PAYLOAD, Publication};
use super::reason::Reason;
use super::server::Transport;
use super::session::IN_FLIGHT;

/// Largest packet in either direction, in bytes.
const MAX_PACKET: usize = MAX_PAYLOAD + 4096;

/// Publications that the client library sends before it waits for acknowledgements.
const LIBRARY_IN_FLIGHT: u16 = 100;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

/// Content of a CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Version of the protocol.
    pub version: Version,
    /// Client id; empty has the broker assign one.
    pub id: String,
    /// The last will, if any.
    pub will: Option<Will>,
}

/// A last will: `offline`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Topic.
    pub topic: String,
    /// Quality of service.
    pub qos: u8,
    /// Retain flag.
    pub retain: bool,
}

/// Limits of the broker, from its CONNACK in MQTT 5. MQTT 3.1.1 states none, which counts as no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Version of the protocol.
    pub version: Version,
    /// Largest packet, in bytes.
    pub max_packet: usize,
    /// Retained messages are available.
    pub retain: bool,
    /// Highest quality of service.
    pub max_qos: u8,
    /// Publications that may be unacknowledged.
    pub in_flight: usize,
    /// Longest silence of the client.
    pub keep_alive: Duration,
    /// Client id that the broker chose.
    pub assigned_id: Option<String>,
}

impl Limits {
    /// None.
    pub fn none(version: Version) -> Self {
        Self {
            version,
            max_packet: MAX_PACKET,
            retain: true,
            max_qos: 1,
            in_flight: IN_FLIGHT,
            keep_alive: KEEP_ALIVE,
            assigned_id: None,
        }
    }

    fn of(ack: &packet5::ConnAck) -> Self {
        let mut limits = Self::none(Version::V5);
        let Some(said) = &ack.properties else { return limits };
        if let Some(size) = said.max_packet_size {
            limits.max_packet = limits.max_packet.min(usize::try_from(size).unwrap_or(usize::MAX));
        }
        limits.retain = said.retain_available != Some(0);
        limits.max_qos = said.max_qos.unwrap_or(1).min(1);
        if let Some(maximum) = said.receive_max {
            // At its maximum the library takes no other request either, a good-bye included.
            limits.in_flight = usize::from(maximum.saturating_sub(1)).clamp(1, IN_FLIGHT);
        }
        if let Some(seconds) = said.server_keep_alive.filter(|seconds| *seconds > 0) {
            limits.keep_alive = Duration::from_secs(seconds.into());
        }
        limits.assigned_id.clone_from(&said.assigned_client_identifier);
        limits
    }

    /// Returns true if `publication` is small enough.
    pub fn fits(&self, publication: &Publication) -> bool {
        let Publication { topic, qos, payload, .. } = publication;
        let packet_id = if (*qos).min(self.max_qos) > 0 { 2 } else { 0 };
        let properties = usize::from(self.version == Version::V5);
        let remaining = 2 + topic.len() + packet_id + properties + payload.len();
        let length_bytes = match remaining {
            0..128 => 1,
            128..16_384 => 2,
            16_384..2_097_152 => 3,
            _ => 4,
        };
        1 + length_bytes + remaining <= self.max_packet && payload.len() <= MAX_PAYLOAD
    }
}

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Topic.
    pub topic: String,
    /// Retain flag: the broker had kept it.
    pub retain: bool,
    /// Content.
    pub payload: Vec<u8>,
}

/// Event of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The broker took the connection (CONNACK).
    Connected(Limits),
    /// SUBACK: for each filter, why it was refused, if it was.
    Subscribed(Vec<Option<Reason>>),
    /// A message came in.
    Message(Inbound),
    /// PUBACK: packet id, and why the message was refused, if it was.
    Acknowledged(u16, Option<Reason>),
    /// A publication was written; its packet id is 0 at quality of service 0.
    Sent(u16),
    /// DISCONNECT was written.
    Left,
    /// Nothing of interest.
    Other,
}

/// The side of a connection that takes requests. None of them waits: each is false where the queue is full.
pub enum Client {
    /// MQTT 3.1.1.
    V311(rumqttc::AsyncClient),
    /// MQTT 5.
    V5(v5::AsyncClient),
}

/// The side of a connection that does the work, and says what happened.
pub struct Events {
    inner: Inner,
    connected: bool,
    /// Reason for the end of the connection, after it.
    failure: Option<Failure>,
}

enum Inner {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// A connection that is made once its events are polled.
///
/// # Errors
/// Fails if a TLS file cannot be read.
pub fn open(config: &MqttConfig, hello: &Hello) -> Result<(Client, Events), Failure> {
    let server = &config.server;
    let tls = || -> Result<TlsConfiguration, Failure> {
        let tls = config.tls.client_config().map_err(|error| Failure::of_files(&error))?;
        Ok(TlsConfiguration::Rustls(tls))
    };
    let host = || server.host.clone();
    let (address, transport) = match server.transport {
        Transport::Tcp => (host(), rumqttc::Transport::tcp()),
        Transport::Tls => (host(), rumqttc::Transport::tls_with_config(tls()?)),
        Transport::WebSocket => (server.url(), rumqttc::Transport::ws()),
        Transport::SecureWebSocket => (server.url(), rumqttc::Transport::wss_with_config(tls()?)),
    };
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let (client, inner) = match hello.version {
        Version::V311 => {
            let mut options = rumqttc::MqttOptions::new(&hello.id, address, server.port);
            options
                .set_transport(transport)
                .set_keep_alive(KEEP_ALIVE)
                // Nothing of ours is left to the broker's memory of a session: the outbox sends again.
                .set_clean_session(true)
                .set_inflight(LIBRARY_IN_FLIGHT)
                .set_max_packet_size(MAX_PACKET, MAX_PACKET);
            if let Some(login) = &config.login {
                options.set_credentials(login.username.clone(), login.password.reveal());
            }
            if let Some(will) = &hello.will {
                let qos = quality(will.qos);
                options.set_last_will(rumqttc::LastWill::new(&will.topic, "offline", qos, will.retain));
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, IN_FLIGHT + 4);
            events.network_options = network;
            (Client::V311(client), Inner::V311(Box::new(events)))
        }
        Version::V5 => {
            let mut options = v5::MqttOptions::new(&hello.id, address, server.port);
            options
                .set_transport(transport)
                .set_network_options(network)
                .set_keep_alive(KEEP_ALIVE)
                // Without an expiry interval the session ends with the connection.
                .set_clean_start(true)
                .set_outgoing_inflight_upper_limit(LIBRARY_IN_FLIGHT)
                .set_max_packet_size(u32::try_from(MAX_PACKET).ok());
            if let Some(login) = &config.login {
                options.set_credentials(login.username.clone(), login.password.reveal());
            }
            if let Some(will) = &hello.will {
                let qos = if will.qos == 0 { QoS5::AtMostOnce } else { QoS5::AtLeastOnce };
                options.set_last_will(packet5::LastWill::new(&will.topic, "offline", qos, will.retain, None));
            }
            let (client, events) = v5::AsyncClient::new(options, IN_FLIGHT + 4);
            (Client::V5(client), Inner::V5(Box::new(events)))
        }
    };
    Ok((client, Events { inner, connected: false, failure: None }))
}

fn quality(qos: u8) -> QoS {
    if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

impl Client {
    /// Hands a message over.
    pub fn publish(&self, publication: Publication) -> bool {
        let Publication { topic, qos, retain, payload } = publication;
        match self {
            Self::V311(client) => client.try_publish(topic, quality(qos), retain, payload).is_ok(),
            Self::V5(client) => {
                let qos = if qos == 0 { QoS5::AtMostOnce } else { QoS5::AtLeastOnce };
                client.try_publish(topic, qos, retain, payload).is_ok()
            }
        }
    }

    /// Subscribes to all `topics` in one packet, at quality of service 1.
    pub fn subscribe(&self, topics: impl IntoIterator<Item = String>) -> bool {
        match self {
            Self::V311(client) => {
                let filter = |topic| SubscribeFilter::new(topic, QoS::AtLeastOnce);
                client.try_subscribe_many(topics.into_iter().map(filter)).is_ok()
            }
            Self::V5(client) => {
                let filter = |topic: String| packet5::Filter::new(topic, QoS5::AtLeastOnce);
                client.try_subscribe_many(topics.into_iter().map(filter)).is_ok()
            }
        }
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, topic: &str) -> bool {
        match self {
            Self::V311(client) => client.try_unsubscribe(topic).is_ok(),
            Self::V5(client) => client.try_unsubscribe(topic).is_ok(),
        }
    }

    /// Asks for an end that fires no last will.
    pub fn disconnect(&self) -> bool {
        match self {
            Self::V311(client) => client.try_disconnect().is_ok(),
            Self::V5(client) => client.try_disconnect().is_ok(),
        }
    }
}

impl Events {
    /// Waits for what happens next. May lose a packet when it is dropped half-way.
    ///
    /// # Errors
    /// Fails if the connection has ended, or cannot be made.
    pub async fn poll(&mut self) -> Result<Signal, Failure> {
        if self.failure.is_none() {
            let early = !self.connected;
            let signal = match &mut self.inner {
                Inner::V311(events) => events.poll().await.map(of_v311).map_err(|error| Failure::of(&error)),
                Inner::V5(events) => {
                    let signal = events.poll().await.map(of_v5).map_err(|error| Failure::of_v5(&error));
                    // Of a server that wants no keep-alive, the library would make one without a pause.
                    if events.options.keep_alive().is_zero() {
                        events.options.set_keep_alive(KEEP_ALIVE);
                    }
                    signal
                }
            };
            let failure = match signal {
                Ok(signal) => {
                    self.connected |= matches!(signal, Signal::Connected(_));
                    return Ok(signal);
                }
                Err(failure) => failure,
            };
            // Before the first message it is a CONNACK that is not of this version.
            let kind = match failure.kind {
                Kind::Message(_) if early => Kind::Garbled,
                kind => kind,
            };
            self.failure = Some(Failure { early, kind, ..failure });
        }
        // What had been read before the end came is still there, acknowledgements among it.
        let left = match &mut self.inner {
            Inner::V311(events) => events.state.events.pop_front().map(of_v311),
            Inner::V5(events) => events.state.events.pop_front().map(of_v5),
        };
        match (left, &self.failure) {
            (Some(signal), _) => Ok(signal),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => Ok(Signal::Other),
        }
    }
}

fn of_v311(event: rumqttc::Event) -> Signal {
    use rumqttc::{Event, SubscribeReasonCode as Code};
    match event {
        Event::Incoming(Packet::ConnAck(_)) => Signal::Connected(Limits::none(Version::V311)),
        Event::Incoming(Packet::SubAck(ack)) => {
            let refusal = |code: Code| (code == Code::Failure).then_some(Reason::UNSPECIFIED);
            Signal::Subscribed(ack.return_codes.into_iter().map(refusal).collect())
        }
        Event::Incoming(Packet::Publish(message)) => Signal::Message(Inbound {
            topic: message.topic,
            retain: message.retain,
            payload: message.payload.to_vec(),
        }),
        Event::Incoming(Packet::PubAck(ack)) => Signal::Acknowledged(ack.pkid, None),
        Event::Outgoing(outgoing) => of_outgoing(&outgoing),
        Event::Incoming(_) => Signal::Other,
    }
}

fn of_v5(event: v5::Event) -> Signal {
    use packet5::{Packet, PubAckReason as Ack, SubscribeReasonCode as Code};
    match event {
        v5::Event::Incoming(Packet::ConnAck(ack)) => Signal::Connected(Limits::of(&ack)),
        v5::Event::Incoming(Packet::SubAck(ack)) => {
            let refusal = |code: Code| {
                Some(Reason(match code {
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
            Signal::Subscribed(ack.return_codes.into_iter().map(refusal).collect())
        }
        v5::Event::Incoming(Packet::Publish(message)) => Signal::Message(Inbound {
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
            Signal::Acknowledged(ack.pkid, refusal.map(Reason))
        }
        v5::Event::Outgoing(outgoing) => of_outgoing(&outgoing),
        v5::Event::Incoming(_) => Signal::Other,
    }
}

fn of_outgoing(outgoing: &Outgoing) -> Signal {
    match outgoing {
        Outgoing::Publish(packet_id) => Signal::Sent(*packet_id),
        Outgoing::Disconnect => Signal::Left,
        _ => Signal::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CONNACK of a mosquitto 2.0 with `max_packet_size 600`, `max_qos 0`, `retain_available false`, `max_keepalive 20`.
    #[test]
    fn limits_are_read_from_the_connack() {
        let bytes = [
            0x20, 0x15, 0, 0, 0x12, 0x13, 0, 20, 0x21, 0, 20, 0x22, 0, 10, 0x27, 0, 0, 2, 88, 0x24, 0, 0x25,
            0,
        ];
        let mut stream = (&bytes[..]).into();
        let Ok(packet5::Packet::ConnAck(ack)) = packet5::Packet::read(&mut stream, None) else { panic!() };
        let limits = Limits::of(&ack);
        assert_eq!((limits.max_packet, limits.max_qos, limits.retain), (600, 0, false));
        assert_eq!((limits.in_flight, limits.keep_alive), (19, Duration::from_secs(20)));
        let plain = packet5::ConnAck { properties: None, ..ack };
        assert_eq!(Limits::of(&plain), Limits::none(Version::V5));
    }

    #[test]
    fn refusals_are_read_from_acknowledgements() {
        let signal = |bytes: &[u8]| {
            let packet = packet5::Packet::read(&mut bytes.into(), None).unwrap();
            of_v5(v5::Event::Incoming(packet))
        };
        assert_eq!(signal(&[0x40, 2, 0, 7]), Signal::Acknowledged(7, None));
        // No matching subscribers.
        assert_eq!(signal(&[0x40, 3, 0, 7, 0x10]), Signal::Acknowledged(7, None));
        assert_eq!(signal(&[0x40, 3, 0, 7, 0x87]), Signal::Acknowledged(7, Some(Reason::NOT_AUTHORIZED)));
        assert_eq!(
            signal(&[0x90, 5, 0, 7, 0, 1, 0x87]),
            Signal::Subscribed(vec![None, Some(Reason::NOT_AUTHORIZED)])
        );
    }
}
