//! Frames of 32 bits per sample with decorrelated channels.
//!
//! The difference of two such channels takes 33 bits (RFC 9639, section 9.2.3), which symphonia's
//! decoder misreads. The frame is decoded here and encoded again without prediction.

use symphonia::core::checksum::{Crc8Ccitt, Crc16Ansi};
use symphonia::core::io::Monitor;

use super::frame::{FlacBits, FlacHeader};

/// Rewrites the frame with both channels coded independently as verbatim samples; `None` if it is
/// malformed.
pub(super) fn rewrite(frame: &[u8], header: &FlacHeader) -> Option<Vec<u8>> {
    let mut bits = FlacBits { data: frame, at: header.length * 8 };
    let mut plane = |channel| {
        let width = 32 + usize::from(header.side() == Some(channel));
        subframe(&mut bits, header.samples as usize, width)
    };
    let (first, second) = (plane(0)?, plane(1)?);
    let pairs = first.into_iter().zip(second);
    let (left, right): (Vec<i64>, Vec<i64>) = match header.assignment {
        FlacHeader::LEFT_SIDE => pairs.map(|(left, side)| (left, left.wrapping_sub(side))).unzip(),
        FlacHeader::SIDE_RIGHT => pairs.map(|(side, right)| (right.wrapping_add(side), right)).unzip(),
        _ => pairs
            .map(|(mid, side)| {
                let mid = mid.wrapping_shl(1) | (side & 1);
                (mid.wrapping_add(side) >> 1, mid.wrapping_sub(side) >> 1)
            })
            .unzip(),
    };
    let mut rewritten = frame.get(..header.length - 1)?.to_vec();
    // Two independent channels.
    rewritten[3] = rewritten[3] & 0x0f | 1 << 4;
    let mut crc = Crc8Ccitt::new(0);
    crc.process_buf_bytes(&rewritten);
    rewritten.push(crc.crc());
    for plane in [left, right] {
        rewritten.push(VERBATIM);
        rewritten.extend(plane.into_iter().flat_map(|sample| (sample as i32).to_be_bytes()));
    }
    let mut crc = Crc16Ansi::new(0);
    crc.process_buf_bytes(&rewritten);
    rewritten.extend(crc.crc().to_be_bytes());
    Some(rewritten)
}

/// Header of a subframe without prediction.
const VERBATIM: u8 = 1 << 1;

/// Decodes a subframe of `count` samples of `width` bits (RFC 9639, section 9.2).
fn subframe(bits: &mut FlacBits<'_>, count: usize, width: usize) -> Option<Vec<i64>> {
    let kind = bits.take(7).ok()? as usize;
    let wasted = if bits.take(1).ok()? == 1 { bits.unary().ok()? + 1 } else { 0 };
    let width = width.checked_sub(wasted)?;
    let mut samples = Vec::with_capacity(count);
    let order = match kind {
        0 => {
            samples.resize(count, bits.signed(width)?);
            0
        }
        1 => count,
        8..=12 => kind - 8,
        32..64 => kind - 31,
        _ => return None,
    };
    while samples.len() < order.min(count) {
        samples.push(bits.signed(width)?);
    }
    let (mut coefficients, mut shift) = (fixed(kind), 0);
    if kind >= 32 {
        let precision = bits.take(4).ok()? as usize + 1;
        shift = bits.signed(5)?;
        coefficients = (0..order).map(|_| bits.signed(precision)).collect::<Option<_>>()?;
    }
    if samples.len() < count {
        residual(bits, count, order, |difference| {
            let past = samples.iter().rev().zip(&coefficients);
            let predicted = past.fold(0_i64, |sum, (x, c)| sum.wrapping_add(x.wrapping_mul(*c)));
            samples.push((predicted >> shift.clamp(0, 31)).wrapping_add(difference));
        })?;
    }
    samples.iter_mut().for_each(|sample| *sample = sample.wrapping_shl(wasted as u32));
    (samples.len() == count).then_some(samples)
}

/// Coefficients of the fixed predictors, newest sample first.
fn fixed(kind: usize) -> Vec<i64> {
    match kind {
        9 => vec![1],
        10 => vec![2, -1],
        11 => vec![3, -3, 1],
        12 => vec![4, -6, 4, -1],
        _ => Vec::new(),
    }
}

/// Decodes a residual (RFC 9639, section 9.2.7), value by value.
fn residual(bits: &mut FlacBits<'_>, count: usize, order: usize, mut each: impl FnMut(i64)) -> Option<()> {
    let width = 4 + bits.take(2).ok()? as usize;
    let partitions = 1_usize << bits.take(4).ok()?;
    for partition in 0..partitions {
        let length = (count / partitions).checked_sub(if partition == 0 { order } else { 0 })?;
        let parameter = bits.take(width).ok()? as usize;
        let raw = if parameter == (1 << width) - 1 { Some(bits.take(5).ok()? as usize) } else { None };
        for _ in 0..length {
            each(match raw {
                Some(raw) => bits.signed(raw)?,
                None => {
                    let folded = (bits.unary().ok()? as u64) << parameter | bits.take(parameter).ok()?;
                    (folded >> 1) as i64 ^ -((folded & 1) as i64)
                }
            });
        }
    }
    Some(())
}
