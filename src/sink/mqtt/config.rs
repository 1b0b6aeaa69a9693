//! `[mqtt]`: broker, login, topics and delivery.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::prefix;
use super::server::{Server, UrlLogin, parse_url};
use super::setting_error::MqttConfigError;
use super::tls::TlsFiles;
use crate::limits::{ConfigError, Limit};
use crate::sink::topics::valid_name;

const HEARTBEAT_S: Limit = Limit::new("mqtt.heartbeat_s", 1.0, 86_400.0, "seconds");
const RECONNECT_MAX_S: Limit = Limit::new("mqtt.reconnect_max_s", 0.1, 86_400.0, "seconds");
const OUTBOX_MAX_EVENTS: Limit = Limit::new("mqtt.outbox_max_events", 1.0, 1e7, "events");

/// Secret text, hidden by `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"…\"")
    }
}

/// The section before validation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawMqttConfig {
    /// `false`: no MQTT, no embedded broker.
    pub enabled: bool,
    /// Address of the broker, `SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH]` with the scheme
    /// `mqtt`, `mqtts`, `ws` or `wss`. Default: the embedded broker.
    pub url: Option<Secret>,
    /// File of trusted authorities (PEM), instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// File of the client certificate (PEM).
    pub client_cert: Option<PathBuf>,
    /// File of the key of the client certificate (PEM).
    pub client_key: Option<PathBuf>,
    /// Protocol version.
    pub protocol: Protocol,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// File that holds the password. One newline at the end is removed.
    pub password_file: Option<PathBuf>,
    /// Port of the embedded broker; 0 selects a free one.
    pub embedded_port: u16,
    /// First levels of every topic.
    pub prefix: String,
    /// Interval, in seconds, at which unchanged `state` messages are published.
    pub heartbeat_s: f64,
    /// Maximum delay between connection attempts, in seconds.
    pub reconnect_max_s: f64,
    /// Publishes every scored patch.
    pub publish_patches: bool,
    /// Quality of service of patches, 0 or 1.
    pub patch_qos: u8,
    /// Style of Home Assistant discovery.
    pub discovery: DiscoveryStyle,
    /// First levels of discovery topics.
    pub discovery_prefix: String,
    /// Subscribes to the commands `…/set` and `…/get`.
    pub control: bool,
    /// Maximum number of undelivered events in the outbox.
    pub outbox_max_events: usize,
}

/// Style of Home Assistant discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiscoveryStyle {
    /// One message per device, for Home Assistant 2024.11 and later.
    #[default]
    Device,
    /// One message per entity, for earlier versions.
    Legacy,
    /// No discovery.
    Off,
}

/// MQTT protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Protocol {
    /// 5, with a fallback to 3.1.1.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// 5 only.
    #[serde(rename = "5")]
    V5,
    /// 3.1.1 only.
    #[serde(rename = "3.1.1")]
    V311,
}

impl Default for RawMqttConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            url: None,
            protocol: Protocol::default(),
            ca_file: None,
            client_cert: None,
            client_key: None,
            username: None,
            password: None,
            password_file: None,
            embedded_port: 1883,
            prefix: "genred".to_owned(),
            heartbeat_s: 10.0,
            reconnect_max_s: 60.0,
            publish_patches: false,
            patch_qos: 0,
            discovery: DiscoveryStyle::default(),
            discovery_prefix: "homeassistant".to_owned(),
            control: false,
            outbox_max_events: 100_000,
        }
    }
}

/// The validated section.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttConfig {
    /// `false`: no MQTT, no embedded broker.
    pub enabled: bool,
    /// Set if the embedded broker is to be started at `server`.
    pub embedded: bool,
    /// Address of the broker.
    pub server: Server,
    /// Protocol version.
    pub protocol: Protocol,
    /// User name and password; `None` for an anonymous connection.
    pub login: Option<Login>,
    /// First levels of every topic.
    pub prefix: Arc<str>,
    /// Interval at which unchanged `state` messages are published.
    pub heartbeat: Duration,
    /// Maximum delay between connection attempts.
    pub reconnect_max: Duration,
    /// Quality of service of `…/window`, 0 or 1; `None` disables the topic.
    pub patch_qos: Option<u8>,
    /// Files for TLS, used by secured transports.
    pub tls: TlsFiles,
    /// Style of Home Assistant discovery.
    pub discovery: DiscoveryStyle,
    /// First levels of discovery topics.
    pub discovery_prefix: Arc<str>,
    /// Subscribes to the commands `…/set` and `…/get`.
    pub control: bool,
    /// Maximum number of undelivered events in the outbox.
    pub outbox_max_events: usize,
    /// Address of the page that Home Assistant links to, without a slash at its end.
    pub page_url: Option<Arc<str>>,
}

/// User name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password; may be empty.
    pub password: Secret,
}

