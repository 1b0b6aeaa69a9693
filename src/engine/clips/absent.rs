//! Clips in a build without them: none of these values exists.

use crossbeam_channel::{Sender, bounded};
use jiff::Timestamp;

use crate::audio::Block;
use crate::config::Config;
use crate::engine::threads::ThreadGroup;
use crate::event::{ClipPath, EventType};
use crate::state_dir::StateFolder;
use crate::status::DaemonStatus;
use crate::thread::Stop;

/// Part of a source worker.
#[derive(Clone)]
pub(crate) enum ClipFeed {}

/// Recorder of a source.
pub(crate) enum ClipRecorder {}

/// Planner of a source.
pub(crate) enum ClipPlanner {}

/// Sources with clips: none.
pub(crate) struct ClipSet;

impl ClipSet {
    pub(crate) fn feed(&self, _: usize) -> Option<ClipFeed> {
        None
    }

    pub(crate) fn planner(&self, _: usize) -> Option<ClipPlanner> {
        None
    }
}

impl ClipRecorder {
    pub(crate) fn new(feed: ClipFeed) -> Self {
        match feed {}
    }

    pub(crate) fn push(&mut self, _: &Block) {
        match *self {}
    }

    pub(crate) fn flush(&mut self) {
        match *self {}
    }
}

impl ClipPlanner {
    pub(crate) fn reach(&mut self, _: f64) {
        match *self {}
    }

    pub(crate) fn clip_of(&mut self, _: EventType, _: u64, _: Timestamp) -> Option<ClipPath> {
        match *self {}
    }

    pub(crate) fn close_passed(&mut self) {
        match *self {}
    }

    pub(crate) fn cut(&mut self) {
        match *self {}
    }
}

/// Folder of the clips of each source: none.
#[cfg_attr(not(feature = "web"), allow(dead_code, reason = "the page serves them"))]
pub(crate) fn folders(_: &Config, _: Option<&StateFolder>) -> Vec<Option<std::path::PathBuf>> {
    Vec::new()
}

/// This build stores no clips.
pub(crate) fn are_stored(_: &Config) -> bool {
    false
}

/// This build makes no clips.
pub(crate) fn start(
    _: &Config,
    _: Option<&StateFolder>,
    _: &DaemonStatus,
    _: &Stop,
    _: &mut ThreadGroup,
) -> std::io::Result<(ClipSet, Sender<()>)> {
    Ok((ClipSet, bounded(0).0))
}
