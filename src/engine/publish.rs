//! The MQTT sink with what it stands on: the state folder, the outbox on disk, the broker.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::{EngineError, Publisher};
use crate::config::Config;
use crate::sink::mqtt::store::OutboxStore;
use crate::sink::mqtt::{MqttConfig, MqttSink, Server};
use crate::sink::{Refusing, Request};
use crate::state::StateFolder;
use crate::thread::Stop;

/// What an earlier run left to this one.
#[derive(Debug, Default)]
pub struct Recall {
    /// The last `seq` of each source.
    pub seqs: HashMap<Arc<str>, u64>,
    /// Whether events may have been lost that nobody knows of.
    pub damaged: bool,
}

/// Makes the sink that is configured, if any; without a `folder` nothing is kept. Commands go to `ask`.
///
/// # Errors
/// When the embedded broker cannot start.
pub fn publisher(
    config: &Config,
    folder: Option<&StateFolder>,
    run_id: &Arc<str>,
    stop: &Stop,
    refusing: &Refusing,
    ask: &Sender<Request>,
) -> Result<Publisher, EngineError> {
    if !config.mqtt.enabled {
        return Ok(Publisher::default());
    }
    let server = match config.mqtt.embedded {
        true => embedded_broker(&config.mqtt)?,
        false => config.mqtt.server.clone(),
    };
    let node: Arc<str> = folder.map_or(config.node.as_str(), StateFolder::node).into();
    let mqtt = MqttConfig { server, ..config.mqtt.clone() };
    let outbox_max = mqtt.outbox_max_events;
    let mut sink = MqttSink::new(mqtt, node, run_id.clone())
        .with_drain_on(stop.clone())
        .with_fatal_handle(refusing.clone());
    if !config.node_is_fixed {
        sink = sink.allow_rename();
    }
    let mut recall = Recall::default();
    if let Some(folder) = folder {
        let (store, left) = OutboxStore::open(folder.path(), outbox_max);
        // What there is may be read later, but this run's numbers are given by then.
        recall.damaged = left.is_err();
        if let Ok(left) = &left {
            recall.seqs = left.seqs.iter().cloned().collect();
            if let Some(damage) = &left.damage {
                tracing::warn!(
                    folder = %folder.path().display(), damage, rescued = left.events.len(),
                    "the file of waiting events was damaged; it is set aside as `outbox.sqlite.damaged`"
                );
                recall.damaged = true;
            }
        }
        sink = sink.with_outbox(store, left);
    }
    if let Some(instance) = folder.and_then(StateFolder::instance) {
        sink = sink.with_instance_id(instance.into());
    }
    let control = config.mqtt.control;
    if control {
        sink = sink.with_commands(ask.clone());
    }
    Ok(Publisher { sink: Some(Box::new(sink)), recall, control })
}

/// Starts the embedded broker and says where it listens.
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
        // Most likely a broker, perhaps that of another genred: better to share it than to refuse.
        Err(BrokerError::InUse { .. }) => {
            tracing::info!("no broker is configured, and one seems to run on {}: it is used", mqtt.server);
            Ok(mqtt.server.clone())
        }
        Err(error) => Err(EngineError::Sink(error.to_string())),
    }
}

/// Without a broker of our own, the machine's is the best guess.
#[cfg(not(feature = "broker"))]
fn embedded_broker(mqtt: &MqttConfig) -> Result<Server, EngineError> {
    Ok(mqtt.server.clone())
}
