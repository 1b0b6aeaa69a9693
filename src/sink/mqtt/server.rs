//! Address of the broker: `mqtt.url`.

use std::fmt;
use std::net::SocketAddr;

use url::Url;

use super::setting_error::MqttConfigError;

/// Transport of MQTT packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttTransport {
    /// TCP alone: `mqtt://`.
    Tcp,
    /// TLS: `mqtts://`.
    Tls,
    /// WebSocket: `ws://`.
    WebSocket,
    /// WebSocket in TLS: `wss://`.
    SecureWebSocket,
}

impl MqttTransport {
    fn of(scheme: &str) -> Option<Self> {
        Some(match scheme {
            "mqtt" | "tcp" => Self::Tcp,
            "mqtts" | "ssl" | "tls" => Self::Tls,
            "ws" => Self::WebSocket,
            "wss" => Self::SecureWebSocket,
            _ => return None,
        })
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "mqtt",
            Self::Tls => "mqtts",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Tcp => 1883,
            Self::Tls => 8883,
            Self::WebSocket => 80,
            Self::SecureWebSocket => 443,
        }
    }

    /// Returns true if the transport includes TLS.
    pub(crate) fn is_secured(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }

    fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::SecureWebSocket)
    }
}

/// Address of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Transport.
    pub transport: MqttTransport,
    /// Name or address; an IPv6 address is in brackets. With TLS, the name in the certificate and
    /// in SNI.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query of a WebSocket, with its leading `/`.
    pub path: String,
}

impl Server {
    /// A broker on this machine, over TCP.
    pub(crate) fn local(port: u16) -> Self {
        Self { transport: MqttTransport::Tcp, host: "127.0.0.1".to_owned(), port, path: String::new() }
    }

    /// The address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}:{}{}", self.transport.scheme(), self.host, self.port, self.path)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            MqttTransport::Tcp => write!(f, "{}:{}", self.host, self.port),
            // The query may hold a token.
            _ => f.write_str(self.url().split('?').next().unwrap_or_default()),
        }
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        };
        Self { host, ..Self::local(address.port()) }
    }
}

/// User name and password of a URL.
pub(crate) type UrlLogin = Option<(String, Option<String>)>;

/// Parses server and login. Error messages never repeat the URL: it may hold a password.
///
/// # Errors
/// Fails if `text` is not the URL of a broker.
pub(crate) fn parse_url(text: &str) -> Result<(Server, UrlLogin), MqttConfigError> {
    const FORM: &str = "give `mqtt://host:1883`";
    let with_scheme =
        if text.contains("://") { text.trim().to_owned() } else { format!("mqtt://{}", text.trim()) };
    if login_is_cut(&with_scheme) {
        return Err(url_error("has a login that ends too early", ENCODE));
    }
    let url = Url::parse(&with_scheme).map_err(|error| {
        let encode = if text.contains('@') { format!("; {ENCODE}") } else { String::new() };
        url_error(format!("is not an address ({error})"), format!("{FORM}{encode}"))
    })?;
    let Some(transport) = MqttTransport::of(url.scheme()) else {
        let remedy = format!("{FORM} (or `mqtts`, `ws`, `wss`)");
        return Err(url_error(format!("starts with `{}://`", url.scheme()), remedy));
    };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return Err(url_error("names no host", FORM));
    };
    if transport.is_secured() && host.starts_with('[') {
        let remedy = "use the name that the broker's certificate has";
        return Err(url_error("asks for TLS with an IPv6 address", remedy));
    }
    let has_path = !matches!(url.path(), "" | "/");
    if (has_path || url.query().is_some()) && !transport.is_websocket() || url.fragment().is_some() {
        return Err(url_error("goes on after the port", FORM));
    }
    let mut path = match (transport.is_websocket(), has_path) {
        (false, _) => String::new(),
        (true, true) => url.path().to_owned(),
        // The usual path; mosquitto accepts any.
        (true, false) => "/mqtt".to_owned(),
    };
    if let Some(query) = url.query() {
        path = format!("{path}?{query}");
    }
    let port = url.port().unwrap_or(transport.default_port());
    if port == 0 {
        return Err(url_error("has port 0", FORM));
    }
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some((percent_decode(user)?, password.map(percent_decode).transpose()?)),
    };
    Ok((Server { transport, host: percent_decode(host)?, port, path }, login))
}

