//! All wiring. [`run`] is the daemon, [`offline`] the same way for whole files.

mod admission;
mod batcher;
mod control;
mod corrections;
mod director;
mod fanout;
mod feature;
mod infer;
mod keep;
mod notify;
pub mod offline;
mod pace;
#[cfg(feature = "mqtt")]
mod publish;
mod sinks;
mod supervisor;
mod trace;
pub mod usage;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use jiff::Timestamp;

use crate::config::{Config, SourceEntry};
use crate::decision::{Decider, FormatMonitor};
use crate::model::{Model, ModelError};
use crate::sink::{Message, Refusing, Sink, payload};
use crate::source::{SourceConfig, Uri};
use crate::state::StateFolder;
use crate::stats::{InferenceCounters, SourceCounters};
use crate::thread::{Stop, join_by, spawn};

use admission::Admission;
use control::{Dials, Settings};
use director::{Acknowledged, Constants, Director, Inbound, SourceDesk};
use feature::{Feature, IN_FLIGHT};
use infer::Infer;

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The front end does not take its parameters.
    #[error("{0}")]
    FrontEnd(String),
    /// A source's settings do not fit the model.
    #[error("source `{0}`: {1}")]
    Source(String, String),
    /// A sink could not be made.
    #[error("{0}")]
    Sink(String),
    /// A stage ended before its sources did.
    #[error("the {0} stage ended unexpectedly; please report it with the lines of the log above")]
    Died(&'static str),
    /// The system refused a thread or a descriptor.
    #[error("the system refused a resource: {0}")]
    System(#[from] std::io::Error),
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Sources that failed for good, by name, with reasons.
    pub failed: Vec<(Arc<str>, String)>,
    /// What each source counted.
    pub counters: Vec<Arc<SourceCounters>>,
}

/// Answers that may wait for the director, which never waits for anybody.
const JUDGED: usize = 1024;

/// Commands that may wait for the director.
const REQUESTS: usize = 256;

/// Between two looks at the threads.
const LOOK: Duration = Duration::from_millis(50);
/// Once the stop token is set, sources and inference have this long,
const DRAIN: Duration = Duration::from_millis(600);
/// the director this much more,
const CLOSE: Duration = Duration::from_millis(100);
/// and then the sinks this long: below the promised two seconds in all.
const SINKS: Duration = Duration::from_millis(950);

/// Runs the daemon until every source has ended or failed, or `stop` is set and everything is drained.
///
/// # Errors
/// What keeps it from starting; once it runs, a failing source or sink ends nothing but itself.
pub fn run(config: Config, stop: &Stop) -> Result<Outcome, EngineError> {
    let started = Timestamp::now();
    let run_id: Arc<str> = run_id().into();
    let mut model = Model::load(&config.model)?;
    let patches = model.feed().patches(config.hop_s);
    feature::check(model.front_end(), &patches)?;
    tracing::info!(
        model = model.bundle().manifest.name,
        head = &**model.head().name(),
        execution_provider = %model.provider(),
        reason = model.provider_reason(),
        "model loaded"
    );

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("genred-io")
        .enable_all()
        .build()?;
    let refusing = Refusing::new(stop.clone());
    let folder = keep::claim(&config)?;
    let (node, instance) =
        (folder.as_ref().map(StateFolder::node), folder.as_ref().and_then(StateFolder::instance));
    let (ask, requests) = bounded(REQUESTS);
    let Publisher { sink, recall, control } =
        publisher(&config, folder.as_ref(), &run_id, stop, &refusing, &ask)?;
    let (corrections, keeper) = corrections::start(&config, folder.as_ref(), &mut model)?.unzip();
    let trace = trace::sink(&config, &run_id, node.unwrap_or(&config.node), runtime.handle(), ask);
    let kept = sink.into_iter().chain(keep::log(&config, folder.as_ref()));
    let (mut fanout, sink_tasks) = sinks::start(&config, kept, trace, runtime.handle(), stop);
    fanout.send(Message::Info(Arc::new(info(&config, &model, &run_id, instance, started))));

    let (inlets, work) = batcher::queues(config.sources.len(), IN_FLIGHT);
    let (judged_tx, judged_rx) = bounded(JUDGED);
    let counters: Vec<_> = config.sources.iter().map(|_| Arc::new(SourceCounters::default())).collect();
    let inference = Arc::new(InferenceCounters::default());
    let constants = constants(&config, &model, &run_id, control);
    let dials: Vec<_> = config.sources.iter().map(|_| Arc::new(Dials::new(config.hop_s))).collect();
    let watch = |entry: &SourceEntry| {
        FormatMonitor::new(model.head().labels(), &entry.watch)
            .map_err(|what| EngineError::Source(entry.source.name.clone(), what))
    };
    let watches = config.sources.iter().map(watch).collect::<Result<Vec<_>, _>>()?;
    let desks = config
        .sources
        .iter()
        .zip(watches)
        .zip(counters.iter().zip(&dials))
        .map(|((entry, watch), (counters, dials))| SourceDesk {
            name: entry.source.name.as_str().into(),
            display_name: entry.source.display_name.as_str().into(),
            decider: Decider::new(model.head().labels(), &config.decision, &entry.silence, &entry.dead_air),
            watch,
            settings: Settings {
                paused: false,
                hop: config.hop_s,
                decision: config.decision.clone(),
                silence: entry.silence.clone(),
            },
            dials: dials.clone(),
            seq: recall.seqs.get(entry.source.name.as_str()).copied().unwrap_or_default(),
            counters: counters.clone(),
        })
        .collect();

    let admission = Arc::new(Admission::new(config.sources.len(), config.hop_s, inference.clone()));
    let mut returns = Vec::new();
    let mut features = Vec::new();
    for (index, (entry, inlet)) in config.sources.iter().zip(inlets).enumerate() {
        let (parcel_tx, parcel_rx) = bounded(IN_FLIGHT);
        returns.push(parcel_tx);
        features.push(Feature {
            id: crate::audio::SourceId(index),
            config: SourceConfig { min_read: piece(config.sources.len()), ..entry.source.clone() },
            front_end: model.front_end().clone(),
            dials: dials[index].clone(),
            feed: model.feed().clone(),
            true_peak: entry.true_peak,
            lost_after: entry.lost_after,
            begins_after: spread(index, &config),
            patient: config.sources.len() > 1,
            counters: counters[index].clone(),
            admission: admission.clone(),
            work: inlet,
            parcels: parcel_rx,
            stop: stop.clone(),
        });
    }

    let (closing, closed) = bounded(0);
    let inbound = Inbound { judged: judged_rx, requests: Some(requests), closed };
    let mut director = Director::new(constants, desks, inference.clone(), admission.clone(), inbound, fanout)
        .with_corrections(corrections);
    if recall.damaged {
        director.announce_loss();
    }
    let director = spawn("director", move || director.run())?;
    let infer = Infer {
        max_batch: config.model.max_batch(model.provider()),
        max_wait: config.model.max_wait(model.provider()),
        classifier: model,
        stop: stop.clone(),
        work,
        parcels: returns,
        counters: counters.clone(),
        inference,
        judged: judged_tx,
    };
    let infer = spawn("infer", move || infer.run())?;
    let sources = start_sources(features)?;
    notify::ready(&format!("{} sources", config.sources.len()));

    let dead = wait(&sources, &infer, &director, stop);
    notify::stopping();
    if dead.is_some() {
        stop.set();
    }
    let mut deadline = None;
    for source in sources {
        settle(source, stop, &mut deadline);
    }
    let failed = match settle(infer, stop, &mut deadline) {
        // Its channel is closed: the director ends once it has published what is left in it.
        Some(()) => settle(director, stop, &mut deadline),
        // A source that hangs in a system call keeps the stages after it open: the director is told to close.
        None => {
            drop(closing);
            join_by(director, Instant::now() + CLOSE)
        }
    };
    let failed = failed.unwrap_or_default();
    // What waits for the disk is stored; its queue has ended with the director.
    keeper.and_then(|keeper| join_by(keeper, Instant::now() + CLOSE));
    sinks::finish(&runtime, sink_tasks, stop, SINKS);
    runtime.shutdown_timeout(Duration::from_millis(50));
    drop(folder);
    match (dead, refusing.reason()) {
        (Some(stage), _) => Err(EngineError::Died(stage)),
        (None, Some(reason)) => Err(EngineError::Sink(reason.to_owned())),
        (None, None) => Ok(Outcome { failed, counters }),
    }
}

/// The sink that talks to others, what an earlier run left for this one, and whether subscribers may send commands.
#[derive(Default)]
struct Publisher {
    sink: Option<Box<dyn Sink>>,
    recall: Recall,
    control: bool,
}

#[cfg(feature = "mqtt")]
use publish::{Recall, publisher};

/// Nothing is kept without the sink that keeps it.
#[cfg(not(feature = "mqtt"))]
#[derive(Default)]
struct Recall {
    seqs: std::collections::HashMap<Arc<str>, u64>,
    damaged: bool,
}

#[cfg(not(feature = "mqtt"))]
fn publisher(
    _: &Config,
    _: Option<&StateFolder>,
    _: &Arc<str>,
    _: &Stop,
    _: &Refusing,
    _: &crossbeam_channel::Sender<crate::sink::Request>,
) -> Result<Publisher, EngineError> {
    Ok(Publisher::default())
}

/// Waits until all sources have ended or the stop token is set; the name of a stage that ended before them.
fn wait<A, B>(
    sources: &[JoinHandle<()>],
    infer: &JoinHandle<A>,
    director: &JoinHandle<B>,
    stop: &Stop,
) -> Option<&'static str> {
    let running = || !sources.iter().all(JoinHandle::is_finished);
    while running() && !stop.wait(LOOK) {
        let stage = match (infer.is_finished(), director.is_finished()) {
            (true, _) => "inference",
            (_, true) => "decision",
            _ => continue,
        };
        // The last source lets go of its channel a moment before its thread counts as finished.
        if !stop.wait(LOOK) && running() {
            return Some(stage);
        }
    }
    None
}

