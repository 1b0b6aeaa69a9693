//! SIGTERM and SIGINT: the first stops the program in order, the second at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::thread::{Stop, spawn};

/// Sets `stop` on the first termination signal; a second one ends the process at once, with exit
/// code 1.
///
/// # Errors
/// The system refuses the handlers or the thread.
pub(crate) fn stop_on_signal(stop: &Stop) -> io::Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in TERM_SIGNALS {
        // In this order: the first signal finds the flag down and raises it, the second finds it
        // up.
        flag::register_conditional_shutdown(*signal, 1, Arc::clone(&asked))?;
        flag::register(*signal, Arc::clone(&asked))?;
    }
    let mut signals = Signals::new(TERM_SIGNALS)?;
    let stop = stop.clone();
    spawn("signals", move || {
        if signals.forever().next().is_some() {
            stop.set();
        }
    })?;
    Ok(())
}
