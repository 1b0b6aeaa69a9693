//! One connection to the broker through `rumqttc`, in MQTT 3.1.1 or MQTT 5.

mod v311;
mod v5;

use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::v5::mqttbytes::v5 as packet5;
use rumqttc::{NetworkOptions, QoS, SubscribeFilter, TlsConfiguration};

use super::config::MqttConfig;
use super::failure::{ConnectionFailure, FailureKind};
use super::last_will::OFFLINE;
use super::protocol::{BrokerSignal, ConnectRequest, KEEP_ALIVE, MAX_IN_FLIGHT, MAX_PACKET, ProtocolVersion};
use super::publication::Publication;
use super::server::MqttTransport;

/// Publications that the library sends before it waits for acknowledgements.
const LIBRARY_MAX_IN_FLIGHT: u16 = 100;

/// Half of a connection that accepts requests. A request never waits: it returns false if the queue
/// is full.
pub(super) enum MqttClient {
    /// MQTT 3.1.1.
    V311(rumqttc::AsyncClient),
    /// MQTT 5.
    V5(rumqttc::v5::AsyncClient),
}

/// Half of a connection that does the I/O and returns what happened.
pub(super) struct MqttEvents {
    inner: EventLoopKind,
    connected: bool,
    /// Cause of the end of the connection; `None` while it is up.
    failure: Option<ConnectionFailure>,
}

enum EventLoopKind {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<rumqttc::v5::EventLoop>),
}

/// Creates a connection, which is made once its events are polled.
///
/// # Errors
/// A TLS file cannot be read.
pub(super) fn open(
    config: &MqttConfig,
    request: &ConnectRequest,
) -> Result<(MqttClient, MqttEvents), ConnectionFailure> {
    let server = &config.server;
    let tls = || -> Result<TlsConfiguration, ConnectionFailure> {
        let tls = config.tls.client_config().map_err(|error| ConnectionFailure::of_files(&error))?;
        Ok(TlsConfiguration::Rustls(tls))
    };
    let host = || server.host.clone();
    let (address, transport) = match server.transport {
        MqttTransport::Tcp => (host(), rumqttc::Transport::tcp()),
        MqttTransport::Tls => (host(), rumqttc::Transport::tls_with_config(tls()?)),
        MqttTransport::WebSocket => (server.url(), rumqttc::Transport::ws()),
        MqttTransport::SecureWebSocket => (server.url(), rumqttc::Transport::wss_with_config(tls()?)),
    };
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let (client, inner) = match request.version {
        ProtocolVersion::V311 => {
            let mut options = rumqttc::MqttOptions::new(&request.client_id, address, server.port);
            options
                .set_transport(transport)
                .set_keep_alive(KEEP_ALIVE)
                // No session state is kept at the broker: the outbox sends events again.
                .set_clean_session(true)
                .set_inflight(LIBRARY_MAX_IN_FLIGHT)
                .set_max_packet_size(MAX_PACKET, MAX_PACKET);
            if let Some(login) = &config.login {
                options.set_credentials(login.username.clone(), login.password.reveal());
            }
            if let Some(will) = &request.last_will {
                let qos = quality(will.qos);
                options.set_last_will(rumqttc::LastWill::new(&will.topic, OFFLINE, qos, will.retain));
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, MAX_IN_FLIGHT + 4);
            events.network_options = network;
            (MqttClient::V311(client), EventLoopKind::V311(Box::new(events)))
        }
        ProtocolVersion::V5 => {
            let mut options = rumqttc::v5::MqttOptions::new(&request.client_id, address, server.port);
            options
                .set_transport(transport)
                .set_network_options(network)
                .set_keep_alive(KEEP_ALIVE)
                // Without an expiry interval the session ends with the connection.
                .set_clean_start(true)
                .set_outgoing_inflight_upper_limit(LIBRARY_MAX_IN_FLIGHT)
                .set_max_packet_size(u32::try_from(MAX_PACKET).ok());
            if let Some(login) = &config.login {
                options.set_credentials(login.username.clone(), login.password.reveal());
            }
            if let Some(will) = &request.last_will {
                let qos = if will.qos == 0 { QoS5::AtMostOnce } else { QoS5::AtLeastOnce };
                options.set_last_will(packet5::LastWill::new(&will.topic, OFFLINE, qos, will.retain, None));
            }
            let (client, events) = rumqttc::v5::AsyncClient::new(options, MAX_IN_FLIGHT + 4);
            (MqttClient::V5(client), EventLoopKind::V5(Box::new(events)))
        }
    };
    Ok((client, MqttEvents { inner, connected: false, failure: None }))
}

fn quality(qos: u8) -> QoS {
    if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

impl MqttClient {
    /// Queues a message.
    pub(super) fn publish(&self, publication: Publication) -> bool {
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
    pub(super) fn subscribe(&self, topics: impl IntoIterator<Item = String>) -> bool {
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
    pub(super) fn unsubscribe(&self, topic: &str) -> bool {
        match self {
            Self::V311(client) => client.try_unsubscribe(topic).is_ok(),
            Self::V5(client) => client.try_unsubscribe(topic).is_ok(),
        }
    }

    /// Requests an end of the connection for which the broker publishes no last will.
    pub(super) fn disconnect(&self) -> bool {
        match self {
            Self::V311(client) => client.try_disconnect().is_ok(),
            Self::V5(client) => client.try_disconnect().is_ok(),
        }
    }
}

impl MqttEvents {
    /// Waits for the next signal. Not cancel-safe: a packet may be lost if the future is dropped.
    ///
    /// # Errors
    /// The connection has ended, or cannot be made.
    pub(super) async fn poll(&mut self) -> Result<BrokerSignal, ConnectionFailure> {
        if self.failure.is_none() {
            let early = !self.connected;
            let signal = match &mut self.inner {
                EventLoopKind::V311(events) => {
                    events.poll().await.map(v311::signal).map_err(|error| ConnectionFailure::of(&error))
                }
                EventLoopKind::V5(events) => {
                    let signal =
                        events.poll().await.map(v5::signal).map_err(|error| ConnectionFailure::of_v5(&error));
                    // If the server asks for no keep-alive, the library would send pings without a
                    // pause.
                    if events.options.keep_alive().is_zero() {
                        events.options.set_keep_alive(KEEP_ALIVE);
                    }
                    signal
                }
            };
            let failure = match signal {
                Ok(signal) => {
                    self.connected |= matches!(signal, BrokerSignal::Connected(_));
                    return Ok(signal);
                }
                Err(failure) => failure,
            };
            // A malformed packet before the CONNACK is a CONNACK of another version.
            let kind = match failure.kind {
                FailureKind::Message(_) if early => FailureKind::Garbled,
                kind => kind,
            };
            self.failure = Some(ConnectionFailure { early, kind, ..failure });
        }
        // Signals that were read before the end are still queued, acknowledgements included.
        let left = match &mut self.inner {
            EventLoopKind::V311(events) => events.state.events.pop_front().map(v311::signal),
            EventLoopKind::V5(events) => events.state.events.pop_front().map(v5::signal),
        };
        match (left, &self.failure) {
            (Some(signal), _) => Ok(signal),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => Ok(BrokerSignal::Other),
        }
    }
}