/// Joins a thread, however long it takes; once `stop` is set, until the common `deadline`, [`DRAIN`] later.
/// `None` where it panicked or did not end in time.
fn settle<T>(handle: JoinHandle<T>, stop: &Stop, deadline: &mut Option<Instant>) -> Option<T> {
    while !handle.is_finished() {
        if stop.is_set() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + DRAIN);
            return join_by(handle, deadline);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    handle.join().ok()
}

/// How much of a file that is played as if live is read at once. One source is read packet by packet; hundreds would
/// drive each other's working memory out of the caches with every packet.
fn piece(sources: usize) -> Duration {
    Duration::from_micros(500 * sources as u64).min(Duration::from_millis(150))
}

/// When a source begins, after the others: recordings that are played as if live would else all come to the end of
/// a patch in the same moment, for ever.
fn spread(index: usize, config: &Config) -> Duration {
    let source = &config.sources[index].source;
    match matches!(source.uri, Uri::File(_)) && feature::is_live(source) {
        true => Duration::from_secs_f64(config.hop_s).mul_f64(index as f64 / config.sources.len() as f64),
        false => Duration::ZERO,
    }
}

fn start_sources(features: Vec<Feature>) -> Result<Vec<JoinHandle<()>>, EngineError> {
    features
        .into_iter()
        .map(|feature| Ok(spawn(&format!("src-{}", feature.config.name), move || feature.run())?))
        .collect()
}

