//! Decoder that runs on its own thread.
//!
//! Decoders pull their input and block while none arrives. On a separate thread they may: the
//! reader receives blocks over a short queue and can still report that nothing arrives.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::clock::{self, Clock};
use super::decode::{ANY_RATE, Decoder};
#[cfg(feature = "net")]
use super::titles::RawComments;
use super::titles::Titles;
use super::{Read, Source, SourceError};
use crate::audio::{Block, Span};
use crate::permits::Permits;
use crate::thread::{self, Stop};

/// Capacity of the queue between decoder and reader, in blocks.
const QUEUE: usize = 4;

/// Time without a block after which a read returns [`Read::Idle`].
const IDLE_AFTER: Duration = Duration::from_millis(250);

/// Audio discarded per step while skipping, in seconds.
const SKIPPED: f64 = 0.2;

/// Item of the block queue; `None` marks the end of the stream.
type BlockResult = Result<Option<Block>, SourceError>;

/// Reading end.
pub(super) struct ThreadedDecoder {
    name: String,
    blocks: Receiver<BlockResult>,
    /// Returns used blocks to the decoder, which reuses their buffers.
    used: Sender<Block>,
    shared: Arc<DecoderStatus>,
    clock: Clock,
    stop: Stop,
}

/// State shared by both ends.
#[derive(Default)]
pub(super) struct DecoderStatus {
    /// True once the reading end has been dropped.
    abandoned: AtomicBool,
    /// True while input is skipped instead of decoded.
    is_skipping: AtomicBool,
    corrupt: AtomicU64,
    /// Nanoseconds spent waiting for input.
    waited: AtomicU64,
    titles: Mutex<Titles>,
    trouble: Mutex<Option<Arc<str>>>,
}

impl DecoderStatus {
    /// Returns true if the reading end has been dropped.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Adds `time` to the total spent waiting for input or for its due time.
    pub(super) fn add_wait(&self, time: Duration) {
        self.waited.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Calls [`Stop::wait_readable`] and counts the wait unless `descriptor` is readable at once.
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
        let started = Instant::now();
        let readable = stop.wait_readable(descriptor, timeout);
        self.add_wait(started.elapsed());
        readable
    }

    /// Sets the server's title; `None` if the server states that there is none.
    #[cfg(feature = "net")]
    pub(super) fn set_title(&self, title: Option<&str>) {
        self.titles().set_by_server(title);
    }

    /// Stores a title that is not UTF-8; the container's title will hold replacement characters for
    /// it.
    #[cfg(feature = "net")]
    pub(super) fn repair_title(&self, comments: RawComments) {
        self.titles().repair(comments);
    }

    /// Sets the container's title.
    pub(super) fn container_title(&self, title: &str) {
        self.titles().set_by_container(title);
    }

    /// Title currently shown.
    pub(super) fn shown_title(&self) -> Option<Arc<str>> {
        self.titles().shown()
    }

    fn titles(&self) -> MutexGuard<'_, Titles> {
        self.titles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the reason why no audio arrives; `None` if there is none.
    #[cfg(feature = "net")]
    pub(super) fn set_trouble(&self, trouble: Option<&str>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble.map(Into::into);
    }
}

/// Decoding end, on its own thread.
pub(super) struct DecodeWorker {
    sender: Sender<BlockResult>,
    returned: Receiver<Block>,
    /// Permits for decoding; `None` decodes without.
    permits: Option<Permits>,
    pub(super) shared: Arc<DecoderStatus>,
}

/// Position in a stream that is decoded in several sections, each by a new decoder.
#[derive(Debug, Default)]
pub(super) struct StreamPosition {
    /// Start of the current section, in seconds of the stream.
    start: f64,
    /// End of the last block, in seconds of the stream.
    end: f64,
    /// True if the next block follows a discontinuity.
    gap: bool,
    /// Undecodable packets and other losses of earlier sections.
    corrupt: u64,
}

#[cfg(feature = "net")]
impl StreamPosition {
    /// Begins a section that continues right after the last block.
    pub(super) fn begin_contiguous(&mut self) {
        self.start = self.end;
    }

    /// Begins a section `lost` seconds after the last block.
    pub(super) fn begin_after_loss(&mut self, lost: f64) {
        self.gap = self.end > 0.0;
        if self.gap {
            self.start = self.end + lost;
        }
    }

