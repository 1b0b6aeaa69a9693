//! Which sinks run, and how they end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::fanout::{self, Fanout};
use super::{EngineError, feature};
use crate::config::{Config, Output};
use crate::sink::Sink;
use crate::sink::jsonl::{JsonlOptions, JsonlSink};
use crate::sink::text::{TextOptions, TextSink};
use crate::thread::Stop;

/// Between two looks at the stop token.
const LOOK: Duration = Duration::from_millis(50);

/// The running sinks, by name.
pub type Tasks = Vec<(&'static str, JoinHandle<()>)>;

/// Starts every sink that is configured.
///
/// # Errors
/// When the embedded broker cannot start.
pub fn start(
    config: &Config,
    run_id: &Arc<str>,
    runtime: &Handle,
    stop: &Stop,
) -> Result<(Fanout, Tasks), EngineError> {
    let sinks = mqtt(config, run_id, stop)?.into_iter().chain(printer(config));
    let live = config.sources.iter().any(|entry| feature::is_live(&entry.source));
    let mut fanout = Fanout::new(!live, stop.clone());
    let mut tasks = Vec::new();
    for sink in sinks {
        let (tx, rx) = mpsc::channel(fanout::QUEUE);
        let name = sink.name();
        fanout.add(name, tx);
        tasks.push((name, runtime.spawn(sink.run(rx))));
    }
    Ok((fanout, tasks))
}

/// Waits for the sinks to finish what they hold; their queues are closed by now. Once `stop` is set they
/// have until the token's `patience` is over; before, as long as they need.
pub fn finish(runtime: &Runtime, tasks: Tasks, stop: &Stop, patience: Duration) {
    runtime.block_on(async {
        let mut deadline = None;
        for (name, mut task) in tasks {
            loop {
                if stop.is_set() {
                    deadline.get_or_insert_with(|| Instant::now() + patience);
                }
                let look = deadline.unwrap_or_else(|| Instant::now() + LOOK);
                match timeout_at(look, &mut task).await {
                    Err(_) if deadline.is_none() => {}
                    Err(_) => break tracing::warn!(sink = name, "a sink did not finish in time"),
                    Ok(_) => break,
                }
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
fn mqtt(_: &Config, _: &Arc<str>, _: &Stop) -> Result<Option<Box<dyn Sink>>, EngineError> {
    Ok(None)
}

#[cfg(feature = "mqtt")]
fn mqtt(config: &Config, run_id: &Arc<str>, stop: &Stop) -> Result<Option<Box<dyn Sink>>, EngineError> {
    use crate::sink::mqtt::{MqttConfig, MqttSink};
    if !config.mqtt.enabled {
        return Ok(None);
    }
    let server = match config.mqtt.embedded {
        true => embedded_broker(&config.mqtt)?,
        false => config.mqtt.server.clone(),
    };
    let mqtt = MqttConfig { server, ..config.mqtt.clone() };
    let sink = MqttSink::new(mqtt, config.node.as_str().into(), run_id.clone());
    Ok(Some(Box::new(sink.patient_until(stop.clone()))))
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
