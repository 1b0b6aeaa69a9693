//! The embedded broker: `mqtt5` on the loopback interface.
//!
//! One port serves MQTT 3.1.1 and MQTT 5. The listener reads the first bytes of a connection before
//! the library does: it answers MQTT 3.1, which the library drops silently, and logs connections
//! that are not MQTT.

mod connect_header;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::server::MqttBroker;
use mqtt5::broker::transport::BrokerTransport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::time::timeout;

use self::connect_header::{ConnectHeader, ConnectRefusal, MAX_LENGTH, read};
use super::publication::MAX_PAYLOAD;

/// Time limit for the start of the broker.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit for the first bytes of a CONNECT. The library allows as much for the rest.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval between two peeks at an incomplete header: peeked bytes do not wake a reader.
const PEEK_INTERVAL: Duration = Duration::from_millis(20);

/// Time limit for reading from a refused client.
const REFUSED_READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of clients, including those without a CONNECT.
const MAX_CLIENTS: usize = 256;

/// Reason that there is no embedded broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another program listens on the port.
    #[error(
        "port {port} of 127.0.0.1 is in use, so the embedded MQTT broker cannot start; if a broker runs there, publish to it with `url = \"mqtt://127.0.0.1:{port}\"` under `[mqtt]`"
    )]
    InUse {
        /// Requested port.
        port: u16,
    },
    /// The port cannot be opened.
    #[error(
        "the embedded MQTT broker cannot listen on port {port} of 127.0.0.1 ({error}); name another broker with `url` under `[mqtt]`, or set `enabled = false` there"
    )]
    Listen {
        /// Requested port.
        port: u16,
        /// Error of the system.
        error: io::Error,
    },
    /// The broker ended or does not answer.
    #[error(
        "the embedded MQTT broker does not start ({0}); name another broker with `url` under `[mqtt]`, or set `enabled = false` there"
    )]
    Start(String),
}

/// Starts the broker on `port` of 127.0.0.1 (0 picks a free one) and returns its address once it
/// listens.
///
/// It accepts every local client, stores nothing on disk, and runs until the process ends.
///
/// # Errors
/// Fails if the port is in use or the broker does not start.
pub fn start(port: u16) -> Result<SocketAddr, BrokerError> {
    let listen = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => BrokerError::InUse { port },
        _ => BrokerError::Listen { port, error },
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let (ready, started) = mpsc::channel();
    crate::thread::spawn("mqtt-broker", move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let reason = match runtime {
            Ok(runtime) => runtime.block_on(serve(listener, ready.clone())),
            Err(error) => error.to_string(),
        };
        if ready.send(Err(reason.clone())).is_err() {
            tracing::error!(%address, reason, "the embedded MQTT broker has ended");
        }
    })
    .map_err(|error| BrokerError::Start(error.to_string()))?;
    match started.recv_timeout(START_TIMEOUT) {
        Ok(Ok(())) => Ok(address),
        Ok(Err(reason)) => Err(BrokerError::Start(reason)),
        Err(_) => Err(BrokerError::Start("no answer in time".to_owned())),
    }
}

/// Serves clients until a failure, and returns its cause. Reports the start to `ready`.
async fn serve(listener: TcpListener, ready: mpsc::Sender<Result<(), String>>) -> String {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return error.to_string(),
    };
    let mut broker = match MqttBroker::with_config(config()).await {
        Ok(broker) => broker,
        Err(error) => return error.to_string(),
    };
    let clients = Arc::new(BrokerClients::new(&broker));
    let mut running = broker.ready_receiver();
    let accept = async move {
        if running.wait_for(|ready| *ready).await.is_err() {
            return "it ended at its start".to_owned();
        }
        let _ = ready.send(Ok(()));
        drop(ready);
        accept(&listener, &clients).await
    };
    tokio::select! {
        reason = accept => reason,
        ended = broker.run() => ended.map_or_else(|error| error.to_string(), |()| "it stopped".to_owned()),
    }
}

