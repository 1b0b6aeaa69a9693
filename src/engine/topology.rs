//! Topology of the engine: which threads run, how they are connected, and how they end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use jiff::Timestamp;

use super::admission::Admission;
use super::build_sinks::{self, SinkContext, SinkSet};
use super::build_sources::{self, SourceHandle};
use super::director::{Director, DirectorInbox};
use super::inference::InferenceWorker;
use super::threads::{Stage, ThreadGroup, is_source};
use super::{EngineError, RunOutcome, build_model, corrections, persistence, systemd};
use crate::config::Config;
use crate::sink::{FatalHandle, Message};
use crate::state::StateFolder;
use crate::stats::InferenceCounters;
use crate::thread::Stop;

/// Results that may wait for the director.
const RESULT_QUEUE_LENGTH: usize = 1024;

/// Commands that may wait for the director.
const COMMAND_QUEUE_LENGTH: usize = 256;

/// Time in which the director may end after it is told to close.
const DIRECTOR_TIMEOUT: Duration = Duration::from_millis(100);

/// Time in which pending corrections may be stored after the director has ended.
const CORRECTIONS_TIMEOUT: Duration = Duration::from_millis(100);

/// Time in which blocking tasks of the tokio runtime may end.
const RUNTIME_TIMEOUT: Duration = Duration::from_millis(50);

/// Runs the daemon; see [`super::run`].
pub(super) fn run(config: &Config, stop: &Stop) -> Result<RunOutcome, EngineError> {
    let started = Timestamp::now();
    let run = build_model::run_id();
    let mut model = build_model::load(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("genred-io")
        .enable_all()
        .build()?;
    let fatal = FatalHandle::new(stop.clone());
    let folder = persistence::claim(config)?;
    let folder = folder.as_ref();
    let mut threads = ThreadGroup::new(stop);

    let (command_tx, commands) = bounded(COMMAND_QUEUE_LENGTH);
    let context = SinkContext { config, folder, run: &run, stop, fatal: &fatal, commands: &command_tx };
    let SinkSet { mut fanout, tasks, recovered, control } = build_sinks::build(&context, runtime.handle())?;
    drop(command_tx);
    let corrections = corrections::start(config, folder, &mut model, &mut threads)?;
    let instance = folder.and_then(StateFolder::instance);
    let info = build_model::daemon_info(config, &model, &run, instance, started);
    fanout.send(Message::Info(Arc::new(info)));

    let inference = Arc::new(InferenceCounters::default());
    let admission = Arc::new(Admission::new(config.sources.len(), config.hop_s, inference.clone()));
    let (handles, scheduler) = build_sources::build(config, &model, &admission, &recovered.seqs, stop)?;
    let (mut counters, mut workers, mut lanes, mut tracked) = (vec![], vec![], vec![], vec![]);
    for SourceHandle { counters: of_source, worker, lane, tracked: source } in handles {
        counters.push(of_source);
        workers.push(worker);
        lanes.push(lane);
        tracked.push(source);
    }

    let (result_tx, results) = bounded(RESULT_QUEUE_LENGTH);
    let (closing, closed) = bounded(0);
    let inbox = DirectorInbox { results, closed, commands };
    let context = build_model::run_context(config, &model, &run, control);
    let mut director = Director::new(context, tracked, inference.clone(), admission, inbox, fanout)
        .with_corrections(corrections);
    if recovered.damaged {
        director.announce_loss();
    }
    let director = threads.spawn(Stage::Director, "director", move || director.run())?;
    let mut inference = InferenceWorker {
        max_batch: config.model.max_batch(model.provider()),
        max_wait: config.model.max_wait(model.provider()),
        classifier: model,
        stop: stop.clone(),
        scheduler,
        lanes,
        counters: inference,
        results: result_tx,
    };
    threads.spawn_reporting(Stage::Inference, "infer", move |end| {
        inference.run();
        drop(end);
        drop(inference);
    })?;
    for worker in workers {
        let name = format!("src-{}", worker.config.name);
        threads.spawn_reporting(Stage::Source(worker.id), &name, move |end| {
            worker.run();
            drop(end);
            drop(worker);
        })?;
    }
    systemd::ready(&format!("{} sources", config.sources.len()));

    let died = threads.wait_for_sources();
    systemd::stopping();
    if died.is_some() {
        stop.set();
    }
    threads.drain(is_source);
    // The director ends once inference has ended and the last results are published. A source that
    // hangs in a system call keeps inference open; then the director is told to close.
    let director_ended = match threads.drain(|stage| stage == Stage::Inference) {
        true => threads.drain(|stage| stage == Stage::Director),
        false => {
            drop(closing);
            threads.wait_until(|stage| stage == Stage::Director, Instant::now() + DIRECTOR_TIMEOUT)
        }
    };
    let failed = director_ended.then(|| director.join().ok()).flatten().unwrap_or_default();
    threads.wait_until(|stage| stage == Stage::Corrections, Instant::now() + CORRECTIONS_TIMEOUT);
    tasks.finish(&runtime, stop);
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    match (died, fatal.reason()) {
        (Some(stage), _) => Err(EngineError::StageDied(stage.name())),
        (None, Some(reason)) => Err(EngineError::Sink(reason.to_owned())),
        (None, None) => Ok(RunOutcome { failed, counters }),
    }
}
