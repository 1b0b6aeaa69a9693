//! Encoded audio on its way from a source worker to the writer.

use std::sync::Arc;

use crate::audio::SourceId;
use crate::event::ClipFormat;

/// Longest difference, in seconds, between the end of a packet and the start of the next one that
/// is no gap.
pub(super) const GAP_S: f64 = 0.002;

/// Encoding of consecutive chunks. Only chunks of one stream can share a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClipStream {
    /// Number of the stream among those of its source.
    pub(super) number: u64,
    pub(super) format: ClipFormat,
    /// Sample rate of the encoder, in Hz.
    pub(super) rate: u32,
    /// One or two.
    pub(super) channels: u16,
    /// Samples per channel in a packet that is not the last before a gap.
    pub(super) packet_samples: u32,
    /// Delay of the encoder, in samples per channel: decoded audio begins that much later.
    pub(super) delay: u32,
}

/// Packet or frame within a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ClipPacket {
    /// Time of the first sample, in seconds of the source.
    pub(super) start_s: f64,
    /// Samples per channel.
    pub(super) samples: u32,
    /// Code of the channel assignment, in FLAC.
    pub(super) assignment: u8,
    /// End in the bytes of the chunk. The packet before, if any, ends where this one begins.
    pub(super) end: usize,
}

/// About half a second of encoded audio of one source.
#[derive(Debug, Clone)]
pub(super) struct ClipChunk {
    pub(super) source: SourceId,
    pub(super) stream: Arc<ClipStream>,
    /// At least one packet, in the order of time.
    pub(super) packets: Vec<ClipPacket>,
    pub(super) bytes: Vec<u8>,
}

impl ClipChunk {
    /// Time of the first sample, in seconds of the source.
    pub(super) fn start_s(&self) -> f64 {
        self.packets.first().map_or(0.0, |packet| packet.start_s)
    }

    /// Time after the last sample, in seconds of the source.
    pub(super) fn end_s(&self) -> f64 {
        self.packets.last().map_or(0.0, |packet| packet.end_s(self.stream.rate))
    }

    /// Memory that the chunk occupies, in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.capacity() + self.packets.capacity() * size_of::<ClipPacket>() + size_of::<Self>()
    }

    /// The packets with their bytes.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (ClipPacket, &[u8])> {
        let starts = std::iter::once(0).chain(self.packets.iter().map(|packet| packet.end));
        let ranges: Vec<_> = starts.zip(&self.packets).collect();
        ranges.into_iter().map(|(start, packet)| (*packet, &self.bytes[start..packet.end]))
    }
}

impl ClipPacket {
    /// Time after the last sample, in seconds of the source, at `rate` Hz.
    pub(super) fn end_s(&self, rate: u32) -> f64 {
        self.start_s + f64::from(self.samples) / f64::from(rate)
    }
}
