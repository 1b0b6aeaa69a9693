//! Paces network and process sources to real time (token bucket).
//!
//! Servers start with a burst of past audio. A recording behind an address, or a program without a
//! clock, would arrive as fast as it can be sent. A burst passes faster than real time, but slowly
//! enough that no patches are dropped; a continuous supply is held to real time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock;
use super::{Read, Source, SourceError};
use crate::audio::Block;
use crate::thread::Stop;

/// Longest time that a read blocks.
const PATIENCE: Duration = Duration::from_millis(250);

/// Longest burst.
const BURST: Duration = Duration::from_secs(30);

/// Maximum speed of a station's clock relative to the local one.
const PACE: f64 = 1.01;

/// Speed at which a burst passes, relative to real time.
const BURST_PACE: f64 = 4.0;

/// Maximum lead of block times over the clock.
const AHEAD: Duration = Duration::from_millis(250);

/// Wrapper that limits another source to real time.
pub(super) struct Pacer<S> {
    inner: S,
    /// True if anchors follow the wall clock.
    stamps: bool,
    stop: Stop,
    /// Block that has been read but not returned yet.
    held: Block,
    waiting: bool,
    long: TokenBucket,
    short: TokenBucket,
    /// Time of sample 0 according to the latest anchor.
    zero: Option<Instant>,
}

impl<S: Source> Pacer<S> {
    pub(super) fn new(inner: S, stamps: bool, stop: &Stop) -> Self {
        Self {
            inner,
            stamps,
            stop: stop.clone(),
            held: Block::with_capacity(super::decode::ANY_RATE, 1, 0),
            waiting: false,
            long: TokenBucket::new(PACE, BURST),
            short: TokenBucket::new(BURST_PACE, Duration::from_millis(500)),
            zero: None,
        }
    }

    /// Renews the anchor of a block whose time would be ahead of the clock, as in a burst.
    fn stamp(&mut self, now: Instant) {
        let block = &mut self.held;
        let end = Duration::from_secs_f64(block.rate.seconds(block.span.end));
        let is_ahead = self.zero.is_some_and(|zero| zero + end > now + AHEAD);
        if is_ahead && block.anchor.is_none() {
            let length = jiff::SignedDuration::try_from(clock::length(block)).unwrap_or_default();
            block.anchor = jiff::Timestamp::now().checked_sub(length).ok();
        }
        if block.anchor.is_some() {
            self.zero = now.checked_sub(end);
        }
    }
}

impl<S: Source> Pacer<S> {
    fn next(&mut self, block: &mut Block, skip: bool) -> Result<Read, SourceError> {
        if !self.waiting {
            let read = if skip { self.inner.skip(&mut self.held) } else { self.inner.read(&mut self.held) };
            match read? {
                Read::Audio => self.waiting = true,
                other => return Ok(other),
            }
        }
        let now = Instant::now();
        let wait = self.long.wait(now).max(self.short.wait(now));
        if !wait.is_zero() {
            if self.stop.wait(wait.min(PATIENCE)) {
                return Ok(Read::End);
            }
            if wait > PATIENCE {
                return Ok(Read::Idle);
            }
        }
        let now = Instant::now();
        let length = clock::length(&self.held);
        self.long.take(now, length);
        self.short.take(now, length);
        if self.stamps {
            self.stamp(now);
        }
        self.waiting = false;
        std::mem::swap(block, &mut self.held);
        if skip {
            block.interleaved.clear();
        }
        Ok(Read::Audio)
    }
}

impl<S: Source> Source for Pacer<S> {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.next(block, false)
    }

    fn skip(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.next(block, true)
    }

    fn xruns(&self) -> u64 {
        self.inner.xruns()
    }

    fn corrupt(&self) -> u64 {
        self.inner.corrupt()
    }

    fn waited(&self) -> Duration {
        self.inner.waited()
    }

    fn title(&self) -> Option<Arc<str>> {
        self.inner.title()
    }

    fn trouble(&self) -> Option<Arc<str>> {
        self.inner.trouble()
    }
}

/// Token bucket: `depth` of audio passes at once, then audio passes at `pace`.
struct TokenBucket {
    pace: f64,
    depth: Duration,
    /// Time at which all audio so far would have passed at `pace`.
    due: Option<Instant>,
}

impl TokenBucket {
    fn new(pace: f64, depth: Duration) -> Self {
        Self { pace, depth: depth.div_f64(pace), due: None }
    }

    /// Time until the next block may pass.
    fn wait(&self, now: Instant) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now).saturating_sub(self.depth))
    }

    fn take(&mut self, now: Instant, length: Duration) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + length.div_f64(self.pace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amount of an endless supply that passes within `seconds`.
    fn passed(bucket: &mut TokenBucket, seconds: f64) -> f64 {
        let (started, piece) = (Instant::now(), Duration::from_millis(40));
        let (mut now, mut count) = (started, 0.0);
        loop {
            now += bucket.wait(now);
            if now > started + Duration::from_secs_f64(seconds) {
                return count;
            }
            bucket.take(now, piece);
            count += piece.as_secs_f64();
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_pace_holds() {
        let within = |value: f64, expected: f64| assert!((value - expected).abs() < 0.1, "{value}");
        within(passed(&mut TokenBucket::new(PACE, BURST), 0.0), 30.04);
        within(passed(&mut TokenBucket::new(PACE, BURST), 100.0), 131.04);
        within(passed(&mut TokenBucket::new(BURST_PACE, Duration::from_millis(500)), 5.0), 20.54);
    }
}
