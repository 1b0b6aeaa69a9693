//! FLAC encoder (RFC 9639) for clips: 24 bits per sample, fixed predictors.
//!
//! Most sources have 16 bits. Their samples have eight zero bits, which FLAC leaves out of each
//! subframe ("wasted bits"), so that 24 bits cost nothing. Frames are kept without header and
//! checksum: both depend on the place in the file, and are made when the frame is written.

use super::bits::BitWriter;
use super::flac_subframe::{SubframeCoder, residual_sums};

/// Bits per sample in the file.
const BITS: u32 = 24;

/// Scale of 24 and of 16 bits.
const FULL_SCALE_24: f32 = 8_388_608.0;
const FULL_SCALE_16: f32 = 32_768.0;

/// Assignment of channels in a frame header.
const LEFT_SIDE: u8 = 0b1000;
const SIDE_RIGHT: u8 = 0b1001;

/// Shortest block within a stream, in samples; the format allows a shorter one at the end only.
pub(super) const MIN_BLOCK: usize = 16;

/// Encoder of blocks of one or two channels.
#[derive(Debug, Default)]
pub(super) struct FlacEncoder {
    left: Vec<i32>,
    right: Vec<i32>,
    side: Vec<i32>,
    coder: SubframeCoder,
    bits: BitWriter,
}

impl FlacEncoder {
    /// Appends the subframes of a block to `out`, padded to bytes. `interleaved` holds one or two
    /// channels of finite samples. Returns the code of the channel assignment.
    pub(super) fn encode(&mut self, interleaved: &[f32], channels: u16, out: &mut Vec<u8>) -> u8 {
        let scale = scale_of(interleaved);
        let (gain, shift) = if scale == FULL_SCALE_24 { (scale, 0) } else { (scale, 8) };
        // More low bits may be zero in the whole block than the scale implies.
        let quantised = |sample: f32| (sample * gain).round_ties_even().clamp(-gain, gain - 1.0) as i32;
        self.left.clear();
        if channels == 1 {
            self.left.extend(interleaved.iter().map(|&sample| quantised(sample)));
            self.coder.encode(&mut self.bits, &self.left, BITS - shift, shift);
            self.bits.finish_into(out);
            return 0;
        }
        self.right.clear();
        self.side.clear();
        for &[left, right] in interleaved.as_chunks::<2>().0 {
            let (left, right) = (quantised(left), quantised(right));
            self.left.push(left);
            self.right.push(right);
            self.side.push(left - right);
        }
        let [left, right, side] = [&self.left, &self.right, &self.side].map(|x| residual_sums(x)[2]);
        let (plain, side_bits) = (BITS - shift, BITS - shift + 1);
        let (first, second, assignment) = if side >= left.max(right) {
            ((&self.left, plain), (&self.right, plain), 0b0001)
        } else if left <= right {
            ((&self.left, plain), (&self.side, side_bits), LEFT_SIDE)
        } else {
            ((&self.side, side_bits), (&self.right, plain), SIDE_RIGHT)
        };
        self.coder.encode(&mut self.bits, first.0, first.1, shift);
        self.coder.encode(&mut self.bits, second.0, second.1, shift);
        self.bits.finish_into(out);
        assignment
    }
}

/// Full scale of the block's quantisation: 24 bits where that is exact and 16 bits are not, else
/// 16 bits.
fn scale_of(interleaved: &[f32]) -> f32 {
    let exact = |scale: f32| interleaved.iter().all(|&sample| (sample * scale).fract() == 0.0);
    if !exact(FULL_SCALE_16) && exact(FULL_SCALE_24) { FULL_SCALE_24 } else { FULL_SCALE_16 }
}
