//! Capture callback: the only code that runs in hard real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use cpal::{ErrorKind, FromSample, Sample};

use super::ring::RingWriter;

/// State that the sound system's threads share with the reader.
#[derive(Debug, Default)]
pub struct CaptureStatus {
    /// Code of the error that ended the stream; 0 while it runs.
    failure: AtomicU8,
    /// True if the sound system lost samples since the last callback.
    interrupted: AtomicBool,
    overruns: AtomicU64,
}

/// Reasons why streams end, in the order of their codes.
const FAILURES: [(ErrorKind, &str); 6] = [
    (ErrorKind::DeviceNotAvailable, "the device is gone"),
    (ErrorKind::HostUnavailable, "the sound server is gone"),
    (ErrorKind::StreamInvalidated, "the sound server ended the stream"),
    (ErrorKind::DeviceBusy, "the device is taken by another program"),
    (ErrorKind::PermissionDenied, "access to the device was withdrawn"),
    (ErrorKind::Other, "the sound system reports an error"),
];

impl CaptureStatus {
    /// Error callback. May run tens of thousands of times per second, so it only sets atomics.
    pub fn report(&self, kind: ErrorKind) {
        match kind {
            ErrorKind::Xrun => {
                self.overruns.fetch_add(1, Ordering::Relaxed);
                self.interrupted.store(true, Ordering::Relaxed);
            }
            // The stream continues on another route or without real-time priority.
            ErrorKind::DeviceChanged => self.interrupted.store(true, Ordering::Relaxed),
            ErrorKind::RealtimeDenied => {}
            kind => {
                let index = FAILURES.iter().position(|(known, _)| *known == kind);
                let code = index.unwrap_or(FAILURES.len() - 1) as u8 + 1;
                // The first error is the cause; later ones are consequences.
                let _ = self.failure.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// Reason why the stream ended; `None` while it runs.
    pub fn failure(&self) -> Option<&'static str> {
        let code = self.failure.load(Ordering::Relaxed);
        FAILURES.get(usize::from(code).checked_sub(1)?).map(|(_, text)| *text)
    }

    /// Number of overruns so far.
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }
}

/// Copies samples from the sound system into the ring.
#[derive(Debug)]
pub struct CaptureCallback {
    writer: RingWriter,
    shared: Arc<CaptureStatus>,
    /// True if the last call lost samples; further losses belong to the same overrun.
    losing: bool,
}

impl CaptureCallback {
    /// Creates a callback that writes to `writer`.
    pub fn new(writer: RingWriter, shared: Arc<CaptureStatus>) -> Self {
        Self { writer, shared, losing: false }
    }

    /// Takes interleaved samples. **Runs on the audio thread**: it neither allocates, locks, logs,
    /// makes a system call nor panics, regardless of the reader.
    pub fn write<T: Copy>(&mut self, data: &[T])
    where
        f32: FromSample<T>,
    {
        if self.shared.interrupted.swap(false, Ordering::Relaxed) {
            self.writer.interrupt();
        }
        let lost = self.writer.write(data.iter().map(|value| f32::from_sample(*value))) > 0;
        if lost && !self.losing {
            self.shared.overruns.fetch_add(1, Ordering::Relaxed);
        }
        self.losing = lost;
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::ring;
    use super::*;

    #[test]
    fn an_overrun_is_counted_once_and_errors_are_distinguished() {
        let (writer, reader) = ring(1, 10);
        let shared = Arc::new(CaptureStatus::default());
        let mut callback = CaptureCallback::new(writer, shared.clone());
        for _ in 0..5 {
            callback.write(&[0_i16; 4]);
        }
        assert_eq!((reader.available(), shared.overruns()), (10, 1));
        assert_eq!(shared.failure(), None);
        shared.report(ErrorKind::Xrun);
        shared.report(ErrorKind::RealtimeDenied);
        assert_eq!((shared.failure(), shared.overruns()), (None, 2));
        shared.report(ErrorKind::HostUnavailable);
        shared.report(ErrorKind::BackendError);
        assert_eq!(shared.failure(), Some("the sound server is gone"));
    }

    #[test]
    fn samples_of_every_format_are_scaled() {
        let (writer, mut reader) = ring(1, 100);
        let mut callback = CaptureCallback::new(writer, Arc::default());
        callback.write(&[i16::MIN, 0, 0x4000]);
        callback.write(&[i32::MIN, 0, 0x4000_0000]);
        callback.write(&[0_u8, 0x80, 0xc0]);
        callback.write(&[0_u16, 0x8000, 0xc000]);
        callback.write(&[-1.0_f64, 0.0, 0.5]);
        callback.write(&[-1.0_f32, 0.0, 0.5]);
        let mut block = crate::audio::Block::with_capacity(crate::audio::SampleRate::new(1).unwrap(), 1, 0);
        assert!(reader.read(&mut block, 100));
        assert_eq!(block.interleaved, [-1.0, 0.0, 0.5].repeat(6));
    }
}
