//! Sound that is decoded on a thread of its own.
//!
//! Decoders pull, and block while nothing comes. Apart from the reader they may: it gets blocks over a
//! short queue, and can still say that nothing arrives.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::clock::{self, Clock};
use super::decode::{ANY_RATE, Decoder};
#[cfg(feature = "net")]
use super::titles::Comments;
use super::titles::Titles;
use super::{Read, Source, SourceError};
use crate::audio::{Block, Span};
use crate::thread::{self, Stop};

/// Blocks that may wait between decoder and reader.
const QUEUE: usize = 4;

/// A read says [`Read::Idle`] after this long without a block.
const PATIENCE: Duration = Duration::from_millis(250);

/// Audio that is skipped at once, in seconds.
const SKIPPED: f64 = 0.2;

/// Blocks on their way to the reader; `None` says that the stream has ended.
type Handed = Result<Option<Block>, SourceError>;

/// The reading end.
pub(super) struct Pulled {
    name: String,
    blocks: Receiver<Handed>,
    /// Takes back blocks, for their buffers.
    used: Sender<Block>,
    shared: Arc<Shared>,
    clock: Clock,
    stop: Stop,
}

/// What both ends see.
#[derive(Default)]
pub(super) struct Shared {
    /// The reading end is gone.
    abandoned: AtomicBool,
    /// Set while what comes is skipped, not decoded.
    skips: AtomicBool,
    corrupt: AtomicU64,
    /// Nanoseconds spent waiting for input.
    waited: AtomicU64,
    titles: Mutex<Titles>,
    trouble: Mutex<Option<Arc<str>>>,
}

impl Shared {
    /// Whether nobody reads any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Counts `time` as spent waiting for input, or for the moment at which it is due.
    pub(super) fn add_wait(&self, time: Duration) {
        self.waited.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// [`Stop::wait_readable`], which counts as waiting unless `descriptor` is readable at once.
    pub(super) fn wait_readable(
        &self,
        stop: &Stop,
        descriptor: BorrowedFd<'_>,
        timeout: Duration,
    ) -> io::Result<Option<bool>> {
        let readable = stop.wait_readable(descriptor, Duration::ZERO)?;
        if readable != Some(false) {
            return Ok(readable);
        }
        let begun = Instant::now();
        let readable = stop.wait_readable(descriptor, timeout);
        self.add_wait(begun.elapsed());
        readable
    }

    /// Sets what the server says is being played; `None` where it says that nothing is.
    #[cfg(feature = "net")]
    pub(super) fn set_title(&self, title: Option<&str>) {
        self.titles().set_by_server(title);
    }

    /// Keeps a title in bytes that are not UTF-8, which the container will give with replacements.
    #[cfg(feature = "net")]
    pub(super) fn repair_title(&self, comments: Comments) {
        self.titles().repair(comments);
    }

    /// Sets the title that the container gives.
    pub(super) fn container_title(&self, title: &str) {
        self.titles().set_by_container(title);
    }

    /// The title that is shown now.
    pub(super) fn shown_title(&self) -> Option<Arc<str>> {
        self.titles().shown()
    }

    fn titles(&self) -> MutexGuard<'_, Titles> {
        self.titles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keeps sound from coming, in words; `None` where nothing does.
    #[cfg(feature = "net")]
    pub(super) fn set_trouble(&self, trouble: Option<&str>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble.map(Into::into);
    }
}

/// The decoding end, on its own thread.
pub(super) struct Worker {
    sender: Sender<Handed>,
    returned: Receiver<Block>,
    /// What the reader sees.
    pub(super) shared: Arc<Shared>,
}

/// How far a stream has come that is decoded in several runs.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Where the run at hand begins, in seconds of the stream.
    start: f64,
    /// Where the last block ends.
    end: f64,
    /// Whether continuity is broken just before the next block.
    gap: bool,
    /// Packets that did not decode, and whatever else was lost, in earlier runs.
    corrupt: u64,
}

#[cfg(feature = "net")]
impl Course {
    /// Another run begins right after the last block; nothing is missing between.
    pub(super) fn go_on(&mut self) {
        self.start = self.end;
    }

    /// Another run begins, `lost` seconds after the last block.
    pub(super) fn resume(&mut self, lost: f64) {
        self.gap = self.end > 0.0;
        if self.gap {
            self.start = self.end + lost;
        }
    }

