//! Builds and starts the sinks, and waits for their end.

use std::io::IsTerminal;
use std::time::Duration;

use crossbeam_channel::{bounded, select};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

#[cfg(feature = "log")]
use super::build_status;
use super::build_trace;
use super::error::EngineError;
use super::fanout::{Fanout, QUEUE_LENGTH};
use super::sink_context::{Publisher, RecoveredState, SinkContext};
use crate::config::{Config, Output};
use crate::sink::Sink;
use crate::sink::jsonl::{JsonlOptions, JsonlSink};
use crate::sink::text::{TextOptions, TextSink};
use crate::sink::trace::TraceSink;
use crate::thread::Stop;

/// Time in which the sinks finish after a stop, in total. It starts once the threads before
/// them have ended. All deadlines together (`topology.rs`, `threads.rs`) are 1.8 s, below the
/// promised two seconds.
const SINK_FLUSH_TIMEOUT: Duration = Duration::from_millis(950);

/// The running sinks.
pub(super) struct SinkSet {
    pub(crate) fanout: Fanout,
    pub(crate) tasks: SinkTasks,
    pub(crate) recovered: RecoveredState,
    /// True if subscribers may send commands.
    pub(crate) control: bool,
}

/// Tasks of the sinks, by name.
pub(super) struct SinkTasks(Vec<(&'static str, JoinHandle<()>)>);

/// Builds and starts all sinks that are configured.
///
/// # Errors
/// The embedded broker cannot start.
pub(super) fn build(context: &SinkContext<'_>, runtime: &Handle) -> Result<SinkSet, EngineError> {
    let SinkContext { config, stop, .. } = context;
    let Publisher { sink: publisher, recovered, control } = publisher(context)?;
    let trace = build_trace::build(context, runtime);
    let listeners = trace.as_ref().map(TraceSink::listeners);
    let trace = trace.map(|sink| Box::new(sink) as Box<dyn Sink>);
    let page = page(context, runtime)?;
    let control = control || page.is_some();
    let sinks =
        publisher.into_iter().chain(as_run_log(context)).chain(printer(config)).chain(trace).chain(page);
    let is_live = config.sources.iter().any(|entry| entry.source.is_live());
    let mut fanout = Fanout::new(!is_live, (*stop).clone());
    listeners.into_iter().for_each(|listeners| fanout.set_listeners(listeners));
    let mut tasks = Vec::new();
    for sink in sinks {
        let (tx, rx) = mpsc::channel(QUEUE_LENGTH);
        let name = sink.name();
        fanout.add(name, tx);
        tasks.push((name, runtime.spawn(sink.run(rx))));
    }
    Ok(SinkSet { fanout, tasks: SinkTasks(tasks), recovered, control })
}

impl SinkTasks {
    /// Waits for the sinks to finish; their queues are closed. If `stop` is set, they have
    /// [`SINK_FLUSH_TIMEOUT`] in total, from this call or, if that is later, from the stop.
    pub(crate) fn finish(self, runtime: &Runtime, stop: &Stop) {
        let (finished, release) = bounded::<()>(0);
        let stopped = stop.channel();
        let mut stopped = runtime.spawn_blocking(move || {
            select! {
                recv(stopped) -> _ => {}
                recv(release) -> _ => {}
            }
        });
        runtime.block_on(async {
            let mut deadline = None;
            for (name, mut task) in self.0 {
                if deadline.is_none() {
                    tokio::select! {
                        _ = &mut task => continue,
                        _ = &mut stopped => deadline = Some(Instant::now() + SINK_FLUSH_TIMEOUT),
                    }
                }
                let Some(deadline) = deadline else { continue };
                if timeout_at(deadline, task).await.is_err() {
                    tracing::warn!(sink = name, "a sink did not finish in time");
                }
            }
        });
        drop(finished);
    }
}

#[cfg(feature = "mqtt")]
fn publisher(context: &SinkContext<'_>) -> Result<Publisher, EngineError> {
    super::build_mqtt::build(context)
}

/// This build has no MQTT.
#[cfg(not(feature = "mqtt"))]
fn publisher(_: &SinkContext<'_>) -> Result<Publisher, EngineError> {
    Ok(Publisher::default())
}

#[cfg(feature = "web")]
fn page(context: &SinkContext<'_>, runtime: &Handle) -> Result<Option<Box<dyn Sink>>, EngineError> {
    let sink = super::build_web::build(context, runtime)?;
    Ok(sink.map(|sink| Box::new(sink) as Box<dyn Sink>))
}

/// This build has no page.
#[cfg(not(feature = "web"))]
fn page(_: &SinkContext<'_>, _: &Handle) -> Result<Option<Box<dyn Sink>>, EngineError> {
    Ok(None)
}

/// The as-run log, if it is enabled and has a path.
#[cfg(feature = "log")]
fn as_run_log(context: &SinkContext<'_>) -> Option<Box<dyn Sink>> {
    use crate::sink::asrun::AsRunSink;
    let path = build_status::log_path(context.config, context.folder)?;
    tracing::info!("the as-run log is `{}`", path.display());
    let counters = context.status.log.clone().unwrap_or_default();
    Some(Box::new(AsRunSink::new(path, context.config.log.retention_days).with_counters(counters)))
}

/// This build has no as-run log.
#[cfg(not(feature = "log"))]
fn as_run_log(_: &SinkContext<'_>) -> Option<Box<dyn Sink>> {
    None
}

/// Sink that writes to standard output, if one is configured.
fn printer(config: &Config) -> Option<Box<dyn Sink>> {
    let stdout = std::io::stdout();
    match config.output {
        Output::None => None,
        Output::Jsonl => {
            let options = JsonlOptions { windows: config.output_patches, ..JsonlOptions::default() };
            Some(Box::new(JsonlSink::new(stdout, options)))
        }
        Output::Text => {
            let options = TextOptions::for_output(stdout.is_terminal());
            Some(Box::new(TextSink::new(stdout, options)))
        }
    }
}
