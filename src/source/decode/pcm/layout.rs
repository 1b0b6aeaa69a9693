//! Storage of PCM values: integers, floats and logarithmic codes of either byte order.

use std::ops::Range;

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::*;

/// Byte order of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// Number of two bytes at `at`; 0 if there are too few.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let Some(bytes) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return 0 };
        match self {
            Self::Little => u16::from_le_bytes(*bytes),
            Self::Big => u16::from_be_bytes(*bytes),
        }
    }

    /// Number of four bytes at `at`; 0 if there are too few.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let Some(bytes) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return 0 };
        match self {
            Self::Little => u32::from_le_bytes(*bytes),
            Self::Big => u32::from_be_bytes(*bytes),
        }
    }

    /// Number of eight bytes at `at`; 0 if there are too few.
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let Some(bytes) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return 0 };
        match self {
            Self::Little => u64::from_le_bytes(*bytes),
            Self::Big => u64::from_be_bytes(*bytes),
        }
    }
}

/// Interpretation of a value's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SampleValues {
    Signed,
    Unsigned,
    Float,
    /// ITU-T G.711
    ALaw,
    /// ITU-T G.711
    MuLaw,
}

/// Storage of uncompressed values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PcmLayout {
    /// Codec that decodes the bytes in `kept`.
    pub(super) codec: AudioCodecId,
    /// Bytes of one value in the container.
    pub(super) width: usize,
    /// Decoded bytes of a value: of integers of more than 32 bits, the most significant four.
    kept: Range<usize>,
}

impl PcmLayout {
    /// Layout of values of `width` bytes; `None` if there are no such values.
    pub(super) fn new(values: SampleValues, order: ByteOrder, width: usize) -> Option<Self> {
        use ByteOrder::{Big, Little};
        use SampleValues::{ALaw, Float, MuLaw, Signed, Unsigned};
        let codec = match (values, order, width) {
            (Signed, _, 1) => CODEC_ID_PCM_S8,
            (Signed, Little, 2) => CODEC_ID_PCM_S16LE,
            (Signed, Big, 2) => CODEC_ID_PCM_S16BE,
            (Signed, Little, 3) => CODEC_ID_PCM_S24LE,
            (Signed, Big, 3) => CODEC_ID_PCM_S24BE,
            (Signed, Little, 4..=8) => CODEC_ID_PCM_S32LE,
            (Signed, Big, 4..=8) => CODEC_ID_PCM_S32BE,
            (Unsigned, _, 1) => CODEC_ID_PCM_U8,
            (Unsigned, Little, 2) => CODEC_ID_PCM_U16LE,
            (Unsigned, Big, 2) => CODEC_ID_PCM_U16BE,
            (Unsigned, Little, 3) => CODEC_ID_PCM_U24LE,
            (Unsigned, Big, 3) => CODEC_ID_PCM_U24BE,
            (Unsigned, Little, 4..=8) => CODEC_ID_PCM_U32LE,
            (Unsigned, Big, 4..=8) => CODEC_ID_PCM_U32BE,
            (Float, Little, 4) => CODEC_ID_PCM_F32LE,
            (Float, Big, 4) => CODEC_ID_PCM_F32BE,
            (Float, Little, 8) => CODEC_ID_PCM_F64LE,
            (Float, Big, 8) => CODEC_ID_PCM_F64BE,
            (ALaw, _, 1) => CODEC_ID_PCM_ALAW,
            (MuLaw, _, 1) => CODEC_ID_PCM_MULAW,
            _ => return None,
        };
        let kept = match (values, order) {
            (Signed | Unsigned, Little) => width.saturating_sub(4)..width,
            (Signed | Unsigned, Big) => 0..width.min(4),
            _ => 0..width,
        };
        Some(Self { codec, width, kept })
    }

    /// Reduces whole values to the decoded bytes.
    pub(super) fn reduce(&self, bytes: &mut Vec<u8>) {
        let count = self.kept.len();
        if count == self.width {
            return;
        }
        let values = bytes.len() / self.width;
        for value in 0..values {
            let from = value * self.width + self.kept.start;
            bytes.copy_within(from..from + count, value * count);
        }
        bytes.truncate(values * count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most significant bytes of long integers are kept, as by ffmpeg's `pcm_s64le` when it
    /// converts to 32 bits.
    #[test]
    fn long_integers_keep_their_most_significant_bytes() {
        let check = |order, expected: &[u8]| {
            let mut bytes: Vec<u8> = (0..16).collect();
            PcmLayout::new(SampleValues::Signed, order, 8).unwrap().reduce(&mut bytes);
            assert_eq!(bytes, expected, "{order:?}");
        };
        check(ByteOrder::Little, &[4, 5, 6, 7, 12, 13, 14, 15]);
        check(ByteOrder::Big, &[0, 1, 2, 3, 8, 9, 10, 11]);
        let mut bytes = vec![1, 2, 3, 4, 5, 6];
        PcmLayout::new(SampleValues::Signed, ByteOrder::Little, 3).unwrap().reduce(&mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6]);
        assert_eq!(PcmLayout::new(SampleValues::Float, ByteOrder::Little, 2), None);
        assert_eq!(PcmLayout::new(SampleValues::Signed, ByteOrder::Little, 0), None);
    }
}