impl RawMqttConfig {
    /// Validates the section and reads `password_file`. `node` is the node name in client id and
    /// topics.
    ///
    /// # Errors
    /// A value is invalid; the message names its key.
    pub fn resolve(self, node: &str) -> Result<MqttConfig, MqttConfigError> {
        if !valid_name(node) {
            let remedy = "give a name of `A-Z a-z 0-9 _ -` without `__`";
            return Err(MqttConfigError::setting("node", format!("is `{node}`"), remedy));
        }
        let embedded = self.url.is_none();
        let (server, url_login) = match &self.url {
            Some(url) => parse_url(url.reveal())?,
            None => (Server::local(self.embedded_port), None),
        };
        let login = login(&self, url_login)?;
        for (key, levels, example) in [
            ("mqtt.prefix", &self.prefix, "genred"),
            ("mqtt.discovery_prefix", &self.discovery_prefix, "homeassistant"),
        ] {
            if let Some(fault) = prefix::fault(levels) {
                let remedy = format!("give topic levels such as `{example}`");
                return Err(MqttConfigError::setting(key, format!("is `{levels}`, which {fault}"), remedy));
            }
        }
        let tls = TlsFiles { ca: self.ca_file, certificate: self.client_cert, key: self.client_key };
        if server.transport.is_secured() {
            tls.client_config()?;
        } else if let Some(key) = tls.first_key() {
            let remedy = "begin `mqtt.url` with `mqtts://` or `wss://`, or leave it out";
            return Err(MqttConfigError::setting(key, "needs a secured connection", remedy));
        }
        OUTBOX_MAX_EVENTS.check(self.outbox_max_events as f64)?;
        let patch_qos = match (self.publish_patches, self.patch_qos) {
            (_, 2..) => return Err(ConfigError::new("mqtt.patch_qos", self.patch_qos, "0 or 1").into()),
            (true, qos) => Some(qos),
            (false, _) => None,
        };
        Ok(MqttConfig {
            enabled: self.enabled,
            embedded,
            server,
            protocol: self.protocol,
            login,
            heartbeat: Duration::from_secs_f64(HEARTBEAT_S.check(self.heartbeat_s)?),
            reconnect_max: Duration::from_secs_f64(RECONNECT_MAX_S.check(self.reconnect_max_s)?),
            patch_qos,
            prefix: self.prefix.into(),
            tls,
            discovery: self.discovery,
            discovery_prefix: self.discovery_prefix.into(),
            control: self.control,
            outbox_max_events: self.outbox_max_events,
            page_url: None,
        })
    }
}

