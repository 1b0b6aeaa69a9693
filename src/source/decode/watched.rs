//! A file whose reads end when the stop token is set.
//!
//! A demuxer that looks for the next packet reads for as long as it finds none,
//! through gigabytes of junk if need be; nothing else can interrupt it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

use crate::thread::Stop;

/// A regular file and the token that ends reading it; without one nothing does.
pub(super) struct Watched {
    file: File,
    stop: Option<Stop>,
}

impl Watched {
    pub(super) fn new(file: File, stop: Option<&Stop>) -> Self {
        Self { file, stop: stop.cloned() }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, stop: self.stop.clone() })
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Of a kind that nobody tries again or takes for the end of the file.
        match &self.stop {
            Some(stop) if stop.is_set() => Err(io::Error::other("reading was stopped")),
            _ => self.file.read(buffer),
        }
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl MediaSource for Watched {
    fn is_seekable(&self) -> bool {
        self.file.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.file.byte_len()
    }
}
