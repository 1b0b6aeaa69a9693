//! Watchdog of systemd: it restarts a daemon that is not alive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use super::systemd;
use crate::status::DaemonStatus;

/// Reports to the watchdog, if the service has one, while the daemon is alive.
pub(super) fn start(status: Arc<DaemonStatus>, runtime: &Handle) {
    if let Some(timeout) = systemd::watchdog_timeout() {
        runtime.spawn(report(status, timeout / 3));
    }
}

async fn report(status: Arc<DaemonStatus>, pause: Duration) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_alive = true;
    loop {
        ticks.tick().await;
        let liveness = status.liveness(Instant::now());
        if liveness.is_alive() {
            systemd::alive();
        } else if was_alive {
            for stall in &liveness.stalls {
                tracing::error!("{stall}; systemd restarts the daemon if this lasts");
            }
        }
        was_alive = liveness.is_alive();
    }
}