async fn accept(listener: &tokio::net::TcpListener, clients: &Arc<BrokerClients>) -> String {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(place) = ClientSlot::take(clients) {
                    tokio::spawn(async move { place.0.admit(stream, peer).await });
                }
            }
            // Out of file descriptors, most likely: disconnecting clients will free some.
            Err(error) => {
                tracing::debug!(%error, "the embedded MQTT broker cannot take a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// State shared by the handlers of all clients.
struct BrokerClients {
    config: Arc<BrokerConfig>,
    router: Arc<mqtt5::broker::router::MessageRouter>,
    auth: Arc<dyn mqtt5::broker::AuthProvider>,
    storage: Option<Arc<mqtt5::broker::DynamicStorage>>,
    stats: Arc<mqtt5::broker::sys_topics::BrokerStats>,
    resources: Arc<mqtt5::broker::ResourceMonitor>,
    /// Never used: the broker runs until the process ends.
    shutdown: broadcast::Sender<()>,
    connected: AtomicUsize,
    /// Kinds of refused connections that have been logged.
    logged: std::sync::Mutex<Vec<ConnectRefusal>>,
}

impl BrokerClients {
    fn new(broker: &MqttBroker) -> Self {
        Self {
            config: Arc::new(config()),
            router: broker.router(),
            auth: broker.auth_provider(),
            storage: broker.storage(),
            stats: broker.stats(),
            resources: broker.resource_monitor(),
            shutdown: broadcast::channel(1).0,
            connected: AtomicUsize::new(0),
            logged: std::sync::Mutex::default(),
        }
    }

    /// Reads the first bytes of a connection, then passes it to the library or refuses it.
    async fn admit(&self, mut stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let refusal = match timeout(CONNECT_TIMEOUT, peek(&stream)).await {
            Ok(Ok(None)) => return self.handle(stream, peer).await,
            Ok(Ok(Some(refusal))) => refusal,
            // The client closed the connection.
            Ok(Err(_)) => return,
            Err(_) => ConnectRefusal::Silent,
        };
        let is_news = self.logged.lock().is_ok_and(|mut logged| {
            let is_news = !logged.contains(&refusal);
            logged.extend(is_news.then_some(refusal));
            is_news
        });
        // Once per kind: port scans and retries would fill the log.
        if is_news {
            tracing::info!(%peer, "the embedded MQTT broker refused a connection: {refusal}");
        }
        if let Some(answer) = refusal.answer() {
            let _ = timeout(CONNECT_TIMEOUT, stream.write_all(answer)).await;
        }
        let _ = stream.shutdown().await;
        // Closing with unread bytes resets the connection, and the answer may be lost.
        let _ = timeout(REFUSED_READ_TIMEOUT, drain(&mut stream)).await;
    }

    async fn handle(&self, stream: TcpStream, peer: SocketAddr) {
        let handler = ClientHandler::new(
            BrokerTransport::tcp(stream),
            peer,
            Arc::clone(&self.config),
            Arc::clone(&self.router),
            Arc::clone(&self.auth),
            self.storage.clone(),
            Arc::clone(&self.stats),
            Arc::clone(&self.resources),
            self.shutdown.subscribe(),
        );
        if let Err(error) = handler.run().await {
            tracing::debug!(%peer, %error, "a client of the embedded MQTT broker has gone");
        }
    }
}

/// One of [`MAX_CLIENTS`] slots.
struct ClientSlot(Arc<BrokerClients>);

impl ClientSlot {
    fn take(clients: &Arc<BrokerClients>) -> Option<Self> {
        let more = |connected| (connected < MAX_CLIENTS).then_some(connected + 1);
        clients.connected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(clients)))
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits for the header of a CONNECT without consuming it; `None` if the library handles the
/// client.
async fn peek(stream: &TcpStream) -> io::Result<Option<ConnectRefusal>> {
    let mut bytes = [0; MAX_LENGTH];
    loop {
        let length = stream.peek(&mut bytes).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match read(&bytes[..length]) {
            ConnectHeader::Incomplete => tokio::time::sleep(PEEK_INTERVAL).await,
            ConnectHeader::Served => return Ok(None),
            ConnectHeader::Refused(refusal) => return Ok(Some(refusal)),
        }
    }
}

/// Discards up to 64 KiB until the client closes.
async fn drain(stream: &mut TcpStream) {
    let mut bytes = [0; 1024];
    for _ in 0..64 {
        if !matches!(stream.read(&mut bytes).await, Ok(1..)) {
            return;
        }
    }
}

/// No `$SYS`, nothing on disk, bounded queues.
fn config() -> BrokerConfig {
    let mut storage = StorageConfig::new()
        // Sessions in memory.
        .with_persistence(true)
        .with_backend(StorageBackend::Memory)
        .with_max_queued_messages_per_client(1000)
        .with_max_queued_bytes_per_client(8 * 1024 * 1024);
    storage.cleanup_interval = Duration::from_secs(600);
    BrokerConfig::new()
        // The library needs a listener of its own, on a free port of the loopback interface.
        .with_bind_address((Ipv4Addr::LOCALHOST, 0))
        .with_max_clients(2 * MAX_CLIENTS)
        .with_session_expiry(Duration::from_secs(3600))
        .with_max_packet_size(MAX_PAYLOAD + 4096)
        .with_max_retained_messages(20_000)
        .with_client_channel_capacity(2000)
        .with_storage(storage)
        .with_sys_topics_enabled(false)
}

#[cfg(test)]
mod tests;
