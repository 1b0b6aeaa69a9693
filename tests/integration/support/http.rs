//! HTTP client of the page's tests: plain requests over a socket, and server-sent events.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::{Daemon, PATIENCE};

/// Answer to a request.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl HttpAnswer {
    /// Parses the body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Returns the address of the page, which the daemon logs.
pub(crate) fn page_of(daemon: &Daemon) -> SocketAddr {
    daemon.wait_for_log("the page is http://");
    let log = daemon.log();
    let (_, rest) = log.split_once("the page is http://").unwrap();
    let address = rest.split('/').next().unwrap();
    address.parse().unwrap_or_else(|error| panic!("{error}: {address}"))
}

/// Sends a request and reads the answer to its end.
pub(crate) fn request(page: SocketAddr, method: &str, path: &str, body: &[u8]) -> HttpAnswer {
    request_with(page, method, path, &[], body)
}

/// Sends a request with more headers.
pub(crate) fn request_with(
    page: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> HttpAnswer {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {page}\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n",
        body.len()
    );
    // A server that refuses a body closes early.
    send(page, &[head.as_bytes(), body])
}

/// Sends raw bytes and reads the answer to its end.
pub(crate) fn send(page: SocketAddr, parts: &[&[u8]]) -> HttpAnswer {
    let mut stream = connect(page);
    for part in parts {
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

/// Opens a connection.
pub(crate) fn connect(page: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(page).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn parse(bytes: &[u8]) -> HttpAnswer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunked(body) } else { body.to_owned() };
    HttpAnswer { status, head: head.to_owned(), body }
}

/// Joins the chunks of a body; an incomplete last one is left out.
fn unchunked(body: &str) -> String {
    let (mut joined, mut rest) = (String::new(), body);
    while let Some((length, after)) = rest.split_once("\r\n") {
        let Ok(length) = usize::from_str_radix(length.trim(), 16) else { break };
        let Some(chunk) = after.get(..length) else { break };
        joined += chunk;
        rest = after.get(length + 2..).unwrap_or_default();
    }
    joined
}

/// Message of a stream of server-sent events.
#[derive(Debug, Clone)]
pub(crate) struct StreamMessage {
    pub topic: String,
    pub id: Option<String>,
    pub data: Value,
}

/// Client of server-sent events.
pub(crate) struct EventStream {
    stream: TcpStream,
    /// Bytes that are not parsed yet, without chunk headers once they are complete.
    text: String,
}

impl EventStream {
    /// Connects; `last` is the id of the last received event.
    pub(crate) fn connect(page: SocketAddr, query: &str, last: Option<&str>) -> Self {
        let mut stream = connect(page);
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        write!(stream, "GET /api/v1/events{query} HTTP/1.1\r\nhost: {page}\r\n{last}\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Self { stream, text: String::new() }
    }

    /// Next message; `None` at the end of the stream or after `patience`.
    pub(crate) fn next(&mut self, patience: Duration) -> Option<StreamMessage> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let value =
                        block.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
                    value.map(|value| value.trim().to_owned())
                };
                if let (Some(topic), Some(data)) = (field("event"), field("data")) {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(StreamMessage { topic, id: field("id"), data });
                }
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                // Headers and chunk lengths are lines of their own and match no field.
                Ok(count) => self.text += &String::from_utf8_lossy(&piece[..count]),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
                Err(_) => return None,
            }
            if Instant::now() >= deadline {
                return None;
            }
        }
    }

    /// Next message of a topic.
    pub(crate) fn of(&mut self, topic: &str) -> StreamMessage {
        loop {
            let message = self.next(PATIENCE).unwrap_or_else(|| panic!("no `{topic}` in time"));
            if message.topic == topic {
                return message;
            }
        }
    }
}
