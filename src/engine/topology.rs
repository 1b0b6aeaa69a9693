//! Topology of the engine: which threads run, how they are connected, and how they end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use jiff::Timestamp;
use tokio::runtime::Runtime;

use super::admission::Admission;
use super::build_sinks::{self, SinkSet, SinkTasks};
use super::build_sources::{self, SharedParts};
use super::director::{Director, DirectorInbox};
use super::error::EngineError;
use super::inference::InferenceWorker;
use super::services::Services;
use super::sink_context::SinkContext;
use super::source_worker::SourceWorker;
use super::threads::{Stage, ThreadGroup, is_source};
use super::{build_model, build_status, clips, corrections, persistence, systemd, watchdog};
use crate::config::Config;
use crate::counters::SourceCounters;
use crate::model::Model;
use crate::permits::Permits;
use crate::sink::{FatalHandle, Message};
use crate::state_dir::StateFolder;
use crate::thread::Stop;

/// Results that may wait for the director.
const RESULT_QUEUE_LENGTH: usize = 1024;

/// Commands that may wait for the director.
const COMMAND_QUEUE_LENGTH: usize = 256;

/// Time in which the director ends after its inbox is closed.
const DIRECTOR_TIMEOUT: Duration = Duration::from_millis(100);

/// Time in which pending corrections are stored and open clips are completed after the
/// director has ended and the stop token is set.
const WRITERS_TIMEOUT: Duration = Duration::from_millis(100);

/// Time in which blocking tasks of the tokio runtime end.
const RUNTIME_TIMEOUT: Duration = Duration::from_millis(50);

/// Outcome of a run.
#[derive(Debug, Default)]
pub(crate) struct RunOutcome {
    /// Display name of each source that failed for good, with the reason.
    pub(crate) failed: Vec<(Arc<str>, String)>,
    /// Counters of each source.
    pub(crate) counters: Vec<Arc<SourceCounters>>,
}

/// Runs the daemon until every source has ended or failed, or `stop` is set and the pipeline is
/// drained.
///
/// # Errors
/// The daemon cannot start, or a stage or sink has ended it. A failing source ends nothing but
/// itself.
pub(crate) fn run(config: &Config, services: Services, stop: &Stop) -> Result<RunOutcome, EngineError> {
    let pipeline = Pipeline::start(config, &services, stop)?;
    systemd::ready(&format!("{} sources", config.sources.len()));
    pipeline.run_to_end(stop)
}

/// The running daemon.
struct Pipeline {
    threads: ThreadGroup,
    /// Returns the sources that failed, with their reasons.
    director: JoinHandle<Vec<(Arc<str>, String)>>,
    /// Ends the director when dropped.
    closing: Sender<()>,
    /// Ends the writer of clips when dropped.
    closing_clips: Sender<()>,
    sinks: SinkTasks,
    counters: Vec<Arc<SourceCounters>>,
    runtime: Runtime,
    fatal: FatalHandle,
    /// Claimed until the end.
    _folder: Option<StateFolder>,
}

