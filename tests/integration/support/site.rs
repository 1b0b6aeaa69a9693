//! An HTTP server with custom responses, plain or over TLS, and a proxy with a password.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Output of a response.
pub(crate) type Line<'a> = &'a mut dyn Write;

/// A request: path, number of requests for it so far, and head.
pub(crate) struct Asked<'a> {
    pub path: &'a str,
    pub count: usize,
    pub head: &'a str,
}

/// The server; its threads end with the process.
pub(crate) struct Site {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Starts a server. `answer` writes the response; the connection is closed when it returns.
    pub(crate) fn start(
        answer: impl Fn(Asked<'_>, Line<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(None, answer)
    }

    /// Starts a server over TLS.
    pub(crate) fn secure(
        config: Arc<ServerConfig>,
        answer: impl Fn(Asked<'_>, Line<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(config), answer)
    }

    fn serve(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(Asked<'_>, Line<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let counts: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let (shared, answer) = (Arc::clone(&heads), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, heads, counts, answer) =
                    (tls.clone(), Arc::clone(&shared), Arc::clone(&counts), Arc::clone(&answer));
                thread::spawn(move || -> io::Result<()> {
                    // A closed or rejected connection is no error.
                    match tls {
                        Some(config) => {
                            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                            one(&mut StreamOwned::new(connection, stream), &heads, &counts, &*answer)
                        }
                        None => one(&mut { stream }, &heads, &counts, &*answer),
                    }
                });
            }
        });
        Self { port, heads }
    }

    /// Heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn one(
    stream: &mut (impl Read + Write),
    heads: &Mutex<Vec<String>>,
    counts: &Mutex<HashMap<String, usize>>,
    answer: &dyn Fn(Asked<'_>, Line<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let head = read_head(stream)?;
    heads.lock().unwrap().push(head.clone());
    let path = head.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
    let count = {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(path.clone()).or_default();
        *count += 1;
        *count
    };
    answer(Asked { path: &path, count, head: &head }, stream)
}

fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = String::new();
    let mut byte = [0];
    while !head.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(char::from(byte[0]));
    }
    Ok(head)
}

/// TLS configuration for `localhost` and `127.0.0.1`; the certificate of its authority is written
/// to `ca`.
pub(crate) fn certified(ca: &Path) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Authorities of the same name would be confused.
    params.distinguished_name.push(rcgen::DnType::CommonName, ca.display().to_string());
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(ca, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    Arc::new(config)
}

/// A proxy to local servers that requires the login `user:password`.
pub(crate) struct HttpProxy {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl HttpProxy {
    pub(crate) fn start(secret: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let shared = Arc::clone(&heads);
        let wanted = format!("\r\nProxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(secret));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heads, wanted) = (Arc::clone(&shared), wanted.clone());
                thread::spawn(move || pass(stream, &heads, &wanted));
            }
        });
        Self { port, heads }
    }

    /// Heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn pass(mut near: TcpStream, heads: &Mutex<Vec<String>>, wanted: &str) -> io::Result<()> {
    let head = read_head(&mut near)?;
    heads.lock().unwrap().push(head.clone());
    if !head.contains(wanted) {
        return near.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let address = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(80_u16);
    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    match head.starts_with("CONNECT ") {
        true => near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
        false => {
            let path = target.trim_start_matches("http://").trim_start_matches(address);
            far.write_all(head.replacen(target, path, 1).replace(wanted.trim_start(), "").as_bytes())?;
        }
    }
    let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut far, &mut near);
    near.shutdown(Shutdown::Both)
}
