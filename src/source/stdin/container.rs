//! A container that arrives through a pipe.
//!
//! Decoders pull, and block while the pipe is empty. They run on a thread of
//! their own, which hands blocks over a short queue, so that the reader can still say
//! that nothing arrives.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::{PATIENCE, nothing_came, read, unreadable};
use crate::audio::Block;
use crate::source::clock::{self, Clock};
use crate::source::decode::{ANY_RATE, Decoder};
use crate::source::{Read, Source, SourceError};
use crate::thread::{self, Stop};

/// Blocks that may wait between decoder and reader.
const QUEUE: usize = 4;

/// Blocks on their way to the reader; `None` says that the stream has ended.
type Handed = Result<Option<Block>, SourceError>;

/// The reading end.
pub(super) struct ContainerSource {
    name: String,
    blocks: Receiver<Handed>,
    /// Takes back blocks, for their buffers.
    used: Sender<Block>,
    shared: Arc<Shared>,
    clock: Clock,
    stop: Stop,
}

#[derive(Default)]
struct Shared {
    /// The reading end is gone.
    abandoned: AtomicBool,
    corrupt: AtomicU64,
}

impl ContainerSource {
    /// Starts the decoding thread.
    pub(super) fn start(
        name: &str,
        descriptor: OwnedFd,
        clock: Clock,
        stop: &Stop,
    ) -> Result<Self, SourceError> {
        let (sender, blocks) = bounded(QUEUE);
        let (used, returned) = bounded(QUEUE + 1);
        let shared = Arc::new(Shared::default());
        let pipe = Pipe { descriptor, stop: stop.clone(), shared: shared.clone() };
        let decoding = name.to_owned();
        thread::spawn("decode", move || {
            let last = decode(&decoding, pipe, &sender, &returned).map(|()| None);
            // A reader that is gone wants no answer.
            let _ = sender.send(last);
        })
        .map_err(|error| SourceError::Transient(format!("no thread for `{name}`: {error}")))?;
        Ok(Self { name: name.into(), blocks, used, shared, clock, stop: stop.clone() })
    }
}

impl Source for ContainerSource {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
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

    fn corrupt(&self) -> u64 {
        self.shared.corrupt.load(Ordering::Relaxed)
    }
}

impl Drop for ContainerSource {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}

/// The decoding thread: until the stream ends or nobody listens.
fn decode(
    name: &str,
    mut pipe: Pipe,
    sender: &Sender<Handed>,
    returned: &Receiver<Block>,
) -> Result<(), SourceError> {
    let shared = pipe.shared.clone();
    let mut decoder = match regular_file(&pipe.descriptor) {
        // A redirected file can be seeked, which some containers need.
        Some(file) => Decoder::from_file(name.into(), file, None, Some(&pipe.stop))?,
        None => {
            let mut first = vec![0; 4096];
            let count = pipe.read(&mut first).map_err(|error| unreadable(name, &error))?;
            if count == 0 {
                return Err(nothing_came(name));
            }
            first.truncate(count);
            Decoder::from_stream(name.into(), Cursor::new(first).chain(pipe))?
        }
    };
    loop {
        let mut block = returned.try_recv().unwrap_or_else(|_| Block::with_capacity(ANY_RATE, 1, 0));
        let more = decoder.next(&mut block)?;
        shared.corrupt.store(decoder.corrupt(), Ordering::Relaxed);
        if !more || sender.send(Ok(Some(block))).is_err() {
            return Ok(());
        }
    }
}

/// `descriptor` as a file, where it is a regular one that holds something.
fn regular_file(descriptor: &OwnedFd) -> Option<File> {
    let file = File::from(descriptor.try_clone().ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0).then_some(file)
}

/// Blocking reads that the stop token ends, and the loss of the reader.
struct Pipe {
    descriptor: OwnedFd,
    stop: Stop,
    shared: Arc<Shared>,
}

impl io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        /// How soon the loss of the reader is noticed.
        const LOOK_UP: Duration = Duration::from_millis(500);
        while !self.shared.abandoned.load(Ordering::Relaxed) {
            match self.stop.wait_readable(self.descriptor.as_fd(), LOOK_UP)? {
                None => break,
                Some(false) => continue,
                Some(true) => {
                    if let Some(count) = read(&self.descriptor, buffer)? {
                        return Ok(count);
                    }
                }
            }
        }
        Err(io::Error::other("nobody listens any more"))
    }
}
