//! Read loop of one opening of a source: blocks in, patches out.

use std::time::{Duration, Instant};

use super::{OpeningEnd, SourceWorker, WorkerState};
use crate::audio::{Block, Span};
use crate::engine::job::WorkerEvent;
use crate::engine::slow_stream::{Pace, PaceMonitor};
use crate::engine::supervisor::{Quiet, Supervisor};
use crate::event::SourceHealth;
use crate::source::{Read, Source, SourceError};

/// State of one opening.
struct Opening<'a> {
    source: &'a mut dyn Source,
    supervisor: &'a mut Supervisor,
    pace: PaceMonitor,
    block: Block,
    /// Source time at which this opening began. A source that is reopened counts from 0 again; its
    /// own time continues, by the clock.
    offset: f64,
    /// True before the first block.
    first: bool,
}

impl SourceWorker {
    /// Reads `source` until it ends or fails. `xruns` follows its overruns.
    pub(super) fn read(
        &self,
        source: &mut dyn Source,
        state: &mut WorkerState,
        supervisor: &mut Supervisor,
        xruns: &mut u64,
    ) -> OpeningEnd {
        let mut opening = Opening {
            source,
            supervisor,
            pace: PaceMonitor::default(),
            // First guess: the source sets the actual format.
            block: Block::with_capacity(self.front_end.sample_rate, 2, 4096),
            offset: state.position.map_or(0.0, |(seconds, at)| seconds + at.elapsed().as_secs_f64()),
            first: true,
        };
        loop {
            self.counters.reading.mark(Instant::now());
            let admitted = !state.paused && (!self.is_live() || self.admission.admits(self.id));
            let Opening { source, block, .. } = &mut opening;
            let read = if admitted { source.read(block) } else { source.skip(block) };
            let read = match read {
                Ok(read) => read,
                Err(_) if self.stop.is_set() => return OpeningEnd::Stopped,
                Err(error) => return OpeningEnd::Failed(error),
            };
            let arrived = Instant::now();
            let end = match read {
                Read::Audio => self.on_audio(&mut opening, state, arrived),
                Read::Idle => self.on_idle(&mut opening, state, arrived),
                Read::End => Some(self.on_end(state, arrived)),
            };
            self.count(state, opening.source, xruns);
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Analyses a block, or accounts for a skipped one.
    fn on_audio(
        &self,
        opening: &mut Opening<'_>,
        state: &mut WorkerState,
        arrived: Instant,
    ) -> Option<OpeningEnd> {
        self.counters.last_audio.mark(arrived);
        if opening.supervisor.on_audio(arrived) {
            let offset = if state.openings > 1 { opening.offset } else { 0.0 };
            let position_s = offset + opening.block.rate.seconds(opening.block.span.start);
            self.report(WorkerEvent::Arriving { position_s });
        }
        self.report_title(state, opening.source.title());
        let Opening { block, offset, first, .. } = opening;
        if state.openings > 1 {
            let samples = block.rate.samples(*offset);
            block.span = Span { start: block.span.start + samples, end: block.span.end + samples };
            block.gap |= std::mem::take(first);
        }
        state.position = Some((block.rate.seconds(block.span.end), arrived));
        block.gap |= self.follow_settings(state);
        if state.paused {
            opening.pace.reset();
            return None;
        }
        self.watch_pace(opening, arrived);
        let Opening { source, block, .. } = opening;
        if block.interleaved.is_empty() {
            self.skip(state, block.rate.seconds(block.span.len()));
            return None;
        }
        // Not every source marks the gap that a skip leaves.
        block.gap |= std::mem::take(&mut state.skipping);
        let WorkerState { front_end, batcher, recorder, .. } = &mut *state;
        batcher.block_end = block.rate.seconds(block.span.end);
        // A source that may wait for a free job must not hold a permit meanwhile.
        let _permit = self.is_live().then(|| self.permits.acquire());
        let pushed = front_end.push(block, &mut |view| self.add_patch(batcher, &view, arrived));
        if let Some(recorder) = recorder {
            recorder.push(block);
        }
        let analysed = Duration::from_secs_f64(block.rate.seconds(block.span.len()));
        self.admission.count(analysed, source.lag());
        self.counters.unscored_ms.add(analysed.as_millis() as u64);
        pushed.err().map(|error| OpeningEnd::Failed(SourceError::Permanent(error.to_string())))
    }

    /// Handles a read that brought nothing.
    fn on_idle(
        &self,
        opening: &mut Opening<'_>,
        state: &mut WorkerState,
        now: Instant,
    ) -> Option<OpeningEnd> {
        match opening.supervisor.on_idle(now) {
            Quiet::Tolerated => None,
            Quiet::Stalled(quiet) => {
                opening.pace.reset();
                self.flush(state);
                state.flush_recorder();
                let mut reason = format!("no sound for {:.1} s", quiet.as_secs_f64());
                if let Some(trouble) = opening.source.trouble() {
                    reason.push_str(": ");
                    reason.push_str(&trouble);
                }
                let health = SourceHealth::Stalled;
                tracing::warn!(source = self.config.name, health = health.as_str(), "{reason}");
                self.report(WorkerEvent::Lost { health, reason: reason.into() });
                None
            }
            Quiet::GivenUp(quiet) => {
                let trouble = opening.source.trouble();
                Some(OpeningEnd::Failed(SourceError::Transient(format!(
                    "no sound from `{}` for {:.1} s: {}",
                    self.config.uri,
                    quiet.as_secs_f64(),
                    trouble.as_deref().unwrap_or("the connection is given up")
                ))))
            }
        }
    }

    /// Handles the end of a finite source.
    fn on_end(&self, state: &mut WorkerState, now: Instant) -> OpeningEnd {
        if self.stop.is_set() {
            return OpeningEnd::Stopped;
        }
        if state.paused {
            return OpeningEnd::Ended;
        }
        let WorkerState { front_end, batcher, .. } = state;
        match front_end.finish(&mut |view| self.add_patch(batcher, &view, now)) {
            Ok(()) => OpeningEnd::Ended,
            Err(error) => {
                OpeningEnd::Failed(SourceError::Permanent(format!("`{}`: {error}", self.config.uri)))
            }
        }
    }

    /// Reports a live source that becomes slower than real time, or keeps up again.
    fn watch_pace(&self, opening: &mut Opening<'_>, now: Instant) {
        if self.config.start.is_some() {
            return;
        }
        let Opening { source, block, pace, .. } = opening;
        let seconds = block.rate.seconds(block.span.len());
        let Some(change) = pace.on_audio(now, seconds, source.waited()) else { return };
        let source = &self.config.name;
        match change {
            Pace::Slow { rate } => {
                tracing::warn!(source, health = SourceHealth::Slow.as_str(), "{}", Pace::reason(rate));
            }
            Pace::Steady => tracing::info!(source, "audio arrives in real time again"),
        }
        self.report(WorkerEvent::PaceChanged(change));
    }

    /// Follows changed settings. Returns true if the audio that follows is discontinuous.
    fn follow_settings(&self, state: &mut WorkerState) -> bool {
        let (hop_s, paused) = (self.live.hop_s(), self.live.is_paused());
        let resumed = std::mem::replace(&mut state.paused, paused) && !paused;
        if paused {
            self.discard(state);
        }
        let hop_changed = hop_s != state.hop_s;
        if hop_changed {
            self.flush(state);
            // The range was checked when the setting was changed.
            if let Err(error) = state.front_end.set_patches(&self.feed.patches(hop_s)) {
                tracing::error!(source = self.config.name, "{error}");
            }
            state.hop_s = hop_s;
        }
        hop_changed || resumed
    }

    /// Drops patches that wait for more audio: after a pause it would not continue them.
    fn discard(&self, state: &mut WorkerState) {
        state.front_end.discard();
        state.flush_recorder();
        self.counters.dropped.add(state.batcher.discard_incomplete());
        state.batcher.break_continuity();
    }

    /// Accounts for `seconds` of skipped audio; patches that only wait for more are scored as they
    /// are.
    fn skip(&self, state: &mut WorkerState, seconds: f64) {
        if !std::mem::replace(&mut state.skipping, true) {
            self.flush(state);
        }
        state.front_end.skip(seconds);
        self.counters.skipped_ms.add((seconds * 1000.0).round() as u64);
    }

    /// Copies the counts of the front end and of the source.
    fn count(&self, state: &mut WorkerState, source: &dyn Source, xruns: &mut u64) {
        let counted = state.front_end.counters();
        self.counters.produced.set(counted.produced);
        self.counters.dropped.add(counted.dropped - state.dropped_at_gaps);
        state.dropped_at_gaps = counted.dropped;
        *xruns = source.xruns();
        self.counters.xruns.set(state.xruns + *xruns);
    }
}
