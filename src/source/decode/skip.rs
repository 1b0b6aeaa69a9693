//! Passing over packets without decoding them.

use symphonia::core::packet::Packet;

use super::Decoder;
use super::timeline::Timeline;
use crate::audio::{Block, Span};
use crate::source::SourceError;

/// Packets after a skip that may fail: an MP3 frame refers to the ones before it (its bit reservoir), and the first
/// block of other codecs overlaps one that is missing.
const PRE_ROLL: u32 = 4;

impl Decoder {
    /// The same decoder, which computes only with a permit (see [`crate::permits`]).
    pub(in crate::source) fn with_permits(mut self) -> Self {
        self.with_permits = true;
        self
    }

    /// Passes over at least `seconds` of audio, or what is left of it. `block` is left without samples; its span says
    /// which ones they would have been. Returns false at the end.
    ///
    /// The next block that is decoded begins at a gap.
    ///
    /// # Errors
    /// As [`Decoder::next`].
    pub(in crate::source) fn skip(&mut self, seconds: f64, block: &mut Block) -> Result<bool, SourceError> {
        block.interleaved.clear();
        block.anchor = None;
        let start = self.position;
        self.position += ((self.packet.len() - self.taken) / usize::from(self.channels)) as u64;
        self.packet.clear();
        self.taken = 0;
        let target = start + self.rate.samples(seconds).max(1);
        while self.position < target
            && let Some(packet) = self.next_packet()?
        {
            self.skip_packet(&packet);
        }
        (block.rate, block.channels, block.gap) = (self.rate, self.channels, true);
        block.span = Span { start, end: self.position };
        self.gap = true;
        self.track.codec.reset();
        self.pre_roll = PRE_ROLL;
        Ok(self.position > start)
    }

    fn skip_packet(&mut self, packet: &Packet) {
        let track = &mut self.track;
        let count = match track.samples(packet.block_dur()) {
            // Matroska need not state durations.
            0 => track.usual,
            count => count,
        };
        let kept = track.cut(count, 0, 0);
        self.position += kept.end - kept.start;
        // Timestamps are compared again from the next packet on.
        track.timeline = Timeline::default();
    }
}
