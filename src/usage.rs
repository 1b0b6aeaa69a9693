//! Layer 0: resource usage of the process.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Memory, and processor time since the last query.
#[derive(Debug)]
pub(crate) struct Usage {
    asked: Instant,
    cpu_seconds: f64,
}

impl Usage {
    /// Starts counting now.
    pub(crate) fn begin() -> Self {
        Self { asked: Instant::now(), cpu_seconds: cpu_seconds() }
    }

    /// Resident memory in MiB; `None` where `/proc` does not say.
    pub(crate) fn rss_mb(&self) -> Option<f64> {
        Some((resident_bytes()? as f64 / f64::from(1 << 20) * 10.0).round() / 10.0)
    }

    /// Cores used on average since the last call, or since the start.
    pub(crate) fn cpu_cores(&mut self) -> Option<f64> {
        let (elapsed, cpu) = (self.asked.elapsed().as_secs_f64(), cpu_seconds());
        let used = cpu - self.cpu_seconds;
        (self.asked, self.cpu_seconds) = (Instant::now(), cpu);
        (elapsed > 0.0).then(|| (used / elapsed * 1000.0).round() / 1000.0)
    }
}

/// Resident memory in bytes; `None` where `/proc` does not say.
pub(crate) fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Processor time of the process, in seconds.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
