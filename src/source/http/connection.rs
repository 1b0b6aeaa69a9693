//! Connection to a server over TCP, a proxy and TLS. Reads end with the stop token, with the
//! source's reader, and at a deadline.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use url::{Host, Url};

use crate::source::address_policy::AddressPolicy;
use crate::source::resume_point::ResumePoint;
use crate::source::threaded_decoder::DecoderStatus;
use crate::thread::Stop;

/// Maximum number of addresses tried per host name.
const MAX_ADDRESSES: usize = 4;

/// Connection timeout per address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Polling interval for the loss of the reader.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Context of all requests of a source: cancellation, shared state, the resume point, and the
/// addresses that may be connected to.
#[derive(Clone)]
pub(in crate::source) struct FetchContext {
    pub(super) stop: Stop,
    pub(super) shared: Arc<DecoderStatus>,
    pub(super) resume_point: ResumePoint,
    /// Rule on the addresses to connect to.
    pub(super) policy: AddressPolicy,
}

impl FetchContext {
    /// Checks that the stream is still wanted.
    ///
    /// # Errors
    /// The stop token is set or the reader is gone.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.stop.is_set() || self.shared.is_abandoned() {
            true => Err(io::Error::other("the reader is gone")),
            false => Ok(()),
        }
    }
}

/// Socket whose reads can be cancelled.
pub(in crate::source) struct CancellableSocket {
    stream: TcpStream,
    context: FetchContext,
    deadline: Option<Instant>,
}

impl CancellableSocket {
    fn connect(addresses: &[SocketAddr], context: &FetchContext, deadline: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.iter().take(MAX_ADDRESSES) {
            context.check()?;
            let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIMEOUT);
            if left.is_zero() {
                return Err(late());
            }
            match TcpStream::connect_timeout(address, left) {
                Ok(stream) => {
                    // A server that accepts no request counts as unreachable. Reads wait for data
                    // first.
                    stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, context: context.clone(), deadline: Some(deadline) });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Read for CancellableSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.context.check()?;
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(late());
            }
            let (stop, socket) = (&self.context.stop, self.stream.as_fd());
            // Segments and playlists, which have a deadline, are fetched in parallel with playback;
            // waiting for them is not counted.
            let readable = match self.deadline {
                None => self.context.shared.wait_readable(stop, socket, POLL_INTERVAL)?,
                Some(_) => stop.wait_readable(socket, POLL_INTERVAL)?,
            };
            if readable == Some(true) {
                return self.stream.read(buffer);
            }
        }
    }
}

impl Write for CancellableSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no response in time")
}

/// Transport of HTTP.
pub(in crate::source) enum HttpConnection {
    Plain(CancellableSocket),
    Tls(Box<StreamOwned<ClientConnection, CancellableSocket>>),
}

impl HttpConnection {
    /// Connects to the server of `url`, or to `proxy`, by `deadline`. For TLS through a proxy,
    /// calls `tunnel` first.
    ///
    /// # Errors
    /// Errors of the system, TLS or the proxy; an `AddressRefusal` of the context's policy.
    pub(super) fn connect(
        url: &Url,
        proxy: Option<&Url>,
        context: &FetchContext,
        deadline: Instant,
        tunnel: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        let addresses = match proxy {
            None => {
                let addresses = url.socket_addrs(|| None)?;
                context.policy.check(&addresses).map_err(io::Error::other)?;
                addresses
            }
            Some(proxy) => {
                context.policy.check_proxy().map_err(io::Error::other)?;
                proxy.socket_addrs(|| None)?
            }
        };
        // Connects to these very addresses: a second look-up could yield others.
        let mut connection = Self::Plain(CancellableSocket::connect(&addresses, context, deadline)?);
        if url.scheme() != "https" {
            return Ok(connection);
        }
        if proxy.is_some() {
            tunnel(&mut connection)?;
        }
        let Self::Plain(socket) = connection else { return Ok(connection) };
        let name = match url.host() {
            Some(Host::Ipv4(address)) => ServerName::IpAddress(std::net::IpAddr::V4(address).into()),
            Some(Host::Ipv6(address)) => ServerName::IpAddress(std::net::IpAddr::V6(address).into()),
            Some(Host::Domain(name)) => {
                ServerName::try_from(name.to_owned()).map_err(|error| io::Error::other(error.to_string()))?
            }
            None => return Err(io::Error::other("the address names no host")),
        };
        let connection = ClientConnection::new(tls_config()?, name).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    /// Sets the time at which reads fail; `None` for no limit.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        match self {
            Self::Plain(socket) => socket.deadline = deadline,
            Self::Tls(stream) => stream.sock.deadline = deadline,
        }
    }
}

impl Read for HttpConnection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            // Servers of endless streams seldom send `close_notify`.
            Self::Tls(stream) => match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for HttpConnection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// TLS configuration with the system's root certificates, loaded once and shared by all streams.
fn tls_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(io::Error::other("the system has no root certificates; install `ca-certificates`"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone())
}
