//! `[web]`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::token::Token;
use crate::limits::{ConfigError, Limit};

/// Address of the server where none is configured.
const DEFAULT_BIND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8480);

const MAX_UPLOAD_MB: Limit = Limit::new("web.max_upload_mb", 1.0, 4096.0, "MiB");

/// Party that checks the identity of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebAuth {
    /// Nobody: only for clients on this machine.
    None,
    /// The server: requests carry a token.
    Token,
    /// A reverse proxy in front of the server, such as the ingress of Home Assistant.
    Proxy,
}

/// Network streams that clients may have classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamUrls {
    /// Streams at public addresses.
    #[default]
    Public,
    /// All streams, those in private networks included.
    Any,
    /// No streams.
    Off,
}

impl StreamUrls {
    /// Name in the configuration file.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Any => "any",
            Self::Off => "off",
        }
    }
}

/// Section before validation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawWebConfig {
    pub(crate) enabled: bool,
    bind: Option<String>,
    auth: Option<WebAuth>,
    token_file: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    public_url: Option<String>,
    base_path: Option<String>,
    control: bool,
    max_upload_mb: u32,
    stream_urls: StreamUrls,
}

impl Default for RawWebConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            bind: None,
            auth: None,
            token_file: None,
            tls_cert: None,
            tls_key: None,
            public_url: None,
            base_path: None,
            control: true,
            max_upload_mb: 64,
            stream_urls: StreamUrls::default(),
        }
    }
}

/// Validated settings of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// Enables the server.
    pub enabled: bool,
    /// Address to listen on.
    pub bind: SocketAddr,
    /// True if the address is configured. Another port is taken only where it is not.
    pub bind_is_fixed: bool,
    /// Party that checks the identity of clients.
    pub auth: WebAuth,
    /// Token that requests carry; set if `auth` is `token`.
    pub(crate) token: Option<Token>,
    /// Certificate chain and key in PEM form; plain HTTP without.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Address of the page for other machines, without a slash at the end.
    pub public_url: Option<Url>,
    /// Path of the page behind a proxy that names none: empty, or `/prefix`.
    pub base_path: String,
    /// Allows clients to change settings and to send corrections.
    pub control: bool,
    /// Size limit of an uploaded file, in MiB.
    pub max_upload_mb: u32,
    /// Streams that clients may have classified.
    pub stream_urls: StreamUrls,
}

impl RawWebConfig {
    /// Validates the section and reads `token_file`.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub(crate) fn resolve(self) -> Result<WebConfig, ConfigError> {
        MAX_UPLOAD_MB.check(self.max_upload_mb.into())?;
        let bind = self.bind.as_deref().map(socket_address).transpose()?;
        let auth = match (self.auth, &self.token_file) {
            (None, None) => WebAuth::None,
            (None, Some(_)) | (Some(WebAuth::Token), Some(_)) => WebAuth::Token,
            (Some(WebAuth::Token), None) => {
                return Err(ConfigError::new("web.auth", "`token`", "`web.token_file` beside it"));
            }
            (Some(auth), None) => auth,
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "web.token_file",
                    "set",
                    "`web.auth = \"token\"`, or no such key",
                ));
            }
        };
        let address = bind.unwrap_or(DEFAULT_BIND);
        if self.enabled && auth == WebAuth::None && !address.ip().is_loopback() {
            return Err(ConfigError::new(
                "web.bind",
                format!("`{address}`, which other machines can reach"),
                "`web.token_file`, or `web.auth = \"proxy\"` behind a proxy that checks users, or a loopback \
                 address such as 127.0.0.1:8480",
            ));
        }
        let token = self.token_file.as_deref().filter(|_| self.enabled).map(Token::read).transpose()?;
        let tls = match (self.tls_cert, self.tls_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => {
                return Err(ConfigError::new("web.tls_key", "missing", "the key of `tls_cert`"));
            }
            (None, Some(_)) => {
                return Err(ConfigError::new("web.tls_cert", "missing", "the certificate of `tls_key`"));
            }
        };
        Ok(WebConfig {
            enabled: self.enabled,
            bind: address,
            bind_is_fixed: bind.is_some(),
            auth,
            token,
            tls,
            public_url: self.public_url.as_deref().map(public_url).transpose()?,
            base_path: base_path(self.base_path.as_deref().unwrap_or_default())?,
            control: self.control,
            max_upload_mb: self.max_upload_mb,
            stream_urls: self.stream_urls,
        })
    }
}

/// Parses `ADDRESS:PORT`; `localhost` stands for 127.0.0.1.
fn socket_address(text: &str) -> Result<SocketAddr, ConfigError> {
    let text = text.trim();
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        let expected = "an IP address and a port, such as 127.0.0.1:8480 or [::]:8480";
        ConfigError::new("web.bind", format!("`{text}`"), expected)
    })
}