fn login(raw: &RawMqttConfig, from_url: UrlLogin) -> Result<Option<Login>, MqttConfigError> {
    let (url_user, url_password) = match from_url {
        Some((user, password)) => (Some(user).filter(|user| !user.is_empty()), password),
        None => (None, None),
    };
    if url_user.is_some() && raw.username.is_some() {
        return Err(MqttConfigError::SeveralUserNames);
    }
    let file = raw.password_file.as_ref();
    if [url_password.is_some(), raw.password.is_some(), file.is_some()].iter().filter(|given| **given).count()
        > 1
    {
        return Err(MqttConfigError::SeveralPasswords);
    }
    let password = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let fault = format!("cannot be read ({error}); check its path and permissions");
                MqttConfigError::file("mqtt.password_file", path, fault)
            })?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Some(Secret(text.strip_suffix('\r').unwrap_or(text).to_owned()))
        }
        None => raw.password.clone().or(url_password.map(Secret)),
    };
    match (url_user.or_else(|| raw.username.clone()), password) {
        (Some(username), _) if username.is_empty() => {
            Err(MqttConfigError::setting("mqtt.username", "is empty", "leave it out to connect anonymously"))
        }
        (Some(username), password) => {
            Ok(Some(Login { username, password: password.unwrap_or(Secret(String::new())) }))
        }
        (None, Some(_)) => Err(MqttConfigError::NoUserName),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(toml: &str) -> Result<MqttConfig, String> {
        let raw: RawMqttConfig = toml::from_str(toml).map_err(|error| error.to_string())?;
        raw.resolve("studio1").map_err(|error| error.to_string())
    }

    #[test]
    fn left_out_is_the_embedded_broker() {
        let config = resolve("").unwrap();
        assert!(config.enabled && config.embedded);
        assert_eq!(config.server.to_string(), "127.0.0.1:1883");
        assert_eq!((config.login, config.patch_qos), (None, None));
        assert_eq!((config.heartbeat.as_secs(), config.reconnect_max.as_secs()), (10, 60));
        assert_eq!(resolve("embedded_port = 0").unwrap().server.port, 0);
        assert_eq!((config.discovery, config.control), (DiscoveryStyle::Device, false));
        assert!(!resolve("enabled = false").unwrap().enabled);
        let protocol = |toml: &str| resolve(toml).unwrap().protocol;
        assert_eq!(protocol(""), Protocol::Auto);
        assert_eq!(protocol("protocol = 'auto'"), Protocol::Auto);
        assert_eq!(protocol("protocol = '5'"), Protocol::V5);
        assert_eq!(protocol("protocol = '3.1.1'"), Protocol::V311);
    }

    #[test]
    fn logins() {
        let login = |toml: &str| {
            let login = resolve(toml).unwrap().login.unwrap();
            (login.username, login.password.reveal().to_owned())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(login("url = 'mqtt://ann:p%40ss%3A%C3%A9@h'"), pair("ann", "p@ss:é"));
        assert_eq!(login("url = 'ann:pw@h:1884'"), pair("ann", "pw"));
        assert_eq!(login("url = 'mqtt://ann@h'\npassword = 'pw'"), pair("ann", "pw"));
        assert_eq!(login("username = 'ann'\npassword = 'pw'"), pair("ann", "pw"));
        assert_eq!(login("username = 'ann'"), pair("ann", ""));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "two words \n\n").unwrap();
        let toml = format!("username = 'ann'\npassword_file = '{}'", file.path().display());
        assert_eq!(login(&toml), pair("ann", "two words \n"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("url = 'http://h'", "`mqtt.url` starts with `http://`; give `mqtt://host:1883`"),
            ("url = 'mqtts://h'\nca_file = '/no/such/file'", "`mqtt.ca_file` `/no/such/file` cannot be read"),
            ("url = 'mqtts://h'\nclient_cert = '/a'", "`mqtt.client_cert` needs `mqtt.client_key`"),
            ("url = 'mqtt://h'\nca_file = '/a'", "`mqtt.ca_file` needs a secured connection"),
            ("url = 'mqtts://h/topic'", "`mqtt.url` goes on after the port"),
            ("discovery_prefix = 'a/+'", "`mqtt.discovery_prefix` is `a/+`, which holds a wildcard"),
            ("discovery = 'yes'", "unknown variant `yes`, expected one of `device`, `legacy`, `off`"),
            ("protocol = '4'", "unknown variant `4`, expected one of `auto`, `5`, `3.1.1`"),
            ("outbox_max_events = 0", "`mqtt.outbox_max_events` is 0; expected 1 to"),
            ("url = 'mqtt://'", "`mqtt.url` names no host"),
            ("url = ''", "`mqtt.url` names no host"),
            ("url = 'mqtt://ann:hunter2@h:99999'", "`mqtt.url` is not an address (invalid port number)"),
            ("url = 'mqtt://h/topic'", "`mqtt.url` goes on after the port"),
            ("url = 'mqtt://h:0'", "`mqtt.url` has port 0"),
            ("url = 'mqtt://ann@h'\nusername = 'bob'", "both `mqtt.url` and `mqtt.username`"),
            ("username = 'a'\npassword = 'b'\npassword_file = '/c'", "gives a password; keep one"),
            ("username = 'a'\npassword_file = '/no/such/file'", "`mqtt.password_file` `/no/such/file`"),
            ("password = 'b'", "add `mqtt.username`"),
            ("username = ''", "`mqtt.username` is empty"),
            ("prefix = ''", "`mqtt.prefix` is ``, which is empty"),
            ("prefix = \"a\\u0000b\"", "holds a control character"),
            ("prefix = 'a/#'", "holds a wildcard"),
            ("prefix = '$SYS'", "starts with `$`"),
            ("heartbeat_s = 0", "`mqtt.heartbeat_s` is 0; expected 1 to 86400 seconds"),
            ("reconnect_max_s = nan", "`mqtt.reconnect_max_s` is NaN"),
            ("publish_patches = true\npatch_qos = 2", "`mqtt.patch_qos` is 2; expected 0 or 1"),
            ("hearbeat = 1", "unknown field `hearbeat`"),
        ];
        for (toml, expected) in cases {
            let error = resolve(toml).unwrap_err();
            assert!(error.contains(expected), "`{toml}` gives `{error}`");
            assert!(!error.contains("hunter2"), "`{error}`");
        }
        assert!(RawMqttConfig::default().resolve("a b").unwrap_err().to_string().contains("`node` is `a b`"));
    }

    #[test]
    fn no_debug_output_holds_a_password() {
        let toml = "url = 'mqtt://ann@h'\npassword = 'hunter2'";
        let raw: RawMqttConfig = toml::from_str(toml).unwrap();
        assert!(!format!("{raw:?}").contains("hunter2"));
        assert!(!format!("{:?}", raw.resolve("n").unwrap()).contains("hunter2"));
        let raw: RawMqttConfig = toml::from_str("url = 'mqtt://ann:hunter2@h'").unwrap();
        assert!(!format!("{raw:?}").contains("hunter2"));
        assert!(!format!("{:?}", raw.resolve("n").unwrap()).contains("hunter2"));
    }
}
