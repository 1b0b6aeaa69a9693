//! Newest audio of one source, encoded, in bounded memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chunk::{ClipChunk, ClipPacket, ClipStream};

/// Chunks of the last seconds.
#[derive(Debug)]
pub(super) struct ClipRing {
    chunks: VecDeque<ClipChunk>,
    size: usize,
    keep_s: f64,
    max_size: usize,
}

impl ClipRing {
    /// Ring that keeps `keep_s` seconds in at most `max_size` bytes.
    pub(super) fn new(keep_s: f64, max_size: usize) -> Self {
        Self { chunks: VecDeque::new(), size: 0, keep_s, max_size }
    }

    /// Adds a chunk and evicts the oldest ones that are too much.
    pub(super) fn push(&mut self, chunk: ClipChunk) {
        let oldest_s = chunk.end_s() - self.keep_s;
        self.size += chunk.size();
        self.chunks.push_back(chunk);
        while let Some(front) = self.chunks.front()
            && (front.end_s() < oldest_s || self.size > self.max_size)
        {
            self.size -= front.size();
            self.chunks.pop_front();
        }
    }

    /// Memory of the chunks, in bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Time after the newest sample, in seconds of the source; `None` while the ring is empty.
    #[cfg(test)]
    pub(super) fn end_s(&self) -> Option<f64> {
        self.chunks.back().map(ClipChunk::end_s)
    }

    /// Stream of the newest chunk.
    pub(super) fn newest_stream(&self) -> Option<&Arc<ClipStream>> {
        self.chunks.back().map(|chunk| &chunk.stream)
    }

    /// Stream at `time_s`: that of the last chunk that begins before, else of the oldest chunk.
    pub(super) fn stream_at(&self, time_s: f64) -> Option<&Arc<ClipStream>> {
        let before = self.chunks.iter().rev().find(|chunk| chunk.start_s() <= time_s);
        before.or_else(|| self.chunks.front()).map(|chunk| &chunk.stream)
    }

    /// Packets of `stream` that end after `time_s`, in order.
    pub(super) fn packets_after<'a>(
        &'a self,
        stream: &'a ClipStream,
        time_s: f64,
    ) -> impl Iterator<Item = (ClipPacket, &'a [u8])> {
        self.chunks
            .iter()
            .filter(move |chunk| *chunk.stream == *stream && chunk.end_s() > time_s)
            .flat_map(ClipChunk::iter)
            .filter(move |(packet, _)| packet.end_s(stream.rate) > time_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SourceId;
    use crate::event::ClipFormat;

    fn stream(number: u64) -> Arc<ClipStream> {
        let (format, rate, channels) = (ClipFormat::Flac, 100, 1);
        Arc::new(ClipStream { number, format, rate, channels, packet_samples: 25, delay: 0 })
    }

    /// Half a second from `start_s` on, in `size` bytes.
    fn chunk(stream: &Arc<ClipStream>, start_s: f64, size: usize) -> ClipChunk {
        let packet = |start_s, end| ClipPacket { start_s, samples: 25, assignment: 0, end };
        let packets = vec![packet(start_s, size / 2), packet(start_s + 0.25, size)];
        ClipChunk { source: SourceId(0), stream: stream.clone(), packets, bytes: vec![0; size] }
    }

    #[test]
    fn old_chunks_are_evicted_by_age_and_by_size() {
        let first = stream(1);
        let mut ring = ClipRing::new(2.0, 10_000);
        (0..100).for_each(|half| ring.push(chunk(&first, f64::from(half) / 2.0, 100)));
        assert_eq!(ring.end_s(), Some(50.0));
        assert_eq!(ring.packets_after(&first, 0.0).next().map(|(packet, _)| packet.start_s), Some(47.5));
        for half in 100..200 {
            ring.push(chunk(&first, f64::from(half) / 2.0, 4000));
            assert!(ring.size() <= 10_000, "{}", ring.size());
        }
        assert_eq!(ring.packets_after(&first, 99.3).count(), 3);
        ring.push(chunk(&first, 100.0, 20_000));
        assert_eq!((ring.size(), ring.end_s()), (0, None), "a chunk that is too large by itself");
    }

    #[test]
    fn streams_are_told_apart() {
        let (first, second) = (stream(1), stream(2));
        let mut ring = ClipRing::new(60.0, 1 << 20);
        assert!(ring.stream_at(0.0).is_none());
        ring.push(chunk(&first, 0.0, 10));
        ring.push(chunk(&second, 0.5, 10));
        let number = |time_s| ring.stream_at(time_s).map(|stream| stream.number);
        assert_eq!([-1.0, 0.4, 0.6, 9.0].map(number), [Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!(ring.packets_after(&second, 0.0).count(), 2);
        assert_eq!(ring.newest_stream().map(|stream| stream.number), Some(2));
    }
}