fn public_url(text: &str) -> Result<Url, ConfigError> {
    let expected = "an address such as `https://radio.example/genred`, without a query";
    let wrong = || ConfigError::new("web.public_url", format!("`{text}`"), expected);
    let mut url = Url::parse(text.trim()).map_err(|_| wrong())?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain || url.password().is_some() {
        return Err(wrong());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Normalises a path prefix: empty, or with a slash at the start and none at the end.
fn base_path(text: &str) -> Result<String, ConfigError> {
    let trimmed = text.trim().trim_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    match super::base_path::is_valid(trimmed) {
        true => Ok(format!("/{trimmed}")),
        false => Err(ConfigError::new(
            "web.base_path",
            format!("`{text}`"),
            "a path such as `/genred`, or no such key",
        )),
    }
}

impl WebConfig {
    /// Address of the page for other machines, without a slash at its end: `public_url`, else the
    /// address to listen on. `None` where other machines may not reach it: on loopback, and on all
    /// interfaces, since this machine cannot know under which of its names others reach it.
    pub(crate) fn page_url(&self) -> Option<String> {
        if !self.enabled {
            return None;
        }
        if let Some(url) = &self.public_url {
            return Some(url.as_str().trim_end_matches('/').to_owned());
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let (bind, ip) = (self.bind, self.bind.ip());
        let is_reachable = !ip.is_loopback() && !ip.is_unspecified() && bind.port() != 0;
        is_reachable.then(|| format!("{scheme}://{bind}{}", self.base_path))
    }

    /// Certificate and key, if TLS is configured.
    pub(crate) fn tls_files(&self) -> Option<(&Path, &Path)> {
        self.tls.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn resolve(toml: &str) -> Result<WebConfig, String> {
        let raw: RawWebConfig = toml::from_str(toml).map_err(|error| error.to_string())?;
        raw.resolve().map_err(|error| error.to_string())
    }

    fn token_file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn the_default_listens_on_loopback_without_a_token() {
        let config = resolve("").unwrap();
        assert!(config.enabled && config.bind.ip().is_loopback() && !config.bind_is_fixed);
        assert_eq!((config.auth, config.token), (WebAuth::None, None));
        assert_eq!(resolve("bind = 'localhost:9000'").unwrap().bind.to_string(), "127.0.0.1:9000");
        assert_eq!(resolve("bind = '[::1]:9000'").unwrap().bind.port(), 9000);
    }

    #[test]
    fn other_machines_need_a_token_or_a_proxy() {
        for bind in ["0.0.0.0:8480", "[::]:8480", "192.168.1.5:80"] {
            let error = resolve(&format!("bind = '{bind}'")).unwrap_err();
            assert!(
                error.contains("web.bind") && error.contains("token_file") && error.contains("proxy"),
                "{error}"
            );
            assert!(resolve(&format!("bind = '{bind}'\nenabled = false")).is_ok());
            assert_eq!(resolve(&format!("bind = '{bind}'\nauth = 'proxy'")).unwrap().auth, WebAuth::Proxy);
        }
        let file = token_file("correct-horse-battery\n");
        let toml = format!("bind = '0.0.0.0:8480'\ntoken_file = '{}'", file.path().display());
        let config = resolve(&toml).unwrap();
        assert_eq!(config.auth, WebAuth::Token);
        assert!(!format!("{config:?}").contains("horse"));
    }

    #[test]
    fn faults_name_the_key() {
        let empty = token_file("\n");
        let empty = format!("token_file = '{}'", empty.path().display());
        let cases = [
            ("bind = 'everywhere'", "`web.bind` is `everywhere`"),
            ("bind = '127.0.0.1'", "`web.bind`"),
            ("auth = 'token'", "`web.auth`"),
            ("auth = 'proxy'\ntoken_file = '/x'", "`web.token_file`"),
            ("token_file = '/no/such/file'", "`web.token_file`"),
            (&empty, "`web.token_file`"),
            ("tls_cert = '/c.pem'", "`web.tls_key` is missing"),
            ("tls_key = '/k.pem'", "`web.tls_cert` is missing"),
            ("public_url = 'radio.example'", "`web.public_url`"),
            ("public_url = 'ftp://radio.example'", "`web.public_url`"),
            ("public_url = 'https://ann:secret@radio.example'", "`web.public_url`"),
            ("base_path = '/a/../b'", "`web.base_path`"),
            ("base_path = '/a b'", "`web.base_path`"),
            ("max_upload_mb = 0", "`web.max_upload_mb` is 0"),
            ("stream_urls = 'all'", "unknown variant"),
        ];
        for (toml, expected) in cases {
            let error = resolve(toml).unwrap_err();
            assert!(error.contains(expected), "{toml}: {error}");
        }
    }

    #[test]
    fn addresses_are_normalised() {
        let config = resolve("public_url = 'https://radio.example/genred/'\nbase_path = 'genred/'").unwrap();
        assert_eq!(config.page_url().as_deref(), Some("https://radio.example/genred"));
        assert_eq!(config.base_path, "/genred");
        let root = resolve("public_url = 'https://radio.example'").unwrap();
        assert_eq!(root.page_url().as_deref(), Some("https://radio.example"));
        assert_eq!(resolve("").unwrap().page_url(), None);
    }

    #[test]
    fn only_addresses_that_others_can_open_are_links() {
        let token = token_file("0123456789abcdef0123456789abcdef\n");
        let link = |bind: &str, more: &str| {
            let toml = format!("bind = '{bind}'\ntoken_file = '{}'\n{more}", token.path().display());
            resolve(&toml).unwrap().page_url()
        };
        let public = "public_url = 'https://radio.example/genred/'";
        assert_eq!(link("127.0.0.1:8480", public).unwrap(), "https://radio.example/genred");
        assert_eq!(link("192.0.2.7:8480", "").unwrap(), "http://192.0.2.7:8480");
        assert_eq!(link("[2001:db8::7]:8480", "base_path = '/g'").unwrap(), "http://[2001:db8::7]:8480/g");
        for local in ["127.0.0.1:8480", "[::1]:8480", "0.0.0.0:8480", "[::]:8480", "192.0.2.7:0"] {
            assert_eq!(link(local, ""), None, "{local}");
        }
        assert_eq!(link("192.0.2.7:8480", "enabled = false"), None);
    }
}