    /// Adds losses other than packets.
    pub(super) fn add_corrupt(&mut self, count: u64) {
        self.corrupt = self.corrupt.saturating_add(count);
    }
}

impl DecodeWorker {
    /// Decodes until the stream ends or the reader is dropped. Returns true if at least one block
    /// was sent.
    ///
    /// # Errors
    /// See [`Decoder::next`].
    pub(super) fn decode_all(&self, decoder: Decoder) -> Result<bool, (bool, SourceError)> {
        self.decode_section(decoder, &mut StreamPosition::default(), &mut |_| {})
    }

    /// Decodes one container or frame stream, as one of several sections; see
    /// [`DecodeWorker::decode_section`].
    #[cfg(feature = "net")]
    pub(super) fn decode_container(
        &self,
        name: &str,
        reader: impl io::Read + Send + Sync + 'static,
        stream: &mut StreamPosition,
        pace: &mut dyn FnMut(&Block),
    ) -> Result<bool, (bool, SourceError)> {
        let decoder = Decoder::from_stream(name.to_owned(), reader).map_err(|error| (false, error))?;
        self.decode_section(decoder, stream, pace)
    }

    /// Decodes one of several sections; `pace` may wait before a block is sent. Returns true if at
    /// least one block was sent.
    ///
    /// # Errors
    /// See [`Decoder::next`].
    pub(super) fn decode_section(
        &self,
        decoder: Decoder,
        stream: &mut StreamPosition,
        pace: &mut dyn FnMut(&Block),
    ) -> Result<bool, (bool, SourceError)> {
        let mut decoder = decoder.with_permits(self.permits.clone());
        let (mut has_sent, before) = (false, stream.corrupt);
        loop {
            let spare = self.returned.try_recv();
            let mut block = spare.unwrap_or_else(|_| Block::with_capacity(ANY_RATE, 1, 0));
            let more = match self.shared.is_skipping.load(Ordering::Relaxed) {
                true => decoder.skip(SKIPPED, &mut block),
                false => decoder.next(&mut block),
            };
            let more = more.map_err(|error| (has_sent, error))?;
            stream.corrupt = before.saturating_add(decoder.corrupt());
            self.shared.corrupt.store(stream.corrupt, Ordering::Relaxed);
            if let Some(title) = decoder.new_title() {
                self.shared.container_title(&title);
            }
            if !more {
                return Ok(has_sent);
            }
            let shift = block.rate.samples(stream.start);
            block.span = Span { start: block.span.start + shift, end: block.span.end + shift };
            block.gap |= std::mem::take(&mut stream.gap);
            stream.end = block.rate.seconds(block.span.end);
            pace(&block);
            if self.sender.send(Ok(Some(block))).is_err() {
                return Ok(has_sent);
            }
            has_sent = true;
        }
    }
}

impl ThreadedDecoder {
    /// Starts the decoding thread, which runs `body`; its result is the end of the stream.
    ///
    /// # Errors
    /// Transient if the system refuses a thread.
    pub(super) fn start(
        name: &str,
        clock: Clock,
        permits: Option<&Permits>,
        stop: &Stop,
        body: impl FnOnce(&DecodeWorker) -> Result<(), SourceError> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let (sender, blocks) = bounded(QUEUE);
        let (used, returned) = bounded(QUEUE + 1);
        let shared = Arc::new(DecoderStatus::default());
        let permits = permits.cloned();
        let worker = DecodeWorker { sender, returned, permits, shared: shared.clone() };
        thread::spawn("decode", move || {
            thread::step_back();
            let last = body(&worker).map(|()| None);
            // The reader may be gone.
            let _ = worker.sender.send(last);
        })
        .map_err(|error| SourceError::Transient(format!("no thread for `{name}`: {error}")))?;
        Ok(Self { name: name.into(), blocks, used, shared, clock, stop: stop.clone() })
    }
}

impl ThreadedDecoder {
    fn next(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let handed = match self.blocks.recv_timeout(IDLE_AFTER) {
            // The stop token makes reads fail; that failure is not the source's.
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

impl Source for ThreadedDecoder {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.shared.is_skipping.store(false, Ordering::Relaxed);
        self.next(block)
    }

    fn skip(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.shared.is_skipping.store(true, Ordering::Relaxed);
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

impl Drop for ThreadedDecoder {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}
