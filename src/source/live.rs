//! Sound from elsewhere that is heard as it is played there.
//!
//! Servers begin with a burst of what was played before; a recording behind an address, or a program that
//! knows no clock, would come as fast as it can be sent. A burst is let through faster than it sounded, yet
//! not so fast that patches are dropped, and what keeps coming is held to the pace at which it sounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock;
use super::{Read, Source, SourceError};
use crate::audio::Block;
use crate::thread::Stop;

/// No read blocks for longer.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long a burst may be.
const BURST: Duration = Duration::from_secs(30);

/// By how much a station's clock may be faster than ours.
const PACE: f64 = 1.01;

/// How much faster than it sounded a burst is let through.
const BURST_PACE: f64 = 4.0;

/// By how much times may be ahead of the clock.
const AHEAD: Duration = Duration::from_millis(250);

/// Another source, held to the pace at which it sounds.
pub(super) struct Live<S> {
    inner: S,
    /// Whether times are read off the clock.
    stamps: bool,
    stop: Stop,
    /// Read, and not handed on yet.
    held: Block,
    waiting: bool,
    long: Bucket,
    short: Bucket,
    /// When sample 0 would have sounded, by the latest anchor.
    zero: Option<Instant>,
}

impl<S: Source> Live<S> {
    pub(super) fn new(inner: S, stamps: bool, stop: &Stop) -> Self {
        Self {
            inner,
            stamps,
            stop: stop.clone(),
            held: Block::with_capacity(super::decode::ANY_RATE, 1, 0),
            waiting: false,
            long: Bucket::new(PACE, BURST),
            short: Bucket::new(BURST_PACE, Duration::from_millis(500)),
            zero: None,
        }
    }

    /// Takes the time of the block anew where it would lie ahead of the clock, as it does in a burst.
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

impl<S: Source> Live<S> {
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

impl<S: Source> Source for Live<S> {
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

/// Lets sound through at a pace, and so much of it at once.
struct Bucket {
    pace: f64,
    depth: Duration,
    /// When all that went through would have, at the pace.
    due: Option<Instant>,
}

impl Bucket {
    fn new(pace: f64, depth: Duration) -> Self {
        Self { pace, depth: depth.div_f64(pace), due: None }
    }

    /// How long the next piece has to wait.
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

    /// How much of an endless supply went through after `seconds`.
    fn passed(bucket: &mut Bucket, seconds: f64) -> f64 {
        let (begun, piece) = (Instant::now(), Duration::from_millis(40));
        let (mut now, mut count) = (begun, 0.0);
        loop {
            now += bucket.wait(now);
            if now > begun + Duration::from_secs_f64(seconds) {
                return count;
            }
            bucket.take(now, piece);
            count += piece.as_secs_f64();
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_pace_holds() {
        let within = |value: f64, expected: f64| assert!((value - expected).abs() < 0.1, "{value}");
        within(passed(&mut Bucket::new(PACE, BURST), 0.0), 30.04);
        within(passed(&mut Bucket::new(PACE, BURST), 100.0), 131.04);
        within(passed(&mut Bucket::new(BURST_PACE, Duration::from_millis(500)), 5.0), 20.54);
    }
}
