//! From the configuration to the client's options.

use rumqttc::{LastWill, MqttOptions, QoS, TlsConfiguration};

use super::KEEP_ALIVE;
use super::config::MqttConfig;
use super::failure::Failure;
use super::publication::MAX_PAYLOAD;
use super::server::Transport;

/// Options of a client called `id`, without a last will.
///
/// # Errors
/// When what secures the connection cannot be read (any more).
pub fn options(config: &MqttConfig, id: &str) -> Result<MqttOptions, Failure> {
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
    let mut options = MqttOptions::new(id, address, server.port);
    options
        .set_transport(transport)
        .set_keep_alive(KEEP_ALIVE)
        // Nothing of ours is left to the broker's memory of a session: the outbox sends again.
        .set_clean_session(true)
        .set_max_packet_size(MAX_PAYLOAD + 4096, MAX_PAYLOAD + 4096);
    if let Some(login) = &config.login {
        options.set_credentials(login.username.clone(), login.password.reveal());
    }
    Ok(options)
}

/// The same with a last will: `offline` on `topic`.
pub fn with_will(mut options: MqttOptions, topic: String) -> MqttOptions {
    options.set_last_will(LastWill::new(topic, "offline", QoS::AtLeastOnce, true));
    options
}
