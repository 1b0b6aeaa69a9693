//! The embedded broker: `rumqttd` on the loopback interface, so that a bare machine needs nothing else.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

use super::publication::MAX_PAYLOAD;

/// How long the broker may take to listen.
const START: Duration = Duration::from_secs(5);

/// Why there is no embedded broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Something else listens there.
    #[error(
        "port {port} of 127.0.0.1 is in use, so the embedded MQTT broker cannot start; if a broker runs there, publish to it with `url = \"mqtt://127.0.0.1:{port}\"` under `[mqtt]`"
    )]
    InUse {
        /// The port that was asked for.
        port: u16,
    },
    /// The port cannot be listened on.
    #[error(
        "the embedded MQTT broker cannot listen on port {port} of 127.0.0.1 ({error}); name another broker with `url` under `[mqtt]`, or set `enabled = false` there"
    )]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system says.
        error: io::Error,
    },
    /// It ended, or does not answer.
    #[error(
        "the embedded MQTT broker does not start ({0}); name another broker with `url` under `[mqtt]`, or set `enabled = false` there"
    )]
    Start(String),
}

/// Starts the broker on `port` of 127.0.0.1 (0 picks a free one) and returns its address once it listens.
///
/// It speaks MQTT 3.1.1, lets every local client in, keeps nothing on disk, and lives until the process ends: it has no way to stop.
///
/// # Errors
/// When the port is taken or the broker does not come up.
pub fn start(port: u16) -> Result<SocketAddr, BrokerError> {
    let address = free_address(port)?;
    let (failed, failure) = std::sync::mpsc::channel();
    crate::thread::spawn("mqtt-broker", move || {
        // Returns only when the listener has died.
        let reason = match Broker::new(config(address)).start() {
            Ok(()) => "it stopped listening".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::error!(%address, reason, "the embedded MQTT broker has ended");
        let _ = failed.send(reason);
    })
    .map_err(|error| BrokerError::Start(error.to_string()))?;
    let deadline = Instant::now() + START;
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        if let Ok(reason) = failure.try_recv() {
            return Err(BrokerError::Start(reason));
        }
        if Instant::now() > deadline {
            return Err(BrokerError::Start("no answer in time".to_owned()));
        }
        sleep(Duration::from_millis(10));
    }
    Ok(address)
}

/// rumqttd only logs that its port is taken: find out first.
fn free_address(port: u16) -> Result<SocketAddr, BrokerError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BrokerError::InUse { port },
        _ => BrokerError::Listen { port, error },
    })?;
    listener.local_addr().map_err(|error| BrokerError::Listen { port, error })
}

/// No console, no metrics, no second protocol: one listener.
fn config(address: SocketAddr) -> Config {
    let server = ServerSettings {
        // Also the name of its thread.
        name: "mqtt-listener".to_owned(),
        listen: address,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 10_000,
            max_payload_size: MAX_PAYLOAD + 4096,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            // Topics without a subscriber would else be logged in memory, too.
            dynamic_filters: false,
        },
    };
    Config {
        router: RouterConfig {
            max_connections: 256,
            // Also how many retained messages a subscriber of quality of service 0 is sent.
            max_outgoing_packet_count: 2000,
            // The backlog of a subscription is at most 8 MiB: what is older is lost to a slow subscriber.
            max_segment_size: 1024 * 1024,
            max_segment_count: 8,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("1".to_owned(), server)])),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = start(port).unwrap_err().to_string();
        assert!(error.starts_with(&format!("port {port} of 127.0.0.1 is in use")), "{error}");
        assert!(error.contains(&format!("`url = \"mqtt://127.0.0.1:{port}\"` under `[mqtt]`")), "{error}");
    }
}
