//! Client of the HTTP API of a running daemon.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use ureq::http::Response;
use ureq::{Agent, Body};

/// Address of the page where none is configured.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:8480";

/// Longest wait for a connection, and for the head of an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Client of one daemon.
#[derive(Debug, Clone)]
pub(super) struct PageClient {
    agent: Agent,
    /// Address of the page, without a slash at the end.
    base: String,
    token: Option<String>,
}

impl PageClient {
    /// Client of the daemon whose page is at `base`.
    ///
    /// # Errors
    /// `base` is not an `http` or `https` address.
    pub(super) fn new(base: &str) -> anyhow::Result<Self> {
        let url = url::Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none() {
            bail!("`{base}` is no address of a page; give one such as `{DEFAULT_URL}`");
        }
        let config = Agent::config_builder()
            .timeout_connect(Some(TIMEOUT))
            .timeout_recv_response(Some(TIMEOUT))
            .http_status_as_error(false)
            .build();
        Ok(Self { agent: config.into(), base: base.trim_end_matches('/').to_owned(), token: None })
    }

    /// Sends the token on the first line of `file`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no token.
    #[cfg_attr(not(feature = "top"), allow(dead_code, reason = "used by `top`"))]
    pub(super) fn with_token_file(mut self, file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(self) };
        let text =
            std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.is_empty() || token.chars().any(char::is_control) {
            bail!("`{}` holds no token", file.display());
        }
        self.token = Some(token.to_owned());
        Ok(self)
    }

    /// Address of the page.
    pub(super) fn url(&self) -> &str {
        &self.base
    }

    /// Status and body of the answer to a request for `path`.
    ///
    /// # Errors
    /// There is no answer, or it breaks off.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut answer = self.request(path)?;
        let body = answer.body_mut().read_to_string().context("the answer of the daemon broke off")?;
        Ok((answer.status().as_u16(), body))
    }

    /// Lines of the answer to a request for `path`, as they arrive.
    ///
    /// # Errors
    /// There is no answer, or it is an error.
    #[cfg_attr(not(feature = "top"), allow(dead_code, reason = "used by `top`"))]
    pub(super) fn lines(
        &self,
        path: &str,
    ) -> anyhow::Result<impl Iterator<Item = std::io::Result<String>> + use<>> {
        let answer = self.request(path)?;
        if !answer.status().is_success() {
            bail!("{} answers with status {}", self.base, answer.status());
        }
        Ok(BufReader::new(answer.into_body().into_reader()).lines())
    }

    fn request(&self, path: &str) -> anyhow::Result<Response<Body>> {
        let mut request = self.agent.get(format!("{}/{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let base = &self.base;
        request.call().with_context(|| format!("no page answers at {base}; `genred run` logs its address"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
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
        let (url, server) = serve(
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{\"ready\":false}",
        );
        let client = PageClient::new(&url).unwrap().with_token_file(Some(token.path())).unwrap();
        assert_eq!(client.get("ready").unwrap(), (503, "{\"ready\":false}".to_owned()));
        let request = server.join().unwrap().to_ascii_lowercase();
        assert!(request.starts_with("get /radio/ready http/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nauthorization: bearer secret\r\n"), "{request}");
    }

    #[test]
    fn other_servers_are_told_apart() {
        let (url, _server) = serve("SSH-2.0\r\n\r\n");
        let error = PageClient::new(&url).unwrap().get("health").unwrap_err();
        assert!(format!("{error:#}").contains("no page answers"), "{error:#}");
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(PageClient::new("http://[::1]:8480/").unwrap().url(), "http://[::1]:8480");
        assert_eq!(
            PageClient::new("https://radio.example/genred/").unwrap().url(),
            "https://radio.example/genred"
        );
        for wrong in ["h:1", "", "file:///x"] {
            assert!(PageClient::new(wrong).is_err(), "{wrong}");
        }
    }
}