/// Advice about special characters in a login.
const ENCODE: &str = "in a user name or password, percent-encode `@` (`%40`), `:` (`%3A`), `/` (`%2F`), `?` (`%3F`), `#` (`%23`) and `%` (`%25`), \
    or leave them out of the address and use `mqtt.username` and `mqtt.password`";

/// Returns true if a `/`, `?` or `#` of a password ends the authority before the `@` that belongs
/// to it (RFC 3986, 3.2).
fn login_is_cut(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let Some(end) = rest.find(['/', '?', '#']) else { return false };
    let after = &rest[end..];
    match MqttTransport::of(&scheme.to_ascii_lowercase()) {
        // A path or query of a WebSocket may hold an `@`; what follows `#` is never sent.
        Some(transport) if transport.is_websocket() => {
            after.split_once('#').is_some_and(|(_, after)| after.contains('@'))
        }
        _ => after.contains('@'),
    }
}

fn url_error(fault: impl Into<String>, remedy: impl Into<String>) -> MqttConfigError {
    MqttConfigError::setting("mqtt.url", fault, remedy)
}

fn percent_decode(text: &str) -> Result<String, MqttConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%').then(|| tail.get(..2)).flatten();
        let decoded = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes)
        .map_err(|_| url_error("holds `%` sequences that are not UTF-8", "write them again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("mqtt://broker.lan", "broker.lan:1883"),
            ("mqtt://broker.lan:1884/", "broker.lan:1884"),
            ("tcp://10.0.0.7:1883", "10.0.0.7:1883"),
            ("broker", "broker:1883"),
            ("localhost:2883", "localhost:2883"),
            ("mqtt://[::1]:1885", "[::1]:1885"),
            ("[fe80::1]", "[fe80::1]:1883"),
            ("mqtts://ann:pw@broker.lan", "mqtts://broker.lan:8883"),
            ("ssl://broker.lan:8884", "mqtts://broker.lan:8884"),
            ("ws://broker.lan", "ws://broker.lan:80/mqtt"),
            ("ws://broker.lan:80", "ws://broker.lan:80/mqtt"),
            ("wss://broker.lan/", "wss://broker.lan:443/mqtt"),
            ("wss://broker.lan:9443/ws?token=x", "wss://broker.lan:9443/ws"),
        ];
        for (url, expected) in cases {
            let (server, _) = parse_url(url).unwrap();
            assert_eq!(server.to_string(), expected, "of `{url}`");
        }
    }

    /// RFC 3986, 3.2: the authority ends at the first `/`, `?` or `#`.
    #[test]
    fn raw_special_characters_in_a_login_are_named() {
        for url in [
            "mqtt://user:p@ss#1@host",
            "mqtt://user:pa/ss@host:1883",
            "mqtt://user:pa?ss@host",
            "user:hunt#er2@host",
            "wss://user:pa#ss@host/mqtt",
            "mqtt://user:p ss:x@host:port",
        ] {
            let error = parse_url(url).unwrap_err().to_string();
            assert!(error.contains("percent-encode") && error.contains("`mqtt.password`"), "{url}: {error}");
            assert!(!error.contains("er2") && !error.contains("p@ss"), "{error}");
        }
        let (server, login) = parse_url("mqtt://user:p%40ss%231@host").unwrap();
        assert_eq!(
            (server.to_string(), login),
            ("host:1883".into(), Some(("user".into(), Some("p@ss#1".into()))))
        );
        assert!(parse_url("wss://host/path@x?y=@").is_ok());
    }
}