fn constants(config: &Config, model: &Model, run_id: &Arc<str>, control: bool) -> Constants {
    Constants {
        run: run_id.clone(),
        model: model.bundle().manifest.name.as_str().into(),
        head: model.head().name().clone(),
        labels: model.head().labels().to_vec(),
        tags: model.tag_head().map(|head| head.labels().to_vec()).unwrap_or_default(),
        execution_provider: model.provider().as_str(),
        hop_s: config.hop_s,
        heartbeat: config.heartbeat(),
        acknowledged: acknowledged(config),
        control,
    }
}

#[cfg(not(feature = "mqtt"))]
fn acknowledged(_: &Config) -> Acknowledged {
    Acknowledged::default()
}

#[cfg(feature = "mqtt")]
fn acknowledged(config: &Config) -> Acknowledged {
    let enabled = config.mqtt.enabled;
    Acknowledged { windows: enabled && config.mqtt.patch_qos == Some(1), events: enabled }
}

fn info(
    config: &Config,
    model: &Model,
    run_id: &Arc<str>,
    instance: Option<&str>,
    started: Timestamp,
) -> payload::Info {
    payload::Info {
        run: run_id.clone(),
        instance: instance.map(Arc::from),
        version: env!("CARGO_PKG_VERSION"),
        started,
        model: model.bundle().manifest.name.as_str().into(),
        model_sha256: model.trunk_sha256().clone(),
        head: model.head().name().clone(),
        labels: model.head().labels().to_vec(),
        execution_provider: model.provider().as_str(),
        execution_provider_reason: model.provider_reason().into(),
        lookahead_ms: model.lookahead_ms(),
        hop_s: config.hop_s,
        sources: config.sources.iter().map(source_info).collect(),
    }
}

/// A source's entry in `info`.
pub fn source_info(entry: &SourceEntry) -> payload::SourceInfo {
    payload::SourceInfo {
        name: entry.source.name.as_str().into(),
        source_name: entry.source.display_name.as_str().into(),
        uri: entry.source.uri.to_string().into(),
    }
}

/// 16 hexadecimal digits that no other start has.
fn run_id() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i128(Timestamp::now().as_nanosecond());
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests;
