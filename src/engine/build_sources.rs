//! Builds what belongs to each source.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::admission::Admission;
use super::clips::ClipSet;
use super::director::{SourceSetup, TrackedSource};
use super::error::EngineError;
use super::inference::InferenceLane;
use super::job::JOBS_PER_SOURCE;
use super::live_settings::LiveSettings;
use super::scheduler::{self, FairScheduler, WorkSender};
use super::source_worker::SourceWorker;
use crate::audio::SourceId;
use crate::config::{Config, SourceEntry};
use crate::counters::SourceCounters;
use crate::decision::{Decider, FormatMonitor};
use crate::model::Model;
use crate::permits::Permits;
use crate::source::{SourceConfig, Uri};
use crate::status::DaemonStatus;
use crate::tap::SourceTap;
use crate::thread::Stop;

/// Parts of one source, one per thread that uses them.
pub(super) struct SourceHandle {
    /// Counters, shared by the parts.
    pub(crate) counters: Arc<SourceCounters>,
    /// Part of its own thread.
    pub(crate) worker: SourceWorker,
    /// Part of the inference thread.
    pub(crate) lane: InferenceLane,
    /// Part of the director.
    pub(crate) tracked: TrackedSource,
}

/// Parts that all sources share.
pub(super) struct SharedParts<'a> {
    pub(crate) admission: &'a Arc<Admission>,
    pub(crate) permits: &'a Permits,
    /// One per source, in the order of the configuration.
    pub(crate) taps: &'a [Arc<SourceTap>],
    pub(crate) clips: &'a ClipSet,
    pub(crate) stop: &'a Stop,
    pub(crate) status: &'a DaemonStatus,
}

/// Builds all sources, and the scheduler that receives their work. `seqs` holds the sequence
/// numbers of the last events of earlier runs.
///
/// # Errors
/// The settings of a source do not fit the model.
pub(super) fn build(
    config: &Config,
    model: &Model,
    shared: &SharedParts<'_>,
    seqs: &HashMap<Arc<str>, u64>,
) -> Result<(Vec<SourceHandle>, FairScheduler), EngineError> {
    let (senders, scheduler) = scheduler::queues(config.sources.len(), JOBS_PER_SOURCE);
    let handles = config.sources.iter().zip(senders).enumerate().map(|(index, (entry, work))| {
        let builder = SourceBuilder { config, model, shared, index, entry, tap: &shared.taps[index] };
        let seq = seqs.get(entry.source.name.as_str()).copied().unwrap_or_default();
        builder.build(work, seq)
    });
    Ok((handles.collect::<Result<_, _>>()?, scheduler))
}

struct SourceBuilder<'a> {
    config: &'a Config,
    model: &'a Model,
    shared: &'a SharedParts<'a>,
    index: usize,
    entry: &'a SourceEntry,
    tap: &'a Arc<SourceTap>,
}

impl SourceBuilder<'_> {
    fn build(&self, work: WorkSender, seq: u64) -> Result<SourceHandle, EngineError> {
        let entry = self.entry;
        let status = self.shared.status.sources[self.index].clone();
        let counters = status.counters.clone();
        let live = Arc::new(LiveSettings::new(self.config.hop_s));
        let (recycle, recycled) = bounded(JOBS_PER_SOURCE);
        let labels = self.model.head().labels();
        let monitor = FormatMonitor::new(labels, &entry.watch)
            .map_err(|fault| EngineError::Source(entry.source.name.clone(), fault.to_string()))?;
        let tracked = TrackedSource::new(SourceSetup {
            name: entry.source.name.as_str().into(),
            display_name: entry.source.display_name.as_str().into(),
            decider: Decider::new(labels, &self.config.decision, &entry.silence, &entry.dead_air),
            monitor,
            decision: self.config.decision.clone(),
            silence: entry.silence.clone(),
            hop_s: self.config.hop_s,
            live: live.clone(),
            seq,
            status,
            tap: self.tap.clone(),
            clips: self.shared.clips.planner(self.index),
        });
        let sources = self.config.sources.len();
        let worker = SourceWorker {
            id: SourceId(self.index),
            config: SourceConfig { min_read: min_read(sources), ..entry.source.clone() },
            front_end: self.model.front_end().clone(),
            feed: self.model.feed().clone(),
            live,
            true_peak: entry.true_peak,
            lost_after: entry.lost_after,
            start_delay: self.start_delay(),
            wait_at_start: sources > 1,
            counters: counters.clone(),
            tap: self.tap.clone(),
            clips: self.shared.clips.feed(self.index),
            admission: self.shared.admission.clone(),
            permits: self.shared.permits.clone(),
            work,
            recycled,
            stop: self.shared.stop.clone(),
        };
        let lane = InferenceLane { recycled: recycle, counters: counters.clone() };
        Ok(SourceHandle { counters, worker, lane, tracked })
    }

    /// Delay that spreads the starts of real-time files over one hop. Otherwise the patches of all
    /// of them would always be complete at the same moment.
    fn start_delay(&self) -> Duration {
        let source = &self.entry.source;
        if !matches!(source.uri, Uri::File(_)) || !source.is_live() {
            return Duration::ZERO;
        }
        let share = self.index as f64 / self.config.sources.len() as f64;
        Duration::from_secs_f64(self.config.hop_s).mul_f64(share)
    }
}

/// Length of audio that is read at once from a real-time file. A single source is read packet by
/// packet; with hundreds, every packet would evict the working memory of another from the caches.
fn min_read(sources: usize) -> Duration {
    Duration::from_micros(500 * sources as u64).min(Duration::from_millis(150))
}
