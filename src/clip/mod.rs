//! Layer 2: clips, audio files around events.
//!
//! ```text
//! source worker ─ Block ─▶ ClipRecorder ─ ClipChunk ─▶ ┐
//!                                                      ├ ClipWriter (thread): ring, files, retention
//! director ─ event ─▶ ClipPlanner ─ ClipJob ─────────▶ ┘
//! ```
//!
//! - The recorder encodes in the source worker, after the block's patches were sent. Nothing waits
//!   for it but the next block of the same source.
//! - The writer owns all rings and files. Both channels to it are bounded. Live sources drop chunks
//!   while it is behind, which leaves a gap in the clip; other sources wait.
//! - The planner chooses the file of an event, and alone decides when a clip is closed. So an event
//!   never carries the name of a clip that was complete before the event.
//! - A clip is written to `<file>.part` as the audio comes, and renamed when it is complete. A
//!   killed process leaves `.part` files, which the next start deletes.

mod bits;
mod chunk;
mod config;
mod container;
mod flac;
mod flac_file;
mod flac_subframe;
mod job;
#[cfg(feature = "opus")]
mod ogg_file;
mod open_clip;
#[cfg(feature = "opus")]
mod opus;
mod planner;
mod recorder;
mod retention;
mod ring;
mod tags;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::audio::SourceId;
use crate::counters::ClipCounters;
use crate::thread::Stop;
use chunk::ClipChunk;
pub use config::ClipConfig;
use job::ClipJob;
pub(crate) use planner::ClipPlanner;
pub(crate) use recorder::{ClipFeed, ClipRecorder};
use retention::ClipRetention;
use ring::ClipRing;
use writer::{ClipSource, ClipWriter};

/// Chunks that may wait for the writer, per source: eight seconds of audio.
const CHUNKS_PER_SOURCE: usize = 16;

/// Jobs that may wait for the writer, per source.
const JOBS_PER_SOURCE: usize = 8;

/// Audio that is kept beyond the pre-roll, in seconds: the delay of decisions.
const LIVE_DELAY_S: f64 = 10.0;

/// The same for sources that are read faster than real time: patches wait in queues.
const FAST_DELAY_S: f64 = 120.0;

/// Largest size of a ring, in bytes per second: 48 kHz, two channels, 24 bits, uncompressed.
const MAX_BYTES_PER_S: f64 = 288_000.0;

/// Source with clips.
pub(crate) struct ClipSetup {
    pub(crate) id: SourceId,
    /// Name, as in topics.
    pub(crate) name: Arc<str>,
    pub(crate) config: ClipConfig,
    /// Folder of the files of this source.
    pub(crate) folder: PathBuf,
    pub(crate) is_live: bool,
    pub(crate) counters: Arc<ClipCounters>,
}

/// Channels to the writer.
pub(crate) struct ClipChannels {
    chunks: Sender<ClipChunk>,
    jobs: Sender<ClipJob>,
    stop: Stop,
}

impl ClipChannels {
    /// Part of a source's worker.
    pub(crate) fn feed(&self, setup: &ClipSetup) -> ClipFeed {
        ClipFeed {
            id: setup.id,
            name: setup.name.clone(),
            format: setup.config.format,
            chunks: self.chunks.clone(),
            is_live: setup.is_live,
            counters: setup.counters.clone(),
            stop: self.stop.clone(),
        }
    }

    /// Part of the director.
    pub(crate) fn planner(&self, setup: &ClipSetup) -> ClipPlanner {
        let ClipSetup { id, name, config, counters, .. } = setup;
        ClipPlanner::new(*id, name.clone(), config.clone(), self.jobs.clone(), counters.clone())
    }
}

/// Builds the writer for these sources: the channels to it, and the function that its thread runs.
/// The function returns when the channels are dropped, or `closed` closes.
pub(crate) fn writer(
    setups: &[&ClipSetup],
    closed: Receiver<()>,
    stop: &Stop,
) -> (ClipChannels, impl FnOnce() + Send + use<>) {
    let sources = setups.len();
    let (chunks, received_chunks) = bounded(sources * CHUNKS_PER_SOURCE);
    let (jobs, received_jobs) = bounded(sources * JOBS_PER_SOURCE);
    let last = setups.iter().map(|setup| setup.id.0).max().unwrap_or_default();
    let mut by_id: Vec<Option<ClipSource>> = (0..=last).map(|_| None).collect();
    for setup in setups {
        by_id[setup.id.0] = Some(source(setup));
    }
    let writer = ClipWriter {
        sources: by_id,
        chunks: received_chunks,
        jobs: received_jobs,
        closed,
        stop: stop.clone(),
    };
    (ClipChannels { chunks, jobs, stop: stop.clone() }, move || writer.run())
}

fn source(setup: &ClipSetup) -> ClipSource {
    let ClipConfig { pre_roll_s, max_age_days, max_mb, .. } = setup.config;
    let delay_s = if setup.is_live { LIVE_DELAY_S } else { FAST_DELAY_S };
    let keep_s = pre_roll_s + delay_s;
    ClipSource {
        name: setup.name.clone(),
        pre_roll_s,
        folder: setup.folder.clone(),
        retention: ClipRetention {
            max_age: (max_age_days > 0.0).then(|| Duration::from_secs_f64(max_age_days * 86_400.0)),
            max_bytes: u64::from(max_mb) * 1_000_000,
        },
        ring: ClipRing::new(keep_s, (keep_s * MAX_BYTES_PER_S) as usize),
        open: Vec::new(),
        counters: setup.counters.clone(),
        is_failing: false,
    }
}
