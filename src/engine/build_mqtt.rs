//! Builds the MQTT sink with its outbox and, where none is configured, the embedded broker.

use std::sync::Arc;

use super::error::EngineError;
use super::sink_context::{Publisher, RecoveredState, SinkContext};
use crate::config::Config;
use crate::sink::mqtt::store::OutboxStore;
use crate::sink::mqtt::{MqttConfig, MqttSink, Server};
use crate::state_dir::StateFolder;

/// Builds the sink, if MQTT is enabled. Without a state folder, events are kept in memory alone.
///
/// # Errors
/// The embedded broker cannot start.
pub(super) fn build(context: &SinkContext<'_>) -> Result<Publisher, EngineError> {
    let SinkContext { config, folder, run, stop, fatal, commands, status, .. } = context;
    if !config.mqtt.enabled {
        return Ok(Publisher::default());
    }
    let server = match config.mqtt.embedded {
        true => embedded_broker(&config.mqtt)?,
        false => config.mqtt.server.clone(),
    };
    let node: Arc<str> = folder.map_or(config.node.as_str(), StateFolder::node).into();
    let mqtt = MqttConfig { server, page_url: page_url(config), ..config.mqtt.clone() };
    let outbox_max = mqtt.outbox_max_events;
    let mut sink = MqttSink::new(mqtt, node, Arc::clone(run))
        .with_drain_on((*stop).clone())
        .with_fatal_handle((*fatal).clone());
    if let Some(counters) = &status.mqtt {
        sink = sink.with_counters(counters.clone());
    }
    if !config.node_is_fixed {
        sink = sink.allow_rename();
    }
    let mut recovered = RecoveredState::default();
    if let Some(folder) = folder {
        let (store, left) = OutboxStore::open(folder.path(), outbox_max);
        // A file that cannot be read now may be read later, but sequence numbers are needed now.
        recovered.damaged = left.is_err();
        if let Ok(left) = &left {
            recovered.seqs = left.seqs.iter().cloned().collect();
            if let Some(damage) = &left.damage {
                tracing::warn!(
                    folder = %folder.path().display(), damage, rescued = left.events.len(),
                    "the outbox was damaged; it is set aside as `outbox.sqlite.damaged`"
                );
                recovered.damaged = true;
            }
        }
        sink = sink.with_outbox(store, left);
    }
    if let Some(instance) = folder.and_then(StateFolder::instance) {
        sink = sink.with_instance_id(instance.into());
    }
    if let Some(base) = page_url(config) {
        sink = sink.with_clip_base(base);
    }
    let control = config.mqtt.control;
    if control {
        sink = sink.with_commands((*commands).clone());
    }
    Ok(Publisher { sink: Some(Box::new(sink)), recovered, control })
}

/// Address of the page for other machines: Home Assistant links to it, and clips are below it.
#[cfg(feature = "web")]
fn page_url(config: &Config) -> Option<Arc<str>> {
    config.web.page_url().map(Arc::from)
}

/// This build has no page.
#[cfg(not(feature = "web"))]
fn page_url(_: &Config) -> Option<Arc<str>> {
    None
}

/// Starts the embedded broker and logs its address.
#[cfg(feature = "broker")]
fn embedded_broker(mqtt: &MqttConfig) -> Result<Server, EngineError> {
    use crate::sink::mqtt::broker::{self, BrokerError};
    match broker::start(mqtt.server.port) {
        Ok(address) => {
            tracing::info!(
                "no broker is configured, so one runs here: `mosquitto_sub -p {} -t '{}/#' -v` shows it",
                address.port(),
                mqtt.prefix
            );
            Ok(address.into())
        }
        // Most likely a broker, perhaps that of another genred: it is shared.
        Err(BrokerError::InUse { .. }) => {
            tracing::info!("no broker is configured, and one seems to run on {}: it is used", mqtt.server);
            Ok(mqtt.server.clone())
        }
        Err(error) => Err(EngineError::Sink(error.to_string())),
    }
}

/// Without an embedded broker, the machine's is the best guess.
#[cfg(not(feature = "broker"))]
fn embedded_broker(mqtt: &MqttConfig) -> Result<Server, EngineError> {
    Ok(mqtt.server.clone())
}
