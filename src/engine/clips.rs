//! Clips: the part of each source, and the thread that writes them.

#[cfg(not(feature = "clips"))]
mod absent;
#[cfg(feature = "clips")]
mod set;

#[cfg(all(feature = "web", not(feature = "clips")))]
pub(super) use absent::folders;
#[cfg(not(feature = "clips"))]
pub(super) use absent::{ClipFeed, ClipPlanner, ClipRecorder, ClipSet, are_stored, start};
#[cfg(all(feature = "web", feature = "clips"))]
pub(super) use set::folders;
#[cfg(feature = "clips")]
pub(super) use set::{ClipSet, are_stored, start};

#[cfg(feature = "clips")]
pub(super) use crate::clip::{ClipFeed, ClipPlanner, ClipRecorder};
