//! Skipping packets without decoding them.

use symphonia::core::packet::Packet;

use super::Decoder;
use crate::audio::{Block, Span};
use crate::permits::Permits;
use crate::source::SourceError;
use crate::source::decode::timeline::SampleTimeline;

/// Number of packets after a skip that may fail: an MP3 frame refers to earlier ones (bit
/// reservoir), and the first block of other codecs overlaps a missing one.
const PRE_ROLL: u32 = 4;

impl Decoder {
    /// Decodes each packet with a permit, if `permits` are given.
    pub(in crate::source) fn with_permits(mut self, permits: Option<Permits>) -> Self {
        self.permits = permits;
        self
    }

    /// Skips at least `seconds` of audio, or the rest of it. `block` is left without samples; its
    /// span covers the skipped ones. Returns false at the end.
    ///
    /// The next decoded block has `gap` set.
    ///
    /// # Errors
    /// See [`Decoder::next`].
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
        track.timeline = SampleTimeline::default();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::source::decode::ANY_RATE;

    fn open() -> Decoder {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/loop.mp3");
        Decoder::from_file("loop".into(), File::open(path).unwrap(), Some("mp3"), None).unwrap()
    }

    /// Decodes up to sample `end` or to the end; returns the samples and the last position.
    fn decode(decoder: &mut Decoder, block: &mut Block, end: u64) -> (Vec<f32>, u64) {
        let (mut samples, mut at) = (Vec::new(), 0);
        while at < end && decoder.next(block).unwrap() {
            samples.extend_from_slice(&block.interleaved);
            at = block.span.end;
        }
        (samples, at)
    }

    #[test]
    fn what_follows_a_skip_is_where_it_was_and_sounds_as_it_did() {
        let mut block = Block::with_capacity(ANY_RATE, 1, 0);
        let (whole, length) = decode(&mut open(), &mut block, u64::MAX);
        let channels = usize::from(block.channels);
        assert_eq!(whole.len(), length as usize * channels);

        let mut decoder = open();
        let (_, before) = decode(&mut decoder, &mut block, 88_200);
        assert!(decoder.skip(3.0, &mut block).unwrap());
        assert!(block.interleaved.is_empty() && block.span.start == before);
        let skipped = block.rate.seconds(block.span.len());
        assert!((3.0..3.2).contains(&skipped), "{skipped}");
        let resumes = block.span.end;

        assert!(decoder.next(&mut block).unwrap());
        assert!(block.gap);
        let first = block.span.start;
        // Frames that refer to skipped ones are omitted.
        assert!((resumes..resumes + 5 * 1152).contains(&first), "{first}, not {resumes}");
        let mut rest = block.interleaved.clone();
        let (more, end) = decode(&mut decoder, &mut block, u64::MAX);
        rest.extend(more);
        assert_eq!(end, length);
        assert_eq!(decoder.corrupt(), 0);
        // After the frames that overlap skipped ones, all samples are equal.
        let settled = 5 * 1152 * channels;
        let expected = &whole[first as usize * channels..];
        assert_eq!(rest.len(), expected.len());
        assert!(rest[settled..] == expected[settled..]);
    }

    #[test]
    fn a_skip_ends_with_the_stream() {
        let mut block = Block::with_capacity(ANY_RATE, 1, 0);
        let mut decoder = open();
        assert!(decoder.skip(600.0, &mut block).unwrap());
        let length = block.rate.seconds(block.span.end);
        assert!((11.9..12.2).contains(&length), "{length}");
        assert!(!decoder.skip(1.0, &mut block).unwrap());
        assert!(!decoder.next(&mut block).unwrap());
    }
}
