//! Wrapper around capture callbacks, set by tests that forbid allocation.

use std::sync::OnceLock;

/// Function that runs one call of the capture callback.
pub type CallbackGuard = fn(&mut dyn FnMut());

static GUARD: OnceLock<CallbackGuard> = OnceLock::new();

/// Runs all further capture callbacks within `guard`. The first guard stays.
pub fn set_guard(guard: CallbackGuard) {
    let _ = GUARD.set(guard);
}

/// Runs one call of the capture callback.
pub(super) fn run(call: &mut dyn FnMut()) {
    match GUARD.get() {
        Some(guard) => guard(call),
        None => call(),
    }
}
