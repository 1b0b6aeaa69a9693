//! MPEG transport streams without a playlist, as IPTV boxes and encoders send them over HTTP.

use std::io::{self, Read};

use super::hls::frames::FrameCodec;
use super::hls::ts::{DemuxedAudio, PACKET, TsDemuxer, is_transport_within};

/// Bytes that identify a transport stream at any alignment: four packets and the rest of one.
pub(super) const TELLING: usize = 5 * PACKET;

/// Bytes per read.
const PIECE: usize = 4096;

/// Maximum number of bytes before the tables that announce the audio.
const MAX_SEARCHED: usize = 2 * 1024 * 1024;

/// Maximum number of bytes in which another programme may announce audio after an unsupported one.
const MAX_OTHERS: usize = 128 * 1024;

/// Returns true if a body that begins with `first` is a transport stream.
pub(super) fn is_transport(first: &[u8]) -> bool {
    is_transport_within(first)
}

/// Audio of a transport stream, as bare frames.
pub(super) struct TransportReader<R, F> {
    inner: R,
    demuxer: TsDemuxer,
    /// Demultiplexed frames, of which `at` bytes have been read.
    ready: Vec<u8>,
    at: usize,
    on_title: F,
}

impl<R: Read, F: FnMut(&str)> TransportReader<R, F> {
    /// Reads up to the first audio; `on_title` receives titles.
    ///
    /// # Errors
    /// [`TransportError`]: reading failed, or the codec is not supported.
    pub(super) fn open(inner: R, on_title: F) -> Result<(Self, FrameCodec), TransportError> {
        let mut transport = Self { inner, demuxer: TsDemuxer::default(), ready: Vec::new(), at: 0, on_title };
        let (mut read, mut foreign) = (0, None);
        loop {
            match transport.fill() {
                Ok(0) => return Err(TransportError::Ended),
                Ok(count) => read += count,
                Err(error) => return Err(TransportError::Failed(error)),
            }
            match (transport.demuxer.codec(), transport.demuxer.refusal()) {
                (Some(codec), _) if !transport.ready.is_empty() => return Ok((transport, codec)),
                (_, Some(what)) if read - *foreign.get_or_insert(read) >= MAX_OTHERS => {
                    return Err(TransportError::Foreign(what));
                }
                _ if read >= MAX_SEARCHED => return Err(TransportError::Foreign("no audio")),
                _ => {}
            }
        }
    }

    /// Reads into `ready` and returns the number of bytes read.
    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; PIECE];
        let count = self.inner.read(&mut chunk)?;
        let mut found = DemuxedAudio::default();
        self.demuxer.push(&chunk[..count], &mut found);
        if self.at == self.ready.len() {
            (self.ready, self.at) = (Vec::new(), 0);
        }
        self.ready.extend(found.chunks.into_iter().flat_map(|chunk| chunk.bytes));
        if let Some(title) = &found.title {
            (self.on_title)(title);
        }
        Ok(count)
    }
}

/// Reason for not decoding a transport stream.
#[derive(Debug)]
pub(super) enum TransportError {
    /// Ended before any audio.
    Ended,
    /// Read error.
    Failed(io::Error),
    /// Content that is not decoded, by its name.
    Foreign(&'static str),
}

impl<R: Read, F: FnMut(&str)> Read for TransportReader<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let codec = self.demuxer.codec();
        while self.at == self.ready.len() {
            if self.fill()? == 0 {
                return Ok(0);
            }
            if self.demuxer.codec() != codec {
                return Err(io::Error::other("the programme continues in another codec"));
            }
        }
        let left = &self.ready[self.at..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}
