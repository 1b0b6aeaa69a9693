//! Sources with clips, and their writer.

use std::path::{Path, PathBuf};

use crossbeam_channel::{Sender, bounded};

use crate::audio::SourceId;
use crate::clip::{self, ClipChannels, ClipFeed, ClipPlanner, ClipSetup};
use crate::config::{Config, SourceEntry};
use crate::engine::threads::{Stage, ThreadGroup};
use crate::event::CLIPS;
use crate::state_dir::StateFolder;
use crate::status::DaemonStatus;
use crate::thread::Stop;

/// Sources with clips. To be dropped once the parts of all sources are made: the thread ends when
/// all parts are dropped.
pub(crate) struct ClipSet {
    /// By source; `None` without clips.
    setups: Vec<Option<ClipSetup>>,
    channels: Option<ClipChannels>,
}

impl ClipSet {
    /// Part of a source worker.
    pub(crate) fn feed(&self, index: usize) -> Option<ClipFeed> {
        self.channels.as_ref()?.feed(self.setups.get(index)?.as_ref()?).into()
    }

    /// Part of the director.
    pub(crate) fn planner(&self, index: usize) -> Option<ClipPlanner> {
        self.channels.as_ref()?.planner(self.setups.get(index)?.as_ref()?).into()
    }
}

/// Returns true if clips are stored in the state folder.
pub(crate) fn are_stored(config: &Config) -> bool {
    config.sources.iter().any(|entry| entry.clip.enabled && entry.clip.folder.is_none())
}

/// Starts the thread, if a source has clips. It also ends when the sender is dropped.
///
/// # Errors
/// The system refuses a thread.
pub(crate) fn start(
    config: &Config,
    folder: Option<&StateFolder>,
    status: &DaemonStatus,
    stop: &Stop,
    threads: &mut ThreadGroup,
) -> std::io::Result<(ClipSet, Sender<()>)> {
    let (closing, closed) = bounded(0);
    let setups: Vec<_> =
        config.sources.iter().enumerate().map(|(index, entry)| setup(index, entry, folder, status)).collect();
    let enabled: Vec<_> = setups.iter().flatten().collect();
    if enabled.is_empty() {
        return Ok((ClipSet { setups, channels: None }, closing));
    }
    for setup in &enabled {
        tracing::debug!(source = &*setup.name, "clips are written to `{}`", setup.folder.display());
    }
    let (channels, run) = clip::writer(&enabled, closed, stop);
    threads.spawn(Stage::Clips, "clips", run)?;
    Ok((ClipSet { setups, channels: Some(channels) }, closing))
}

/// Folder of the clips of each source; `None` without clips.
#[cfg_attr(not(feature = "web"), allow(dead_code, reason = "the page serves them"))]
pub(crate) fn folders(config: &Config, folder: Option<&StateFolder>) -> Vec<Option<PathBuf>> {
    let state = folder.map(StateFolder::path);
    let of = |entry: &SourceEntry| folder_of(entry, state).filter(|_| entry.clip.enabled);
    config.sources.iter().map(of).collect()
}

/// Returns the folder of a source's clips; `None` without a folder to write to.
fn folder_of(entry: &SourceEntry, state: Option<&Path>) -> Option<PathBuf> {
    let root = entry.clip.folder.clone().or_else(|| Some(state?.join(CLIPS)))?;
    Some(root.join(&entry.source.name))
}

fn setup(
    index: usize,
    entry: &SourceEntry,
    folder: Option<&StateFolder>,
    status: &DaemonStatus,
) -> Option<ClipSetup> {
    if !entry.clip.enabled {
        return None;
    }
    let source = &entry.source;
    let folder = folder_of(entry, folder.map(StateFolder::path));
    if folder.is_none() {
        tracing::warn!(source = source.name, "there are no clips without a state folder; set `clip.folder`");
    }
    Some(ClipSetup {
        id: SourceId(index),
        name: source.name.as_str().into(),
        config: entry.clip.clone(),
        folder: folder?,
        is_live: source.is_live(),
        counters: status.sources[index].counters.clips.clone(),
    })
}
