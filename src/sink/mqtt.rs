//! The MQTT sink: MQTT 5 or 3.1.1 through `rumqttc`, on the contract of `docs/reference/mqtt.md`.
//!
//! Decisions are pure: `lifecycle` (the connection), `session` (messages and their order),
//! `outbox` (events), `negotiation`, `name_probe`, `suppression`, `audit`, `discovery` (Home
//! Assistant). I/O is thin: `sink` runs the lifecycle, `wire` is the client library, `store` the
//! file of the outbox, `persistence` synchronises the outbox with it. `last_will` defines the last
//! will, `online` and `offline`.

mod audit;
#[cfg(feature = "broker")]
pub mod broker;
pub(crate) mod check;
pub(crate) mod config;
mod config_warnings;
mod discovery;
mod failure;
mod last_will;
mod lifecycle;
mod name_lookup;
mod name_probe;
mod negotiation;
mod notice;
mod outbox;
mod persistence;
mod prefix;
mod protocol;
mod publication;
mod reason_code;
mod reporter;
mod retained_topic;
mod server;
mod session;
mod setting_error;
mod sink;
pub mod store;
mod stored_event;
mod subscriptions;
mod suppression;
mod tls;
mod unanswered;
mod wire;

pub use self::config::{DiscoveryStyle, Login, MqttConfig, Protocol, RawMqttConfig, Secret};
pub use self::server::{MqttTransport, Server};
pub use self::setting_error::MqttConfigError;
pub use self::sink::MqttSink;