impl Pipeline {
    /// Builds all parts and starts their threads, the last stage first.
    fn start(config: &Config, services: &Services, stop: &Stop) -> Result<Self, EngineError> {
        let started = Timestamp::now();
        let run = build_model::run_id();
        let mut model = build_model::load(config)?;
        let runtime = io_runtime()?;
        let fatal = FatalHandle::new(stop.clone());
        let claimed = persistence::claim(config)?;
        let folder = claimed.as_ref();
        let mut threads = ThreadGroup::new(stop);

        let (command_tx, commands) = bounded(COMMAND_QUEUE_LENGTH);
        let taps: Vec<_> = config.sources.iter().map(|_| Arc::default()).collect();
        let status = Arc::new(build_status::build(config, folder, &model));
        let context = SinkContext {
            config,
            folder,
            run: &run,
            stop,
            fatal: &fatal,
            commands: &command_tx,
            taps: &taps,
            services,
            status: &status,
        };
        let SinkSet { mut fanout, tasks: sinks, recovered, control } =
            build_sinks::build(&context, runtime.handle())?;
        drop(command_tx);
        let corrections = corrections::start(config, folder, &mut model, &mut threads)?;
        let (clips, closing_clips) = clips::start(config, folder, &status, stop, &mut threads)?;
        let instance = folder.and_then(StateFolder::instance);
        let info = build_model::daemon_info(config, &model, &run, instance, started);
        fanout.send(Message::Info(Arc::new(info)));

        let inference = status.inference.clone();
        let permits = Permits::per_core();
        let admission =
            Arc::new(Admission::new(config.sources.len(), config.hop_s, inference.clone(), permits.clone()));
        let shared = SharedParts {
            admission: &admission,
            permits: &permits,
            taps: &taps,
            clips: &clips,
            status: &status,
            stop,
        };
        let (handles, scheduler) = build_sources::build(config, &model, &shared, &recovered.seqs)?;
        let (mut counters, mut workers, mut lanes, mut tracked) = (vec![], vec![], vec![], vec![]);
        for handle in handles {
            counters.push(handle.counters);
            workers.push(handle.worker);
            lanes.push(handle.lane);
            tracked.push(handle.tracked);
        }

        // The parts of the sources keep its channels.
        drop(clips);
        let (result_tx, results) = bounded(RESULT_QUEUE_LENGTH);
        let (closing, closed) = bounded(0);
        let inbox = DirectorInbox { results, closed, commands };
        let context = build_model::run_context(config, &model, &run, control);
        let mut director = Director::new(context, tracked, status.clone(), admission, inbox, fanout)
            .with_corrections(corrections);
        if recovered.damaged {
            director.announce_loss();
        }
        let director = threads.spawn(Stage::Director, "director", move || director.run())?;
        let inference = InferenceWorker {
            max_batch: config.model.max_batch(model.provider()),
            max_wait: config.model.max_wait(model.provider()),
            classifier: model,
            stop: stop.clone(),
            scheduler,
            lanes,
            counters: inference,
            results: result_tx,
        };
        spawn_inference(&mut threads, inference)?;
        spawn_sources(&mut threads, workers)?;
        watchdog::start(status, runtime.handle());
        let _folder = claimed;
        Ok(Self { threads, director, closing, closing_clips, sinks, counters, runtime, fatal, _folder })
    }

    /// Waits until all sources have ended or the stop token is set, then shuts down stage by stage.
    fn run_to_end(self, stop: &Stop) -> Result<RunOutcome, EngineError> {
        let Self { mut threads, director, closing, closing_clips, sinks, counters, runtime, fatal, _folder } =
            self;
        let died = threads.wait_for_sources();
        systemd::stopping();
        if died.is_some() {
            stop.set();
        }
        threads.drain(is_source);
        // The director ends once inference has ended and the last results are published. A source
        // that hangs in a system call keeps inference open; then the director is closed directly.
        let director_ended = match threads.drain(|stage| stage == Stage::Inference) {
            true => threads.drain(|stage| stage == Stage::Director),
            false => {
                drop(closing);
                threads.wait_until(|stage| stage == Stage::Director, Instant::now() + DIRECTOR_TIMEOUT)
            }
        };
        let failed = director_ended.then(|| director.join().ok()).flatten().unwrap_or_default();
        drop(closing_clips);
        let is_writer = |stage| matches!(stage, Stage::Corrections | Stage::Clips);
        match stop.is_set() {
            true => threads.wait_until(is_writer, Instant::now() + WRITERS_TIMEOUT),
            false => threads.drain(is_writer),
        };
        sinks.finish(&runtime, stop);
        runtime.shutdown_timeout(RUNTIME_TIMEOUT);
        match (died, fatal.reason()) {
            (Some(stage), _) => Err(EngineError::StageDied(stage.name())),
            (None, Some(reason)) => Err(EngineError::Sink(reason.to_owned())),
            (None, None) => Ok(RunOutcome { failed, counters }),
        }
    }
}

/// Runtime of the sinks' sockets.
fn io_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("genred-io")
        .enable_all()
        .build()
}

/// Starts inference. Its end is reported before its result channel closes, which ends the director.
fn spawn_inference(threads: &mut ThreadGroup, mut inference: InferenceWorker<Model>) -> std::io::Result<()> {
    threads.spawn_reporting(Stage::Inference, "infer", move |end| {
        inference.run();
        drop(end);
        drop(inference);
    })?;
    Ok(())
}

/// Starts the source workers. The end of each is reported before its queue closes, which ends
/// inference.
fn spawn_sources(threads: &mut ThreadGroup, workers: Vec<SourceWorker>) -> std::io::Result<()> {
    for worker in workers {
        let name = format!("src-{}", worker.config.name);
        threads.spawn_reporting(Stage::Source(worker.id), &name, move |end| {
            worker.run();
            drop(end);
            drop(worker);
        })?;
    }
    Ok(())
}
