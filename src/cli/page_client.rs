//! Client of the API of a running daemon.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use url::Url;

/// Address of the page where none is configured.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:8480";

/// Limit of each step of a request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes. A thousand sources need two megabytes.
const MAX_ANSWER: u64 = 16 << 20;

/// Client of one daemon, over plain HTTP.
#[derive(Debug, Clone)]
pub(super) struct PageClient {
    base: Url,
    token: Option<String>,
}

impl PageClient {
    /// Client of the daemon whose page is at `base`.
    ///
    /// # Errors
    /// `base` is not an `http://` address.
    pub(super) fn new(base: &str) -> anyhow::Result<Self> {
        let url = Url::parse(&format!("{}/", base.trim_end_matches('/')));
        let base_url = url.with_context(|| format!("`{base}` is no address; give `{DEFAULT_URL}`"))?;
        if base_url.scheme() != "http" || base_url.host_str().is_none() {
            bail!("`{base}` is not an `http://` address; ask on the machine of the daemon, without TLS");
        }
        Ok(Self { base: base_url, token: None })
    }

    /// Sends the token that `file` holds.
    ///
    /// # Errors
    /// The file cannot be read, or holds no token.
    pub(super) fn with_token_file(mut self, file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(self) };
        let text = std::fs::read_to_string(file).with_context(|| format!("`{}`", file.display()))?;
        let token = text.trim();
        if token.is_empty() || token.chars().any(char::is_control) {
            bail!("`{}` holds no token", file.display());
        }
        self.token = Some(token.to_owned());
        Ok(self)
    }

    /// Address of the page.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Status and body of the answer to a request for `path`.
    ///
    /// # Errors
    /// There is no answer, or it is not HTTP.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.request(path).with_context(|| format!("no answer from `{}`", self.url()))
    }

    fn request(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let url = self.base.join(path)?;
        // An IPv6 address keeps its brackets, as both resolver and `Host` expect.
        let host = &url[url::Position::BeforeHost..url::Position::AfterHost];
        let authority = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
        let address = authority.to_socket_addrs()?.next().context("the host has no address")?;
        let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        let token = self.token.as_ref();
        let authorization = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        // The body of an HTTP/1.0 answer ends with the connection.
        let target = &url[url::Position::BeforePath..];
        write!(connection, "GET {target} HTTP/1.0\r\nHost: {authority}\r\n{authorization}\r\n")?;
        let mut answer = Vec::new();
        connection.take(MAX_ANSWER).read_to_end(&mut answer)?;
        parse(&String::from_utf8_lossy(&answer))
    }
}

fn parse(answer: &str) -> anyhow::Result<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    Ok((status.context("the answer is not HTTP")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Serves `answer` once; returns the address and the request.
    fn serve(answer: &'static str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/radio", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 512]);
            while !request.ends_with(b"\r\n\r\n") {
                let count = connection.read(&mut piece).unwrap();
                assert!(count > 0, "the request is incomplete");
                request.extend_from_slice(&piece[..count]);
            }
            connection.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, server)
    }

    #[test]
    fn status_and_body_are_read() {
        let mut token = tempfile::NamedTempFile::new().unwrap();
        token.write_all(b"secret\n").unwrap();
        let (url, server) = serve("HTTP/1.0 503 Service Unavailable\r\nx: y\r\n\r\n{\"ready\":false}");
        let client = PageClient::new(&url).unwrap().with_token_file(Some(token.path())).unwrap();
        assert_eq!(client.get("ready").unwrap(), (503, "{\"ready\":false}".to_owned()));
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /radio/ready HTTP/1.0\r\nHost: 127.0.0.1:"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer secret\r\n"), "{request}");
    }

    #[test]
    fn other_servers_are_told_apart() {
        let (url, _server) = serve("SSH-2.0\r\n\r\n");
        let error = PageClient::new(&url).unwrap().get("health").unwrap_err();
        assert!(format!("{error:#}").contains("the answer is not HTTP"), "{error:#}");
    }

    #[test]
    fn addresses_are_plain_http() {
        assert_eq!(PageClient::new("http://[::1]:8480/").unwrap().url(), "http://[::1]:8480");
        for wrong in ["https://h", "h:1", "", "file:///x"] {
            assert!(PageClient::new(wrong).is_err(), "{wrong}");
        }
    }
}
