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

use crate::source::Bookmark;
use crate::source::pulled::Shared;
use crate::thread::Stop;

/// Maximum number of addresses tried per host name.
const MAX_ADDRESSES: usize = 4;

/// Connection timeout per address.
const CONNECT: Duration = Duration::from_secs(4);

/// Polling interval for the loss of the reader.
const LOOK_UP: Duration = Duration::from_millis(250);

/// Context of all requests of a source: cancellation, shared state, and the resume point.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) stop: Stop,
    pub(super) shared: Arc<Shared>,
    pub(super) bookmark: Bookmark,
}

impl Watch {
    /// Checks that the stream is still wanted.
    ///
    /// # Errors
    /// The stop token is set or the reader is gone.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.stop.is_set() || self.shared.is_abandoned() {
            true => Err(io::Error::other("nobody listens any more")),
            false => Ok(()),
        }
    }
}

/// Socket whose reads can be cancelled.
pub(super) struct Socket {
    stream: TcpStream,
    watch: Watch,
    deadline: Option<Instant>,
}

impl Socket {
    fn connect(addresses: &[SocketAddr], watch: &Watch, deadline: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.iter().take(MAX_ADDRESSES) {
            watch.check()?;
            let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT);
            if left.is_zero() {
                return Err(late());
            }
            match TcpStream::connect_timeout(address, left) {
                Ok(stream) => {
                    // A server that accepts no request counts as unreachable. Reads wait for data
                    // first.
                    stream.set_write_timeout(Some(CONNECT))?;
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, watch: watch.clone(), deadline: Some(deadline) });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.watch.check()?;
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(late());
            }
            let (stop, socket) = (&self.watch.stop, self.stream.as_fd());
            // Segments and playlists, which have a deadline, are fetched in parallel with playback;
            // waiting for them is not counted.
            let readable = match self.deadline {
                None => self.watch.shared.wait_readable(stop, socket, LOOK_UP)?,
                Some(_) => stop.wait_readable(socket, LOOK_UP)?,
            };
            if readable == Some(true) {
                return self.stream.read(buffer);
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// Transport of HTTP.
pub(super) enum Wire {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Wire {
    /// Connects to the server of `url`, or to `proxy`, by `deadline`. For TLS through a proxy,
    /// calls `tunnel` first.
    ///
    /// # Errors
    /// Errors of the system, TLS or the proxy.
    pub(super) fn connect(
        url: &Url,
        proxy: Option<&Url>,
        watch: &Watch,
        deadline: Instant,
        tunnel: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        let addresses = proxy.unwrap_or(url).socket_addrs(|| None)?;
        let mut wire = Self::Plain(Socket::connect(&addresses, watch, deadline)?);
        if url.scheme() != "https" {
            return Ok(wire);
        }
        if proxy.is_some() {
            tunnel(&mut wire)?;
        }
        let Self::Plain(socket) = wire else { return Ok(wire) };
        let name = match url.host() {
            Some(Host::Ipv4(address)) => ServerName::IpAddress(std::net::IpAddr::V4(address).into()),
            Some(Host::Ipv6(address)) => ServerName::IpAddress(std::net::IpAddr::V6(address).into()),
            Some(Host::Domain(name)) => {
                ServerName::try_from(name.to_owned()).map_err(|error| io::Error::other(error.to_string()))?
            }
            None => return Err(io::Error::other("the address names no host")),
        };
        let connection = ClientConnection::new(trust()?, name).map_err(io::Error::other)?;
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

impl Read for Wire {
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

impl Write for Wire {
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
fn trust() -> io::Result<Arc<ClientConfig>> {
    static TRUST: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = TRUST.get() {
        return Ok(config.clone());
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(io::Error::other("the system trusts no authority; install `ca-certificates`"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TRUST.get_or_init(|| Arc::new(config)).clone())
}
