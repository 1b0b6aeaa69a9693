//! Steps below MQTT: name resolution, TCP, TLS.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::tokio_rustls::TlsConnector;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sink::mqtt::config::MqttConfig;
use crate::sink::mqtt::failure::{ConnectionFailure, FailureKind};
use crate::sink::mqtt::server::Server;

/// Time limit for a step.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn resolve(server: &Server) -> Result<Vec<SocketAddr>, ConnectionFailure> {
    let host = server.host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((host, server.port))
        .await
        .map_err(|error| ConnectionFailure::of_io(&error))?;
    Ok(found.collect())
}

pub(super) async fn tcp_connect(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectionFailure> {
    TcpStream::connect(addresses).await.map_err(|error| ConnectionFailure::of_io(&error))
}

pub(super) async fn secure(config: &MqttConfig, stream: TcpStream) -> Result<String, ConnectionFailure> {
    let tls = config.tls.client_config().map_err(|error| ConnectionFailure::of_files(&error))?;
    let name = ServerName::try_from(config.server.host.clone()).map_err(|_| {
        let reason = format!("`{}` cannot be the name in a certificate", config.server.host);
        ConnectionFailure::new(FailureKind::Other, reason, "use the broker's name in `mqtt.url`")
    })?;
    let secured = TlsConnector::from(tls)
        .connect(name, stream)
        .await
        .map_err(|error| ConnectionFailure::of_handshake(&error))?;
    let (_, session) = secured.get_ref();
    let version = session.protocol_version().map_or(String::new(), |version| format!("{version:?}"));
    Ok(format!("{version}, the certificate is valid for `{}`", config.server.host))
}

pub(super) async fn within<T>(
    step: impl Future<Output = Result<T, ConnectionFailure>>,
) -> Result<T, ConnectionFailure> {
    timeout(STEP_TIMEOUT, step).await.unwrap_or_else(|_| Err(ConnectionFailure::stalled()))
}
