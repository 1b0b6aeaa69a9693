//! Admission control: selects the live sources to analyse under overload.
//!
//! Work is shed before it is spent. Beyond capacity, only as many live sources as
//! fit are *active* (decoded, analysed and scored); the others skip their audio without decoding
//! it. Active and waiting sources alternate (round-robin). A source needs several
//! seconds of audio before its first patch, so that short turns waste work and long ones keep the
//! others waiting: see [`Turns`].
//!
//! The number of active sources follows from measurements: it falls to what was processed in the
//! last period when work piles up, and grows slowly while there is room (additive increase,
//! multiplicative decrease).
//!
//! [`Admission`] is shared by all workers; [`Controller`] holds the rules.

mod controller;
mod reporter;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use controller::{Controller, Load};
pub(crate) use controller::{Overload, Turns};
use reporter::OverloadReporter;

use crate::audio::SourceId;
use crate::counters::InferenceCounters;
use crate::permits::Permits;

/// Time between two adjustments of the limit.
const PERIOD: Duration = Duration::from_secs(1);

/// Admission control, shared by all workers.
#[derive(Debug)]
pub(crate) struct Admission {
    start: Instant,
    hop: f64,
    inference: Arc<InferenceCounters>,
    permits: Permits,
    /// Audio analysed since the start, in microseconds.
    analysed_us: AtomicU64,
    /// Longest lag in the present period, in microseconds.
    lag_us: AtomicU64,
    state: Mutex<AdmissionState>,
}

#[derive(Debug)]
struct AdmissionState {
    controller: Controller,
    /// Time of the last adjustment, and the counts at that time.
    adjusted: Duration,
    analysed_us: u64,
    scored: u64,
    reporter: OverloadReporter,
}

impl Admission {
    /// Creates the admission control of `sources` sources whose patches are `hop` seconds apart.
    pub(crate) fn new(sources: usize, hop: f64, inference: Arc<InferenceCounters>, permits: Permits) -> Self {
        Self::with_turns(sources, hop, inference, permits, Turns::default())
    }

    /// Creates the admission control with turns of other lengths.
    pub(crate) fn with_turns(
        sources: usize,
        hop: f64,
        inference: Arc<InferenceCounters>,
        permits: Permits,
        turns: Turns,
    ) -> Self {
        Self {
            start: Instant::now(),
            hop,
            inference,
            permits,
            analysed_us: AtomicU64::new(0),
            lag_us: AtomicU64::new(0),
            state: Mutex::new(AdmissionState {
                controller: Controller::new(sources, turns),
                adjusted: Duration::ZERO,
                analysed_us: 0,
                scored: 0,
                reporter: OverloadReporter::default(),
            }),
        }
    }

    /// Returns true if a live source, which has or awaits audio, is to be analysed now.
    pub(crate) fn admits(&self, SourceId(source): SourceId) -> bool {
        let now = self.start.elapsed();
        let mut shared = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(shared.adjusted) >= PERIOD {
            self.adjust(&mut shared, now);
        }
        shared.controller.admits(source, now)
    }

    /// Counts analysed audio of a live source, and its lag behind its clock.
    pub(crate) fn count(&self, analysed: Duration, lag: Duration) {
        self.analysed_us.fetch_add(analysed.as_micros() as u64, Ordering::Relaxed);
        self.lag_us.fetch_max(lag.as_micros() as u64, Ordering::Relaxed);
    }

    /// Returns the state of an overload; nothing while all sources fit.
    pub(crate) fn overload(&self) -> Option<Overload> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).controller.overload()
    }

    fn adjust(&self, shared: &mut AdmissionState, now: Duration) {
        let seconds = now.saturating_sub(shared.adjusted).as_secs_f64();
        let (analysed_us, scored) = (self.analysed_us.load(Ordering::Relaxed), self.inference.patches.get());
        let load = Load {
            seconds,
            contended: self.permits.take_contended(Instant::now()).as_secs_f64() / seconds,
            analysed_s: (analysed_us - shared.analysed_us) as f64 / 1e6,
            scored_s: (scored - shared.scored) as f64 * self.hop,
            delay: Duration::from_nanos(self.inference.delay_ns.take()),
            lag: Duration::from_micros(self.lag_us.swap(0, Ordering::Relaxed)),
        };
        (shared.adjusted, shared.analysed_us, shared.scored) = (now, analysed_us, scored);
        shared.controller.adjust(&load, now);
        tracing::debug!(?load, limit = shared.controller.limit, "admission");
        self.report(shared, now);
    }

    fn report(&self, shared: &mut AdmissionState, now: Duration) {
        let overload = shared.controller.overload();
        match (shared.reporter.message(overload, now), overload) {
            (Some(message), Some(_)) => tracing::warn!("{message}"),
            (Some(message), None) => tracing::info!("{message}"),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
