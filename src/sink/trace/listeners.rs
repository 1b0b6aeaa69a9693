//! Count of connected clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of connected clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listeners(Arc<AtomicUsize>);

impl Listeners {
    /// Returns true if a client is connected.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Counts a client until the result is dropped.
    pub(super) fn join(&self) -> ConnectedClient {
        self.0.fetch_add(1, Ordering::Relaxed);
        ConnectedClient(self.clone())
    }
}

/// Connected client, counted until it is dropped.
pub(super) struct ConnectedClient(Listeners);

impl Drop for ConnectedClient {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
