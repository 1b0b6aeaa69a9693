//! Which sinks run, and how they end.

use std::io::IsTerminal;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::fanout::{self, Fanout};
use super::feature;
use crate::config::{Config, Output};
use crate::sink::Sink;
use crate::sink::jsonl::{JsonlOptions, JsonlSink};
use crate::sink::text::{TextOptions, TextSink};
use crate::sink::trace::TraceSink;
use crate::thread::Stop;

/// Between two looks at the stop token.
const LOOK: Duration = Duration::from_millis(50);

/// The running sinks, by name.
pub type Tasks = Vec<(&'static str, JoinHandle<()>)>;

/// Starts every sink that is made here, and `others`, and the one for traces.
pub fn start(
    config: &Config,
    others: impl Iterator<Item = Box<dyn Sink>>,
    trace: Option<TraceSink>,
    runtime: &Handle,
    stop: &Stop,
) -> (Fanout, Tasks) {
    let listeners = trace.as_ref().map(TraceSink::listeners);
    let trace = trace.map(|sink| Box::new(sink) as Box<dyn Sink>);
    let sinks = others.chain(printer(config)).chain(trace);
    let live = config.sources.iter().any(|entry| feature::is_live(&entry.source));
    let mut fanout = Fanout::new(!live, stop.clone());
    listeners.into_iter().for_each(|listeners| fanout.listen(listeners));
    let mut tasks = Vec::new();
    for sink in sinks {
        let (tx, rx) = mpsc::channel(fanout::QUEUE);
        let name = sink.name();
        fanout.add(name, tx);
        tasks.push((name, runtime.spawn(sink.run(rx))));
    }
    (fanout, tasks)
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
            let options = JsonlOptions { windows: config.output_patches, ..JsonlOptions::default() };
            Some(Box::new(JsonlSink::new(stdout, options)))
        }
        Output::Text => {
            let options = TextOptions::for_output(stdout.is_terminal());
            Some(Box::new(TextSink::new(stdout, options)))
        }
    }
}