    /// So much could not be decoded, apart from packets.
    pub(super) fn add_corrupt(&mut self, count: u64) {
        self.corrupt = self.corrupt.saturating_add(count);
    }
}

impl Worker {
    /// Decodes until the stream ends or nobody reads; whether there was a block.
    ///
    /// # Errors
    /// As [`Decoder::next`].
    pub(super) fn follow(&self, decoder: Decoder) -> Result<bool, (bool, SourceError)> {
        self.follow_on(decoder, &mut Course::default(), &mut |_| {})
    }

    /// The same for one run of several; `pace` may wait before a block is handed over.
    ///
    /// # Errors
    /// As [`Decoder::next`].
    pub(super) fn follow_on(
        &self,
        decoder: Decoder,
        course: &mut Course,
        pace: &mut dyn FnMut(&Block),
    ) -> Result<bool, (bool, SourceError)> {
        let mut decoder = decoder.with_permits();
        let (mut heard, before) = (false, course.corrupt);
        loop {
            let spare = self.returned.try_recv();
            let mut block = spare.unwrap_or_else(|_| Block::with_capacity(ANY_RATE, 1, 0));
            let more = match self.shared.skips.load(Ordering::Relaxed) {
                true => decoder.skip(SKIPPED, &mut block),
                false => decoder.next(&mut block),
            };
            let more = more.map_err(|error| (heard, error))?;
            course.corrupt = before.saturating_add(decoder.corrupt());
            self.shared.corrupt.store(course.corrupt, Ordering::Relaxed);
            if let Some(title) = decoder.new_title() {
                self.shared.container_title(&title);
            }
            if !more {
                return Ok(heard);
            }
            let shift = block.rate.samples(course.start);
            block.span = Span { start: block.span.start + shift, end: block.span.end + shift };
            block.gap |= std::mem::take(&mut course.gap);
            course.end = block.rate.seconds(block.span.end);
            pace(&block);
            if self.sender.send(Ok(Some(block))).is_err() {
                return Ok(heard);
            }
            heard = true;
        }
    }
}

impl Pulled {
    /// Starts the decoding thread, which runs `body`: what that returns is how the stream ended.
    ///
    /// # Errors
    /// Transient where the system refuses a thread.
    pub(super) fn start(
        name: &str,
        clock: Clock,
        stop: &Stop,
        body: impl FnOnce(&Worker) -> Result<(), SourceError> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let (sender, blocks) = bounded(QUEUE);
        let (used, returned) = bounded(QUEUE + 1);
        let shared = Arc::new(Shared::default());
        let worker = Worker { sender, returned, shared: shared.clone() };
        thread::spawn("decode", move || {
            thread::step_back();
            let last = body(&worker).map(|()| None);
            // A reader that is gone wants no answer.
            let _ = worker.sender.send(last);
        })
        .map_err(|error| SourceError::Transient(format!("no thread for `{name}`: {error}")))?;
        Ok(Self { name: name.into(), blocks, used, shared, clock, stop: stop.clone() })
    }
}

impl Pulled {
    fn next(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let handed = match self.blocks.recv_timeout(PATIENCE) {
            // Reading ends with an error when the token is set; that one is nobody's fault.
            _ if self.stop.is_set() => return Ok(Read::End),
            Ok(handed) => handed?,
            Err(RecvTimeoutError::Timeout) => {
                self.clock.renew();
                return Ok(Read::Idle);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(SourceError::Permanent(format!("the decoder of `{}` is gone", self.name)));
            }
        };
        let Some(mut handed) = handed else { return Ok(Read::End) };
        std::mem::swap(block, &mut handed);
        let _ = self.used.try_send(handed);
        self.clock.stamp(block, clock::length(block));
        Ok(Read::Audio)
    }
}

impl Source for Pulled {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.shared.skips.store(false, Ordering::Relaxed);
        self.next(block)
    }

    fn skip(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.shared.skips.store(true, Ordering::Relaxed);
        let read = self.next(block)?;
        block.interleaved.clear();
        Ok(read)
    }

    fn corrupt(&self) -> u64 {
        self.shared.corrupt.load(Ordering::Relaxed)
    }

    fn waited(&self) -> Duration {
        Duration::from_nanos(self.shared.waited.load(Ordering::Relaxed))
    }

    fn title(&self) -> Option<Arc<str>> {
        self.shared.shown_title()
    }

    fn trouble(&self) -> Option<Arc<str>> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Pulled {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}
