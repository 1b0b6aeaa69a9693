//! File whose reads end with the stop token.
//!
//! A demuxer that searches for the next packet reads until it finds one, through gigabytes of junk
//! if necessary; nothing else can interrupt it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

use crate::thread::Stop;

/// Regular file, and the token that ends its reads, if any.
pub(super) struct StoppableFile {
    file: File,
    stop: Option<Stop>,
}

impl StoppableFile {
    pub(super) fn new(file: File, stop: Option<&Stop>) -> Self {
        Self { file, stop: stop.cloned() }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, stop: self.stop.clone() })
    }
}

impl Read for StoppableFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An error kind that no caller retries or takes for the end of the file.
        match &self.stop {
            Some(stop) if stop.is_set() => Err(io::Error::other("reading was stopped")),
            _ => self.file.read(buffer),
        }
    }
}

impl Seek for StoppableFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl MediaSource for StoppableFile {
    fn is_seekable(&self) -> bool {
        self.file.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.file.byte_len()
    }
}
