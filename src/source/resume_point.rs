//! Resume point of a source, kept across re-opens.

#[cfg(feature = "net")]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Position up to which a programme was received, shared by all openings of one source.
#[derive(Debug, Clone, Default)]
pub struct ResumePoint(#[cfg(feature = "net")] Arc<AtomicU64>);

#[cfg(feature = "net")]
impl ResumePoint {
    /// Sequence number after the last received HLS segment; `None` before the first.
    pub(super) fn next(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|next| *next > 0)
    }

    pub(super) fn set(&self, next: u64) {
        self.0.store(next, Ordering::Relaxed);
    }
}
