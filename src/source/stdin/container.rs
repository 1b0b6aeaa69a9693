//! Container that arrives through a pipe.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::pipe::{nothing_came, read, unreadable};
use crate::permits::Permits;
use crate::source::SourceError;
use crate::source::clock::Clock;
use crate::source::decode::Decoder;
use crate::source::threaded_decoder::{DecodeWorker, DecoderStatus, ThreadedDecoder};
use crate::thread::Stop;

/// Starts decoding `descriptor`.
///
/// # Errors
/// Transient if the system refuses a thread.
pub(super) fn start(
    name: &str,
    descriptor: OwnedFd,
    clock: Clock,
    permits: Option<&Permits>,
    stop: &Stop,
) -> Result<ThreadedDecoder, SourceError> {
    let (decoding, watched) = (name.to_owned(), stop.clone());
    ThreadedDecoder::start(name, clock, permits, stop, move |worker| {
        decode(&decoding, descriptor, watched, worker)
    })
}

/// Body of the decoding thread. Ends with the stream or with its reader.
fn decode(name: &str, descriptor: OwnedFd, stop: Stop, worker: &DecodeWorker) -> Result<(), SourceError> {
    let mut pipe = PipeReader { descriptor, stop, shared: worker.shared.clone() };
    let decoder = match regular_file(&pipe.descriptor) {
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
    worker.decode_all(decoder).map(drop).map_err(|(_, error)| error)
}

/// `descriptor` as a file, if it is a regular file that is not empty.
fn regular_file(descriptor: &OwnedFd) -> Option<File> {
    let file = File::from(descriptor.try_clone().ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0).then_some(file)
}

/// Blocking reader that ends with the stop token or with the source's reader.
struct PipeReader {
    descriptor: OwnedFd,
    stop: Stop,
    shared: Arc<DecoderStatus>,
}

impl io::Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        /// Polling interval for the loss of the reader.
        const LOOK_UP: Duration = Duration::from_millis(500);
        while !self.shared.is_abandoned() {
            match self.shared.wait_readable(&self.stop, self.descriptor.as_fd(), LOOK_UP)? {
                None => break,
                Some(false) => continue,
                Some(true) => {
                    if let Some(count) = read(&self.descriptor, buffer)? {
                        return Ok(count);
                    }
                }
            }
        }
        Err(io::Error::other("the reader is gone"))
    }
}
