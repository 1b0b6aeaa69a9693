//! Settings that a source worker follows while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::settings::SourceSettings;

/// Settings of one source, shared by the director, which changes them, and the source worker,
/// which reads them at every block.
#[derive(Debug)]
pub(super) struct LiveSettings {
    paused: AtomicBool,
    /// Bits of the floating-point number.
    hop_s: AtomicU64,
}

impl LiveSettings {
    /// Settings of a source that is not paused.
    pub(crate) fn new(hop_s: f64) -> Self {
        Self { paused: AtomicBool::new(false), hop_s: AtomicU64::new(hop_s.to_bits()) }
    }

    /// True while the source is not analysed.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Seconds between patches.
    pub(crate) fn hop_s(&self) -> f64 {
        f64::from_bits(self.hop_s.load(Ordering::Relaxed))
    }

    /// Stores the values of `settings`.
    pub(crate) fn apply(&self, settings: &SourceSettings) {
        self.paused.store(settings.paused, Ordering::Relaxed);
        self.hop_s.store(settings.hop_s.to_bits(), Ordering::Relaxed);
    }
}
