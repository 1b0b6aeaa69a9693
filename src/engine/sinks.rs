//! Which sinks run, and how they end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::EngineError;
use super::fanout::{self, Fanout};
use crate::config::{Config, Output};
use crate::sink::Sink;
use crate::sink::jsonl::{JsonlOptions, JsonlSink};
use crate::sink::text::{TextOptions, TextSink};

/// The running sinks, by name.
pub type Tasks = Vec<(&'static str, JoinHandle<()>)>;

/// Starts every sink that is configured.
///
/// # Errors
/// When the embedded broker cannot start.
pub fn start(config: &Config, run_id: &Arc<str>, runtime: &Handle) -> Result<(Fanout, Tasks), EngineError> {
    let sinks = mqtt(config, run_id)?.into_iter().chain(printer(config));
    let mut fanout = Fanout::default();
    let mut tasks = Vec::new();
    for sink in sinks {
        let (tx, rx) = mpsc::channel(fanout::QUEUE);
        let name = sink.name();
        fanout.add(name, tx);
        tasks.push((name, runtime.spawn(sink.run(rx))));
    }
    Ok((fanout, tasks))
}

/// Waits for the sinks to finish what they hold; their queues are closed by now.
pub fn finish(runtime: &Runtime, tasks: Tasks, patience: Duration) {
    runtime.block_on(async {
        let deadline = tokio::time::Instant::now() + patience;
        for (name, task) in tasks {
            if tokio::time::timeout_at(deadline, task).await.is_err() {
                tracing::warn!(sink = name, "a sink did not finish in time");
            }
        }
    });
}

/// What writes to standard output.
fn printer(config: &Config) -> Option<Box<dyn Sink>> {
    let stdout = std::io::stdout();
    match config.output {
        Output::None => None,
        Output::Jsonl => {
            let options = JsonlOptions { windows: config.output_windows, ..JsonlOptions::default() };
            Some(Box::new(JsonlSink::new(stdout, options)))
        }
        Output::Text => {
            let options = TextOptions::for_output(stdout.is_terminal());
            Some(Box::new(TextSink::new(stdout, options)))
        }
    }
}

#[cfg(not(feature = "mqtt"))]
fn mqtt(_: &Config, _: &Arc<str>) -> Result<Option<Box<dyn Sink>>, EngineError> {
    Ok(None)
}

#[cfg(feature = "mqtt")]
fn mqtt(config: &Config, run_id: &Arc<str>) -> Result<Option<Box<dyn Sink>>, EngineError> {
    use crate::sink::mqtt::{MqttConfig, MqttSink};
    if !config.mqtt.enabled {
        return Ok(None);
    }
    let server = match config.mqtt.embedded {
        true => embedded_broker(&config.mqtt)?,
        false => config.mqtt.server.clone(),
    };
    let mqtt = MqttConfig { server, ..config.mqtt.clone() };
    Ok(Some(Box::new(MqttSink::new(mqtt, config.node.as_str().into(), run_id.clone()))))
}

/// Starts the embedded broker and says where it listens.
#[cfg(feature = "broker")]
fn embedded_broker(mqtt: &crate::sink::mqtt::MqttConfig) -> Result<crate::sink::mqtt::Server, EngineError> {
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
#[cfg(all(feature = "mqtt", not(feature = "broker")))]
fn embedded_broker(mqtt: &crate::sink::mqtt::MqttConfig) -> Result<crate::sink::mqtt::Server, EngineError> {
    Ok(mqtt.server.clone())
}
