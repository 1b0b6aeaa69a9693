//! Notifications to systemd. They have no effect under another service manager.

use std::time::Duration;

use sd_notify::NotifyState;

/// Reports that all parts run.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports that the daemon is shutting down.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Reports that the daemon is alive.
pub(super) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Time without a report of being alive after which systemd restarts the daemon; `None` without a
/// watchdog.
pub(super) fn watchdog_timeout() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot notify systemd: {error}");
    }
}
