//! Capture of the library's log messages.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};

/// Lines logged on this thread since the creation.
///
/// The subscriber is global: one set for a thread misses messages whose call site was first reached
/// on a thread without one.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static LOG: RefCell<Log> = RefCell::default();
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn start() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_env_filter("info,rumqttc=off,mqtt5=off,mqtt5_protocol=off")
                .with_writer(|| LOG.with_borrow(Log::clone))
                .init();
        });
        let log = Self::default();
        LOG.set(log.clone());
        log
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Lines that contain `text`.
    pub(crate) fn of(&self, text: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(text)).collect()
    }
}
